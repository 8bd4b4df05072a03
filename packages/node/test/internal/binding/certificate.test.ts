/**
 * The certificate that a socket shows.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Identity from "@qp2p/core/Identity"
import { fromPublicKey } from "@qp2p/core/PeerId"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { inspect } from "node:util"
import * as certificate from "../../../src/internal/binding/certificate.ts"
import { derOf, publicKeyOf } from "../../support/certificates.ts"

const secret = Uint8Array.from({ length: 32 }, (_, i) => i + 1)

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe("the certificate of an identity", () => {
  it.effect("is what OpenSSL takes: self-signed, of version 3, for its key and the server name", () =>
    Effect.gen(function* () {
      const identity = yield* Identity.fromSecretKey(secret)
      const credentials = yield* certificate.selfSigned(identity)
      const parsed = new X509Certificate(Buffer.from(credentials.certificate))
      const key = createPrivateKey(decode(Redacted.value(credentials.key)))
      assert.strictEqual(key.asymmetricKeyType, "ed25519")
      assert.isTrue(parsed.checkPrivateKey(key))
      assert.isTrue(parsed.verify(parsed.publicKey))
      assert.isTrue(parsed.checkIssued(parsed))
      assert.strictEqual(parsed.subjectAltName, "DNS:qp2p")
      assert.deepStrictEqual([parsed.subject, parsed.issuer], ["CN=qp2p", "CN=qp2p"])
      assert.match(parsed.validFrom, / 2000 GMT$/u)
      assert.match(parsed.validTo, / 9999 GMT$/u)
      const spki = parsed.publicKey.export({ format: "der", type: "spki" })
      assert.strictEqual(fromPublicKey(spki.subarray(-32)), identity.peerId)
      // A handshake whose flight has more than one datagram costs a round trip more.
      assert.isBelow(derOf(credentials).length, 300)
    })
  )

  it.effect("is always the same", () =>
    Effect.gen(function* () {
      const [one, two] = yield* Effect.replicateEffect(
        Effect.flatMap(Identity.fromSecretKey(secret), certificate.selfSigned),
        2
      )
      assert.deepStrictEqual(one!.certificate, two!.certificate)
      assert.deepStrictEqual(Redacted.value(one!.key), Redacted.value(two!.key))
    })
  )

  it.effect("comes with a key that is not shown", () =>
    Effect.gen(function* () {
      const credentials = yield* Effect.flatMap(Identity.fromSecretKey(secret), certificate.selfSigned)
      const shown = [inspect(credentials, { depth: 9, showHidden: true }), JSON.stringify(credentials)].join("\n")
      const pem = decode(Redacted.value(credentials.key))
      for (const form of [pem.split("\n")[1]!, String(Redacted.value(credentials.key).subarray(40, 50))]) {
        assert.notInclude(shown, form)
      }
      assert.include(shown, "redacted")
    })
  )

  it.effect("is not made of an identity whose secret key is another's, or is none", () =>
    Effect.gen(function* () {
      const identity = yield* Identity.fromSecretKey(secret)
      const peerId = fromPublicKey(publicKeyOf(1))
      const another = yield* Effect.flip(certificate.selfSigned({ ...identity, peerId }))
      assert.strictEqual(another.detail, "its secret key is not that of its peerId")
      for (const wrong of [new Uint8Array(31), new Uint8Array(33), new Uint8Array(0), "secret", undefined]) {
        const secretKey = Redacted.make(wrong as Uint8Array)
        assert.instanceOf(yield* Effect.flip(certificate.selfSigned({ ...identity, secretKey })), Error)
      }
    })
  )
})
