/**
 * What is to be sent, and how: looked at before anything is dialled or queued for it.
 */
import { type InvalidArgument, ofOptions } from "../../InvalidArgument.ts"
import { SerializationError } from "../../SendError.ts"
import * as args from "../arguments.ts"

/** Why nothing can be sent with these options, if so. Nothing is looked at where there are none. */
export const refusedOptions = (options: unknown, fields: args.Fields): SerializationError | undefined => {
  if (options === undefined) return undefined
  const problem = args.problemOf(options, fields)
  return problem === undefined ? undefined : new SerializationError({ detail: args.formatProblem("options", problem) })
}

/** Why these bytes cannot be written, if so. None at all are no mistake. */
export const wrongBytes = (bytes: unknown): SerializationError | undefined => {
  if (!args.isBytes(bytes)) return new SerializationError({ detail: args.notBytes("what is written", bytes) })
  return args.isDetached(bytes) ? movedAway() : undefined
}

/** Why no stream can be opened with these options, if so. */
export const wrongPriority = (options: unknown): InvalidArgument | undefined => ofOptions(options, args.priorityOptions)

/** What becomes of a message whose bytes went elsewhere, or became more or fewer, before all of it was sent. */
export const movedAway = (): SerializationError =>
  new SerializationError({ detail: "the payload's buffer was transferred or resized before the message was sent" })
