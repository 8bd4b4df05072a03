/**
 * Marks the errors of messages on a shared stream that the peer has stopped, perhaps because of another message.
 *
 * The mark belongs to the error object, so that it passes through a user's connection that wraps this library's.
 */
import type { SendError } from "../../SendError.ts"

const marked = new WeakSet<SendError>()

/** Marks an error. */
export const markSharedRefusal = <E extends SendError>(error: E): E => {
  marked.add(error)
  return error
}

/** Tells whether the message may arrive when it is sent again on a stream of its own. */
export const isSharedRefusal = (error: SendError): boolean => marked.has(error)
