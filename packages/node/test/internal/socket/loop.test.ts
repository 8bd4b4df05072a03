import { assert, describe, it } from "@effect/vitest"
import { channel, subscribe, unsubscribe } from "node:diagnostics_channel"
import type { State } from "../../../src/internal/connection/lifecycle.ts"
import { TurnState } from "../../../src/internal/socket/turnState.ts"
import { idleTurnsChannel } from "../../../src/internal/socket/idleTurns.ts"
import { Loop } from "../../../src/internal/socket/loop.ts"
import { datagramsPerPoll, maxOverdueTurns, maxTurn, saturatedAt } from "../../../src/internal/tunables/turns.ts"

/** What the loop takes for the time, in milliseconds: however busy the machine is, no turn takes any. */
let time = 0

/** A connection that only says what it is asked for, and does it as it is told. */
class FakeConnection {
  readonly name: string
  readonly turnState = new TurnState()
  /** What is asked of its turns is asked of itself. */
  readonly turns = this
  state: State = "established"
  deadline = Infinity
  remoteAddress = undefined as never
  ipGroup = "192.0.2.1"
  isUnread = false
  work = 0
  /** Whether what it is asked to read is work. */
  works = true
  expire: () => void
  read: (now: number) => void
  write: (now: number, isSaturated: boolean) => void
  afterDispatch: (now: number) => void

  constructor(name: string, say: (what: string) => void) {
    this.name = name
    this.expire = () => say(`${name} expire`)
    this.read = () => {
      if (this.works) this.work += 1
      say(`${name} read`)
    }
    this.write = () => say(`${name} write`)
    this.afterDispatch = () => say(`${name} afterDispatch`)
  }

  get hasEnded(): boolean {
    return this.state === "closed"
  }

  pauseUntil(until: number, now: number): void {
    this.deadline = this.deadline <= now ? until : Math.min(this.deadline, until)
  }

  abandon(): void {
    this.state = "closed"
  }
}

/** A loop whose connections only say what they are asked for; those in `broken` have a defect there. */
const makeLoop = (broken: ReadonlyArray<string> = []) => {
  const log: Array<string> = []
  const defects: Array<unknown> = []
  const say = (what: string): void => {
    log.push(what)
    if (broken.includes(what)) throw new Error(what)
  }
  const loop = new Loop<FakeConnection>({
    now: () => time,
    dispatch: () => say("dispatch"),
    onClosed: (connection) => say(`${connection.name} over`),
    onDefect: (defect) => defects.push(defect)
  })
  const makeConnection = (name: string) => new FakeConnection(name, say)
  return { loop, log, defects, makeConnection }
}

const turn = () =>
  new Promise<void>((resolve) => {
    setImmediate(() => {
      time += 1
      resolve()
    })
  })

describe("while a flood of datagrams is taken", () => {
  const receive = (loop: Loop<FakeConnection>, count: number): void => {
    for (let i = 0; i < count; i++) loop.received()
  }

  it("no connection has a turn, until fewer come than one poll takes", async () => {
    const { log, loop, makeConnection } = makeLoop()
    loop.schedule(makeConnection("a"))
    for (let i = 0; i < 3; i++) {
      receive(loop, datagramsPerPoll)
      await turn()
    }
    assert.deepStrictEqual(log, [])
    receive(loop, datagramsPerPoll - 1)
    await turn()
    assert.strictEqual(log[0], "a read")
  })

  it("connections have their turns nonetheless after the time of a turn, again and again", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const a = makeConnection("a")
    const turns: Array<number> = []
    a.read = () => {
      turns.push(time)
      a.work += 1
    }
    a.afterDispatch = () => loop.schedule(a)
    const began = time
    loop.schedule(a)
    for (let i = 0; i < 4 * maxTurn; i++) {
      receive(loop, 10 * datagramsPerPoll)
      await turn()
    }
    assert.isAtLeast(turns.length, 3)
    assert.isAtMost(turns[0]! - began, maxTurn)
    assert.include(log, "a write")
  })
})

describe("the connections of one IP address", () => {
  it("take no turns from those of another, however many there are", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const read = (name: string) => () => {
      // Each takes so long that it is enough for a turn of the loop.
      time += maxTurn
      log.push(`${name} read`)
    }
    for (let i = 0; i < 100; i++) {
      const connection = makeConnection(`${i}`)
      connection.read = read(`${i}`)
      loop.schedule(connection)
    }
    const honest = makeConnection("honest")
    honest.ipGroup = "192.0.2.2"
    honest.read = read("honest")
    loop.schedule(honest)
    for (let i = 0; i < 3; i++) await turn()
    const reads = log.filter((line) => line.endsWith("read"))
    assert.isAtMost(reads.indexOf("honest read"), 1)
    loop.stop()
  })
})

