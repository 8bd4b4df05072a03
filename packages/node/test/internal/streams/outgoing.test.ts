import { assert, describe, it } from "@effect/vitest"
import { maxWrittenUnanswered, maxOpenStreams, sendHighWater } from "../../../src/internal/tunables/streams.ts"
import { StreamClosed, StreamStopped } from "@qp2p/core/StreamError"
import { byte, setup } from "./sendingSide.ts"

describe("a connection that ends", () => {
  it("completes every acknowledged stream, though they are more than a turn's share", () => {
    const { outgoing, peer, write } = setup()
    const results = [1, 2, 3, 4].map(() => write(outgoing.open(false, 0), new Uint8Array(16_320), true))
    outgoing.write(0)
    for (const id of [2, 6, 14]) peer.acknowledged.add(id)
    outgoing.completeUni(1, false)
    assert.deepStrictEqual(results, [["done"], [], [], []])
    outgoing.fail(new StreamClosed())
    assert.deepStrictEqual(results, [["done"], ["done"], [new StreamClosed()], ["done"]])
    assert.isFalse(outgoing.awaitsPeerTransport)
  })
})

describe("a stream that the peer has stopped", () => {
  it("ends when it is to be written, and the others are written", () => {
    const { outgoing, peer, sent, write } = setup()
    const stopped = write(outgoing.open(false, 0), byte, true)
    const other = write(outgoing.open(false, 0), byte, true)
    peer.stopped.set(2, 8)
    outgoing.write(0)
    assert.deepStrictEqual(stopped, [new StreamStopped({ code: 8 })])
    assert.deepStrictEqual(sent, [[6, 1, true]])
    peer.acknowledged.add(6)
    outgoing.completeUni(1, false)
    assert.deepStrictEqual(other, ["done"])
    assert.isFalse(outgoing.awaitsPeerTransport)
  })

  it("takes no place among those that may be open", () => {
    const { outgoing, peer, write } = setup()
    for (let i = 0; i < maxOpenStreams; i++) {
      peer.stopped.set(2 + 4 * i, 8)
      write(outgoing.open(false, 0), byte, true)
      outgoing.write(i)
    }
    const other = outgoing.open(false, 0)
    write(other, byte, true)
    outgoing.write(maxOpenStreams)
    assert.isDefined(other.id)
  })

  it("is never told its id if nothing of it was sent", () => {
    const { outgoing, peer, write } = setup()
    const stream = outgoing.open(true, 0)
    const ids: Array<number> = []
    const failures: Array<unknown> = []
    stream.whenOpened(
      (id) => ids.push(id),
      (failure) => failures.push(failure)
    )
    write(stream, byte, true)
    peer.stopped.set(0, 8)
    outgoing.write(0)
    assert.deepStrictEqual(ids, [])
    assert.deepStrictEqual(failures, [new StreamStopped({ code: 8 })])
  })

  it("after its fin was written fails too, and is no longer waited for", () => {
    const { outgoing, peer, write } = setup()
    const results = write(outgoing.open(true, 0), byte, true)
    outgoing.write(0)
    outgoing.completeUni(0, false)
    peer.stopped.set(0, 8)
    // Not asked for in the turn in which it was sent.
    outgoing.completeBidi(0)
    assert.deepStrictEqual(results, [])
    assert.isTrue(outgoing.awaitsPeerTransport)
    outgoing.completeBidi(1)
    assert.deepStrictEqual(results, [new StreamStopped({ code: 8 })])
    assert.isFalse(outgoing.awaitsPeerTransport)
    assert.isFalse(outgoing.hasDeferred)
  })
})

describe("a priority that changes", () => {
  it("applies to what is written later, whether or not the stream has begun", () => {
    const { outgoing, sent, told, write } = setup()
    const [low, high] = [outgoing.open(false, 0), outgoing.open(false, 0)]
    high.setPriority(5)
    write(low, byte, false)
    write(high, byte, false)
    outgoing.write(0)
    // The second stream to be opened wrote first, so it has the first id.
    assert.deepStrictEqual(told, ["2 has urgency 122"])
    assert.strictEqual(high.id, 2)
    low.setPriority(9)
    assert.deepStrictEqual(told, ["2 has urgency 122", "6 has urgency 118"])
    write(high, byte, true)
    write(low, byte, true)
    outgoing.write(1)
    assert.deepStrictEqual(
      sent.map(([id]) => id),
      [2, 6, 6, 2]
    )
  })

  it("moves a queued stream, and applies to one that waits for credit once there is some", () => {
    const { outgoing, peer, sent, write } = setup()
    const streams = [outgoing.open(false, 0), outgoing.open(false, 0), outgoing.open(false, 0)] as const
    for (const stream of streams) write(stream, byte, true)
    streams[2].setPriority(1)
    peer.credit.uni = 1
    outgoing.write(0)
    assert.deepStrictEqual(sent, [[2, 1, true]])
    assert.strictEqual(streams[2].id, 2)
    peer.credit.uni = 0
    outgoing.write(1)
    streams[1].setPriority(7)
    peer.credit.uni = Infinity
    outgoing.write(2)
    assert.deepStrictEqual([streams[1].id, streams[0].id], [6, 10])
  })
})

