import { assert, describe, it } from "@effect/vitest"
import { connectionIdLength } from "../../../src/internal/packets/connectionId.ts"
import { IdSupply } from "../../../src/internal/packets/idSupply.ts"
import { keyOf } from "../../../src/internal/packets/packetHeader.ts"
import { asBigInt } from "../../../src/internal/packets/resetToken.ts"
import { idsDrawn } from "../../../src/internal/tunables/connectionIds.ts"
import { fakeTokens } from "../../support/fakeBinding.ts"

describe("the ids of a socket", () => {
  it("are never the same, and each has the token of the socket's key, however many were drawn at a time", () => {
    const tokens = fakeTokens(7)
    const { next } = new IdSupply(tokens)
    const issued = Array.from({ length: 3 * idsDrawn + 1 }, next)
    assert.strictEqual(new Set(issued.map(({ id }) => keyOf(id))).size, issued.length)
    for (const { id, resetToken } of issued) {
      assert.lengthOf(id, connectionIdLength)
      assert.strictEqual(resetToken, asBigInt(tokens(id)))
    }
  })

  it("stay as they are when others are drawn", () => {
    const { next } = new IdSupply(fakeTokens(7))
    const first = next()
    const key = keyOf(first.id)
    for (let i = 0; i < 2 * idsDrawn; i++) next()
    assert.strictEqual(keyOf(first.id), key)
  })

  it("have other tokens at another port", () => {
    const { id, resetToken } = new IdSupply(fakeTokens(7)).next()
    assert.notStrictEqual(resetToken, asBigInt(fakeTokens(8)(id)))
  })
})
