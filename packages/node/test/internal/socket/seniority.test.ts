import { assert, describe, it } from "@effect/vitest"
import { idKey } from "../../../src/internal/packets/packetHeader.ts"
import * as seniority from "../../../src/internal/socket/seniority.ts"

const key = (id: Uint8Array) => idKey(id, 0, id.length)

describe("a dial's connection id", () => {
  it("comes after those of every connection that is known with the peer", () => {
    const known: Array<string> = []
    for (let i = 0; i < 100; i++) {
      const next = key(seniority.connectionId(known.toReversed()))
      for (const other of known) assert.isTrue(other < next)
      known.push(next)
    }
  })

  it("is random in the rest, so that dials that cross have an order", () => {
    const ids = Array.from({ length: 1_000 }, () => seniority.connectionId([]))
    assert.isTrue(ids.every((id) => id.length === 20 && id[0] === 0))
    assert.strictEqual(new Set(ids.map(key)).size, 1_000)
    assert.isTrue(ids.some((id) => id[1]! < 64) && ids.some((id) => id[1]! > 192))
  })

  it("does not go beyond a byte, nor trip over a peer that chose no id for itself", () => {
    assert.strictEqual(seniority.connectionId(["\xff"])[0], 0xff)
    assert.strictEqual(seniority.connectionId([""])[0], 1)
  })
})
