/**
 * The certificate of a socket: self-signed, with the Ed25519 key of its identity (RFC 8410). Only the key in it counts, so
 * everything else is constant, and an identity always has the same certificate.
 */
import type { Identity } from "@qp2p/core/Identity"
import { fromPublicKey } from "@qp2p/core/PeerId"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createPrivateKey, createPublicKey, sign } from "node:crypto"
import { encodePem } from "../identity/pem.ts"
import { encodePkcs8 } from "../identity/pkcs8.ts"
import { BIT_STRING, element, GENERALIZED_TIME, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING } from "./der.ts"
import { SEQUENCE, SET, tagged, UTF8_STRING } from "./der.ts"

/** The server name that a dial sends (SNI). Peers are keys, not names, so it only has to be the same everywhere. */
export const serverName = "qp2p"

/** A private key and its certificate, both as PEM. */
export interface Credentials {
  readonly key: Redacted.Redacted<Uint8Array>
  readonly certificate: Uint8Array
}

/** The algorithm identifier of Ed25519 keys and signatures (RFC 8410, section 3), in DER. */
export const ed25519 = element(SEQUENCE, element(OBJECT_IDENTIFIER, [0x2b, 0x65, 0x70]))

/** Encodes a public key of 32 bytes as SubjectPublicKeyInfo (RFC 8410, section 4). */
export const publicKeyInfo = (key: Uint8Array): Uint8Array => element(SEQUENCE, ed25519, element(BIT_STRING, [0], key))

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** The distinguished name of issuer and subject: `CN=qp2p`. */
const name = element(
  SEQUENCE,
  element(
    SET,
    element(SEQUENCE, element(OBJECT_IDENTIFIER, [0x55, 0x04, 0x03]), element(UTF8_STRING, text(serverName)))
  )
)

/** From long ago on, and without an end (RFC 5280, section 4.1.2.5): clocks differ, and peers look at the key only. */
const validity = element(
  SEQUENCE,
  element(GENERALIZED_TIME, text("20000101000000Z")),
  element(GENERALIZED_TIME, text("99991231235959Z"))
)

/** The extension subjectAltName (RFC 5280, section 4.2.1.6) with the server name, which other TLS libraries look for. */
const extensions = element(
  tagged(3),
  element(
    SEQUENCE,
    element(
      SEQUENCE,
      element(OBJECT_IDENTIFIER, [0x55, 0x1d, 0x11]),
      element(OCTET_STRING, element(SEQUENCE, element(0x82, text(serverName))))
    )
  )
)

/** Encodes what a certificate says (RFC 5280, section 4.1.2), for the public key `info`. */
const toBeSigned = (info: Uint8Array): Uint8Array =>
  element(
    SEQUENCE,
    // Version 3.
    element(tagged(0), element(INTEGER, [2])),
    element(INTEGER, [1]),
    ed25519,
    name,
    validity,
    name,
    info,
    extensions
  )

/** An identity whose key is not usable. */
export class UnusableIdentity extends Data.TaggedError("UnusableIdentity")<{
  readonly detail: string
  /** The reason that the platform's cryptography gives, if that has refused the key. */
  readonly cause?: unknown
}> {}

const unusable = (cause: unknown): UnusableIdentity =>
  cause instanceof UnusableIdentity
    ? cause
    : new UnusableIdentity({ detail: cause instanceof Error ? cause.message : String(cause), cause })

/** Makes the credentials of an identity. Throws for an identity without a usable key. */
const make = (identity: Identity): Credentials => {
  const pkcs8 = encodePkcs8(Redacted.value(identity.secretKey))
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" })
  const info = createPublicKey(key).export({ format: "der", type: "spki" })
  // The public key is the end of its info.
  if (fromPublicKey(info.subarray(-32)) !== identity.peerId) {
    throw new UnusableIdentity({ detail: "its secret key is not that of its peerId" })
  }
  const said = toBeSigned(info)
  const certificate = element(SEQUENCE, said, ed25519, element(BIT_STRING, [0], sign(null, said, key)))
  return {
    key: Redacted.make(text(encodePem(pkcs8)), { label: "secret key" }),
    certificate: text(encodePem(certificate, "CERTIFICATE"))
  }
}

/** Makes the certificate of an identity. */
export const selfSigned = (identity: Identity): Effect.Effect<Credentials, UnusableIdentity> =>
  Effect.try({ try: () => make(identity), catch: unusable })
