/**
 * Converts public keys to the ids of peers, and explains texts and keys that are none.
 */
import * as base32 from "./base32.ts"
import { problemOfPublicKey } from "./publicKey.ts"

export { problemOfPublicKey } from "./publicKey.ts"

/** The length of an id, in characters. */
const idLength = 52

/** Returns the id of a public key, or undefined for bytes that are no acceptable key. */
export const peerIdOf = (key: Uint8Array): string | undefined =>
  problemOfPublicKey(key) === undefined ? base32.encode(key) : undefined

/** Explains why a text is not the id of a peer. Returns undefined when it is one. */
export const problemOfPeerId = (id: string): string | undefined => {
  if (id.length !== idLength) return `a peer's id has ${idLength} characters, not ${id.length}`
  if (id !== id.toLowerCase()) return "a peer's id is in lower case"
  const key = base32.decode(id)
  if (typeof key !== "number") return problemOfPublicKey(key)
  return key === idLength
    ? `the last character of a peer's id is "a" or "q", not "${id.at(-1)}"`
    : `a peer's id has letters and the digits 2 to 7 only, not ${JSON.stringify(id[key])}`
}
