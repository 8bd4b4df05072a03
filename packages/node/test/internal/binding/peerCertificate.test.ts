/**
 * The key of a peer, from certificates that are as they should be, and from forged ones.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Identity from "@qp2p/core/Identity"
import { fromPublicKey } from "@qp2p/core/PeerId"
import * as Effect from "effect/Effect"
import { generateKeyPairSync, X509Certificate } from "node:crypto"
import * as certificate from "../../../src/internal/binding/certificate.ts"
import * as der from "../../../src/internal/binding/der.ts"
import { peerOf } from "../../../src/internal/binding/peerCertificate.ts"
import { certificateOf, derOf, nameOf, publicKeyOf } from "../../support/certificates.ts"

const key = publicKeyOf(1)
const peer = fromPublicKey(key)
const victim = publicKeyOf(2)

const malformed = { code: 0x12a, detail: "the certificate is malformed" }
const unsupported = { code: 0x12b, detail: "the key of the certificate is not an Ed25519 key" }
const unacceptable = { code: 0x12a, detail: "the key of the certificate is not an acceptable Ed25519 key" }

const octets = (length: number) => der.element(der.OCTET_STRING, new Uint8Array(length))

/** The place of `part` in `whole`, which has it once. */
const placeOf = (whole: Uint8Array, part: Uint8Array): number => {
  const at = Buffer.from(whole).indexOf(part)
  assert.strictEqual(Buffer.from(whole).indexOf(part, at + 1), -1)
  return at
}

/** The bytes with `count` of them replaced from `at` on. */
const spliced = (bytes: Uint8Array, at: number, count: number, ...others: ReadonlyArray<number>): Uint8Array =>
  Buffer.concat([bytes.subarray(0, at), Uint8Array.from(others), bytes.subarray(at + count)])

const info = certificate.publicKeyInfo(key)

/** An info that is encoded by hand. */
const infoOf = (algorithm: ReadonlyArray<number>, bits: Uint8Array): Uint8Array =>
  der.element(der.SEQUENCE, der.element(der.SEQUENCE, algorithm), der.element(der.BIT_STRING, bits))

const oid = [0x06, 0x03, 0x2b, 0x65, 0x70]

describe("the peer that a certificate names", () => {
  it.effect("is the one whose identity made it", () =>
    Effect.gen(function* () {
      const identity = yield* Identity.generate
      const credentials = yield* certificate.selfSigned(identity)
      assert.deepStrictEqual(peerOf([derOf(credentials)]), identity.peerId)
    })
  )

  it("is that of its subject public key, whatever else the certificate says", () => {
    const extensions = der.element(
      der.tagged(3),
      der.element(der.SEQUENCE, der.element(der.SEQUENCE, oid, octets(300)))
    )
    const certificates = {
      plain: certificateOf(key),
      "version 1": certificateOf(key, { version: new Uint8Array(0) }),
      "version 2": certificateOf(key, { version: der.element(der.tagged(0), der.element(der.INTEGER, [1])) }),
      extensions: certificateOf(key, { rest: extensions }),
      "unique ids": certificateOf(key, { rest: Buffer.concat([der.element(0x81, [0, 1]), der.element(0x82, [0, 2])]) }),
      "an empty subject": certificateOf(key, { subject: der.element(der.SEQUENCE) })
    }
    for (const [name, bytes] of Object.entries(certificates)) assert.deepStrictEqual(peerOf([bytes]), peer, name)
  })

  it("is not the victim whose key info stands elsewhere in it", () => {
    const stolen = certificate.publicKeyInfo(victim)
    const text = der.element(der.UTF8_STRING, stolen)
    const certificates = {
      subject: certificateOf(key, { subject: nameOf(text) }),
      issuer: certificateOf(key, { issuer: nameOf(text) }),
      "subject, as a structure": certificateOf(key, { subject: der.element(der.SEQUENCE, stolen) }),
      issuer2: certificateOf(key, { issuer: der.element(der.SEQUENCE, stolen) }),
      validity: certificateOf(key, { validity: der.element(der.SEQUENCE, stolen) }),
      serial: certificateOf(key, { serial: der.element(der.INTEGER, stolen) }),
      extension: certificateOf(key, { rest: der.element(der.tagged(3), stolen) }),
      signature: certificateOf(key, { signature: der.element(der.BIT_STRING, [0], stolen) }),
      algorithm: certificateOf(key, { algorithm: der.element(der.SEQUENCE, oid, stolen) })
    }
    for (const [name, bytes] of Object.entries(certificates)) {
      assert.isAbove(Buffer.from(bytes).indexOf(stolen), 0, name)
      assert.deepStrictEqual(peerOf([bytes]), peer, name)
    }
  })
})

