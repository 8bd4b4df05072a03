import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { PeerBacklog } from "../../../src/internal/streams/peerBacklog.ts"
import { initialStreamWindow, maxBacklogWeight } from "../../../src/internal/tunables/streams.ts"

/**
 * The credit of a peer that lets `first` streams be opened and reads them in order. quiche tells of what it has read when
 * less is left than half of all that it would let be opened; `eager` peers tell at once.
 */
const reader = (first: number, eager = false) => {
  let granted = first
  let opened = 0
  const unread: Array<number> = []
  const tell = () => {
    const next = first + opened - unread.length
    if (eager || next / 2 > granted - opened) granted = next
  }
  return {
    get left() {
      return granted - opened
    },
    get weight() {
      return unread.reduce((sum, weight) => sum + weight, 0)
    },
    get count() {
      return unread.length
    },
    open: (weight: number) => {
      opened += 1
      unread.push(weight)
      tell()
    },
    read: (count: number) => {
      unread.splice(0, count)
      tell()
    }
  }
}

/** Opens streams of so many bytes, or of the share if that is less, until the backlog has no more room. */
const fill = (backlog: PeerBacklog, peer: ReturnType<typeof reader>, size: (share: number) => number): number => {
  for (let count = 0; ; count++) {
    backlog.observe(peer.left)
    if (!backlog.hasRoom(peer.left)) return count
    const weight = size(backlog.share)
    backlog.add(weight)
    peer.open(weight)
  }
}

const shared = (share: number) => Math.min(share, initialStreamWindow)

describe("what a peer has not read", () => {
  for (const first of [1, 3, 16, 100, 128, 1_024]) {
    it(`is bounded when it lets ${first} streams be opened, and there is room again when it reads`, () => {
      const backlog = new PeerBacklog()
      const peer = reader(first)
      fill(backlog, peer, shared)
      assert.isAtMost(peer.weight, maxBacklogWeight)
      assert.isAtMost(peer.count, first)
      peer.read(peer.count)
      // It may not have given credit for its first streams yet.
      backlog.observe(peer.left)
      for (let i = backlog.probesNeeded(peer.left); i > 0 && peer.left > 0; i--) {
        backlog.add(0)
        peer.open(0)
        peer.read(1)
      }
      backlog.observe(peer.left)
      assert.isTrue(backlog.hasRoom(peer.left))
      assert.isAbove(fill(backlog, peer, shared), 0)
      assert.isAtMost(peer.weight, maxBacklogWeight)
    })
  }

  it("goes over the bound by no more than one message", () => {
    for (const first of [100, 1_024]) {
      const backlog = new PeerBacklog()
      const peer = reader(first)
      fill(backlog, peer, () => initialStreamWindow)
      assert.isAtMost(peer.weight, maxBacklogWeight + initialStreamWindow)
    }
  })

  it("leaves credit for probe streams", () => {
    const backlog = new PeerBacklog()
    const peer = reader(1_024)
    fill(backlog, peer, () => 1)
    assert.strictEqual(peer.left, 64)
  })

  it("counts at most what the window of a stream holds, while the stream may be unread", () => {
    const backlog = new PeerBacklog()
    const peer = reader(1_024, true)
    backlog.observe(peer.left)
    const streams = Array.from({ length: 200 }, () => {
      const entry = backlog.add(10)
      peer.open(10)
      return entry
    })
    assert.isTrue(backlog.hasRoom(peer.left))
    for (const stream of streams) {
      backlog.grow(stream, 2 * initialStreamWindow)
      backlog.grow(stream, 20)
    }
    assert.isFalse(backlog.hasRoom(peer.left))
    peer.read(200)
    backlog.observe(peer.left)
    assert.isTrue(backlog.hasRoom(peer.left))
    // They were read, and no longer count.
    for (const stream of streams) backlog.grow(stream, 4 * initialStreamWindow)
    assert.isTrue(backlog.hasRoom(peer.left))
  })

  it("never keeps a sender waiting whose peer has read everything, nor lets it send more than the bound", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(2, 10, 100, 1_024),
        fc.boolean(),
        fc.array(
          fc.record({ size: fc.integer({ min: 1, max: 2 ** 20 }), reads: fc.double({ min: 0, max: 1, noNaN: true }) }),
          {
            minLength: 1,
            maxLength: 30
          }
        ),
        (first, eager, rounds) => {
          const backlog = new PeerBacklog()
          const peer = reader(first, eager)
          for (const { reads, size } of rounds) {
            fill(backlog, peer, (share) => Math.min(Math.max(size % 1_000, Math.min(size, share)), initialStreamWindow))
            assert.isAtMost(peer.weight, maxBacklogWeight + initialStreamWindow)
            peer.read(Math.floor(peer.count * reads))
          }
          peer.read(peer.count)
          for (let i = backlog.probesNeeded(peer.left); i > 0 && peer.left > 0; i--) {
            backlog.add(0)
            peer.open(0)
            peer.read(1)
          }
          backlog.observe(peer.left)
          assert.isTrue(backlog.hasRoom(peer.left))
        }
      )
    )
  })
})
