/**
 * Random connection ids (RFC 9000, section 5.1). They are cut from bytes that are drawn for many at a time: each draw is a
 * call to the system.
 */
import { randomFillSync } from "node:crypto"
import { connectionIdLength } from "./tunables.ts"

const drawn = new Uint8Array(256 * connectionIdLength)
let used = drawn.length

export const randomId = (): Uint8Array => {
  if (used === drawn.length) {
    randomFillSync(drawn)
    used = 0
  }
  used += connectionIdLength
  return drawn.slice(used - connectionIdLength, used)
}
