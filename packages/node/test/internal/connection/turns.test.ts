/**
 * What the turns and the timers of a connection do, on a binding that does what a test says.
 */
import { assert, describe, it } from "@effect/vitest"
import { LocallyClosed } from "@qp2p/core/Close"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { Lifecycle } from "../../../src/internal/connection/lifecycle.ts"
import { Turns, type TurnsHost } from "../../../src/internal/connection/turns.ts"

/** A connection whose binding drains, and what its turns asked of the binding and of the loop. */
const setup = () => {
  const asked: Array<string> = []
  const native = {
    isEstablished: () => true,
    isDraining: () => true,
    isClosed: () => false,
    isTimedOut: () => false,
    peerError: () => null,
    localError: () => null,
    stats: () => ({ recv: 1 }),
    close: () => {},
    send: () => [1],
    timeout: () => {
      asked.push("timeout")
      return 1
    },
    onTimeout: () => asked.push("onTimeout")
  } as unknown as NativeConnection
  const lifecycle = new Lifecycle({
    native,
    withdrawal: () => undefined,
    schedule: () => {},
    isCongested: () => false,
    flushHandshake: () => {},
    sendPacket: (write) => write(new Uint8Array(1_200)) > 0,
    deliverAll: () => {},
    onClosing: () => {},
    onEnded: () => {}
  })
  const turns = new Turns({
    native,
    lifecycle,
    streams: { outgoing: { hasDeferred: false, deadline: Infinity } },
    updateDeadline: () => asked.push("updateDeadline")
  } as unknown as TurnsHost)
  lifecycle.establish()
  return { asked, lifecycle, turns }
}

describe("a connection that has ended", () => {
  it("because this side has closed it has no deadline any more, and its binding runs no timer", () => {
    const { asked, lifecycle, turns } = setup()
    lifecycle.beginClose(true, 0, "", new LocallyClosed())
    lifecycle.sendClose(0, false)
    turns.afterDispatch(0)
    turns.expire()
    assert.deepStrictEqual([lifecycle.state, asked], ["closed", []])
  })

  it("because its peer has closed it has none either", () => {
    const { asked, lifecycle, turns } = setup()
    turns.afterDispatch(0)
    turns.expire()
    assert.deepStrictEqual([lifecycle.state, asked], ["closed", []])
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
