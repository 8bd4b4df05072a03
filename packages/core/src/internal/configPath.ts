/** Checks the arguments of functions that read a configuration source. */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as args from "./arguments.ts"

const path = args.optional(args.text)

const isNames = (value: unknown): boolean => Array.isArray(value) && value.every((each) => typeof each === "string")

const options: args.Fields = { others: args.optional(args.check("must be an array of strings", isNames)) }

/** Returns a failing `Config` when the path or the options are invalid; undefined when they are valid. */
export const invalidPath = (value: unknown, given: unknown): Config.Config<never> | undefined => {
  const wrongPath = args.problemWith(path, value)
  const wrongOptions = given === undefined ? undefined : args.problemOf(given, options)
  if (wrongPath !== undefined) return refused(`path ${wrongPath}`)
  return wrongOptions === undefined ? undefined : refused(args.formatProblem("options", wrongOptions))
}

/** Returns a failing `Config` when the name of a setting is invalid; undefined when it is valid. */
export const invalidName = (value: unknown): Config.Config<never> | undefined => {
  const wrong = args.problemWith(path, value)
  return wrong === undefined ? undefined : refused(`name ${wrong}`)
}

const refused = (message: string) => Config.fail(new ConfigProvider.SourceError({ message }))
