/** Checks what a configuration source is read with. */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as args from "./arguments.ts"

const path = args.optional(args.text)

const isNames = (value: unknown): boolean => Array.isArray(value) && value.every((each) => typeof each === "string")

const options: args.Fields = { others: args.optional(args.check("must be an array of strings", isNames)) }

/** What fails instead, if this is no path of a configuration source, or these are no options of one. */
export const notPath = (value: unknown, given: unknown): Config.Config<never> | undefined => {
  const wrongPath = args.problemWith(path, value)
  const wrongOptions = given === undefined ? undefined : args.problemOf(given, options)
  if (wrongPath !== undefined) return refused(`path ${wrongPath}`)
  return wrongOptions === undefined ? undefined : refused(args.inWords("options", wrongOptions))
}

const refused = (message: string) => Config.fail(new ConfigProvider.SourceError({ message }))
