/**
 * The self-signed certificate of a socket. Each socket makes a new one. Peers do not verify it, as in qp2p: it provides
 * encryption, not identity.
 */
import "reflect-metadata"
import * as x509 from "@peculiar/x509"
import * as Effect from "effect/Effect"
import { webcrypto } from "node:crypto"

/** The server name that a dial sends (SNI). Peers are addresses, not names, so it only has to be the same everywhere. */
export const serverName = "qp2p"

/** A private key and its certificate, both as PEM. */
export interface Credentials {
  readonly key: Uint8Array
  readonly certificate: Uint8Array
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }

/** Ten years. Peers do not check it, but debugging tools warn about a certificate without an end. */
const validityMillis = 10 * 365 * 24 * 60 * 60 * 1000

/** Makes a key and a certificate for it. */
export const selfSigned: Effect.Effect<Credentials> = Effect.promise(async () => {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
  const now = Date.now()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${serverName}`,
      notBefore: new Date(now - 24 * 60 * 60 * 1000),
      notAfter: new Date(now + validityMillis),
      signingAlgorithm: algorithm,
      keys,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: serverName }])]
    },
    webcrypto
  )
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)
  const encoder = new TextEncoder()
  return {
    key: encoder.encode(x509.PemConverter.encode(pkcs8, "PRIVATE KEY")),
    certificate: encoder.encode(certificate.toString("pem"))
  }
})
