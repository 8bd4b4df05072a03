/**
 * Random connection ids (RFC 9000, section 5.1), and stateless reset tokens for them. They are cut from bytes that are drawn
 * for many at a time: each draw is a call to the system.
 */
import { randomFillSync } from "node:crypto"
import { connectionIdLength } from "../tunables.ts"

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

/** A stateless reset token that nobody can guess (RFC 9000, section 10.3), as the binding wants it: 128 bits. */
export const randomToken = (): bigint => {
  const { buffer, byteOffset } = randomId()
  const view = new DataView(buffer, byteOffset)
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8)
}
