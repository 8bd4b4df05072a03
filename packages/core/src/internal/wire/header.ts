/**
 * The header of a frame; `WireMessage.ts` describes its layout.
 */

/** The size of a header, in bytes. */
export const length = 9

/** The version of the wire format in the first two bytes of a header. */
export const version = 1

/** The flag of a frame whose body is a user message. */
export const userFlag = 0

/** The flag of a frame whose body is a control message of the endpoint. */
export const controlFlag = 1

/** The longest body, in bytes, that a header can express. */
export const maxLength = 0xffff_ffff

/** Writes a header at the offset `at`. */
export const write = (into: Uint8Array, at: number, bodyLength: number, flag: 0 | 1): void => {
  into[at] = 0
  into[at + 1] = version
  into[at + 2] = bodyLength >>> 24
  into[at + 3] = bodyLength >>> 16
  into[at + 4] = bodyLength >>> 8
  into[at + 5] = bodyLength
  into[at + 6] = flag
  into[at + 7] = 0
  into[at + 8] = 0
}

/** Whether `head`, the first bytes of a header or all of them, may be one with this flag and a body of this length. */
export const mayBegin = (head: Uint8Array, flag: 0 | 1, shortest: number, longest: number): boolean => {
  for (let i = 0; i < head.length; i++) {
    const byte = head[i]!
    // Bodies that are looked for are shorter than 256 bytes: the last byte of the length says it all.
    const isRight = i === 5 ? byte >= shortest && byte <= longest : byte === (i === 1 ? version : i === 6 ? flag : 0)
    if (!isRight) return false
  }
  return true
}
