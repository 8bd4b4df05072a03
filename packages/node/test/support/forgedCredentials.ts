/**
 * Certificates that no honest peer shows, with their keys, so that TLS takes them.
 */
import * as Identity from "@qp2p/core/Identity"
import { type PeerId, toPublicKey } from "@qp2p/core/PeerId"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { generateKeyPairSync, type KeyPairKeyObjectResult } from "node:crypto"
import * as certificate from "../../src/internal/binding/certificate.ts"
import * as der from "../../src/internal/binding/der.ts"
import { encodePem } from "../../src/internal/identity/pem.ts"
import { certificateOf } from "./certificates.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

const pem = (certificate: Uint8Array): string => encodePem(certificate, "CERTIFICATE")

export interface Forged {
  readonly credentials: certificate.Credentials
  /** Whom the key of the first certificate makes it. */
  readonly peerId: PeerId
}

/** The key of a new identity, in `chain` certificates whose subject and validity are as given. */
export const forged = Effect.fnUntraced(function* (
  options: { readonly subject?: Uint8Array; readonly validity?: Uint8Array; readonly chain?: number } = {}
) {
  const identity = yield* Effect.orDie(Identity.generate)
  const { key } = yield* Effect.orDie(certificate.selfSigned(identity))
  const { chain = 1, ...parts } = options
  const one = certificateOf(toPublicKey(identity.peerId), parts)
  const made: Forged = {
    credentials: { key, certificate: bytes(pem(one).repeat(chain)) },
    peerId: identity.peerId
  }
  return made
})

/** A P-256 key and its certificate. */
export const p256 = (): certificate.Credentials =>
  other(generateKeyPairSync("ec", { namedCurve: "P-256" }), [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])

/** A key of RSA and its certificate. */
export const rsa = (): certificate.Credentials =>
  other(generateKeyPairSync("rsa", { modulusLength: 2_048 }), [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b])

/** `algorithm` is the object identifier of signatures with SHA-256. */
const other = (
  { privateKey, publicKey }: KeyPairKeyObjectResult,
  algorithm: ReadonlyArray<number>
): certificate.Credentials => {
  const certificate = certificateOf(new Uint8Array(32), {
    info: publicKey.export({ format: "der", type: "spki" }),
    algorithm: der.element(der.SEQUENCE, der.element(der.OBJECT_IDENTIFIER, algorithm))
  })
  return {
    key: Redacted.make(bytes(privateKey.export({ format: "pem", type: "pkcs8" }).toString())),
    certificate: bytes(pem(certificate))
  }
}