describe("streams whose own windows are full", () => {
  it("do not keep others from writing, however many they are", () => {
    const { outgoing, peer, sent, write } = setup()
    const streams = Array.from({ length: 101 }, () => outgoing.open(false, 0))
    for (const stream of streams) write(stream, byte, false)
    outgoing.write(0)
    const other = streams[100]!
    peer.full = (id) => id !== other.id
    for (const stream of streams) write(stream, byte, false)
    // The connection's window might be what is full, so only so many are tried in one turn.
    for (let turn = 1; turn <= 3 && other.written === 1; turn++) outgoing.write(turn)
    assert.strictEqual(other.written, 2)
    peer.full = () => false
    outgoing.write(9)
    assert.strictEqual(sent.length, 202)
    assert.isFalse(outgoing.isCongested)
  })
})

describe("a connection whose window is full", () => {
  /** Three streams that could not begin, and what came of them. */
  const blocked = () => {
    const it = setup()
    it.peer.full = () => true
    const streams = [it.outgoing.open(false, 0), it.outgoing.open(false, 0), it.outgoing.open(false, 0)] as const
    const results = streams.map((stream) => it.write(stream, byte, true))
    it.outgoing.write(0)
    assert.isTrue(it.outgoing.isCongested)
    // One was tried; it has all of its own window, so the others need not be.
    assert.deepStrictEqual(
      streams.map(({ id }) => id),
      [2, undefined, undefined]
    )
    return { ...it, results, streams }
  }

  it("is left alone until there is room, and then goes on in order", () => {
    const { outgoing, peer, sent } = blocked()
    outgoing.write(1)
    assert.deepStrictEqual(sent, [])
    peer.full = () => false
    outgoing.write(2)
    assert.deepStrictEqual(
      sent.map(([id]) => id),
      [2, 6, 10]
    )
    assert.isFalse(outgoing.isCongested)
  })

  it("goes on with the others when the stream that it was found with is reset", () => {
    const { outgoing, peer, sent, streams } = blocked()
    streams[0].reset(5)
    peer.full = (id) => id === 2
    outgoing.write(1)
    assert.deepStrictEqual(
      sent.map(([id]) => id),
      [6, 10]
    )
  })

  it("goes on with the others when the peer has stopped the stream that it was found with", () => {
    const { outgoing, peer, results, sent } = blocked()
    peer.stopped.set(2, 8)
    peer.full = () => false
    outgoing.write(1)
    assert.deepStrictEqual(results[0], [new StreamStopped({ code: 8 })])
    assert.deepStrictEqual(
      sent.map(([id]) => id),
      [6, 10]
    )
    peer.acknowledged.add(6).add(10)
    outgoing.completeUni(2, false)
    assert.deepStrictEqual(results.slice(1), [["done"], ["done"]])
    assert.isFalse(outgoing.awaitsPeerTransport)
  })
})

describe("a probe stream", () => {
  it("is opened beyond the limit of open streams, which may wait for what it finds out", () => {
    const { outgoing, peer, sent, write } = setup()
    peer.credit = { uni: 1_024, bidi: 1_024 }
    for (let i = 0; i < maxOpenStreams; i++) write(outgoing.open(false, 0), byte, false)
    const waiting = outgoing.open(false, 0)
    write(waiting, byte, true)
    outgoing.write(0)
    assert.strictEqual(sent.length, maxOpenStreams)
    outgoing.openProbeStream()
    outgoing.write(1)
    assert.deepStrictEqual(sent.at(-1)!.slice(1), [0, true])
    assert.strictEqual(sent.length, maxOpenStreams + 1)
    assert.isUndefined(waiting.id)
  })
})

