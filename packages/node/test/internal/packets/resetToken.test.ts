import * as Identity from "@qp2p/core/Identity"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createHmac, hkdfSync } from "node:crypto"
import { printed, reaches, shownSecret } from "../../support/secretForms.ts"
import { randomId } from "../../../src/internal/packets/connectionId.ts"
import { asBigInt, resetKeyOf, resetTokens } from "../../../src/internal/packets/resetToken.ts"

const secret = Uint8Array.from({ length: 32 }, (_, i) => i + 1)

const keyOf = (bytes: Uint8Array) =>
  Effect.flatMap(Identity.fromSecretKey(Redacted.make(bytes)), (identity) => resetKeyOf(identity))

describe("stateless reset tokens", () => {
  it.effect("are HKDF over the secret key, the port and the connection id", () =>
    Effect.gen(function* () {
      const tokens = resetTokens(yield* keyOf(secret), 4_660)
      const id = Uint8Array.from({ length: 20 }, (_, i) => 0xa0 + i)
      const key = new Uint8Array(hkdfSync("sha256", secret, "", "qp2p stateless reset v1", 32))
      const expected = createHmac("sha256", key)
        .update(Uint8Array.of(0x12, 0x34, ...id, 1))
        .digest()
      assert.deepStrictEqual([...tokens(id)], [...expected.subarray(0, 16)])
      assert.strictEqual(asBigInt(tokens(id)), BigInt(`0x${expected.toString("hex", 0, 16)}`))
      // A process that starts again, with another version of this library: it must never change.
      assert.strictEqual(tokens(id).toString("hex"), "4a5ca6c4236690eb85e61a047c89725d")
    })
  )

  it.effect("are others for each id, each port and each key, and the same each time", () =>
    Effect.gen(function* () {
      const keys = [yield* keyOf(secret), yield* keyOf(secret.map((byte) => byte ^ 1))]
      const ids = [randomId(), randomId(), randomId()]
      const all = () =>
        keys.flatMap((key) =>
          [1, 256, 257].flatMap((port) => ids.map((id) => resetTokens(key, port)(id).toString("hex")))
        )
      assert.strictEqual(new Set(all()).size, 2 * 3 * 3)
      assert.deepStrictEqual(all(), all())
    })
  )

  it.effect("are made with a key that is printed nowhere, and that is not the secret key", () =>
    Effect.gen(function* () {
      const key = yield* keyOf(secret)
      assert.notDeepEqual(Redacted.value(key), secret)
      const tokens = resetTokens(key, 1)
      for (const value of [key, tokens, { tokens }]) {
        assert.isFalse(reaches(value, Redacted.value(key)))
        for (const text of printed(value)) assert.isUndefined(shownSecret(text, Redacted.value(key)))
      }
    })
  )

  it.effect("are a typed failure of an identity whose secret key was wiped", () =>
    Effect.gen(function* () {
      const identity = yield* Identity.generate
      Redacted.wipeUnsafe(identity.secretKey)
      const error = yield* Effect.flip(resetKeyOf(identity))
      assert.strictEqual(error._tag, "UnusableIdentity")
    })
  )
})
