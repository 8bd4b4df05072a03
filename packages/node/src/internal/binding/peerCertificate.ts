/**
 * The key of a peer, from the certificates that it has shown in the handshake.
 *
 * TLS has proven that the peer has the private key of the first certificate. The parser follows the structure of RFC 5280,
 * section 4.1, and takes the public key from its place. To search the bytes for a key would not do: the subject's name may
 * hold the encoded key of another peer.
 */
import { fromPublicKey, type PeerId } from "@qp2p/core/PeerId"
import { publicKeyInfo } from "./certificate.ts"
import { type Contents, DerReader } from "./der.ts"
import { BIT_STRING, INTEGER, SEQUENCE, tagged } from "./der.ts"
import { BAD_CERTIFICATE, UNSUPPORTED_CERTIFICATE } from "./errorCodes.ts"

/** Why a peer's certificates do not name it. */
export interface CertificateProblem {
  /** A transport error code: CRYPTO_ERROR with an alert of TLS. */
  readonly code: number
  readonly detail: string
}

/** The longest certificate to be read, in bytes. With an Ed25519 key and a signature, one has about 250. */
const maxLength = 8_192

const malformed: CertificateProblem = { code: BAD_CERTIFICATE, detail: "the certificate is malformed" }

const bad = (detail: string): CertificateProblem => ({ code: BAD_CERTIFICATE, detail })

/** How the info of an Ed25519 key begins: everything before the 32 bytes of the key. */
const infoStart = publicKeyInfo(new Uint8Array(32)).subarray(0, -32)

/** Returns the id of the peer that has shown `chain`, certificates in DER; or why there is none. */
export const peerOf = (chain: ReadonlyArray<Uint8Array> | null): PeerId | CertificateProblem => {
  if (chain === null || chain.length === 0) return bad("there is no certificate")
  if (chain.length > 1) return bad(`there are ${chain.length} certificates instead of one`)
  const certificate = chain[0]!
  if (certificate.length > maxLength) return bad(`the certificate has more than ${maxLength} bytes`)
  const info = publicKeyInfoIn(certificate)
  if (info === undefined) return malformed
  const keyAt = info.start + infoStart.length
  if (info.end - keyAt !== 32 || !startsWith(certificate, info.start, infoStart)) {
    return { code: UNSUPPORTED_CERTIFICATE, detail: "the key of the certificate is not an Ed25519 key" }
  }
  const id: unknown = fromPublicKey(certificate.subarray(keyAt, info.end))
  return typeof id === "string" ? (id as PeerId) : bad("the key of the certificate is not an acceptable Ed25519 key")
}

/** Tells a peer's id from a problem. */
export const isPeerId = (peer: PeerId | CertificateProblem): peer is PeerId => typeof peer === "string"

/** Finds the whole SubjectPublicKeyInfo of a certificate, with its header; undefined if the certificate is not in order. */
const publicKeyInfoIn = (bytes: Uint8Array): Contents | undefined => {
  if (!new DerReader(bytes).isWellFormed()) return undefined
  const outer = new DerReader(bytes)
  const certificate = outer.read(SEQUENCE)
  if (certificate === undefined || !outer.isAtEnd) return undefined
  const parts = new DerReader(bytes, certificate)
  const said = parts.read(SEQUENCE)
  const algorithm = parts.read(SEQUENCE)
  const signature = parts.read(BIT_STRING)
  if (said === undefined || algorithm === undefined || signature === undefined || !parts.isAtEnd) return undefined

  const fields = new DerReader(bytes, said)
  if (fields.isNext(tagged(0)) && !isVersion(bytes, fields.next())) return undefined
  // Serial number, algorithm, issuer, validity and subject.
  for (const tag of [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE]) {
    const field = fields.read(tag)
    if (field === undefined || (tag === INTEGER && field.start === field.end)) return undefined
  }
  const start = fields.at
  const info = fields.read(SEQUENCE)
  if (info === undefined) return undefined
  // Unique ids of issuer and subject, and extensions: each at most once, in this order.
  for (const tag of [0x81, 0x82, tagged(3)]) if (fields.isNext(tag)) fields.next()
  return fields.isAtEnd ? { start, end: info.end } : undefined
}

/** Whether the version is 2 or 3, as numbers from 0. Version 1 is the default, which DER does not encode. */
const isVersion = (bytes: Uint8Array, version: Contents | undefined): boolean => {
  if (version === undefined) return false
  const reader = new DerReader(bytes, version)
  const number = reader.read(INTEGER)
  if (number === undefined || !reader.isAtEnd || number.end - number.start !== 1) return false
  return bytes[number.start] === 1 || bytes[number.start] === 2
}

const startsWith = (bytes: Uint8Array, at: number, prefix: Uint8Array): boolean => {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false
  return true
}
