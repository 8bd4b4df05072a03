import { assert, describe, it } from "@effect/vitest"
import { Burst } from "../../../src/internal/path/burst.ts"
import * as tunables from "../../../src/internal/tunables/path.ts"

const none = () => 0

const spend = (burst: Burst, lost: () => number): void => burst.spent({ lost })

/** Sends whole bursts until the size changes, at most `most`; how many it took. */
const untilChanged = (burst: Burst, lost: () => number, most = 5_000): number => {
  const before = burst.size
  let count = 0
  while (burst.size === before && count < most) {
    spend(burst, lost)
    count += 1
  }
  return count
}

describe("a burst", () => {
  it("doubles as long as nothing is lost, up to the largest", () => {
    const burst = new Burst(true)
    assert.strictEqual(burst.size, tunables.burst)
    let size = tunables.burst
    while (size < tunables.maxBurst) {
      assert.strictEqual(untilChanged(burst, none), 8)
      size = Math.min(2 * size, tunables.maxBurst)
      assert.strictEqual(burst.size, size)
    }
    assert.strictEqual(untilChanged(burst, none), 5_000)
  })

  it("is as small as in the beginning once something was lost, and longer each time", () => {
    const burst = new Burst(true)
    let lost = 0
    for (let trial = 8; trial <= 1_024; trial *= 2) {
      assert.strictEqual(
        untilChanged(burst, () => lost),
        trial
      )
      assert.strictEqual(burst.size, 2 * tunables.burst)
      lost += 1
      assert.strictEqual(
        untilChanged(burst, () => lost),
        trial
      )
      assert.strictEqual(burst.size, tunables.burst)
    }
    assert.strictEqual(
      untilChanged(burst, () => lost),
      1_024
    )
  })

  it("asks for what was lost only when it may change", () => {
    const burst = new Burst(true)
    let asked = 0
    const lost = () => {
      asked += 1
      return 0
    }
    for (let i = 0; i < 80; i++) spend(burst, lost)
    assert.strictEqual(asked, 10)
  })

  it("stays as it is between machines, and once the peer has moved", () => {
    const network = new Burst(false)
    assert.strictEqual(untilChanged(network, none), 5_000)
    const moved = new Burst(true)
    untilChanged(moved, none)
    moved.pathChanged()
    assert.strictEqual(moved.size, tunables.burst)
    assert.strictEqual(untilChanged(moved, none), 5_000)
  })
})
