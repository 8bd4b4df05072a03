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
import { createHmac, hkdfSync } from "node:crypto"
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

/** The tokens of a socket that is bound to `port`. The key stands in no field, so that it is never printed with an object. */
export const resetTokens = (resetKey: ResetKey, port: number): ResetTokens => {
  const key = Redacted.value(resetKey)
  const portBytes = Uint8Array.of(port >>> 8, port & 0xff)
  // The first block of HKDF-Expand (RFC 5869, section 2.3), which is long enough.
  const counter = Uint8Array.of(1)
  return (id) =>
    createHmac("sha256", key).update(portBytes).update(id).update(counter).digest().subarray(0, resetTokenLength)
}

/** A token as the binding takes it. */
export const asBigInt = (token: Buffer): bigint => (token.readBigUInt64BE(0) << 64n) | token.readBigUInt64BE(8)
