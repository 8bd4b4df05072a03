import { assert, describe, it } from "@effect/vitest"
import { TurnQueue } from "../../../src/internal/socket/turnQueue.ts"
import { maxIdleTurnQueues } from "../../../src/internal/tunables/turns.ts"

interface Connection {
  readonly ipGroup: string
  readonly number: number
}

const setup = () => {
  const queue = new TurnQueue<Connection>()
  let count = 0
  const push = (ipGroup: string, times = 1): ReadonlyArray<Connection> =>
    Array.from({ length: times }, () => {
      const connection = { ipGroup, number: count++ }
      queue.push(connection)
      return connection
    })
  const drain = (): ReadonlyArray<Connection> => Array.from({ length: queue.length }, () => queue.shift()!)
  return { drain, push, queue }
}

describe("the order of turns", () => {
  it("is that of the requests among the connections of one IP address", () => {
    const { drain, push } = setup()
    const all = push("192.0.2.1", 1_000)
    assert.deepStrictEqual(drain(), all)
  })

  it("gives an address the next turn but one, however many connections of another have asked before", () => {
    const { push, queue } = setup()
    push("192.0.2.1", 1_000)
    for (let round = 0; round < 100; round++) {
      const [honest] = push("192.0.2.2")
      assert.include([queue.shift(), queue.shift()], honest)
      push("192.0.2.1", 10)
    }
  })

  it("takes addresses in turn", () => {
    const { drain, push } = setup()
    push("a", 3)
    push("b", 1)
    push("c", 2)
    assert.deepStrictEqual(
      drain().map(({ ipGroup }) => ipGroup),
      ["a", "b", "c", "a", "c", "a"]
    )
  })

  it("leaves out connections that were removed", () => {
    const { drain, push, queue } = setup()
    const [first] = push("a", 2)
    const [only] = push("b")
    push("c")
    for (const connection of [first!, only!, only!]) queue.remove(connection)
    assert.strictEqual(queue.length, 2)
    assert.deepStrictEqual(
      drain().map(({ number }) => number),
      [1, 3]
    )
    assert.isUndefined(queue.shift())
  })

  it("is the same with more addresses than are remembered", () => {
    const { drain, push } = setup()
    for (let round = 0; round < 3; round++) {
      const all = Array.from({ length: 3 * maxIdleTurnQueues }, (_, ip) => push(`${round} ${ip}`)[0]!)
      assert.deepStrictEqual(drain(), all)
    }
  })
})