describe("certificates that name no peer", () => {
  it("are none, and more than one", () => {
    const none = { code: 0x12a, detail: "there is no certificate" }
    assert.deepStrictEqual(peerOf(null), none)
    assert.deepStrictEqual(peerOf([]), none)
    const bytes = certificateOf(key)
    assert.deepStrictEqual(peerOf([bytes, bytes]), {
      code: 0x12a,
      detail: "there are 2 certificates instead of one"
    })
  })

  it("have another kind of key, or parameters, or a key of another length", () => {
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "der", type: "spki" })
    const x25519 = generateKeyPairSync("x25519").publicKey.export({ format: "der", type: "spki" })
    const bits = Buffer.concat([Uint8Array.of(0), key])
    const infos = {
      "P-256": ec,
      RSA: generateKeyPairSync("rsa", { modulusLength: 2_048 }).publicKey.export({ format: "der", type: "spki" }),
      X25519: x25519,
      Ed448: generateKeyPairSync("ed448").publicKey.export({ format: "der", type: "spki" }),
      "parameters NULL": infoOf([...oid, 0x05, 0x00], bits),
      "31 bytes": infoOf(oid, bits.subarray(0, -1)),
      "33 bytes": infoOf(oid, Buffer.concat([bits, Uint8Array.of(0)])),
      "unused bits": infoOf(oid, Buffer.concat([Uint8Array.of(1), key])),
      "more in the info": der.element(der.SEQUENCE, info.subarray(2), octets(1)),
      empty: der.element(der.SEQUENCE)
    }
    for (const [name, other] of Object.entries(infos)) {
      assert.deepStrictEqual(peerOf([certificateOf(key, { info: other })]), unsupported, name)
    }
  })

  it("have a key that anybody can sign for, or that has another encoding", () => {
    const identity = new Uint8Array(32)
    identity[0] = 1
    const tooLarge = new Uint8Array(32).fill(0xff)
    for (const wrong of [identity, new Uint8Array(32), tooLarge]) {
      assert.deepStrictEqual(peerOf([certificateOf(wrong)]), unacceptable)
    }
  })

  it("lack a part, or have one too many", () => {
    const nothing = new Uint8Array(0)
    const one = der.element(der.INTEGER, [1])
    const certificates = {
      "no serial": certificateOf(key, { serial: nothing }),
      "an empty serial": certificateOf(key, { serial: der.element(der.INTEGER) }),
      "no algorithm": certificateOf(key, { algorithm: nothing, outerAlgorithm: certificate.ed25519 }),
      "no issuer": certificateOf(key, { issuer: nothing }),
      "no validity": certificateOf(key, { validity: nothing }),
      "no subject": certificateOf(key, { subject: nothing }),
      "no key": certificateOf(key, { info: nothing }),
      "no outer algorithm": certificateOf(key, { outerAlgorithm: nothing }),
      "no signature": certificateOf(key, { signature: nothing }),
      "two subjects": certificateOf(key, { subject: Buffer.concat([nameOf(), nameOf()]) }),
      "two keys": certificateOf(key, { info: Buffer.concat([info, info]) }),
      "two signatures": certificateOf(key, {
        signature: Buffer.concat([der.element(der.BIT_STRING, [0]), der.element(der.BIT_STRING, [0])])
      }),
      "something behind the key": certificateOf(key, { rest: one }),
      "extensions twice": certificateOf(key, {
        rest: Buffer.concat([der.element(der.tagged(3)), der.element(der.tagged(3))])
      }),
      "unique ids in the other order": certificateOf(key, {
        rest: Buffer.concat([der.element(0x82, [0]), der.element(0x81, [0])])
      }),
      "version 1, said": certificateOf(key, { version: der.element(der.tagged(0), der.element(der.INTEGER, [0])) }),
      "version 4": certificateOf(key, { version: der.element(der.tagged(0), der.element(der.INTEGER, [3])) }),
      "a version of two bytes": certificateOf(key, {
        version: der.element(der.tagged(0), der.element(der.INTEGER, [0, 2]))
      }),
      "no number in the version": certificateOf(key, { version: der.element(der.tagged(0)) }),
      "two versions": certificateOf(key, { version: der.element(der.tagged(0), one, one) }),
      "the parts in a set": der.element(der.SET, certificateOf(key).subarray(4)),
      "nothing at all": nothing,
      "an empty sequence": der.element(der.SEQUENCE),
      "only its beginning": certificateOf(key).subarray(0, 1)
    }
    for (const [name, bytes] of Object.entries(certificates)) assert.deepStrictEqual(peerOf([bytes]), malformed, name)
  })

  it("are not DER", () => {
    const bytes = certificateOf(key)
    const keyAt = placeOf(bytes, info)
    const shortSubject = certificateOf(key, { subject: nameOf(der.element(der.UTF8_STRING, [0x61])) })
    const nested = (depth: number): Uint8Array =>
      depth === 0 ? octets(0) : der.element(der.SEQUENCE, nested(depth - 1))
    const highTag = der.element(der.SEQUENCE, [0x3f, 0x81, 0x01, 0x00])
    const certificates = {
      "a byte behind it": Buffer.concat([bytes, Uint8Array.of(0)]),
      "another certificate behind it": Buffer.concat([bytes, bytes]),
      "cut off": bytes.subarray(0, -1),
      "an indefinite length outside": Buffer.concat([
        Uint8Array.of(der.SEQUENCE, 0x80),
        bytes.subarray(3),
        Uint8Array.of(0, 0)
      ]),
      "an indefinite length of the info": Buffer.concat([
        bytes.subarray(0, keyAt + 1),
        Uint8Array.of(0x80),
        bytes.subarray(keyAt + 2)
      ]),
      "a length that is one too large": spliced(bytes, keyAt + 1, 1, info[1]! + 1),
      "a length that is one too small": spliced(bytes, keyAt + 1, 1, info[1]! - 1),
      "a length beyond the end": spliced(bytes, keyAt + 1, 1, 0x7f),
      // 0x81 0x0f is what 0x0f says: the subject grows by one byte, as what is around it must.
      "a length in two bytes instead of one": certificateOf(key, {
        subject: Buffer.concat([Uint8Array.of(der.SEQUENCE, 0x81), nameOf().subarray(1)])
      }),
      "a length in three bytes instead of two": certificateOf(key, {
        rest: Buffer.concat([Uint8Array.of(der.tagged(3), 0x82, 0x00, 0x80), octets(126)])
      }),
      "a length of three bytes": certificateOf(key, {
        rest: Buffer.concat([Uint8Array.of(der.tagged(3), 0x83, 0x00, 0x01, 0x00), octets(252)])
      }),
      "a tag of several bytes": certificateOf(key, { subject: highTag }),
      "a length in the middle of an extension": certificateOf(key, {
        rest: der.element(der.tagged(3), [der.SEQUENCE, 0x05, 0x00])
      }),
      "too deep": certificateOf(key, { rest: der.element(der.tagged(3), nested(40)) })
    }
    assert.deepStrictEqual(peerOf([shortSubject]), peer)
    for (const [name, forged] of Object.entries(certificates)) assert.deepStrictEqual(peerOf([forged]), malformed, name)
  })

  it("are too long", () => {
    const rest = (length: number) => der.element(der.tagged(3), octets(length))
    const room = 8_192 - certificateOf(key, { rest: rest(4_000) }).length + 4_000
    assert.deepStrictEqual(peerOf([certificateOf(key, { rest: rest(room) })]), peer)
    assert.deepStrictEqual(peerOf([certificateOf(key, { rest: rest(room + 1) })]), {
      code: 0x12a,
      detail: "the certificate has more than 8192 bytes"
    })
  })
})

