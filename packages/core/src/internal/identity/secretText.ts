/**
 * Reads a secret key from text.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"

/** Reads 32 bytes from 64 hexadecimal digits, or from base64 of either alphabet. Returns undefined for other text. */
export const keyFromText = (text: string): Uint8Array | undefined => {
  const trimmed = text.trim()
  const decoded = /^[0-9a-f]{64}$/iu.test(trimmed)
    ? Hex.decode(trimmed)
    : (/[-_]/u.test(trimmed) ? Base64Url : Base64).decode(padded(trimmed))
  return Result.isSuccess(decoded) && decoded.success.length === 32 ? decoded.success : undefined
}

/** Adds the padding that is often left away. */
const padded = (text: string): string => text.padEnd(Math.ceil(text.length / 4) * 4, "=")
