/**
 * Anything at all in a key file: it is refused in a few words without the key, or has the key that OpenSSL finds in it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { createPrivateKey } from "node:crypto"
import { decodePem, encodePem } from "../../../src/internal/identity/pem.ts"
import { decodePkcs8, encodePkcs8, type PrivateKey } from "../../../src/internal/identity/pkcs8.ts"
import { fuzz, timeout } from "../../../../core/test/support/fuzz/fuzz.ts"

/** The 32 bytes that OpenSSL reads; undefined for what it does not take, or takes for another kind. */
const seedOfOpenSsl = (der: Uint8Array): Uint8Array | undefined => {
  try {
    const key = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" })
    return key.asymmetricKeyType === "ed25519" ? key.export({ format: "der", type: "pkcs8" }).subarray(-32) : undefined
  } catch {
    return undefined
  }
}

/** Every reason that there is: none has a word of the file, which may be a key. */
const reasons = [
  "it is empty",
  "it is text in UTF-16, and must be in UTF-8",
  "it has no line -----(?:BEGIN|END) PRIVATE KEY-----",
  "it has \\d+ PEM blocks, and must have one: a private key",
  "the key is encrypted, and nothing here asks for a passphrase: `openssl pkey` decrypts it",
  "it has an? (?:RSA|DSA) key, not one of Ed25519",
  "it has a key of an elliptic curve other than Ed25519",
  "it has a key in the format of OpenSSH, not in PKCS#8",
  "it has a (?:public key, not a private one|certificate, not a private key)",
  "its PEM block is no (?:private key|base64|PKCS#8 private key)",
  "there is text outside of its PEM block",
  "it has a key of (?:an unknown kind|Ed448|X25519|X448|RSA|RSA-PSS|ECDSA|DSA), not one of Ed25519",
  "its key has \\d+ bytes, and one of Ed25519 has 32"
].map((reason) => new RegExp(`^${reason}$`, "u"))

const checkKey = (der: Uint8Array, { publicKey, seed }: PrivateKey): string => {
  assert.strictEqual(seed.length, 32)
  if (publicKey !== undefined) assert.strictEqual(publicKey.length, 32)
  // One element, and nothing behind it.
  assert.strictEqual(
    der.length,
    der[1]! < 0x80 ? 2 + der[1]! : der[1] === 0x81 ? 3 + der[2]! : 4 + der[2]! * 256 + der[3]!
  )
  const other = seedOfOpenSsl(der)
  if (other !== undefined) assert.deepStrictEqual([...seed], [...other], "there is one key in a file")
  const written = Result.flatMap(decodePem(new TextEncoder().encode(encodePem(encodePkcs8(seed)))), decodePkcs8)
  assert.deepStrictEqual([...Result.getOrThrow(written).seed], [...seed], "what is written is read")
  return `a key, ${publicKey === undefined ? "alone" : "with its public key"}${other === undefined ? ", not for OpenSSL" : ""}`
}

const checkRead = (der: Uint8Array): string => {
  const key = decodePkcs8(der)
  return Result.isSuccess(key) ? checkKey(der, key.success) : checkReason(key.failure)
}

const checkReason = (reason: string): string => {
  const isKnown = reasons.some((each) => each.test(reason))
  assert.isTrue(isKnown, `a reason that there is not: ${reason}`)
  return reason
}

/** The input as a file, and as what is in one: in base64, mutations of that would be rare. */
const check = (input: Uint8Array): string => {
  const der = decodePem(input)
  return `${Result.isSuccess(der) ? checkRead(der.success) : checkReason(der.failure)}; ${checkRead(input)}`
}

describe("fuzzing key files", () => {
  it(
    "finds that any file is refused without showing the key, or has the one key that OpenSSL finds in it",
    () =>
      fuzz({
        test: import.meta.url,
        format: "txt",
        tokens: [
          "-----BEGIN PRIVATE KEY-----\n",
          "-----END PRIVATE KEY-----\n",
          "-----BEGIN CERTIFICATE-----\n",
          "MC4CAQAwBQYDK2VwBCIEI",
          "=",
          "\r\n",
          "\ufeff",
          "\u0000",
          "-----",
          "Proc-Type: 4,ENCRYPTED\n"
        ],
        maxLength: 2_000,
        runs: 2_000,
        check
      }),
    timeout
  )
})
