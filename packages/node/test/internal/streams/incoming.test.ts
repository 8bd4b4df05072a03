import { assert, describe, it } from "@effect/vitest"
import type { SendStream } from "../../../src/internal/streams/sendStream.ts"
import { initialStreamWindow, maxStreamRead, maxStreamsRead } from "../../../src/internal/tunables/streams.ts"
import { StreamClosed } from "@qp2p/core/StreamError"
import { Received } from "../../support/quicSockets.ts"
import { setup } from "./receivingSide.ts"

describe("streams of the peer", () => {
  it("are announced once, with their first bytes, a bidirectional one with its sending half", () => {
    const { arrived, incoming, peer } = setup()
    arrived.set(2, { bytes: 5, fin: false }).set(0, { bytes: 7, fin: true })
    assert.strictEqual(incoming.read(false), 12)
    arrived.set(2, { bytes: 1, fin: true })
    assert.strictEqual(incoming.read(false), 1)
    assert.deepStrictEqual(
      peer.streams.map(({ ends, length, send }) => [length, send !== undefined, ends.length]),
      [
        [7, true, 1],
        [6, false, 1]
      ]
    )
  })

  it("that can be predicted are read without a list: the next ones of the peer, and the latest of ours", () => {
    const { arrived, incoming, lists, peer } = setup()
    const received = new Received()
    incoming.listen(1, received)
    for (const [uni, bi] of [
      [2, 0],
      [6, 4]
    ] as const) {
      arrived.set(uni, { bytes: 1, fin: true }).set(bi, { bytes: 1, fin: true }).set(1, { bytes: 2, fin: false })
      assert.strictEqual(incoming.read(false), 4)
    }
    assert.strictEqual(received.length, 4)
    assert.strictEqual(peer.streams.length, 4)
    assert.strictEqual(lists(), 0)
    // As many as have come, if they have come in order.
    for (const id of [10, 14, 18]) arrived.set(id, { bytes: 1, fin: true })
    assert.strictEqual(incoming.read(false), 3)
    assert.strictEqual(lists(), 0)
    // Out of order, and then what was missing.
    for (const id of [26, 22]) {
      arrived.set(id, { bytes: 1, fin: true })
      assert.strictEqual(incoming.read(false), 1)
    }
    assert.strictEqual(lists(), 2)
    assert.strictEqual(peer.streams.length, 9)
  })

  it("that were read last from a list are read without one", () => {
    const { arrived, incoming, lists } = setup()
    for (const id of [2, 6, 10]) arrived.set(id, { bytes: 1, fin: false })
    incoming.read(false)
    const before = lists()
    arrived.set(6, { bytes: 1, fin: false })
    incoming.read(false)
    assert.strictEqual(lists(), before + 1)
    for (let turn = 0; turn < 10; turn++) {
      arrived.set(6, { bytes: 3, fin: false })
      assert.strictEqual(incoming.read(false), 3)
    }
    assert.strictEqual(lists(), before + 1)
  })

  it("are not asked for one by one when the one that was read last is alone in having news", () => {
    const { arrived, incoming, asked } = setup()
    for (let i = 0; i < 2; i++) {
      for (const id of [2, 6, 10]) arrived.set(id, { bytes: 1, fin: false })
      incoming.read(false)
    }
    arrived.set(10, { bytes: 1, fin: false })
    const before = asked()
    assert.strictEqual(incoming.read(false), 1)
    assert.strictEqual(asked(), before + 1)
  })

  it("do not wait for one of ours that always has more than its share", () => {
    const { arrived, incoming, peer } = setup()
    const ours = new Received()
    arrived.set(2, { bytes: 1, fin: false })
    incoming.read(false)
    incoming.listen(1, ours)
    arrived.set(1, { bytes: 4 * maxStreamRead, fin: false }).set(2, { bytes: 1, fin: true })
    incoming.read(false)
    assert.isTrue(incoming.isUnread)
    // One share, though it is in the list, too.
    assert.isBelow(ours.length, 2 * maxStreamRead)
    assert.strictEqual(peer.streams[0]!.ends.length, 1)
  })

  it("do not wait for newer ones, however many and long", () => {
    for (const bytes of [1, maxStreamRead]) {
      const { arrived, incoming, peer } = setup()
      arrived.set(0, { bytes: 1, fin: false })
      incoming.read(false)
      for (let i = 0; i < maxStreamsRead; i++) arrived.set(2 + 4 * i, { bytes, fin: true })
      arrived.set(0, { bytes: 1, fin: true })
      incoming.read(false)
      assert.isTrue(incoming.isUnread)
      assert.strictEqual(peer.streams[0]!.ends.length, 1)
    }
  })

  it("are read up to a number in a turn, and the others in the next", () => {
    const { arrived, incoming, peer, turns } = setup()
    for (let i = 0; i <= maxStreamsRead; i++) arrived.set(4 * i, { bytes: 1, fin: true })
    assert.strictEqual(incoming.read(false), maxStreamsRead)
    assert.isTrue(incoming.isUnread)
    assert.strictEqual(turns(), 0)
    assert.strictEqual(incoming.read(false), 1)
    assert.strictEqual(peer.streams.length, maxStreamsRead + 1)
  })
})

