import { webcrypto } from "node:crypto"
import "reflect-metadata"
import * as x509 from "@peculiar/x509"

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }

/** A self-signed certificate, in PEM, as QUIC servers have: of a P-256 key. */
export const selfSigned = async (): Promise<{ readonly key: string; readonly cert: string }> => {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
  const cert = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: "CN=qp2p",
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 86_400_000),
      signingAlgorithm: algorithm,
      keys,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: "qp2p" }])]
    },
    webcrypto
  )
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)
  return { key: x509.PemConverter.encode(key, "PRIVATE KEY"), cert: cert.toString("pem") }
}
