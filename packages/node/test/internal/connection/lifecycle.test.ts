import { assert, describe, it, vi } from "@effect/vitest"
import { type Close, LocallyClosed, StatelessReset, TransportClosed } from "@qp2p/core/Close"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { Lifecycle } from "../../../src/internal/connection/lifecycle.ts"

const frame = Uint8Array.of(0xcc)

/** The life of a connection whose binding is as `native` says, and what it did. */
const setup = () => {
  const native = {
    established: true,
    /** Whether the binding writes a close frame when it is told to close. */
    writes: true,
    closes: 0,
    draining: false,
    closed: false
  }
  const ended: Array<readonly [close: Close, established: boolean]> = []
  const sent: Array<Uint8Array> = []
  const log: Array<string> = []
  let congested = false
  const lifecycle = new Lifecycle({
    native: {
      isEstablished: () => native.established,
      isDraining: () => native.draining,
      isClosed: () => native.closed,
      isTimedOut: () => false,
      peerError: () => null,
      localError: () => null,
      stats: () => ({ recv: 1 }),
      close: () => {
        native.closes += 1
        native.draining = true
      },
      send: (buffer: Uint8Array) => {
        if (!native.writes) return null
        buffer.set(frame)
        return [frame.length]
      }
    } as unknown as NativeConnection,
    withdrawal: () => undefined,
    schedule: () => log.push("schedule"),
    isCongested: () => congested,
    flushHandshake: () => log.push("handshake"),
    sendPacket: (write) => {
      const buffer = new Uint8Array(1_200)
      const length = write(buffer)
      if (length > 0) sent.push(buffer.slice(0, length))
      return length > 0
    },
    deliverAll: () => log.push("deliver"),
    onClosing: () => log.push("closing"),
    onEnded: (close, established) => ended.push([close, established])
  })
  const close = () => lifecycle.beginClose(true, 7, "bye", new LocallyClosed())
  return { close, congest: (is: boolean) => (congested = is), ended, lifecycle, log, native, sent }
}

/** Later than every time that a connection begins to close at, in `performance.now()` milliseconds. */
const later = () => performance.now() + 10

describe("a connection", () => {
  it("is handshaking, and then established", () => {
    const { lifecycle } = setup()
    assert.deepStrictEqual(
      [lifecycle.state, lifecycle.isEstablished, lifecycle.wasEstablished],
      ["handshaking", false, false]
    )
    lifecycle.establish()
    assert.deepStrictEqual(
      [lifecycle.state, lifecycle.isEstablished, lifecycle.wasEstablished],
      ["established", true, true]
    )
  })
})

describe("a connection that this side closes", () => {
  it("is closing at once, and has ended when its close frame has been sent", () => {
    const { close, ended, lifecycle, log, native, sent } = setup()
    lifecycle.establish()
    close()
    assert.deepStrictEqual(
      [lifecycle.state, lifecycle.isEstablished, lifecycle.wasEstablished],
      ["closing", false, true]
    )
    assert.deepStrictEqual(log, ["closing", "schedule"])
    assert.isFalse(lifecycle.hasEnded)
    lifecycle.sendClose(later(), false)
    assert.deepStrictEqual([native.closes, sent], [1, [frame]])
    lifecycle.end()
    assert.deepStrictEqual(ended, [[new LocallyClosed(), true]])
    // Its owner has let go of what has arrived.
    assert.deepStrictEqual(log, ["closing", "schedule", "handshake"])
    assert.deepStrictEqual([lifecycle.state, lifecycle.hasEnded], ["closed", true])
    assert.deepStrictEqual(lifecycle.closePacket, frame)
  })

  it("closes for the first reason only", () => {
    const { close, ended, lifecycle, log } = setup()
    lifecycle.beginClose(false, 1, "stalled", new TransportClosed({ code: 1, detail: "stalled" }))
    close()
    lifecycle.sendClose(later(), false)
    lifecycle.end()
    close()
    assert.deepStrictEqual(ended, [[new TransportClosed({ code: 1, detail: "stalled" }), false]])
    assert.strictEqual(log.filter((line) => line === "closing").length, 1)
  })

  it("delivers what has arrived when the transport is the reason", () => {
    const { lifecycle, log } = setup()
    lifecycle.establish()
    lifecycle.beginClose(false, 1, "stalled", new TransportClosed({ code: 1, detail: "stalled" }))
    lifecycle.end()
    assert.include(log, "deliver")
  })

  it("waits for room in the congestion window, but not for long", () => {
    const { close, congest, lifecycle, sent } = setup()
    congest(true)
    close()
    const now = performance.now()
    lifecycle.sendClose(now, false)
    assert.deepStrictEqual(sent, [])
    lifecycle.sendClose(now + 100, false)
    assert.deepStrictEqual(sent, [frame])
  })

  it("does not wait when packets have just come", () => {
    const { close, congest, lifecycle, sent } = setup()
    congest(true)
    close()
    lifecycle.sendClose(performance.now(), true)
    assert.deepStrictEqual(sent, [frame])
  })

  it("ends without a frame when the binding writes none", () => {
    const { close, ended, lifecycle, native } = setup()
    native.writes = false
    close()
    lifecycle.sendClose(later(), false)
    assert.deepStrictEqual(ended, [])
    lifecycle.sendClose(later() + 1_000, false)
    assert.deepStrictEqual(ended, [[new LocallyClosed(), false]])
    assert.isUndefined(lifecycle.closePacket)
  })
})

describe("a connection that its peer closes", () => {
  it("is closed at once, and has no frame for late packets", () => {
    const { ended, lifecycle, log, native, sent } = setup()
    lifecycle.establish()
    native.draining = true
    lifecycle.end()
    // The binding tells nothing of a stateless reset.
    assert.deepStrictEqual(ended, [[new StatelessReset(), true]])
    assert.deepStrictEqual(log, ["deliver"])
    assert.deepStrictEqual([lifecycle.state, lifecycle.hasEnded, lifecycle.wasEstablished], ["closed", true, true])
    assert.deepStrictEqual([sent, lifecycle.closePacket], [[], undefined])
    lifecycle.end()
    assert.strictEqual(ended.length, 1)
  })
})

describe("a connection that is abandoned", () => {
  it("sends its frame and is closed, at once, with any congestion window", () => {
    const { congest, ended, lifecycle, sent } = setup()
    congest(true)
    lifecycle.abandon()
    assert.deepStrictEqual([lifecycle.state, sent, ended], ["closed", [frame], [[new LocallyClosed(), false]]])
    lifecycle.abandon()
    assert.strictEqual(ended.length, 1)
  })

  it("ends once, with the reason that it has, when no frame could be sent for too long", () => {
    const { ended, lifecycle, native } = setup()
    native.writes = false
    lifecycle.beginClose(false, 1, "stalled", new TransportClosed({ code: 1, detail: "stalled" }))
    const now = vi.spyOn(performance, "now").mockReturnValue(performance.now() + 1_001)
    lifecycle.abandon()
    now.mockRestore()
    assert.deepStrictEqual(ended, [[new TransportClosed({ code: 1, detail: "stalled" }), false]])
    assert.strictEqual(lifecycle.state, "closed")
  })
})
