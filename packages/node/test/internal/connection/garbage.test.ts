// @module-tag platform
import { assert, it } from "@effect/vitest"
import { GarbageCollection } from "../../../src/internal/connection/garbage.ts"
import { longestCollectionPause } from "../../../src/internal/tunables.ts"

/** At which of so many looks garbage was collected; `progressAt` some there had been progress. */
const looks = (count: number, progressAt: ReadonlyArray<number> = []) => {
  const at: Array<number> = []
  let look = 0
  let progress = 1
  const garbage = new GarbageCollection(() => at.push(look))
  for (; look < count; look++) {
    if (progressAt.includes(look)) progress += 1
    garbage.mayHelp(progress)
  }
  return at
}

it("garbage is collected at once, and ever less often while that does not help", () => {
  assert.deepStrictEqual(looks(20), [0, 1, 3, 7, 15])
  const all = looks(1_000)
  assert.isTrue(all.every((at, i) => i === 0 || at - all[i - 1]! <= longestCollectionPause))
  assert.isBelow(all.length, 30)
})

it("garbage is collected at once again when it has helped", () => {
  assert.deepStrictEqual(looks(16, [5, 6, 9]), [0, 1, 3, 5, 6, 7, 9, 10, 12])
})

it("garbage that a FinalizationRegistry knows is collected by it", async () => {
  let collected = 0
  const registry = new FinalizationRegistry(() => (collected += 1))
  const make = () => registry.register({}, undefined)
  for (let i = 0; i < 10; i++) make()
  const garbage = new GarbageCollection()
  for (let look = 0; collected === 0; look++) {
    garbage.mayHelp(look)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.isAbove(collected, 0)
})
