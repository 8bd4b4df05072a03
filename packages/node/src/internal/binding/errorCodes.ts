/**
 * Error codes across the native boundary.
 */
import * as ErrorCode from "@qp2p/core/ErrorCode"

/** RFC 9000, section 20.1. */
export const NO_ERROR = 0x0
export const INTERNAL_ERROR = 0x1
export const CONNECTION_REFUSED = 0x2
export const APPLICATION_ERROR = 0xc
/** CRYPTO_ERROR + the TLS alert no_application_protocol (RFC 7301, section 3.2). */
export const NO_APPLICATION_PROTOCOL = 0x178

/**
 * Reads the code out of the binding's errors: plain `Error`s whose message, such as `StreamStopped(7)`, is all there is
 * to tell them apart.
 */
export const codeOf = (error: unknown, kind: "StreamReset" | "StreamStopped"): number | undefined => {
  const message = error instanceof Error ? error.message : ""
  return message.startsWith(`${kind}(`) ? ErrorCode.clamp(Number(message.slice(kind.length + 1, -1))) : undefined
}

/**
 * Without stack traces for the errors that `body` makes or throws. They would cost more than what is asked (the binding has
 * no other way to say that a stream is no more), and lead no further than here.
 */
export const untraced = <A>(body: () => A): A => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return body()
  } finally {
    Error.stackTraceLimit = limit
  }
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

export const decodeReason = (reason: Uint8Array): string => decoder.decode(reason)

const longestReason = 1_000

/** The binding never sends a close frame whose reason is over 1,000 bytes. Cut between characters. */
export const encodeReason = (reason: string): Uint8Array => {
  const bytes = encoder.encode(reason)
  if (bytes.length <= longestReason) return bytes
  let end = longestReason
  while ((bytes[end]! & 0xc0) === 0x80) end -= 1
  return bytes.subarray(0, end)
}
