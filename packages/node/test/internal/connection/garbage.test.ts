// @module-tag platform
import { assert, it } from "@effect/vitest"
import { collectIfQuick, GarbageCollection } from "../../../src/internal/connection/garbage.ts"
import { maxCollectionPause, maxQuickHeap } from "../../../src/internal/tunables/garbage.ts"

/** At which of so many sweeps garbage was collected; `progressAt` some there had been progress. */
const collectedAt = (count: number, progressAt: ReadonlyArray<number> = []) => {
  const at: Array<number> = []
  let sweep = 0
  let progress = 1
  const garbage = new GarbageCollection(() => at.push(sweep))
  for (; sweep < count; sweep++) {
    if (progressAt.includes(sweep)) progress += 1
    garbage.tick(progress)
  }
  return at
}

it("garbage is collected at once, and ever less often while that does not help", () => {
  assert.deepStrictEqual(collectedAt(20), [0, 1, 3, 7, 15])
  const all = collectedAt(1_000)
  assert.isTrue(all.every((at, i) => i === 0 || at - all[i - 1]! <= maxCollectionPause))
  assert.isBelow(all.length, 30)
})

it("garbage is collected at once again when it has helped", () => {
  assert.deepStrictEqual(collectedAt(16, [5, 6, 9]), [0, 1, 3, 5, 6, 7, 9, 10, 12])
})

it("garbage is left to the engine where the heap is large", () => {
  let collections = 0
  for (const heap of [maxQuickHeap - 1, maxQuickHeap]) collectIfQuick(heap, () => (collections += 1))
  assert.strictEqual(collections, 1)
  assert.isAtMost(maxQuickHeap, 64 << 20)
})

it("garbage that a FinalizationRegistry knows is collected by it", async () => {
  let collected = 0
  const registry = new FinalizationRegistry(() => (collected += 1))
  const make = () => registry.register({}, undefined)
  for (let i = 0; i < 10; i++) make()
  const garbage = new GarbageCollection()
  for (let sweep = 0; collected === 0; sweep++) {
    garbage.tick(sweep)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.isAbove(collected, 0)
})
