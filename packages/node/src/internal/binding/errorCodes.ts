/**
 * QUIC error codes, and the errors of the native binding.
 */
import * as ErrorCode from "@qp2p/core/ErrorCode"

/** NO_ERROR (RFC 9000, section 20.1): the connection closes without an error. */
export const NO_ERROR = 0x0

/** INTERNAL_ERROR (RFC 9000, section 20.1): this side cannot continue with the connection. */
export const INTERNAL_ERROR = 0x1

/** CONNECTION_REFUSED (RFC 9000, section 20.1): the server does not accept the connection. */
export const CONNECTION_REFUSED = 0x2

/** PROTOCOL_VIOLATION (RFC 9000, section 20.1): the peer does what QUIC does not allow. */
export const PROTOCOL_VIOLATION = 0xa

/**
 * APPLICATION_ERROR (RFC 9000, section 20.1): an application close before the handshake is complete (section 10.2.3).
 */
export const APPLICATION_ERROR = 0xc
/** CRYPTO_ERROR + the TLS alert bad_certificate (RFC 8446, section 6.2). */
export const BAD_CERTIFICATE = 0x12a
/** CRYPTO_ERROR + the TLS alert unsupported_certificate (RFC 8446, section 6.2). */
export const UNSUPPORTED_CERTIFICATE = 0x12b
/** CRYPTO_ERROR + the TLS alert no_application_protocol (RFC 7301, section 3.2). */
export const NO_APPLICATION_PROTOCOL = 0x178

/**
 * Reads the code of a stream error. The binding throws plain `Error`s that differ only in their messages, such as
 * `StreamStopped(7)`.
 */
export const codeOf = (error: unknown, kind: "StreamReset" | "StreamStopped"): number | undefined => {
  const message = error instanceof Error ? error.message : ""
  return message.startsWith(`${kind}(`) ? ErrorCode.clamp(Number(message.slice(kind.length + 1, -1))) : undefined
}

/**
 * Runs `body` with stack traces off. A trace costs more than the call that throws: the binding reports by an error that a
 * stream no longer exists.
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

/** In bytes. */
const maxReasonLength = 1_000

/** Cuts a reason phrase between characters at 1,000 bytes. */
const cut = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length <= maxReasonLength) return bytes
  let end = maxReasonLength
  // A character has at most three bytes behind its first one; what a peer sends may be no text.
  while (end > maxReasonLength - 3 && (bytes[end]! & 0xc0) === 0x80) end -= 1
  return bytes.subarray(0, end)
}

/**
 * Decodes the reason phrase of a close frame, cut at 1,000 bytes: a peer can send 65,000, and the program may keep the reasons
 * of ten thousand connections.
 */
export const decodeReason = (reason: Uint8Array): string => decoder.decode(cut(reason))

/** Encodes a reason phrase, cut at 1,000 bytes: the binding sends no close frame with a longer one. */
export const encodeReason = (reason: string): Uint8Array => cut(encoder.encode(reason))
