/**
 * When a connection that has ended is looked at again, and what its timers do, on a binding and a clock that do what a test says.
 */
import { assert, describe, it } from "@effect/vitest"
import { afterEach, vi } from "vitest"
import { LocallyClosed } from "@qp2p/core/Close"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { Lifecycle } from "../../../src/internal/connection/lifecycle.ts"
import { Turns, type TurnsHost } from "../../../src/internal/connection/turns.ts"
import { minClosingPeriod } from "../../../src/internal/tunables/closing.ts"

afterEach(() => vi.restoreAllMocks())

/** A connection whose binding drains for `draining` milliseconds from the time 0 on, and what a clock says meanwhile. */
const setup = (draining: number) => {
  let time = 0
  let isClosed = false
  vi.spyOn(performance, "now").mockImplementation(() => time)
  const native = {
    isEstablished: () => true,
    isDraining: () => true,
    isClosed: () => isClosed,
    isTimedOut: () => false,
    peerError: () => null,
    localError: () => null,
    stats: () => ({ recv: 1 }),
    close: () => {},
    send: () => [1],
    // The binding rounds down, and has no timer once it has drained.
    timeout: () => (isClosed ? null : Math.floor(Math.max(0, draining - time))),
    onTimeout: () => {
      if (time >= draining) isClosed = true
    }
  } as unknown as NativeConnection
  const lifecycle = new Lifecycle({
    native,
    withdrawal: () => undefined,
    schedule: () => {},
    isCongested: () => false,
    flushHandshake: () => {},
    sendPacket: (write) => write(new Uint8Array(1_200)) > 0,
    sendImmediate: () => {},
    deliverAll: () => {},
    onClosing: () => {},
    onEnded: () => {}
  })
  const outgoing = { hasDeferred: false, deadline: Infinity }
  const turns = new Turns({
    native,
    lifecycle,
    frames: { resynchronise: () => {} },
    streams: { outgoing },
    updateDeadline: () => {}
  } as unknown as TurnsHost)
  /** Lets the loop's timer run until the connection is closed, and returns when it ran. */
  const wakes = (): ReadonlyArray<number> => {
    const at: Array<number> = []
    while (lifecycle.state !== "closed" && at.length < 100) {
      time = turns.deadline
      at.push(time)
      turns.expire()
    }
    return at
  }
  return { lifecycle, turns, wakes }
}

describe("a connection that this side has closed", () => {
  const close = (draining: number) => {
    const { lifecycle, turns, wakes } = setup(draining)
    lifecycle.establish()
    lifecycle.beginClose(true, 0, "", new LocallyClosed())
    lifecycle.sendClose(0, false)
    turns.afterDispatch(0)
    return wakes()
  }

  it("is looked at when the closing period is over, and then not before the binding has drained", () => {
    const draining = 3 * minClosingPeriod + 0.5
    assert.deepStrictEqual(close(draining), [minClosingPeriod, Math.floor(draining) + 1])
  })

  it("is looked at when the binding has drained, and then not before the closing period is over", () => {
    const draining = minClosingPeriod / 4 + 0.5
    assert.deepStrictEqual(close(draining), [Math.floor(draining) + 1, minClosingPeriod])
  })

  it("is looked at once when both are over in the same millisecond", () => {
    assert.deepStrictEqual(close(minClosingPeriod - 1), [minClosingPeriod])
  })
})

describe("a connection that its peer has closed", () => {
  it("is looked at as seldom while the binding drains for long", () => {
    const { lifecycle, turns, wakes } = setup(3 * minClosingPeriod)
    lifecycle.establish()
    turns.afterDispatch(0)
    assert.deepStrictEqual([lifecycle.state, wakes()], ["draining", [minClosingPeriod, 3 * minClosingPeriod + 1]])
  })
})

describe("a deadline", () => {
  /** How often the target of packets has changed by deadlines at which the binding's timer was due in so many milliseconds. */
  const retries = (...timeouts: ReadonlyArray<number | null>): number => {
    let timeout: number | null = null
    let count = 0
    const ignore = () => {}
    const turns = new Turns({
      native: { timeout: () => timeout, onTimeout: ignore },
      lifecycle: { hasEnded: false },
      streams: { outgoing: { expired: ignore } },
      acknowledged: { expired: ignore },
      receiver: { timedOut: ignore },
      mtu: { timedOut: ignore },
      peer: { retry: () => (count += 1) },
      schedule: ignore
    } as unknown as TurnsHost)
    for (const each of timeouts) {
      timeout = each
      turns.expire()
    }
    return count
  }

  it("of the binding's has packets go to the other address of a peer that may have moved", () => {
    assert.strictEqual(retries(0, 0), 2)
  })

  it("of the driver's own leaves their address as it is", () => {
    assert.strictEqual(retries(5, null, 20), 0)
  })
})