describe("paused streams", () => {
  /** So many streams of the peer that were announced and paused, and have more to read. */
  const paused = (count: number) => {
    const world = setup()
    const { arrived, incoming, peer } = world
    peer.heed = (stream) => (stream.pausing = true)
    for (let i = 0; i < count; i++) arrived.set(2 + 4 * i, { bytes: 2_000, fin: true })
    do incoming.read(false)
    while (incoming.isUnread)
    assert.strictEqual(peer.streams.length, count)
    peer.heed = undefined
    return world
  }

  it("ask for no turn, however many they are", () => {
    const { incoming } = paused(3 * maxStreamsRead)
    const { work } = incoming
    assert.strictEqual(incoming.read(false), 0)
    assert.isFalse(incoming.isUnread)
    assert.strictEqual(incoming.work, work)
  })

  it("take no share from those that are read: streams of ours, new ones, and ones that had begun before", () => {
    const { arrived, incoming, peer } = setup()
    // These stand behind all others in the list.
    const received = new Received()
    incoming.listen(1, received)
    incoming.listen(5, new Received())
    peer.heed = (stream) => (stream.pausing = true)
    const waiting = 3 * maxStreamsRead
    for (let i = 0; i < waiting; i++) arrived.set(2 + 4 * i, { bytes: 2_000, fin: true })
    do incoming.read(false)
    while (incoming.isUnread)
    peer.heed = undefined
    arrived.set(1, { bytes: 3, fin: true }).set(4, { bytes: 4, fin: true }).set(0, { bytes: 5, fin: true })
    assert.strictEqual(incoming.read(false), 12)
    assert.isFalse(incoming.isUnread)
    assert.deepStrictEqual(received.ends, [undefined])
    assert.strictEqual(peer.streams.length, waiting + 2)
  })

  it("are read when they are resumed, up to a number in a turn", () => {
    const { arrived, incoming, peer } = paused(2 * maxStreamsRead)
    for (const stream of peer.streams) stream.resume()
    let turns = 0
    while (incoming.isUnread) {
      turns += 1
      assert.isAtMost(incoming.read(false), maxStreamsRead * 2_000)
    }
    assert.strictEqual(turns, 2)
    assert.strictEqual(arrived.size, 0)
  })

  it("count as work in each turn that pauses some of them", () => {
    const { arrived, incoming, peer } = setup()
    let room = 4 * maxStreamsRead
    peer.heed = (stream) => (stream.demand = () => room)
    for (let i = 0; i < 4 * maxStreamsRead; i++) arrived.set(4 * i, { bytes: 1, fin: false })
    do incoming.read(false)
    while (incoming.isUnread)
    // All of them have more to read, and others have taken the room.
    room = 0
    for (let i = 0; i < 4 * maxStreamsRead; i++) arrived.set(4 * i, { bytes: 1, fin: false })
    let turns = 0
    do {
      const { work } = incoming
      incoming.read(false)
      assert.isAbove(incoming.work, work)
      turns += 1
    } while (incoming.isUnread)
    assert.isAbove(turns, 2)
  })

  it("are read at the end of the connection all the same", () => {
    const { arrived, incoming } = paused(2 * maxStreamsRead)
    incoming.read(true)
    assert.strictEqual(arrived.size, 0)
  })

  it("that are resumed when the connection is over ask for no turn", () => {
    const { end, incoming, peer, turns } = paused(2)
    end(new StreamClosed())
    for (const stream of peer.streams) stream.resume()
    assert.isFalse(incoming.isUnread)
    assert.strictEqual(turns(), 0)
  })
})

