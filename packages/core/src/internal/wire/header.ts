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

/**
 * Whether `head`, the first bytes of a header or more bytes than it, may begin one with this flag and a body of this length. The
 * lengths are less than 65,536.
 */
export const mayBegin = (head: Uint8Array, flag: 0 | 1, shortest: number, longest: number): boolean => {
  const known = Math.min(head.length, length)
  for (let i = 0; i < known; i++) {
    const byte = head[i]!
    const isRight =
      i === 4
        ? byte >= shortest >> 8 && byte <= longest >> 8
        : i === 5
          ? bodyLength(head) >= shortest && bodyLength(head) <= longest
          : byte === (i === 1 ? version : i === 6 ? flag : 0)
    if (!isRight) return false
  }
  return true
}

/** The length of the body of a header that `mayBegin` accepts, in bytes. */
export const bodyLength = (head: Uint8Array): number => (head[4]! << 8) | head[5]!
