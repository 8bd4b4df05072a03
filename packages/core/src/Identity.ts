/**
 * The key of an endpoint, by which its peers know it.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as CryptoError from "effect/crypto/CryptoError"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import { bytes, ofValue, unless } from "./InvalidArgument.ts"
import { isBytes } from "./internal/arguments.ts"
import { invalidName } from "./internal/configPath.ts"
import { peerIdOf } from "./internal/identity/peerKey.ts"
import { keyFromText } from "./internal/identity/secretText.ts"
import * as signing from "./internal/identity/signing.ts"
import type { PeerId } from "./PeerId.ts"

/**
 * An Ed25519 key pair (RFC 8032): the identity of an endpoint.
 *
 * A holder of the secret key is this peer. The key is `Redacted`: it appears in no log, error, trace or inspection.
 *
 * Two processes with one key are one peer to all others: a message for its id goes to one of them, and what ends the connections
 * with a peer, such as `disconnectFrom`, ends those with both. On one port of two IP addresses or hosts, each also makes the
 * stateless reset tokens of the other (RFC 9000, section 10.3): who sees a packet to one of them can have the other show the
 * token that ends its connection. So give each process a key of its own, or at least a port.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Identity {
  /** The public key, as peers know it. */
  readonly peerId: PeerId
  /**
   * Signs a message: 64 bytes, which `PeerId.verify` checks. The text `qp2p signed message v1` and a NUL byte come before the
   * message, so that no application can be made to sign a TLS handshake.
   */
  readonly sign: (message: Uint8Array) => Effect.Effect<Uint8Array>
  /** The secret key of RFC 8032, section 5.1.5: 32 bytes. */
  readonly secretKey: Redacted.Redacted<Uint8Array>
}

/**
 * An identity could not be made, or a file with one could not be read or written. `detail` says why, without the key.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class IdentityError extends Schema.TaggedError<IdentityError>("@qp2p/core/Identity/IdentityError")(
  "IdentityError",
  { detail: Schema.String, cause: Schema.optionalKey(Schema.Defect()) }
) {
  override get message() {
    return this.detail
  }
}

/** The length of a secret key, in bytes. */
const secretKeyLength = 32

/**
 * Makes the identity of a secret key of 32 bytes. The bytes are copied. Fails with `IdentityError` for another length, and for a
 * `Redacted` that was wiped.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromSecretKey = (
  secretKey: Uint8Array | Redacted.Redacted<Uint8Array>
): Effect.Effect<Identity, IdentityError> =>
  Effect.suspend(() => {
    const seed: unknown = Redacted.isRedacted(secretKey) ? valueOf(secretKey) : secretKey
    if (seed === wiped) return failed("the secret key was wiped")
    // The text of a wrong value may hold a key, so it is not shown.
    if (!isBytes(seed)) return failed(`a secret key must be a Uint8Array, not ${typeof seed}`)
    if (seed.length !== secretKeyLength) return failed(`a secret key has ${secretKeyLength} bytes, not ${seed.length}`)
    return fromSeed(Uint8Array.from(seed))
  })

const wiped = Symbol()

const valueOf = (secretKey: Redacted.Redacted<unknown>): unknown => {
  try {
    return Redacted.value(secretKey)
  } catch {
    return wiped
  }
}

const failed = (detail: string): Effect.Effect<never, IdentityError> => Effect.fail(new IdentityError({ detail }))

const fromSeed = (seed: Uint8Array): Effect.Effect<Identity, IdentityError> =>
  Effect.gen(function* () {
    const signatures = yield* signing.service
    const key = yield* Signature.privateKey(Signature.ed25519, seed)
    const publicKey = yield* Effect.flatMap(signatures.publicKeyOf(key), Signature.toBytes)
    const peerId = peerIdOf(publicKey)
    if (peerId === undefined) return yield* failed("the secret key has no usable public key")
    return new IdentityImpl(peerId as PeerId, Redacted.make(seed, { label: "secret key" }), (message) =>
      Effect.orDie(signing.sign(signatures, key, message))
    )
  }).pipe(Effect.catchTag("CryptoError", unsupported))

/** The reason is that of the platform: nothing of the key is in it. */
const unsupported = ({ message }: CryptoError.CryptoError): Effect.Effect<never, IdentityError> =>
  failed(`this platform cannot use Ed25519 keys: ${message}`)

class IdentityImpl implements Identity {
  readonly peerId: PeerId
  readonly secretKey: Redacted.Redacted<Uint8Array>
  readonly sign: Identity["sign"]

  constructor(peerId: PeerId, secretKey: Redacted.Redacted<Uint8Array>, sign: Identity["sign"]) {
    this.peerId = peerId
    this.secretKey = secretKey
    this.sign = (message) =>
      unless(
        () => ofValue("message", message, bytes),
        () => sign(message)
      )
  }

  toString(): string {
    return `Identity(${this.peerId})`
  }

  toJSON(): unknown {
    return { _id: "Identity", peerId: this.peerId }
  }
}

/**
 * Makes a new identity from random bytes of the system.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const generate: Effect.Effect<Identity, IdentityError> = Effect.suspend(() =>
  fromSeed(SecureRandom.randomBytesUnsafe(secretKeyLength))
)

/**
 * Reads an identity from Effect's `ConfigProvider`: the 32 bytes of the secret key, as 64 hexadecimal digits or in base64 (RFC
 * 4648, section 4 or 5). An error does not show the text.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const config = (name?: string): Config.Config<Identity> =>
  invalidName(name) ??
  Config.mapEffect(Config.Redacted(name), (secret) => {
    const key = keyFromText(Redacted.value(secret))
    return key === undefined
      ? Effect.fail(configError(name, "must be a secret key of 32 bytes: 64 hexadecimal digits, or base64"))
      : Effect.mapError(fromSecretKey(key), ({ detail }) => configError(name, detail))
  })

const configError = (name: string | undefined, message: string): Config.ConfigError => {
  const issue = new SchemaIssue.InvalidValue({ message }, "<redacted>")
  return new Config.ConfigError(
    new Schema.SchemaError(name === undefined ? issue : new SchemaIssue.Pointer([name], issue))
  )
}
