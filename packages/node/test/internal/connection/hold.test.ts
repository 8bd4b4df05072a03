import { assert, describe, it } from "@effect/vitest"
import { Hold } from "../../../src/internal/connection/hold.ts"
import * as tunables from "../../../src/internal/tunables/memory.ts"

/** How many of the datagrams of `bytes` are taken that come every millisecond for so long. */
const taken = (hold: Hold, bytes: number, millis: number, fill: number, from = 0) => {
  let count = 0
  for (let now = from; now < from + millis; now++) if (hold.admit(bytes, now, fill)) count += 1
  return count
}

describe("a peer that is held back", () => {
  it("gets through so many bytes in a second where that begins", () => {
    assert.strictEqual(
      taken(new Hold(), 1_200, 1_000, tunables.holdBackAbove),
      Math.ceil(1_000 / Math.ceil(1_200 / tunables.heldBackRate))
    )
    assert.strictEqual(taken(new Hold(), 100, 1_000, tunables.holdBackAbove), 1_000 / tunables.heldBackInterval)
  })

  it("gets through less the nearer the limit is, and one datagram now and then when it is reached", () => {
    let before = Infinity
    for (const fill of [0.75, 0.85, 0.9, 0.95]) {
      const count = taken(new Hold(), 1_200, 20_000, fill)
      assert.isBelow(count, before / 2, `${fill}`)
      before = count
    }
    for (const fill of [1, 1.5]) {
      assert.strictEqual(taken(new Hold(), 1_200, 4 * tunables.longestHeldBackInterval, fill), 4)
    }
  })

  it("gets acknowledgements through all the same, and not every one", () => {
    const hold = new Hold()
    assert.isTrue(hold.admit(1_200, 0, 1))
    assert.strictEqual(taken(hold, 60, 1_000, 1), 1_000 / tunables.smallDatagramInterval)
    assert.isFalse(hold.admit(1_200, 1_000, 1))
  })
})