describe("a turn", () => {
  it("has all read, then all write, then the packets leave, and only then what can wait", async () => {
    const { log, loop, makeConnection } = makeLoop()
    loop.schedule(makeConnection("a"))
    loop.schedule(makeConnection("b"))
    await turn()
    assert.deepStrictEqual(log, [
      "a read",
      "b read",
      "a write",
      "b write",
      "dispatch",
      "a afterDispatch",
      "b afterDispatch"
    ])
  })

  it.each([
    [saturatedAt - 1, false],
    [saturatedAt, true]
  ])(
    "of %i connections together tells each whether that is enough to keep both ends busy: %s",
    async (count, isEnough) => {
      const { loop, makeConnection } = makeLoop()
      const told: Array<boolean> = []
      for (let i = 0; i < count; i++) {
        const connection = makeConnection(`${i}`)
        connection.write = (_now, isSaturated) => told.push(isSaturated)
        loop.schedule(connection)
      }
      await turn()
      assert.deepStrictEqual(
        told,
        Array.from({ length: count }, () => isEnough)
      )
    }
  )

  it("lets the application answer what it was handed before anything is written", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const a = makeConnection("a")
    const read = a.read
    a.read = (now) => {
      read(now)
      queueMicrotask(() => log.push("answered"))
    }
    loop.schedule(a)
    await turn()
    assert.deepStrictEqual(log.slice(0, 3), ["a read", "answered", "a write"])
  })

  it("follows for a connection that is scheduled after the dispatch", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const a = makeConnection("a")
    const afterDispatch = a.afterDispatch
    a.afterDispatch = (now) => {
      a.afterDispatch = afterDispatch
      afterDispatch(now)
      loop.schedule(a)
    }
    loop.schedule(a)
    await turn()
    await turn()
    assert.strictEqual(log.filter((line) => line === "a write").length, 2)
  })

  for (const where of ["read", "write", "afterDispatch"]) {
    it(`costs a connection that breaks in \`${where}\`, and no other`, async () => {
      const { defects, log, loop, makeConnection } = makeLoop([`a ${where}`])
      loop.schedule(makeConnection("a"))
      loop.schedule(makeConnection("b"))
      await turn()
      assert.strictEqual(defects.length, 1)
      assert.include(log, "a over")
      assert.notInclude(log, "b over")
      assert.deepStrictEqual(
        log.filter((line) => line === "dispatch" || line.startsWith("b")),
        ["b read", "b write", "dispatch", "b afterDispatch"]
      )
    })
  }

  it("is the last after the loop was stopped in it, and sends nothing by itself", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const a = makeConnection("a")
    a.write = () => {
      loop.stop()
      loop.schedule(a)
    }
    loop.schedule(a)
    await turn()
    await turn()
    assert.deepStrictEqual(log, ["a read", "a afterDispatch"])
  })
})

describe("a connection that has ended", () => {
  it("gets no turn, for any request", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const a = makeConnection("a")
    a.isUnread = true
    a.afterDispatch = () => {
      a.state = "closed"
      loop.schedule(a)
    }
    loop.schedule(a)
    for (let i = 0; i < 5; i++) await turn()
    assert.strictEqual(log.filter((line) => line === "a read").length, 1 + 1)
    loop.schedule(a)
    for (let i = 0; i < 5; i++) await turn()
    assert.strictEqual(log.filter((line) => line === "a read").length, 1 + 1)
  })
})

describe("a connection that asks for turns in which it does nothing", () => {
  /** The connections that were published in the meantime, and by nobody heard who would fail the test for it. */
  const heard = async (body: () => Promise<void>): Promise<number> => {
    const idleTurns = channel(idleTurnsChannel)
    const publish = idleTurns.publish.bind(idleTurns)
    let count = 0
    idleTurns.publish = () => (count += 1)
    const nobody = () => {}
    subscribe(idleTurnsChannel, nobody)
    try {
      await body()
    } finally {
      idleTurns.publish = publish
      unsubscribe(idleTurnsChannel, nobody)
    }
    return count
  }

  it("is published with the second such turn, and has to wait for the third", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const a = makeConnection("a")
    a.works = false
    a.isUnread = true
    const count = await heard(async () => {
      loop.schedule(a)
      for (let i = 0; i < 20; i++) await turn()
    })
    assert.strictEqual(count, 1)
    assert.strictEqual(log.filter((line) => line === "a write").length, 2)
    // It is not forgotten: should it have something to do after all, that is soon.
    assert.isBelow(a.deadline, Infinity)
    while (!log.includes("a expire")) await turn()
    loop.stop()
  })

  it("is published, too, when it asks by deadlines that have passed, and has to wait from then on", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const a = makeConnection("a")
    const afterDispatch = a.afterDispatch
    a.afterDispatch = (now) => {
      afterDispatch(now)
      a.deadline = now
      loop.updateDeadline(a)
    }
    a.expire = () => loop.schedule(a)
    const count = await heard(async () => {
      loop.schedule(a)
      while (log.filter((line) => line === "a afterDispatch").length < 6) await turn()
      loop.stop()
    })
    assert.strictEqual(count, 6 - maxOverdueTurns)
  })

  it("is not published for a deadline that has passed now and then", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const a = makeConnection("a")
    const afterDispatch = a.afterDispatch
    let turns = 0
    a.afterDispatch = (now) => {
      afterDispatch(now)
      turns += 1
      a.deadline = turns % 2 === 0 ? now : now + 1
      loop.updateDeadline(a)
    }
    a.expire = () => loop.schedule(a)
    const count = await heard(async () => {
      loop.schedule(a)
      while (turns < 10) await turn()
    })
    loop.stop()
    assert.strictEqual(count, 0)
    assert.isAbove(log.length, 10)
  })

  it("is not published when others ask for its turns, or when it works in every other turn", async () => {
    const { log, loop, makeConnection } = makeLoop()
    const asked = makeConnection("asked")
    asked.works = false
    const works = makeConnection("works")
    works.isUnread = true
    const count = await heard(async () => {
      loop.schedule(works)
      for (let i = 0; i < 20; i++) {
        works.works = i % 2 === 0
        loop.schedule(asked)
        await turn()
      }
    })
    assert.strictEqual(count, 0)
    assert.isAbove(log.filter((line) => line === "asked write").length, 10)
    loop.stop()
  })
})