describe("after a timer of the binding, which then takes any number of bytes,", () => {
  const room = 1_000
  const much = new Uint8Array(100 * room)
  /** A stream that has filled the congestion window, and then the timer. */
  const expired = () => {
    const it = setup()
    it.peer.room = room
    const stream = it.outgoing.open(false, 0)
    it.write(stream, new Uint8Array(1), false)
    it.outgoing.write(0)
    it.write(stream, much, true)
    it.peer.room = 0
    it.outgoing.write(1)
    assert.strictEqual(stream.written, 1)
    it.outgoing.expired()
    it.peer.room = Infinity
    return { ...it, stream }
  }

  it("no long stream is written until a packet of the peer has come behind what the timer sends", () => {
    const { outgoing, peer, stream } = expired()
    outgoing.write(2)
    // It came before.
    peer.packets += 1
    outgoing.write(3)
    outgoing.flushed()
    for (let now = 4; now < 8; now++) {
      outgoing.write(now)
      outgoing.flushed()
    }
    assert.strictEqual(stream.written, 1)
    peer.room = room
    peer.packets += 1
    outgoing.write(8)
    assert.isAbove(stream.written, 1)
  })

  it("the peer is asked for such a packet once, and only if something waits", () => {
    const { outgoing, told } = expired()
    outgoing.flushed()
    outgoing.flushed()
    assert.deepStrictEqual(told, ["ping"])
    const idle = setup()
    idle.outgoing.expired()
    idle.outgoing.flushed()
    assert.deepStrictEqual(idle.told, [])
  })

  it("the peer is asked, too, when something comes to wait only then", () => {
    const { outgoing, told, write } = setup()
    outgoing.expired()
    outgoing.flushed()
    assert.deepStrictEqual(told, [])
    write(outgoing.open(false, 0), new Uint8Array(maxWrittenUnanswered + 1), true)
    for (let now = 1; now < 4; now++) {
      outgoing.write(now)
      outgoing.flushed()
    }
    assert.deepStrictEqual(told, ["ping"])
  })

  it("short streams are written as far as a few, and no turn is due for others", () => {
    const { outgoing, peer, sent, write } = setup()
    peer.room = Infinity
    outgoing.expired()
    outgoing.flushed()
    const length = maxWrittenUnanswered / 4
    for (let i = 0; i < 6; i++) write(outgoing.open(false, 0), new Uint8Array(length), true)
    for (let now = 1; now < 4; now++) outgoing.write(now)
    assert.strictEqual(sent.length, 4)
    assert.strictEqual(outgoing.deadline, Infinity)
    peer.packets += 1
    outgoing.write(4)
    assert.strictEqual(sent.length, 6)
  })

  it("a stream that had found the congestion window full is written to its end, and then asked no more", () => {
    const { outgoing, peer, sent, write } = setup()
    const stream = outgoing.open(false, 0)
    const results = write(stream, new Uint8Array(1_000), true)
    peer.full = () => true
    outgoing.write(0)
    assert.isTrue(outgoing.isCongested)
    outgoing.expired()
    peer.full = () => false
    outgoing.write(1)
    outgoing.flushed()
    assert.deepStrictEqual(sent.at(-1), [2, 1_000, true])
    // The binding knows it no more.
    peer.acknowledged.add(2)
    peer.full = () => true
    peer.packets += 1
    outgoing.write(2)
    outgoing.completeUni(3, false)
    assert.deepStrictEqual(results, ["done"])
  })

  it("no turn is due for streams that wait for the peer's application", () => {
    const { outgoing, peer, write } = setup()
    peer.credit.uni = 1_000
    for (let i = 0; i < 200; i++) write(outgoing.open(false, 0), new Uint8Array(60_000), true)
    outgoing.write(0)
    const { deadline } = outgoing
    assert.isBelow(deadline, Infinity)
    outgoing.expired()
    outgoing.write(1)
    outgoing.flushed()
    outgoing.write(deadline + 1)
    assert.strictEqual(outgoing.deadline, Infinity)
    peer.packets += 1
    outgoing.write(deadline + 2)
    assert.isAbove(outgoing.deadline, deadline + 2)
    assert.isBelow(outgoing.deadline, Infinity)
  })

  it("streams without bytes are opened also after others have waited for credit", () => {
    const { outgoing, peer, sent, write } = setup()
    peer.credit.uni = 0
    outgoing.openProbeStream()
    outgoing.write(0)
    peer.credit.uni = 10
    outgoing.write(1)
    outgoing.expired()
    write(outgoing.open(false, 0), new Uint8Array(maxWrittenUnanswered), true)
    outgoing.write(2)
    assert.deepStrictEqual(
      sent.map(([, bytes]) => bytes),
      [0, maxWrittenUnanswered]
    )
    outgoing.openProbeStream()
    outgoing.write(3)
    assert.deepStrictEqual(sent.at(-1)!.slice(1), [0, true])
    assert.strictEqual(sent.length, 3)
  })

  it("streams without bytes are opened all the same", () => {
    const { outgoing, sent } = expired()
    outgoing.openProbeStream()
    outgoing.write(2)
    assert.deepStrictEqual(sent.at(-1), [6, 0, true])
  })
})

describe("answers that the peer does not take", () => {
  it("are counted until they are sent, of each stream no more than can be a copy", () => {
    const { outgoing, peer, write } = setup()
    const streams = [0, 4, 8].map((id) => outgoing.acceptSend(id))
    peer.room = 0
    write(streams[0]!, new Uint8Array(1_000), false)
    write(streams[0]!, new Uint8Array(500), true)
    write(streams[1]!, new Uint8Array(10 * sendHighWater), true)
    assert.strictEqual(outgoing.queuedAnswers, 1_500 + sendHighWater)
    // What this side sends on its own account is none.
    write(outgoing.open(false, 0), new Uint8Array(1_000), true)
    assert.strictEqual(outgoing.queuedAnswers, 1_500 + sendHighWater)
    peer.room = Infinity
    for (let now = 0; now < 20; now++) outgoing.write(now)
    assert.strictEqual(outgoing.queuedAnswers, 0)
    write(streams[2]!, new Uint8Array(1_000), false)
    streams[2]!.reset(0)
    assert.strictEqual(outgoing.queuedAnswers, 0)
  })
})
