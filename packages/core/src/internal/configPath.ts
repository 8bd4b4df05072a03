/** Checks the path of a configuration source. */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as args from "./arguments.ts"

const path = args.optional(args.text)

/** What fails instead, if this is no path of a configuration source. */
export const notPath = (value: unknown): Config.Config<never> | undefined => {
  const problem = args.problemWith(path, value)
  return problem === undefined ? undefined : Config.fail(new ConfigProvider.SourceError({ message: `path ${problem}` }))
}
