import { assert, describe, it } from "@effect/vitest"
import * as tunables from "../../../src/internal/tunables/liveness.ts"
import type { State } from "../../../src/internal/connection/lifecycle.ts"
import { Liveness } from "../../../src/internal/connection/liveness.ts"

const limits = { keepAlive: 20_000, handshake: 10_000, stall: 60_000 }

/** A connection on which nothing happens, with a note of what is done to it. */
const setup = (state: State, jitter = 0) => {
  const done: Array<string> = []
  const connection = { state, received: 0, waits: false, stopped: 0, idleTimeout: Infinity, awaitsAnswer: false }
  const liveness = new Liveness(
    {
      state: () => connection.state,
      heard: () => connection.received,
      isStalled: () => connection.waits,
      oldestStop: () => connection.stopped,
      idleTimeout: () => connection.idleTimeout,
      awaitsAnswer: () => connection.awaitsAnswer,
      ping: () => done.push("ping"),
      onHandshakeTimeout: () => done.push("handshake"),
      onStall: () => done.push("stall"),
      onSilence: () => done.push("silence")
    },
    jitter
  )
  /** Ticks every second. */
  const tick = (times: number) => {
    for (let i = 0; i < times; i++) liveness.tick(1_000, limits)
  }
  return { connection, liveness, tick, done }
}

describe("a handshake", () => {
  it("ends after its time, counted from the first tick, and once", () => {
    const { done, tick } = setup("handshaking")
    tick(10)
    assert.deepStrictEqual(done, [])
    tick(1)
    assert.deepStrictEqual(done, ["handshake"])
    tick(100)
    assert.deepStrictEqual(done, ["handshake"])
  })
})

describe("keep-alive", () => {
  it("pings when nothing was sent for its interval, and again while nothing is", () => {
    const { done, tick, liveness } = setup("established")
    tick(18)
    assert.deepStrictEqual(done, [])
    tick(1)
    assert.deepStrictEqual(done, ["ping"])
    tick(1)
    assert.deepStrictEqual(done, ["ping", "ping"])
    // What the ping sent counts, so the interval begins anew.
    liveness.packetSent()
    tick(18)
    assert.deepStrictEqual(done, ["ping", "ping"])
  })

  it("is left to the peer next time, if the peer sees to it", () => {
    const { done, tick, liveness } = setup("established")
    const sent = () => {
      done.length = 0
      liveness.packetSent()
      tick(1)
    }
    const waits = (seconds: number) => {
      tick(seconds - 1)
      assert.deepStrictEqual(done, [])
      tick(1)
      assert.deepStrictEqual(done, ["ping"])
    }
    sent()
    waits(18)
    sent()
    waits(20)
    sent()
    tick(15)
    // The peer has pinged, and this end has answered.
    sent()
    waits(18)
  })

  it("comes three times within the idle timeout, when that is short", () => {
    const { connection, done, tick, liveness } = setup("established")
    for (const [idleTimeout, seconds] of [
      [15_000, 5],
      [30_000, 9],
      [3_600_000, 18]
    ] as const) {
      connection.idleTimeout = idleTimeout
      liveness.packetSent()
      done.length = 0
      tick(1)
      tick(seconds - 1)
      assert.deepStrictEqual(done, [])
      tick(1)
      assert.deepStrictEqual(done, ["ping"])
      // The peer pings in between, so that none of these is the second of this end's.
      liveness.packetSent()
      tick(1)
      liveness.packetSent()
      tick(1)
    }
  })

  it("that is off stays so, however short the idle timeout is", () => {
    const { connection, done, liveness } = setup("established")
    connection.idleTimeout = 3_000
    connection.awaitsAnswer = true
    for (let i = 0; i < 1_000; i++) liveness.tick(1_000, { ...limits, keepAlive: Infinity })
    assert.deepStrictEqual(done, [])
  })

  it("comes sooner for a peer that owes an answer, and then later each time", () => {
    const { connection, done, tick, liveness } = setup("established")
    connection.awaitsAnswer = true
    tick(1)
    const pings: Array<number> = []
    for (let second = 1; second <= 70; second++) {
      tick(1)
      if (done.length === 0) continue
      done.length = 0
      pings.push(second)
      liveness.packetSent()
      tick(1)
      second += 1
    }
    const waits = pings.map((second, i) => second - (pings[i - 1] ?? 0) - (i === 0 ? 0 : 1))
    assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 20])
    // Something else has been sent: the peer lives, and what it owes from now on may be new.
    for (const _ of [1, 2]) {
      liveness.packetSent()
      tick(1)
    }
    tick(1)
    assert.deepStrictEqual(done, ["ping"])
  })

  it("comes up to a quarter sooner, for each connection at a time of its own", () => {
    for (const [jitter, seconds] of [
      [0, 18],
      [0.4, 17],
      [1, 15]
    ] as const) {
      const { done, tick } = setup("established", jitter)
      tick(seconds)
      assert.deepStrictEqual(done, [])
      tick(1)
      assert.deepStrictEqual(done, ["ping"])
    }
  })
})

