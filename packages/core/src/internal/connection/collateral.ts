/**
 * Marks the error of a message whose stream the peer has stopped, perhaps for another message that shared it.
 *
 * The mark is on the error, so that it passes through connections that wrap this library's.
 */
import type { SendError } from "../../SendError.ts"

const collateral = new WeakSet<SendError>()

export const markCollateral = <E extends SendError>(error: E): E => {
  collateral.add(error)
  return error
}

/** Whether the message may arrive when it is sent again, alone. */
export const isCollateral = (error: SendError): boolean => collateral.has(error)