describe("an end that comes with bytes that were read already", () => {
  const opened = (count: number) => {
    const it = setup()
    for (let i = 0; i < count; i++) it.arrived.set(2 + 4 * i, { bytes: 1, fin: false })
    it.incoming.read(false)
    const ends = () => it.peer.streams.filter((stream) => stream.ends.length > 0).length
    return { ...it, ends }
  }

  it("is found, once", () => {
    const { ends, finished, incoming, peer } = opened(2)
    incoming.read(false)
    assert.strictEqual(ends(), 0)
    finished.add(6)
    incoming.read(false)
    incoming.read(false)
    assert.deepStrictEqual(
      peer.streams.map((stream) => stream.ends),
      [[], [undefined]]
    )
  })

  it("is looked for in a few streams in each turn, and in all of them now and then", () => {
    const { ends, finished, incoming } = opened(30)
    for (let i = 0; i < 30; i++) finished.add(2 + 4 * i)
    incoming.read(false)
    assert.isAbove(ends(), 0)
    assert.isBelow(ends(), 15)
    incoming.oldestStop(1_000)
    assert.strictEqual(ends(), 30)
  })

  it("is not reported while there is something to read, or while the stream is paused", () => {
    const { arrived, ends, finished, incoming, peer } = opened(2)
    finished.add(2).add(6)
    peer.streams[0]!.pausing = true
    arrived.set(2, { bytes: 5, fin: false })
    incoming.read(false)
    assert.deepStrictEqual([ends(), peer.streams[0]!.length], [1, 6])
    incoming.read(false)
    assert.strictEqual(ends(), 1)
    peer.streams[0]!.resume()
    incoming.read(false)
    assert.strictEqual(ends(), 2)
  })
})

describe("a stream that is stopped", () => {
  it("drops what arrives later, up to its end, and is then forgotten", () => {
    const { arrived, incoming, peer, shutDown } = setup()
    arrived.set(2, { bytes: 5, fin: false })
    incoming.read(false)
    peer.streams[0]!.receive!.stop(9)
    assert.deepStrictEqual(shutDown, [[2, 9]])
    arrived.set(2, { bytes: 5_000, fin: false })
    // Bytes that nobody hears of are read all the same: that gives their window back.
    assert.strictEqual(incoming.read(false), 5_000)
    arrived.set(2, { bytes: 5_000, fin: true })
    assert.strictEqual(incoming.read(false), 5_000)
    assert.strictEqual(peer.streams.length, 1)
    assert.strictEqual(peer.streams[0]!.length, 5)
    assert.deepStrictEqual(peer.streams[0]!.ends, [])
  })

  it("when all of it has arrived is not stopped at the peer", () => {
    const { arrived, incoming, peer, shutDown } = setup()
    peer.heed = (stream) => (stream.pausing = true)
    arrived.set(2, { bytes: 5_000, fin: true })
    incoming.read(false)
    peer.streams[0]!.receive!.stop(9)
    assert.deepStrictEqual(shutDown, [])
    assert.strictEqual(arrived.size, 0)
  })

  it("is not read while its reading is deferred: its sending half's fin could be lost", () => {
    const { arrived, incoming, peer, shutDown } = setup()
    arrived.set(0, { bytes: 5, fin: false })
    incoming.read(false)
    const { receive, send } = peer.streams[0]!
    const half = send as SendStream
    half.peerHalf!.deferReading()
    receive!.stop(3)
    arrived.set(0, { bytes: 5, fin: true })
    assert.strictEqual(incoming.read(false), 0)
    assert.isTrue(arrived.has(0))
    half.peerHalf!.allowReading()
    assert.isFalse(arrived.has(0))
    assert.deepStrictEqual(shutDown, [])
  })

  it("may have been dropped by the binding meanwhile", () => {
    const { arrived, failShutdown, incoming, peer, turns } = setup()
    arrived.set(2, { bytes: 5, fin: false })
    incoming.read(false)
    failShutdown()
    peer.streams[0]!.receive!.stop(9)
    assert.strictEqual(turns(), 1)
  })

  it("after the connection is over does nothing", () => {
    const { arrived, end, incoming, peer, shutDown, turns } = setup()
    arrived.set(2, { bytes: 5, fin: false })
    incoming.read(false)
    arrived.set(2, { bytes: 5, fin: false })
    // As from within the outcome of a write, which a connection that ends tells first.
    end(new StreamClosed())
    peer.streams[0]!.receive!.stop(9)
    incoming.fail(new StreamClosed())
    assert.deepStrictEqual(shutDown, [])
    assert.strictEqual(turns(), 0)
    assert.strictEqual(arrived.size, 1)
    assert.deepStrictEqual(peer.streams[0]!.ends, [])
  })
})