describe("a certificate with changed bytes", () => {
  /** The key as OpenSSL reads it. */
  const opensslKey = (bytes: Uint8Array): unknown => {
    try {
      return fromPublicKey(new X509Certificate(bytes).publicKey.export({ format: "der", type: "spki" }).subarray(-32))
    } catch {
      return undefined
    }
  }

  it.effect("names no other peer than the one that OpenSSL finds in it, and never throws", () =>
    Effect.gen(function* () {
      const original = derOf(yield* certificate.selfSigned(yield* Identity.generate))
      const outcomes = { named: 0, refused: 0 }
      for (let at = 0; at < original.length; at++) {
        for (let bit = 0; bit < 8; bit++) {
          const changed = spliced(original, at, 1, original[at]! ^ (1 << bit))
          const found = peerOf([changed])
          if (typeof found !== "string") outcomes.refused += 1
          else {
            outcomes.named += 1
            const theirs = opensslKey(changed)
            // OpenSSL refuses more, such as texts that are no UTF-8.
            if (theirs !== undefined) assert.deepStrictEqual(found, theirs, `bit ${bit} of byte ${at}`)
          }
        }
        assert.isNotString(peerOf([original.subarray(0, at)]))
      }
      assert.isAbove(outcomes.named, 100)
      assert.isAbove(outcomes.refused, 100)
    })
  )
})
