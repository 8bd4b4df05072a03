/**
 * Certificates that no honest peer has. Nothing checks the signature of a certificate, so it is zeros unless TLS is to take it.
 */
import { type Credentials, ed25519, publicKeyInfo } from "../../src/internal/binding/certificate.ts"
import * as der from "../../src/internal/binding/der.ts"

/** A public key that has a peer's id, one for each number below 256. */
export const publicKeyOf = (number: number): Uint8Array => new Uint8Array(32).fill(number + 2, 0, 31)

const text = (value: string) => new TextEncoder().encode(value)

/** A name with this text, or with this encoded value. */
export const nameOf = (value: Uint8Array = der.element(der.UTF8_STRING, text("anybody"))): Uint8Array =>
  der.element(
    der.SEQUENCE,
    der.element(der.SET, der.element(der.SEQUENCE, der.element(der.OBJECT_IDENTIFIER, [0x55, 0x04, 0x03]), value))
  )

const year = (value: number) => der.element(der.GENERALIZED_TIME, text(`${value}0101000000Z`))

/** From the beginning of one year to that of another. */
export const validityOf = (from: number, to: number): Uint8Array => der.element(der.SEQUENCE, year(from), year(to))

/** The parts of a certificate, each encoded, in their order. */
export interface Parts {
  readonly version: Uint8Array
  readonly serial: Uint8Array
  readonly algorithm: Uint8Array
  readonly issuer: Uint8Array
  readonly validity: Uint8Array
  readonly subject: Uint8Array
  readonly info: Uint8Array
  /** What follows the key, such as extensions. */
  readonly rest: Uint8Array
  readonly outerAlgorithm: Uint8Array
  readonly signature: Uint8Array
}

/** A certificate with this public key, and with other parts than usual. */
export const certificateOf = (key: Uint8Array, parts: Partial<Parts> = {}): Uint8Array => {
  const {
    algorithm = ed25519,
    info = publicKeyInfo(key),
    issuer = nameOf(),
    outerAlgorithm = algorithm,
    rest = new Uint8Array(0),
    serial = der.element(der.INTEGER, [1]),
    signature = der.element(der.BIT_STRING, [0], new Uint8Array(64)),
    subject = nameOf(),
    validity = validityOf(2020, 2040),
    version = der.element(der.tagged(0), der.element(der.INTEGER, [2]))
  } = parts
  const said = der.element(der.SEQUENCE, version, serial, algorithm, issuer, validity, subject, info, rest)
  return der.element(der.SEQUENCE, said, outerAlgorithm, signature)
}

/** The certificate of credentials, which is PEM, in DER. */
export const derOf = ({ certificate }: Credentials): Uint8Array =>
  Buffer.from(new TextDecoder().decode(certificate).replaceAll(/-----.*-----|\n/gu, ""), "base64")
