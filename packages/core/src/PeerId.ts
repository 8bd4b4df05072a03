/**
 * The id of a peer: its public key, as text.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import { bytes, check, ofValue, text, unless } from "./InvalidArgument.ts"
import * as base32 from "./internal/identity/base32.ts"
import { peerIdOf, problemOfPeerId, problemOfPublicKey } from "./internal/identity/peerKey.ts"
import * as signing from "./internal/identity/signing.ts"

/**
 * The id of a peer: the 32 bytes of its Ed25519 public key in base32 (RFC 4648, section 6), in lower case and without
 * padding: 52 characters, of which the last is `a` or `q`. No other spelling is accepted, so two ids are the same peer if
 * they are the same text.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type PeerId = Brand.Branded<string, "@qp2p/core/PeerId">

const isId = (id: string): id is PeerId => problemOfPeerId(id) === undefined

/**
 * The schema of a `PeerId`: text that is exactly a peer's id. Its errors say what is wrong with the text.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const PeerId: Schema.Codec<PeerId, string> = Schema.String.pipe(
  Schema.decodeTo(
    Schema.declare((input): input is PeerId => typeof input === "string" && isId(input)),
    {
      decode: SchemaGetter.transformEffect((id: string, options) => {
        const message = problemOfPeerId(id)
        return message === undefined
          ? Effect.succeed(id as PeerId)
          : Effect.fail(new SchemaIssue.InvalidValue({ message }, id, options))
      }),
      encode: SchemaGetter.transform((id: PeerId): string => id)
    }
  )
)

const publicKey = check("must be a public key of Ed25519: 32 bytes", (value) => {
  return value instanceof Uint8Array && problemOfPublicKey(value) === undefined
})

/**
 * Returns the id of a public key of 32 bytes. Returns an `InvalidArgument` in its place for bytes that are no such key: of
 * another length, not the only encoding of the key, or of small order, so that anybody can sign for it.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromPublicKey = (key: Uint8Array): PeerId => {
  const wrong = ofValue("key", key, bytes) ?? ofValue("key", key, publicKey)
  return wrong === undefined ? (peerIdOf(key) as PeerId) : (wrong as never)
}

/**
 * Returns the public key of an id, 32 bytes. Returns an `InvalidArgument` to callers without types for a text that is no id.
 *
 * @stability unstable
 * @category converting
 * @since 0.1.0
 */
export const toPublicKey = (id: PeerId): Uint8Array => {
  const wrong = ofValue("id", id, peerId)
  return wrong === undefined ? (base32.decode(id) as Uint8Array) : (wrong as never)
}

const peerId = check("must be a PeerId", (value) => typeof value === "string" && isId(value))

/**
 * Returns the first 10 characters of an id, for logs and for people. Different peers may have the same: do not compare them.
 *
 * @stability unstable
 * @category converting
 * @since 0.1.0
 */
export const short = (id: PeerId): string => {
  const wrong = ofValue("id", id, text)
  return wrong === undefined ? id.slice(0, 10) : (wrong as never)
}

/**
 * Tells whether `signature` is that of the peer for `message`, as its `Identity.sign` makes it. Anything that is no
 * signature of 64 bytes is none.
 *
 * @stability unstable
 * @category signatures
 * @since 0.1.0
 */
export const verify = (id: PeerId, message: Uint8Array, signature: Uint8Array): Effect.Effect<boolean> =>
  unless(
    () => ofValue("id", id, peerId) ?? ofValue("message", message, bytes) ?? ofValue("signature", signature, bytes),
    () => signing.verify(base32.decode(id) as Uint8Array, message, signature)
  )
