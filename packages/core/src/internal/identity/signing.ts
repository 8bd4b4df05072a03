/**
 * Signs and verifies messages with Ed25519 (RFC 8032), with a prefix that keeps these signatures apart from those of TLS.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as CryptoError from "effect/crypto/CryptoError"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import { utf8ToBytes } from "@noble/hashes/utils.js"

/**
 * The text and the NUL byte that precede each message. What TLS signs begins with 64 spaces (RFC 8446, section 4.4.3), so an
 * application that signs messages of strangers cannot be made to sign a handshake.
 */
const prefix = utf8ToBytes("qp2p signed message v1\0")

/** A private key, as Effect has it. */
export type PrivateKey = Signature.PrivateKey<Signature.Ed25519>

/** Effect's signatures on WebCrypto. The service holds no resources, and imports a key once. */
export const service: Effect.Effect<Signature.Signature["Service"]> = Effect.provide(
  Signature.Signature,
  Layer.provide(Signature.layerWebCrypto, SecureRandom.layerWebCrypto)
)

const prefixed = (message: Uint8Array): Uint8Array => {
  const whole = new Uint8Array(prefix.length + message.length)
  whole.set(prefix)
  whole.set(message, prefix.length)
  return whole
}

/** Signs a message. The message is copied before the effect first waits. */
export const sign = (
  signatures: Signature.Signature["Service"],
  key: PrivateKey,
  message: Uint8Array
): Effect.Effect<Uint8Array, CryptoError.CryptoError> => Effect.suspend(() => signatures.sign(key, prefixed(message)))

/** Verifies a signature with a public key of 32 bytes. The arguments are copied before the effect first waits. */
export const verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const signed = prefixed(message)
    const copy = Uint8Array.from(signature)
    return Effect.gen(function* () {
      const signatures = yield* service
      return yield* signatures.verify(yield* Signature.publicKey(Signature.ed25519, publicKey), copy, signed)
    })
  }).pipe(
    // A key that is no point of the curve has no signatures.
    Effect.catchTag("CryptoError", (error) =>
      error.reason._tag === "InvalidKey" ? Effect.succeed(false) : Effect.die(error)
    )
  )
