import { assert, describe, it } from "@effect/vitest"
import { ConnectionTable } from "../../../src/internal/socket/connectionTable.ts"

const connection = () => ({})

describe("the connections of a socket", () => {
  const host = "192.0.2.1"
  const entry = (port: number, key: string, dialled = false) => ({ host, port, ip: host, keys: [key], dialled })

  it("are found where they were made and where their peers are, and not between", () => {
    const table = new ConnectionTable<object>()
    const one = connection()
    table.add(one, entry(1, "a"))
    for (let port = 2; port <= 100; port++) table.move(one, host, port)
    assert.deepStrictEqual([...table.at(host, 1)], [one])
    assert.deepStrictEqual([...table.at(host, 100)], [one])
    for (let port = 2; port < 100; port++) assert.deepStrictEqual([...table.at(host, port)], [])
    table.move(one, host, 1)
    assert.deepStrictEqual([...table.at(host, 1)], [one])
    assert.deepStrictEqual([...table.at(host, 100)], [])
  })

  it("count against the address that they were made with, wherever their peers go", () => {
    const table = new ConnectionTable<object>()
    const moving = Array.from({ length: 10 }, connection)
    for (const [i, each] of moving.entries()) {
      table.add(each, entry(i + 1, String(i)))
      table.move(each, "192.0.2.2", i + 1)
    }
    assert.strictEqual(table.countOfIp(host), 10)
    assert.strictEqual(table.countOfIp("192.0.2.2"), 0)
  })

  it("are found nowhere when they have ended, and do not come back by moving", () => {
    const table = new ConnectionTable<object>()
    const one = connection()
    table.add(one, entry(1, "a"))
    table.move(one, "192.0.2.2", 2)
    table.end(one)
    table.move(one, "192.0.2.3", 3)
    for (const [where, port] of [
      [host, 1],
      ["192.0.2.2", 2],
      ["192.0.2.3", 3]
    ] as const) {
      assert.deepStrictEqual([...table.at(where, port)], [])
      assert.strictEqual(table.countOfIp(where), 0)
    }
    assert.strictEqual(table.open, 0)
    // Late packets are still its own.
    assert.strictEqual(table.withId("a"), one)
    table.remove(one)
    assert.isUndefined(table.withId("a"))
    assert.strictEqual(table.size, 0)
  })

  it("count once, as accepted or dialled ones, until they end, however often they are said to", () => {
    const table = new ConnectionTable<object>()
    const [accepted, dialled] = [connection(), connection()]
    table.add(accepted, entry(1, "a"))
    table.add(dialled, entry(2, "b", true))
    assert.deepStrictEqual([table.open, table.accepted, table.countOfIp(host)], [2, 1, 2])
    table.end(accepted)
    table.end(accepted)
    assert.deepStrictEqual([table.open, table.accepted, table.countOfIp(host)], [1, 0, 1])
    table.end(dialled)
    assert.deepStrictEqual([table.open, table.accepted, table.countOfIp(host)], [0, 0, 0])
  })
})
