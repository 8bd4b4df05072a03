/**
 * Any bytes at all as the certificate of a peer: it has no key, or the key that OpenSSL finds in it.
 */
import { assert, describe, it } from "@effect/vitest"
import { fromPublicKey } from "@qp2p/core/PeerId"
import { X509Certificate } from "node:crypto"
import { DerReader } from "../../../src/internal/binding/der.ts"
import { BAD_CERTIFICATE, UNSUPPORTED_CERTIFICATE } from "../../../src/internal/binding/errorCodes.ts"
import { isPeerId, peerOf } from "../../../src/internal/binding/peerCertificate.ts"
import { fuzz, holds, timeout } from "../../../../core/test/support/fuzz/fuzz.ts"

/** The raw Ed25519 key that OpenSSL reads; undefined for what it does not take, or takes for another kind. */
const keyOfOpenSsl = (bytes: Uint8Array): Uint8Array | undefined => {
  try {
    const key = new X509Certificate(bytes).publicKey
    if (key.asymmetricKeyType !== "ed25519") return undefined
    return key.export({ format: "der", type: "spki" }).subarray(-32)
  } catch {
    return undefined
  }
}

/** Reads everything that has the form of elements, as deep as they go, and counts them. */
const countElements = (bytes: Uint8Array): number => {
  let count = 0
  const open = [new DerReader(bytes)]
  for (let reader = open.pop(); reader !== undefined; reader = open.pop()) {
    while (!reader.isAtEnd) {
      const at = reader.at
      const contents = reader.next()
      if (contents === undefined) break
      count += 1
      holds(contents.start > at && contents.end >= contents.start && contents.end <= bytes.length, "it lies within")
      holds(reader.at === contents.end, "the next one follows")
      if ((bytes[at]! & 0x20) !== 0) open.push(new DerReader(bytes, contents))
    }
  }
  return count
}

const check = (input: Uint8Array): string => {
  const elements = countElements(input)
  assert.isAtMost(elements, input.length)
  const isWellFormed = new DerReader(input).isWellFormed()
  const peer = peerOf([input])
  if (isPeerId(peer)) {
    assert.isTrue(isWellFormed)
    const key = keyOfOpenSsl(input)
    if (key !== undefined) assert.strictEqual(peer, fromPublicKey(key), "there is one key in a certificate")
    return `a peer${key === undefined ? ", not for OpenSSL" : ""}`
  }
  assert.include([BAD_CERTIFICATE, UNSUPPORTED_CERTIFICATE], peer.code)
  assert.isBelow(peer.detail.length, 100)
  return `${peer.detail}; ${isWellFormed ? "DER" : "not DER"}`
}

describe("fuzzing certificates", () => {
  it(
    "finds that any bytes are refused, or have the one key that OpenSSL finds in them",
    () =>
      fuzz({
        test: import.meta.url,
        format: "hex",
        tokens: [
          Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00),
          Uint8Array.of(0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70),
          Uint8Array.of(0x30, 0x80),
          Uint8Array.of(0x30, 0x81, 0x80),
          Uint8Array.of(0x30, 0x82, 0x01, 0x00),
          Uint8Array.of(0x1f, 0x81),
          Uint8Array.of(0x00, 0x00)
        ],
        maxLength: 8_300,
        runs: 4_000,
        check
      }),
    timeout
  )
})
