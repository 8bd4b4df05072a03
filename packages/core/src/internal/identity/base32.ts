/**
 * Base32 in lower case and without padding (RFC 4648, section 6).
 */

const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

const values = new Map(Array.from(alphabet, (character, value) => [character, value]))

const codes = Array.from(alphabet, (character) => character.charCodeAt(0))

/**
 * Encodes bytes, 5 bits to a character. The unused bits of the last character are zero. The text is made at once: one that grows
 * by a character at a time is kept as a chain of its parts, 1.5 kB for an id.
 */
export const encode = (bytes: Uint8Array): string => {
  const text: Array<number> = []
  let bits = 0
  let count = 0
  for (const byte of bytes) {
    bits = (bits << 8) | byte
    for (count += 8; count >= 5; count -= 5) text.push(codes[(bits >>> (count - 5)) & 31]!)
    bits &= (1 << count) - 1
  }
  if (count > 0) text.push(codes[(bits << (5 - count)) & 31]!)
  return String.fromCharCode(...text)
}

/**
 * Decodes the text of whole bytes. Returns the index of the first character outside the alphabet, or the text's length when
 * the unused bits of the last character are not zero.
 */
export const decode = (text: string): Uint8Array | number => {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let bits = 0
  let count = 0
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const value = values.get(text[i]!)
    if (value === undefined) return i
    bits = (bits << 5) | value
    count += 5
    if (count >= 8) {
      count -= 8
      bytes[length++] = bits >>> count
      bits &= (1 << count) - 1
    }
  }
  return bits === 0 ? bytes : text.length
}
