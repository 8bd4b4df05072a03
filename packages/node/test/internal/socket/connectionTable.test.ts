import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "../../../src/internal/connection/connection.ts"
import { Registry } from "../../../src/internal/socket/connectionTable.ts"

const connection = () => ({}) as Connection

describe("the connections of a socket", () => {
  const host = "192.0.2.1"

  it("are found where they were made and where their peers are, and not between", () => {
    const registry = new Registry()
    const one = connection()
    registry.add(one, host, 1, ["a"])
    for (let port = 2; port <= 100; port++) registry.move(one, host, port)
    assert.deepStrictEqual([...registry.at(host, 1)], [one])
    assert.deepStrictEqual([...registry.at(host, 100)], [one])
    for (let port = 2; port < 100; port++) assert.strictEqual(registry.at(host, port).size, 0)
    registry.move(one, host, 1)
    assert.deepStrictEqual([...registry.at(host, 1)], [one])
    assert.strictEqual(registry.at(host, 100).size, 0)
  })

  it("count against the address that they were made with, wherever their peers go", () => {
    const registry = new Registry()
    const moving = Array.from({ length: 10 }, connection)
    for (const [i, each] of moving.entries()) {
      registry.add(each, host, i + 1, [String(i)])
      registry.move(each, "192.0.2.2", i + 1)
    }
    assert.strictEqual(registry.withIp(host).size, 10)
    assert.strictEqual(registry.withIp("192.0.2.2").size, 0)
  })

  it("are found nowhere when they are over, and do not come back by moving", () => {
    const registry = new Registry()
    const one = connection()
    registry.add(one, host, 1, ["a"])
    registry.move(one, "192.0.2.2", 2)
    registry.end(one)
    registry.move(one, "192.0.2.3", 3)
    for (const [where, port] of [
      [host, 1],
      ["192.0.2.2", 2],
      ["192.0.2.3", 3]
    ] as const) {
      assert.strictEqual(registry.at(where, port).size, 0)
      assert.strictEqual(registry.withIp(where).size, 0)
    }
    assert.strictEqual(registry.live, 0)
    // Late packets are still its own.
    assert.strictEqual(registry.withId("a"), one)
    registry.forget(one)
    assert.isUndefined(registry.withId("a"))
    assert.strictEqual(registry.size, 0)
  })
})
