/**
 * The header of a frame; `WireMessage.ts` describes its layout.
 */

/** The size of a header, in bytes. */
export const length = 9

export const version = 1
export const userFlag = 0
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
