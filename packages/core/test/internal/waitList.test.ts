import { assert, describe, it } from "@effect/vitest"
import { Wait, WaitList } from "../../src/internal/waitList.ts"

/** A list of callbacks with these names, each of which adds its name to `called`. */
const listOf = (...names: ReadonlyArray<string>) => {
  const list = new WaitList()
  const called: Array<string> = []
  const waits = names.map((name) => new Wait(() => called.push(name)))
  for (const wait of waits) list.add(wait, false)
  const callAll = () => {
    for (let wait = list.shift(); wait !== undefined; wait = list.shift()) wait.call()
    return called.splice(0)
  }
  return { callAll, list, waits }
}

describe("a queue of callbacks", () => {
  it("gives them in order, and those that were added at its head before", () => {
    const { callAll, list, waits } = listOf("a", "b", "c")
    assert.strictEqual(list.length, 3)
    list.remove(waits[2]!)
    list.add(waits[2]!, true)
    assert.deepStrictEqual(callAll(), ["c", "a", "b"])
    assert.strictEqual(list.length, 0)
    assert.isUndefined(list.shift())
  })

  it("gives none that has been removed, wherever it stood", () => {
    for (const [i, left] of [
      ["b", "c"],
      ["a", "c"],
      ["a", "b"]
    ].entries()) {
      const { callAll, list, waits } = listOf("a", "b", "c")
      list.remove(waits[i]!)
      assert.strictEqual(list.length, 2)
      assert.deepStrictEqual(callAll(), left)
    }
  })

  it("ignores the removal of one that has been taken or removed", () => {
    const { callAll, list, waits } = listOf("a", "b", "c")
    list.shift()
    list.remove(waits[0]!)
    list.remove(waits[1]!)
    list.remove(waits[1]!)
    assert.strictEqual(list.length, 1)
    assert.deepStrictEqual(callAll(), ["c"])
  })
})
