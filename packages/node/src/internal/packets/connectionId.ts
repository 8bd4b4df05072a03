/**
 * The connection ids that this side issues (RFC 9000, section 5.1): their length, and random ids. They are cut from random
 * bytes that are drawn for many at a time, because each draw is a system call.
 */
import { randomFillSync } from "node:crypto"

/** The length of the connection ids that this side issues, in bytes: the largest that RFC 9000, section 17.2, allows. */
export const connectionIdLength = 20

const drawn = new Uint8Array(256 * connectionIdLength)
let used = drawn.length

/** Makes a random connection id. */
export const randomId = (): Uint8Array => {
  if (used === drawn.length) {
    randomFillSync(drawn)
    used = 0
  }
  used += connectionIdLength
  return drawn.slice(used - connectionIdLength, used)
}