describe("a stall", () => {
  it("ends the connection after its time, counted from the first tick that finds it", () => {
    const { connection, done, tick, liveness } = setup("established")
    connection.waits = true
    for (let i = 0; i < 60; i++) {
      liveness.packetSent()
      tick(1)
    }
    assert.deepStrictEqual(done, [])
    liveness.packetSent()
    tick(1)
    assert.deepStrictEqual(done, ["stall"])
  })

  it("begins anew when the connection got on in between", () => {
    const { connection, done, tick, liveness } = setup("established")
    for (const [waits, ticks] of [
      [true, 59],
      [false, 1],
      [true, 60]
    ] as const) {
      connection.waits = waits
      for (let i = 0; i < ticks; i++) {
        liveness.packetSent()
        tick(1)
      }
    }
    assert.deepStrictEqual(done, [])
  })
})

describe("a stream that the peer was asked to stop", () => {
  it("stalls the connection when the peer goes on for the stall timeout", () => {
    const { connection, done, tick } = setup("established")
    connection.stopped = 59_999
    tick(1)
    assert.deepStrictEqual(done, [])
    connection.stopped = 60_000
    tick(1)
    assert.deepStrictEqual(done, ["stall"])
  })
})

describe("a liveness probe", () => {
  const seconds = tunables.livenessProbeTimeout / 1_000

  it("that is not answered ends the connection, after it was repeated at each tick", () => {
    const { done, tick, liveness } = setup("established")
    liveness.probe()
    tick(seconds)
    assert.deepStrictEqual(
      done,
      Array.from({ length: seconds + 1 }, () => "ping")
    )
    tick(1)
    assert.strictEqual(done.at(-1), "silence")
  })

  it("is answered by any packet of the peer's that comes after it", () => {
    const { connection, done, tick, liveness } = setup("established")
    connection.received = 7
    liveness.probe()
    tick(2)
    connection.received = 8
    tick(8)
    assert.notInclude(done, "silence")
    // The peer is not probed any more, until somebody asks again.
    done.length = 0
    tick(8)
    assert.deepStrictEqual(done, [])
    liveness.probe()
    tick(seconds + 1)
    assert.strictEqual(done.at(-1), "silence")
  })

  it("sent again before it is answered has no longer time for that", () => {
    const { done, tick, liveness } = setup("established")
    liveness.probe()
    tick(seconds)
    liveness.probe()
    tick(1)
    assert.strictEqual(done.at(-1), "silence")
  })
})

for (const state of ["closing", "closed"] as const) {
  it(`nothing is timed when it is ${state}`, () => {
    const { done, tick } = setup(state)
    tick(1_000)
    assert.deepStrictEqual(done, [])
  })
}
