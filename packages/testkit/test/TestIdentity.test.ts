import { assert, describe, it } from "@effect/vitest"
import * as Identity from "@qp2p/core/Identity"
import * as PeerId from "@qp2p/core/PeerId"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TestIdentity from "../src/TestIdentity.ts"

const message = new TextEncoder().encode("pay 100")

describe("TestIdentity.make", () => {
  it("makes the same identity for the same name, and another for another", () => {
    assert.strictEqual(TestIdentity.make("ann").peerId, TestIdentity.make("ann").peerId)
    assert.strictEqual(TestIdentity.make(1).peerId, TestIdentity.make("1").peerId)
    const ids = ["ann", "bob", "", 0, 1, 2, -1, 1.5].map((name) => TestIdentity.make(name).peerId)
    assert.strictEqual(new Set(ids).size, ids.length)
    // It is the same on every machine and in every version: stored ids stay true.
    assert.strictEqual(TestIdentity.make("ann").peerId, "g7kq3ddrgsvt2jhjfcctuiwnsqedpsvc5mep6fh77myk7h6ofuca")
  })

  it.effect("makes the key pair that Identity makes of the secret key", () =>
    Effect.gen(function* () {
      const made = TestIdentity.make("ann")
      assert.strictEqual((yield* Identity.fromSecretKey(made.secretKey)).peerId, made.peerId)
      assert.strictEqual(Redacted.value(made.secretKey).length, 32)
    })
  )

  it.effect("signs what PeerId verifies", () =>
    Effect.gen(function* () {
      const [ann, bob] = [TestIdentity.make("ann"), TestIdentity.make("bob")]
      const signature = yield* ann.sign(message)
      assert.isTrue(yield* PeerId.verify(ann.peerId, message, signature))
      assert.isFalse(yield* PeerId.verify(bob.peerId, message, signature))
    })
  )

  it("shows no secret key", () => {
    const { peerId, secretKey } = TestIdentity.make("ann")
    assert.strictEqual(
      JSON.stringify({ peerId, secretKey }),
      JSON.stringify({ peerId, secretKey: "<redacted:secret key of a test>" })
    )
  })
})
