import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "../../src/internal/quiche/connection.ts"
import { Loop } from "../../src/internal/quiche/loop.ts"

/** A loop whose connections only say what they are asked for; those in `broken` have a defect there. */
const makeLoop = (broken: ReadonlyArray<string> = []) => {
  const log: Array<string> = []
  const defects: Array<unknown> = []
  const say = (what: string): void => {
    log.push(what)
    if (broken.includes(what)) throw new Error(what)
  }
  const loop = new Loop({
    dispatch: () => say("dispatch"),
    onOver: (connection) => say(`${(connection as unknown as { readonly name: string }).name} over`),
    onDefect: (defect) => defects.push(defect)
  })
  const makeConnection = (name: string) => {
    const connection = {
      name,
      touched: false,
      isUnread: false,
      phase: "established",
      deadline: Infinity,
      read: (_now: number) => say(`${name} read`),
      write: (_now: number) => say(`${name} write`),
      conclude: (_now: number) => say(`${name} conclude`),
      abandon: () => {
        connection.phase = "closed"
      }
    }
    return connection as typeof connection & Connection
  }
  return { loop, log, defects, makeConnection }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe("a turn", () => {
  it("has all read, then all write, then the packets leave, and only then what can wait", async () => {
    const { log, loop, makeConnection } = makeLoop()
    loop.touch(makeConnection("a"))
    loop.touch(makeConnection("b"))
    await turn()
    assert.deepStrictEqual(log, ["a read", "b read", "a write", "b write", "dispatch", "a conclude", "b conclude"])
  })

  it("lets whoever was handed something answer before anything is written", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const a = makeConnection("a")
    const read = a.read
    a.read = (now) => {
      read(now)
      queueMicrotask(() => log.push("answered"))
    }
    loop.touch(a)
    await turn()
    assert.deepStrictEqual(log.slice(0, 3), ["a read", "answered", "a write"])
  })

  it("follows for what touches a connection while it concludes", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const a = makeConnection("a")
    const conclude = a.conclude
    a.conclude = (now) => {
      a.conclude = conclude
      conclude(now)
      loop.touch(a)
    }
    loop.touch(a)
    await turn()
    await turn()
    assert.strictEqual(log.filter((line) => line === "a write").length, 2)
  })

  for (const where of ["read", "write", "conclude"]) {
    it(`costs a connection that breaks in \`${where}\`, and no other`, async () => {
      const { defects, log, loop, makeConnection } = makeLoop([`a ${where}`])
      loop.touch(makeConnection("a"))
      loop.touch(makeConnection("b"))
      await turn()
      assert.strictEqual(defects.length, 1)
      assert.include(log, "a over")
      assert.notInclude(log, "b over")
      assert.deepStrictEqual(
        log.filter((line) => line === "dispatch" || line.startsWith("b")),
        ["b read", "b write", "dispatch", "b conclude"]
      )
    })
  }

  it("is the last after the loop was stopped in it, and sends nothing by itself", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const a = makeConnection("a")
    a.write = () => {
      loop.stop()
      loop.touch(a)
    }
    loop.touch(a)
    await turn()
    await turn()
    assert.deepStrictEqual(log, ["a read", "a conclude"])
  })
})
