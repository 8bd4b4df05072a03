import { assert, describe, it } from "@effect/vitest"
import { FreedMemory } from "../../../src/internal/socket/freedMemory.ts"
import { collectionInterval, minCollected, quietRate, quietTime } from "../../../src/internal/tunables/garbage.ts"
import { connectionAllowance } from "../../../src/internal/tunables/memory.ts"

const setup = () => {
  let collections = 0
  return { freed: new FreedMemory(() => (collections += 1)), collections: () => collections }
}

describe("memory that peers do not use any more", () => {
  it("is collected once, when it is much and no more comes", () => {
    const { collections, freed } = setup()
    freed.add(minCollected)
    freed.tick(1_000)
    for (let left = quietTime; left > 1_000; left -= 1_000) freed.tick(1_000)
    assert.strictEqual(collections(), 0)
    for (let i = 0; i < 10; i++) freed.tick(1_000)
    assert.strictEqual(collections(), 1)
  })

  it("is not collected while messages come and go", () => {
    const { collections, freed } = setup()
    for (let i = 0; i < 100; i++) {
      freed.add(1_000 * quietRate + 1)
      freed.tick(1_000)
    }
    assert.strictEqual(collections(), 0)
    for (let left = quietTime; left > 0; left -= 1_000) {
      freed.add(1_000 * quietRate)
      freed.tick(1_000)
    }
    assert.strictEqual(collections(), 1)
  })

  it("is collected once a minute at most, however often much is freed", () => {
    const { collections, freed } = setup()
    const at: Array<number> = []
    for (let second = 1; second <= 150; second++) {
      const before = collections()
      if (second % 5 === 1) freed.add(minCollected)
      freed.tick(1_000)
      if (collections() > before) at.push(second)
    }
    const pauses = at.slice(1).map((second, i) => (second - at[i]!) * 1_000)
    assert.isAtLeast(Math.min(...pauses), collectionInterval)
    assert.strictEqual(at.length, 3)
  })

  it("is not collected when it is little", () => {
    const { collections, freed } = setup()
    freed.add(minCollected - 1)
    for (let i = 0; i < 10; i++) freed.tick(1_000)
    assert.strictEqual(collections(), 0)
  })

  it("includes what connections have taken that ended", () => {
    const { collections, freed } = setup()
    for (let i = 0; i < minCollected / connectionAllowance; i++) freed.connectionEnded()
    for (let i = 0; i < 10; i++) freed.tick(1_000)
    assert.strictEqual(collections(), 1)
  })
})
