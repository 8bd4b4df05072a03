/**
 * Checks the arguments of sends, before a dial.
 */
import { type InvalidArgument, ofOptions } from "../../InvalidArgument.ts"
import { SerializationError } from "../../SendError.ts"
import * as args from "../arguments.ts"

/** Checks the options of a send. Returns the error, or undefined when they are valid. */
export const invalidOptions = (options: unknown, fields: args.Fields): SerializationError | undefined => {
  if (options === undefined) return undefined
  const problem = args.problemOf(options, fields)
  return problem === undefined ? undefined : new SerializationError({ detail: args.formatProblem("options", problem) })
}

/** Checks bytes to write, which may be empty. Returns the error, or undefined when they are valid. */
export const invalidBytes = (bytes: unknown): SerializationError | undefined => {
  if (!args.isBytes(bytes)) return new SerializationError({ detail: args.notBytes("what is written", bytes) })
  return args.isDetached(bytes) ? bufferChanged() : undefined
}

/** Checks the options of opening a stream. Returns the error, or undefined when they are valid. */
export const invalidPriority = (options: unknown): InvalidArgument | undefined =>
  ofOptions(options, args.priorityOptions)

/** Makes the error of a payload whose buffer was transferred or resized before all of it was sent. */
export const bufferChanged = (): SerializationError =>
  new SerializationError({ detail: "the payload's buffer was transferred or resized before the message was sent" })
