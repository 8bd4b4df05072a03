/**
 * Reads and writes a private key as PEM text (RFC 7468, section 10). No problem that is returned here shows the text.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"

const label = "PRIVATE KEY"

/** Why a block with another label is not read. Other labels are not shown: they may be anything. */
const otherLabels: Readonly<Record<string, string>> = {
  "ENCRYPTED PRIVATE KEY": "the key is encrypted, and nothing here asks for a passphrase: `openssl pkey` decrypts it",
  "RSA PRIVATE KEY": "it has an RSA key, not one of Ed25519",
  "EC PRIVATE KEY": "it has a key of an elliptic curve other than Ed25519",
  "DSA PRIVATE KEY": "it has a DSA key, not one of Ed25519",
  "OPENSSH PRIVATE KEY": "it has a key in the format of OpenSSH, not in PKCS#8",
  "PUBLIC KEY": "it has a public key, not a private one",
  CERTIFICATE: "it has a certificate, not a private key"
}

const boundary = /-----(BEGIN|END) ([^-\r\n]*)-----/gu

/** Writes one block, of a private key or with another label: the base64 in lines of 64 characters. */
export const encodePem = (der: Uint8Array, as: string = label): string => {
  const lines = Base64.encode(der).match(/.{1,64}/gu) ?? []
  return [`-----BEGIN ${as}-----`, ...lines, `-----END ${as}-----`, ""].join("\n")
}

/**
 * Reads the bytes of a file that is one block, or returns what is wrong with it. A byte order mark of UTF-8, CRLF, and white
 * space around the block are accepted; other text is not.
 */
export const decodePem = (file: Uint8Array): Result.Result<Uint8Array, string> => {
  if (isUtf16(file)) return Result.fail("it is text in UTF-16, and must be in UTF-8")
  // The decoder leaves out a byte order mark. Bytes that are no UTF-8 become characters that are no base64.
  const text = new TextDecoder().decode(file).trim()
  if (text === "") return Result.fail("it is empty")
  const boundaries = Array.from(text.matchAll(boundary))
  const begins = boundaries.filter(([, kind]) => kind === "BEGIN")
  if (begins.length === 0) return Result.fail(`it has no line -----BEGIN ${label}-----`)
  if (begins.length > 1) return Result.fail(`it has ${begins.length} PEM blocks, and must have one: a private key`)
  const [begin, end] = boundaries
  const given = begin![2]!
  if (given !== label) {
    return Result.fail(Object.hasOwn(otherLabels, given) ? otherLabels[given]! : "its PEM block is no private key")
  }
  if (end?.[1] !== "END" || end[2] !== label) return Result.fail(`it has no line -----END ${label}-----`)
  if (begin!.index > 0 || end.index + end[0].length < text.length) {
    return Result.fail("there is text outside of its PEM block")
  }
  const body = text.slice(begin![0].length, end.index).replaceAll(/\s/gu, "")
  return Result.mapError(Base64.decode(body), () => "its PEM block is no base64")
}

const isUtf16 = ([first, second]: Uint8Array): boolean =>
  (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
