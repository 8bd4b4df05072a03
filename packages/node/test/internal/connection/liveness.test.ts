import { assert, describe, it } from "@effect/vitest"
import * as tunables from "../../../src/internal/tunables.ts"
import { Watch, type Watched } from "../../../src/internal/connection/liveness.ts"

const limits = { keepAlive: 20_000, handshake: 10_000, stall: 60_000 }

/** A connection on which nothing happens, with a note of what its watch did to it. */
const setup = (phase: Watched["phase"], share = 0) => {
  const done: Array<string> = []
  const connection = { phase, received: 0, waits: false, stopped: 0, idleTimeout: Infinity, awaitsAnswer: false }
  const watch = new Watch(
    {
      get phase() {
        return connection.phase
      },
      heard: () => connection.received,
      lookForHeld: () => {},
      stalled: () => connection.waits,
      oldestStop: () => connection.stopped,
      idleTimeout: () => connection.idleTimeout,
      awaitsAnswer: () => connection.awaitsAnswer,
      checkResponsive: () => {},
      ping: () => done.push("ping"),
      issueIds: () => {},
      onHandshakeTimeout: () => done.push("handshake"),
      onStall: () => done.push("stall"),
      onSilence: () => done.push("silence")
    },
    share
  )
  /** Looks every second. */
  const look = (times: number) => {
    for (let i = 0; i < times; i++) watch.look(1_000, limits)
  }
  return { connection, watch, look, done }
}

describe("a handshake", () => {
  it("ends after its time, counted from the first look, and once", () => {
    const { done, look } = setup("handshaking")
    look(10)
    assert.deepStrictEqual(done, [])
    look(1)
    assert.deepStrictEqual(done, ["handshake"])
    look(100)
    assert.deepStrictEqual(done, ["handshake"])
  })
})

describe("keep-alive", () => {
  it("pings when nothing was sent for its interval, and again while nothing is", () => {
    const { done, look, watch } = setup("established")
    look(18)
    assert.deepStrictEqual(done, [])
    look(1)
    assert.deepStrictEqual(done, ["ping"])
    look(1)
    assert.deepStrictEqual(done, ["ping", "ping"])
    // What the ping sent counts, so the interval begins anew.
    watch.active = true
    look(18)
    assert.deepStrictEqual(done, ["ping", "ping"])
  })

  it("is left to the peer next time, if the peer sees to it", () => {
    const { done, look, watch } = setup("established")
    const sent = () => {
      done.length = 0
      watch.active = true
      look(1)
    }
    const waits = (seconds: number) => {
      look(seconds - 1)
      assert.deepStrictEqual(done, [])
      look(1)
      assert.deepStrictEqual(done, ["ping"])
    }
    sent()
    waits(18)
    sent()
    waits(20)
    sent()
    look(15)
    // The peer has pinged, and this end has answered.
    sent()
    waits(18)
  })

  it("comes three times within the idle timeout, when that is short", () => {
    const { connection, done, look, watch } = setup("established")
    for (const [idleTimeout, seconds] of [
      [15_000, 5],
      [30_000, 9],
      [3_600_000, 18]
    ] as const) {
      connection.idleTimeout = idleTimeout
      watch.active = true
      done.length = 0
      look(1)
      look(seconds - 1)
      assert.deepStrictEqual(done, [])
      look(1)
      assert.deepStrictEqual(done, ["ping"])
      // The peer pings in between, so that none of these is the second of this end's.
      watch.active = true
      look(1)
      watch.active = true
      look(1)
    }
  })

  it("that is off stays so, however short the idle timeout is", () => {
    const { connection, done, watch } = setup("established")
    connection.idleTimeout = 3_000
    connection.awaitsAnswer = true
    for (let i = 0; i < 1_000; i++) watch.look(1_000, { ...limits, keepAlive: Infinity })
    assert.deepStrictEqual(done, [])
  })

  it("comes sooner for a peer that owes an answer, and then later each time", () => {
    const { connection, done, look, watch } = setup("established")
    connection.awaitsAnswer = true
    look(1)
    const pings: Array<number> = []
    for (let second = 1; second <= 70; second++) {
      look(1)
      if (done.length === 0) continue
      done.length = 0
      pings.push(second)
      watch.active = true
      look(1)
      second += 1
    }
    const waits = pings.map((second, i) => second - (pings[i - 1] ?? 0) - (i === 0 ? 0 : 1))
    assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 20])
    // Something else has been sent: the peer lives, and what it owes from now on may be new.
    for (const _ of [1, 2]) {
      watch.active = true
      look(1)
    }
    look(1)
    assert.deepStrictEqual(done, ["ping"])
  })

  it("comes up to a quarter sooner, for each connection at a time of its own", () => {
    for (const [share, seconds] of [
      [0, 18],
      [0.4, 17],
      [1, 15]
    ] as const) {
      const { done, look } = setup("established", share)
      look(seconds)
      assert.deepStrictEqual(done, [])
      look(1)
      assert.deepStrictEqual(done, ["ping"])
    }
  })
})

describe("a stall", () => {
  it("ends the connection after its time, counted from the first look that finds it", () => {
    const { connection, done, look, watch } = setup("established")
    connection.waits = true
    for (let i = 0; i < 60; i++) {
      watch.active = true
      look(1)
    }
    assert.deepStrictEqual(done, [])
    watch.active = true
    look(1)
    assert.deepStrictEqual(done, ["stall"])
  })

  it("begins anew when the connection got on in between", () => {
    const { connection, done, look, watch } = setup("established")
    for (const [waits, looks] of [
      [true, 59],
      [false, 1],
      [true, 60]
    ] as const) {
      connection.waits = waits
      for (let i = 0; i < looks; i++) {
        watch.active = true
        look(1)
      }
    }
    assert.deepStrictEqual(done, [])
  })
})

describe("a stream that the peer was asked to stop", () => {
  it("stalls the connection when the peer goes on for the stall timeout", () => {
    const { connection, done, look } = setup("established")
    connection.stopped = 59_999
    look(1)
    assert.deepStrictEqual(done, [])
    connection.stopped = 60_000
    look(1)
    assert.deepStrictEqual(done, ["stall"])
  })
})

describe("a sign of life", () => {
  const seconds = tunables.lifeSign / 1_000

  it("that does not come ends the connection, after it was asked for at each look", () => {
    const { done, look, watch } = setup("established")
    watch.askForLife()
    look(seconds)
    assert.deepStrictEqual(
      done,
      Array.from({ length: seconds + 1 }, () => "ping")
    )
    look(1)
    assert.strictEqual(done.at(-1), "silence")
  })

  it("is any packet of the peer's that comes after it was asked for", () => {
    const { connection, done, look, watch } = setup("established")
    connection.received = 7
    watch.askForLife()
    look(2)
    connection.received = 8
    look(8)
    assert.notInclude(done, "silence")
    // Nobody doubts it any more, until somebody asks again.
    done.length = 0
    look(8)
    assert.deepStrictEqual(done, [])
    watch.askForLife()
    look(seconds + 1)
    assert.strictEqual(done.at(-1), "silence")
  })

  it("asked for again while it is awaited, is awaited no longer for it", () => {
    const { done, look, watch } = setup("established")
    watch.askForLife()
    look(seconds)
    watch.askForLife()
    look(1)
    assert.strictEqual(done.at(-1), "silence")
  })
})

for (const phase of ["draining", "closed"] as const) {
  it(`nothing is timed when it is ${phase}`, () => {
    const { done, look } = setup(phase)
    look(1_000)
    assert.deepStrictEqual(done, [])
  })
}
