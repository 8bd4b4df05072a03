/**
 * Address validation tokens for Retry packets (RFC 9000, section 8.1.2): the server keeps no state until the client has proved
 * that it receives packets at its address.
 *
 * Layout: issue time (8 bytes, ms) | HMAC-SHA256 (32) | the client's original destination id.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { retryTokenLifetime } from "../tunables/handshakes.ts"
import { connectionIdLength } from "./connectionId.ts"

const headerLength = 8 + 32

/** Issues and verifies tokens. `client` is an address as text, `now` is in milliseconds of Effect's clock. */
export interface RetryTokens {
  /** Makes the token for a client that addressed `originalDcid` and is to address `newScid`. */
  readonly issue: (client: string, originalDcid: Uint8Array, newScid: Uint8Array, now: number) => Uint8Array
  /** Returns the original destination id, if `token` was issued to this client for this id and has not expired. */
  readonly verify: (client: string, token: Uint8Array, dcid: Uint8Array, now: number) => Uint8Array | undefined
}

/** Makes the tokens of a socket, with a secret of their own. */
export const make = (): RetryTokens => {
  const secret = randomBytes(32)
  const mac = (time: Uint8Array, client: string, originalDcid: Uint8Array, newScid: Uint8Array): Buffer =>
    createHmac("sha256", secret)
      .update(time)
      .update(Uint8Array.of(originalDcid.length))
      .update(originalDcid)
      .update(newScid)
      .update(client)
      .digest()
  return {
    issue: (client, originalDcid, newScid, now) => {
      const token = Buffer.alloc(headerLength + originalDcid.length)
      token.writeBigUInt64BE(BigInt(Math.trunc(now)))
      token.set(mac(token.subarray(0, 8), client, originalDcid, newScid), 8)
      token.set(originalDcid, headerLength)
      return token
    },
    verify: (client, token, dcid, now) => {
      if (token.length <= headerLength || token.length > headerLength + 20) return undefined
      // All ids of this side have one length. With another length, the hashed bytes could be divided differently.
      if (dcid.length !== connectionIdLength) return undefined
      const bytes = Buffer.from(token)
      const age = now - Number(bytes.readBigUInt64BE(0))
      if (age < 0 || age > retryTokenLifetime) return undefined
      const originalDcid = bytes.subarray(headerLength)
      return timingSafeEqual(bytes.subarray(8, headerLength), mac(bytes.subarray(0, 8), client, originalDcid, dcid))
        ? originalDcid
        : undefined
    }
  }
}
