/**
 * Reads and writes Ed25519 private keys in PKCS#8 (RFC 5958, RFC 8410 section 7). No problem that is returned here shows a key.
 */
import * as Result from "effect/Result"

/** A private key of a file: the 32 bytes of RFC 8032, and the public key, if the file has it. */
export interface PrivateKey {
  readonly seed: Uint8Array
  readonly publicKey: Uint8Array | undefined
}

/** An element of DER (X.690): its tag, its contents, and the bytes behind it. */
interface Element {
  readonly tag: number
  readonly contents: Uint8Array
  readonly rest: Uint8Array
}

const integer = 0x02
const bitString = 0x03
const octetString = 0x04
const objectIdentifier = 0x06
const sequence = 0x30
const attributes = 0xa0
const publicKeyBits = 0x81
/** The same field with an explicit tag, as older versions of `ring` wrote it. */
const taggedPublicKey = 0xa1

const keyLength = 32

/** The object identifiers of keys, in DER, and their names. */
const algorithms: Readonly<Record<string, string>> = {
  "2b6570": "Ed25519",
  "2b6571": "Ed448",
  "2b656e": "X25519",
  "2b656f": "X448",
  "2a864886f70d010101": "RSA",
  "2a864886f70d01010a": "RSA-PSS",
  "2a8648ce3d0201": "ECDSA",
  "2a8648ce380401": "DSA"
}

/** What precedes the 32 bytes of a key without attributes and public key. Its DER is always this. */
const prefix = Uint8Array.of(0x30, 0x2e, integer, 1, 0, 0x30, 5, 0x06, 3, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20)

/** Writes a key of 32 bytes, without attributes and public key: 48 bytes. */
export const encodePkcs8 = (seed: Uint8Array): Uint8Array => {
  const der = new Uint8Array(prefix.length + seed.length)
  der.set(prefix)
  der.set(seed, prefix.length)
  return der
}

/** Reads an element: one byte of tag, and a length of the shortest form. Returns undefined for anything else. */
const read = (bytes: Uint8Array): Element | undefined => {
  const [tag, first] = bytes
  if (tag === undefined || first === undefined) return undefined
  let start = 2
  let length = first
  if (first >= 0x80) {
    const count = first - 0x80
    if (count === 0 || count > 2 || bytes.length < 2 + count) return undefined
    length = count === 1 ? bytes[2]! : bytes[2]! * 256 + bytes[3]!
    if (length < (count === 1 ? 0x80 : 0x100)) return undefined
    start += count
  }
  const end = start + length
  return end > bytes.length ? undefined : { tag, contents: bytes.subarray(start, end), rest: bytes.subarray(end) }
}

const readAs = (tag: number, bytes: Uint8Array | undefined): Element | undefined => {
  const element = bytes && read(bytes)
  return element?.tag === tag ? element : undefined
}

const malformed = Result.fail("its PEM block is no PKCS#8 private key")

/** Reads a key, or returns why it is none of Ed25519. Attributes are skipped, unread. */
export const decodePkcs8 = (der: Uint8Array): Result.Result<PrivateKey, string> => {
  const outer = readAs(sequence, der)
  const version = readAs(integer, outer?.contents)
  const algorithm = readAs(sequence, version?.rest)
  const oid = readAs(objectIdentifier, algorithm?.contents)
  const key = readAs(octetString, algorithm?.rest)
  if (
    outer === undefined ||
    version === undefined ||
    algorithm === undefined ||
    oid === undefined ||
    key === undefined
  ) {
    return malformed
  }
  const name = algorithms[Array.from(oid.contents, (byte) => byte.toString(16).padStart(2, "0")).join("")]
  if (name !== "Ed25519") return Result.fail(`it has a key of ${name ?? "an unknown kind"}, not one of Ed25519`)
  const seed = readAs(octetString, key.contents)
  const isComplete = outer.rest.length === 0 && oid.rest.length === 0 && seed?.rest.length === 0
  if (!isComplete || version.contents.length !== 1 || version.contents[0]! > 1) return malformed
  if (seed.contents.length !== keyLength) {
    return Result.fail(`its key has ${seed.contents.length} bytes, and one of Ed25519 has ${keyLength}`)
  }
  const attached = readAs(attributes, key.rest)?.rest ?? key.rest
  if (attached.length === 0) return Result.succeed({ seed: seed.contents, publicKey: undefined })
  const publicKey = publicKeyOf(attached)
  return publicKey === undefined ? malformed : Result.succeed({ seed: seed.contents, publicKey })
}

/** Reads the field `publicKey`, which is last: a bit string without unused bits. */
const publicKeyOf = (bytes: Uint8Array): Uint8Array | undefined => {
  const field = read(bytes)
  if (field === undefined || field.rest.length > 0) return undefined
  const bits =
    field.tag === publicKeyBits
      ? field.contents
      : field.tag === taggedPublicKey
        ? readAs(bitString, field.contents)?.contents
        : undefined
  return bits?.length === 1 + keyLength && bits[0] === 0 ? bits.subarray(1) : undefined
}