describe("a connection that its owner closes", () => {
  it.each([
    ["when a stream is announced", 0],
    ["at a chunk", 1_000]
  ])("%s reads and reports nothing more of this stream or of others", (when, heard) => {
    const { arrived, close, incoming, peer } = setup()
    peer.heed = (stream) => {
      if (heard === 0) close()
      stream.heed = close
    }
    arrived.set(2, { bytes: 5_000, fin: true }).set(6, { bytes: 5, fin: true })
    assert.strictEqual(incoming.read(false), heard)
    assert.strictEqual(incoming.read(true), 0, when)
    assert.deepStrictEqual(
      peer.streams.map(({ ends, length }) => [length, ends]),
      [[heard, []]]
    )
    assert.deepStrictEqual([...arrived.keys()], [2, 6])
  })

  it("at the last chunk of a stream reports no end", () => {
    const { arrived, close, incoming, peer } = setup()
    peer.heed = (stream) => (stream.heed = close)
    arrived.set(2, { bytes: 5, fin: true })
    assert.strictEqual(incoming.read(false), 5)
    assert.deepStrictEqual(peer.streams[0]!.ends, [])
    // But that of the connection.
    incoming.fail(new StreamClosed())
    assert.deepStrictEqual(peer.streams[0]!.ends, [new StreamClosed()])
  })

  it("drops nothing more of stopped streams, either", () => {
    const { arrived, close, incoming, peer } = setup()
    arrived.set(2, { bytes: 5, fin: false })
    incoming.read(false)
    peer.streams[0]!.receive!.stop(9)
    arrived.set(2, { bytes: 5, fin: false })
    close()
    assert.strictEqual(incoming.read(false), 0)
    assert.strictEqual(arrived.size, 1)
  })
})

describe("a stream that was stopped", () => {
  it("is overdue from the first check on, until the peer has ended it", () => {
    const { arrived, finished, incoming, peer } = setup()
    arrived.set(2, { bytes: 5, fin: false }).set(6, { bytes: 5, fin: false })
    incoming.read(false)
    assert.strictEqual(incoming.oldestStop(1_000), 0)
    peer.streams[0]!.receive!.stop(7)
    assert.strictEqual(incoming.oldestStop(1_000), 0)
    peer.streams[1]!.receive!.stop(7)
    assert.strictEqual(incoming.oldestStop(500), 1_000)
    assert.strictEqual(incoming.oldestStop(500), 1_500)
    finished.add(2)
    assert.strictEqual(incoming.oldestStop(500), 1_000)
    finished.add(6)
    assert.strictEqual(incoming.oldestStop(500), 0)
    // The binding drops what comes after the end, so nothing of it is remembered.
    arrived.set(2, { bytes: 1, fin: false })
    incoming.read(false)
    assert.strictEqual(peer.streams.length, 3)
  })
})

describe("a stream of ours", () => {
  it("whose receiving half is forgotten is read, and not taken for a stream of the peer", () => {
    const { arrived, incoming, peer } = setup()
    arrived.set(1, { bytes: 5, fin: false })
    incoming.read(false)
    arrived.set(1, { bytes: 5, fin: true })
    incoming.read(false)
    assert.deepStrictEqual(peer.streams, [])
    assert.strictEqual(arrived.size, 0)
  })
})

describe("the budget of what a connection takes in", () => {
  it("is told of what is read, of what may be dropped, and of resets", () => {
    const { arrived, incoming, peer, told } = setup()
    arrived.set(2, { bytes: 5, fin: false }).set(6, { bytes: 7, fin: false })
    incoming.read(false)
    assert.deepStrictEqual(told, { read: 12, willDrop: 0, resets: 0 })
    peer.streams[0]!.receive!.stop(9)
    assert.deepStrictEqual(told, { read: 12, willDrop: initialStreamWindow, resets: 0 })
    arrived.set(2, { bytes: 3, fin: true }).set(6, { bytes: 0, fin: false, resetWith: 4 })
    incoming.read(false)
    assert.deepStrictEqual(told, { read: 15, willDrop: initialStreamWindow, resets: 1 })
  })
})
