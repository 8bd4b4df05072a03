/**
 * Checks Ed25519 public keys (RFC 8032, section 5.1.2), so that each key has one encoding and one owner.
 */

/** The length of a public key, in bytes. */
export const publicKeyLength = 32

/** The prime of the field, 2^255 - 19. */
const prime = 2n ** 255n - 19n

/**
 * The y coordinates of the points of small order. With such a key, signatures exist that verify for many messages, so that
 * it has no owner.
 */
const smallOrder = new Set([
  0n,
  1n,
  prime - 1n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  55188659117513257062467267217118295137698188065244968500265048394206261417927n
])

/** The highest bytes of all coordinates that are refused. To look at that one first saves the rest for nearly every key. */
const highBytes = new Set([...smallOrder, prime].map((y) => Number(y >> 248n)))

/** Returns what is wrong with a public key, or undefined when it is acceptable. It does not check that a point exists. */
export const problemOfPublicKey = (key: Uint8Array): string | undefined => {
  if (key.length !== publicKeyLength) return `a public key has ${publicKeyLength} bytes, not ${key.length}`
  if (!highBytes.has(highByte(key))) return undefined
  const y = coordinate(key)
  if (y >= prime) return "the y coordinate of the public key is not less than 2^255 - 19"
  return smallOrder.has(y) ? "the public key has a small order: anybody can sign for it" : undefined
}

/** The highest byte of the y coordinate, without the sign bit of x. */
const highByte = (key: Uint8Array): number => key[publicKeyLength - 1]! & 0x7f

/** Reads the y coordinate: little-endian, without the sign bit of x. */
const coordinate = (key: Uint8Array): bigint => {
  let y = BigInt(highByte(key))
  for (let i = publicKeyLength - 2; i >= 0; i--) y = (y << 8n) | BigInt(key[i]!)
  return y
}
