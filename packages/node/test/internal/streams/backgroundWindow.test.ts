import { assert, describe, it } from "@effect/vitest"
import { BackgroundWindow } from "../../../src/internal/streams/backgroundWindow.ts"
import {
  backgroundPatience,
  maxBackgroundDelay,
  minBackgroundWindow,
  shortestInterval
} from "../../../src/internal/tunables/background.ts"
import { sendQuantum } from "../../../src/internal/tunables/streams.ts"
import { setup } from "./sendingSide.ts"

interface Path {
  /** The shortest round trip, in milliseconds. */
  roundTrip: number
  /** Bytes a millisecond through the narrowest link. */
  rate: number
  /** Bytes that the congestion window lets through. */
  congestionWindow: number
}

const packetSize = 1_200

/** A sender that always has more, and a path whose queue holds any number of packets. Time goes on in steps of a millisecond. */
const sender = (path: Path) => {
  const window = new BackgroundWindow()
  /** Packets under way, by when they are acknowledged. */
  const underWay: Array<{ readonly number: number; readonly at: number }> = []
  let now = 0
  let sent = 0
  let largest = -1
  let free = 0
  let arrived = 0
  const step = () => {
    now += 1
    while (underWay[0] !== undefined && underWay[0].at <= now) {
      largest = underWay.shift()!.number
      arrived += 1
    }
    if (window.isActive) window.update(now, sent - 1, largest)
    // Slow start, as far as the congestion window goes (RFC 9002, section 7.3.1).
    while (window.room > 0 && underWay.length < Math.min(path.congestionWindow / packetSize, 10 + arrived)) {
      free = Math.max(free, now) + packetSize / path.rate
      window.wrote(packetSize, now, sent)
      underWay.push({ number: sent++, at: free + path.roundTrip })
    }
  }
  return {
    window,
    path,
    /** What has arrived in so many milliseconds, as a part of what the link takes, and how long the queue was at most in the last half. */
    run: (milliseconds: number) => {
      const before = arrived
      let queue = 0
      for (let i = 0; i < milliseconds; i++) {
        step()
        if (i >= milliseconds / 2) queue = Math.max(queue, free - now)
      }
      return { share: ((arrived - before) * packetSize) / path.rate / milliseconds, queue }
    }
  }
}

describe("streams of a negative priority on a path with a long queue", () => {
  it("queue for as long as is accepted, where the congestion window queues for five times the round trip, and use the path", () => {
    const path = { roundTrip: 20, rate: 6_250, congestionWindow: 750_000 }
    const { run } = sender(path)
    run(1_000)
    const { queue, share } = run(4_000)
    assert.isBelow(queue, maxBackgroundDelay + 5)
    assert.isAbove(share, 0.95)
    assert.isAbove(path.congestionWindow / path.rate - path.roundTrip, 5 * maxBackgroundDelay - 20)
  })

  it("follow the path when it gets slower, and when it gets faster", () => {
    const path = { roundTrip: 20, rate: 6_250, congestionWindow: 3_000_000 }
    const { run } = sender(path)
    run(2_000)
    path.rate = 25_000
    run(2_000)
    const faster = run(2_000)
    assert.isAbove(faster.share, 0.9)
    assert.isBelow(faster.queue, maxBackgroundDelay + 5)
    path.rate = 4_000
    run(6_000)
    const slower = run(2_000)
    assert.isAbove(slower.share, 0.9)
    assert.isBelow(slower.queue, maxBackgroundDelay + 10)
  })

  it("take a longer round trip for that of the path after a while, and not for a queue for ever", () => {
    const path = { roundTrip: 20, rate: 6_250, congestionWindow: 3_000_000 }
    const { run } = sender(path)
    run(2_000)
    path.roundTrip = 120
    run(2 * shortestInterval + 5_000)
    assert.isAbove(run(4_000).share, 0.9)
  })
})

describe("streams of a negative priority", () => {
  it("are limited by the congestion window alone while the delay does not grow", () => {
    const { run, window } = sender({ roundTrip: 20, rate: 1_000_000, congestionWindow: 750_000 })
    run(2_000)
    assert.isAbove(window.room, 100 * 750_000)
  })

  it("may always have a few packets in flight, however long those take", () => {
    const { run, window } = sender({ roundTrip: 1, rate: 50, congestionWindow: 750_000 })
    run(60_000)
    window.update(60_001, Infinity, Infinity)
    assert.isAtLeast(window.room, minBackgroundWindow)
  })

  it("go on when the peer acknowledges none of the packets that were counted", () => {
    const window = new BackgroundWindow()
    // A path that gets slow: the window is limited then.
    for (let now = 0, packet = 0; window.room > 0; now += 100 * ++packet) {
      if (window.isActive) window.update(now, packet, packet)
      window.wrote(10 * minBackgroundWindow, now, packet)
      if (packet > 20) assert.fail("it was never limited")
    }
    const { deadline } = window
    assert.isBelow(deadline, Infinity)
    window.update(deadline - 1, 1_000, -1)
    assert.isAtMost(window.room, 0)
    assert.strictEqual(window.deadline, deadline)
    window.update(deadline, 1_000, -1)
    assert.isFalse(window.isActive)
    assert.strictEqual(window.room, Infinity)
  })
})

describe("a connection whose streams of a negative priority have as much in flight as they may", () => {
  /** The window is limited by a slow path, and full. */
  const setupFull = () => {
    const it = setup()
    const { acknowledged, outgoing, sent, write } = it
    const background = outgoing.open(true, -1)
    write(background, new Uint8Array(64 * sendQuantum), false)
    let now = 0
    let packet = 0
    /** All that was written leaves in one packet, and is acknowledged as late as `roundTrip` says. */
    const turn = (roundTrip: number) => {
      outgoing.write(now)
      acknowledged.sent(Uint8Array.of(0x40), 1)
      now += roundTrip
      acknowledged.acknowledged(0, packet++)
    }
    it.peer.room = 4 * sendQuantum
    const take = (count: number) => {
      it.peer.full = () => {
        count -= 1
        return count < 0
      }
    }
    return {
      ...it,
      background,
      turn,
      take,
      now: () => now,
      bytes: () => sent.reduce((all, [, bytes]) => all + bytes, 0)
    }
  }

  it("goes on with others, and with those when something is acknowledged", () => {
    const { acknowledged, bytes, now, outgoing, peer, sent, take, turn, write } = setupFull()
    // Each turn writes until the congestion window is full.
    for (const roundTrip of [20, 20, 400, 400, 400, 400]) {
      take(8)
      turn(roundTrip)
    }
    peer.full = () => false
    outgoing.write(now())
    const full = bytes()
    outgoing.write(now())
    assert.strictEqual(bytes(), full)
    const left = 64 * sendQuantum - full
    assert.isAbove(left, 0)
    assert.isBelow(outgoing.deadline, now() + backgroundPatience + 1)
    // What is of another priority is written at once.
    write(outgoing.open(true, 0), new Uint8Array(100), true)
    outgoing.write(now())
    assert.deepStrictEqual(sent.at(-1), [4, 100, true])
    assert.strictEqual(bytes(), full + 100)
    acknowledged.sent(Uint8Array.of(0x40), 1)
    outgoing.write(now())
    acknowledged.acknowledged(0, 6)
    outgoing.write(now() + 20)
    assert.isAbove(bytes(), full + 100)
  })
})
