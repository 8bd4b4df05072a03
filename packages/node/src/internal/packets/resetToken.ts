/**
 * The stateless reset tokens of the connection ids that a socket issues (RFC 9000, section 10.3.2): derived from the key of its
 * identity, so that a process that restarts with this key, on this port, knows the tokens of its former connections.
 *
 * A token is HKDF (RFC 5869) with SHA-256 over the secret key, the bound port and the connection id. Each id has a token of
 * its own: a peer that learns one of them learns no other.
 */
import type { Identity } from "@qp2p/core/Identity"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { hash, hkdfSync } from "node:crypto"
import { UnusableIdentity } from "../binding/certificate.ts"

/** In bytes (RFC 9000, section 10.3). */
export const resetTokenLength = 16

const label = "qp2p stateless reset v1"

/** A key from which tokens are derived: it tells nothing about the identity's secret key. */
export type ResetKey = Redacted.Redacted<Uint8Array>

/** Derives the key of an identity's tokens. Fails for an identity whose secret key cannot be read. */
export const resetKeyOf = (identity: Identity): Effect.Effect<ResetKey, UnusableIdentity> =>
  Effect.try({
    try: () => {
      const key = hkdfSync("sha256", Redacted.value(identity.secretKey), "", label, 32)
      return Redacted.make(new Uint8Array(key), { label: "stateless reset key" })
    },
    catch: (cause) => new UnusableIdentity({ detail: cause instanceof Error ? cause.message : String(cause), cause })
  })

/** Returns the token of a connection id. */
export type ResetTokens = (id: Uint8Array) => Buffer

/** In bytes: the blocks of SHA-256, and its digests. */
const blockLength = 64
const digestLength = 32

/** The tokens of a socket that is bound to `port`. The key stands in no field, so that it is never printed with an object. */
export const resetTokens = (resetKey: ResetKey, port: number): ResetTokens => {
  const inner = pad(resetKey, 0x36, [port >>> 8, port & 0xff])
  const outer = Buffer.concat([pad(resetKey, 0x5c, []), Buffer.alloc(digestLength)])
  const counter = Buffer.of(1)
  // The first block of HKDF-Expand (RFC 5869, section 2.3), which is long enough, is an HMAC. As two hashes (RFC 2104) it costs half
  // of `createHmac`, and a dial needs one on each side.
  return (id) => {
    outer.write(hash("sha256", Buffer.concat([inner, id, counter]), "hex"), blockLength, "hex")
    return Buffer.from(hash("sha256", outer, "hex").slice(0, 2 * resetTokenLength), "hex")
  }
}

/** A block of HMAC: the key, no longer than it, combined with `byte`. What is to be hashed begins with `more`. */
const pad = (key: ResetKey, byte: number, more: ReadonlyArray<number>): Buffer => {
  const block = Buffer.alloc(blockLength + more.length, byte)
  Redacted.value(key).forEach((value, i) => (block[i] = value ^ byte))
  block.set(more, blockLength)
  return block
}

/** The token that stands in `bytes` at the offset `at`, as the binding takes it. */
export const asBigInt = (bytes: Buffer, at = 0): bigint =>
  (bytes.readBigUInt64BE(at) << 64n) | bytes.readBigUInt64BE(at + 8)
