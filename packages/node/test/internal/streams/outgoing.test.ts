import { assert, describe, it } from "@effect/vitest"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { AcknowledgedPackets } from "../../../src/internal/streams/acknowledgedPackets.ts"
import { Outgoing } from "../../../src/internal/streams/outgoing.ts"
import type { SendStream } from "../../../src/internal/streams/sendStream.ts"
import {
  initialStreamWindow,
  maxLongBytes,
  maxLongStreams,
  maxOpenStreams,
  mostUnreadWeight,
  sendQuantum
} from "../../../src/internal/tunables.ts"
import { StreamClosed, StreamStopped } from "@qp2p/core/StreamError"
import type { RecvStream } from "../../../src/internal/streams/recvStream.ts"
import { outcomes } from "../../support/quic.ts"

const byte = new Uint8Array(1)
const nothing = new Uint8Array(0)

/** The sending side of a dialled connection whose peer takes and acknowledges what the test says. */
const setup = () => {
  const peer = {
    credit: { uni: Infinity, bidi: Infinity },
    /** Streams whose own window is full. */
    full: (_id: number): boolean => false,
    /** In the congestion window. */
    room: 1_000_000,
    stopped: new Map<number, number>(),
    acknowledged: new Set<number>(),
    /** Whether the retransmission timer runs. */
    inFlight: true,
    heardAt: 0,
    paths: [{ lost: 0, rtt: 10 }] as Array<Partial<ReturnType<NativeConnection["pathStats"]>[number]>>
  }
  const sent: Array<readonly [id: number, bytes: number, fin: boolean]> = []
  const told: Array<string> = []
  /** Streams that go before all others, marks too. */
  const hurried: Array<number> = []
  let touched = 0
  const throwIfStopped = (id: number) => {
    const code = peer.stopped.get(id)
    if (code !== undefined) throw new Error(`StreamStopped(${code})`)
  }
  const native = {
    peerStreamsLeftUni: () => peer.credit.uni,
    peerStreamsLeftBidi: () => peer.credit.bidi,
    streamSend: (id: number, bytes: Uint8Array, fin: boolean) => {
      throwIfStopped(id)
      if (peer.full(id)) return null
      // RFC 9000, section 2.1: the second bit is set for streams that go one way.
      if (!sent.some(([known]) => known === id)) peer.credit[(id & 0x2) === 0 ? "bidi" : "uni"] -= 1
      sent.push([id, bytes.length, fin])
      return bytes.length
    },
    streamWritable: (id: number) => {
      throwIfStopped(id)
      if (peer.acknowledged.has(id)) throw new Error(`InvalidStreamState(${id})`)
    },
    streamCapacity: (id: number) => {
      throwIfStopped(id)
      return peer.full(id) ? 0 : peer.room
    },
    streamFinished: (id: number) => peer.acknowledged.has(id),
    streamPriority: (id: number, urgency: number, takesTurns: boolean) => {
      if (takesTurns) told.push(`${id} has urgency ${urgency}`)
      else hurried.push(id)
    },
    streamShutdown: (id: number, _direction: number, code: number) => told.push(`${id} is reset with ${code}`),
    sendAckEliciting: () => told.push("ping"),
    timeout: () => (peer.inFlight ? 100 : 60_000),
    pathStats: () => peer.paths
  } as unknown as NativeConnection
  const acknowledged = new AcknowledgedPackets()
  const outgoing = new Outgoing({
    native,
    dialled: true,
    touch: () => (touched += 1),
    over: () => undefined,
    acknowledged,
    heardAt: () => peer.heardAt,
    idleTimeout: () => 60_000
  })
  const write = (stream: SendStream, bytes: Uint8Array, fin: boolean) => {
    const { done, results } = outcomes()
    stream.write(bytes, fin, done)
    return results
  }
  return { acknowledged, outgoing, hurried, peer, sent, told, touches: () => touched, write }
}

describe("streams that are acknowledged at once", () => {
  const rows: ReadonlyArray<readonly [count: number, bytes: number, confirmed: ReadonlyArray<number>]> = [
    [3, 16_320, [1, 2, 3]],
    [8, 16_320, [2, 4, 5, 6, 7, 8]],
    [20, 1_024, [12, 20]],
    [4, 60_000, [1, 2, 3, 4]],
    [12, 1_000, [12]],
    [1, 1, [1]]
  ]
  it.each(rows)("%i of %i bytes are confirmed in turns: %j", (count, bytes, confirmed) => {
    const { outgoing, peer, touches, write } = setup()
    const results = Array.from({ length: count }, () => write(outgoing.open(false, 0), new Uint8Array(bytes), true))
    outgoing.pump(0)
    assert.isFalse(outgoing.confirm(0, false))
    for (let i = 0; i < count; i++) peer.acknowledged.add(2 + 4 * i)
    const done = () => results.filter(([result]) => result === "done").length
    const seen: Array<number> = []
    for (let turns = 0; done() < count; turns++) {
      const before = touches()
      assert.isTrue(outgoing.confirm(1, false))
      seen.push(done())
      // It asks for another turn as long as there may be more.
      assert.strictEqual(touches() - before, done() < count ? 1 : 0)
      assert.isBelow(turns, 20)
    }
    assert.deepStrictEqual(seen, confirmed)
    assert.isFalse(outgoing.waits)
  })

  it("are confirmed in one turn when others keep both ends busy", () => {
    const { outgoing, peer, touches, write } = setup()
    const results = Array.from({ length: 8 }, () => write(outgoing.open(false, 0), new Uint8Array(16_320), true))
    outgoing.pump(0)
    for (let i = 0; i < 8; i++) peer.acknowledged.add(2 + 4 * i)
    const before = touches()
    assert.isTrue(outgoing.confirm(1, true))
    assert.isTrue(results.every(([result]) => result === "done"))
    assert.strictEqual(touches(), before)
  })
})

describe("a connection that ends", () => {
  it("has confirmed what was acknowledged, though it was more than a turn's share", () => {
    const { outgoing, peer, write } = setup()
    const results = [1, 2, 3, 4].map(() => write(outgoing.open(false, 0), new Uint8Array(16_320), true))
    outgoing.pump(0)
    for (const id of [2, 6, 14]) peer.acknowledged.add(id)
    outgoing.confirm(1, false)
    assert.deepStrictEqual(results, [["done"], [], [], []])
    outgoing.fail(new StreamClosed())
    assert.deepStrictEqual(results, [["done"], ["done"], [new StreamClosed()], ["done"]])
    assert.isFalse(outgoing.waits)
  })
})

describe("a stream that the peer has stopped", () => {
  it("ends when its turn to write comes, and leaves the others theirs", () => {
    const { outgoing, peer, sent, write } = setup()
    const stopped = write(outgoing.open(false, 0), byte, true)
    const other = write(outgoing.open(false, 0), byte, true)
    peer.stopped.set(2, 8)
    outgoing.pump(0)
    assert.deepStrictEqual(stopped, [new StreamStopped({ code: 8 })])
    assert.deepStrictEqual(sent, [[6, 1, true]])
    peer.acknowledged.add(6)
    outgoing.confirm(1, false)
    assert.deepStrictEqual(other, ["done"])
    assert.isFalse(outgoing.waits)
  })

  it("takes no place among those that may be open", () => {
    const { outgoing, peer, write } = setup()
    for (let i = 0; i < maxOpenStreams; i++) {
      peer.stopped.set(2 + 4 * i, 8)
      write(outgoing.open(false, 0), byte, true)
      outgoing.pump(i)
    }
    const other = outgoing.open(false, 0)
    write(other, byte, true)
    outgoing.pump(maxOpenStreams)
    assert.isDefined(other.id)
  })

  it("never learns its id when it had not begun", () => {
    const { outgoing, peer, write } = setup()
    const stream = outgoing.open(true, 0)
    const ids: Array<number> = []
    const failures: Array<unknown> = []
    stream.onId = (id) => ids.push(id)
    stream.onNoId = (failure) => failures.push(failure)
    write(stream, byte, true)
    peer.stopped.set(0, 8)
    outgoing.pump(0)
    assert.deepStrictEqual(ids, [])
    assert.deepStrictEqual(failures, [new StreamStopped({ code: 8 })])
  })

  it("after its fin was written fails too, and is waited for no more", () => {
    const { outgoing, peer, write } = setup()
    const results = write(outgoing.open(true, 0), byte, true)
    outgoing.pump(0)
    outgoing.confirm(0, false)
    peer.stopped.set(0, 8)
    // Not asked for in the turn in which it was sent.
    outgoing.confirmHalves(0)
    assert.deepStrictEqual(results, [])
    assert.isTrue(outgoing.waits)
    outgoing.confirmHalves(1)
    assert.deepStrictEqual(results, [new StreamStopped({ code: 8 })])
    assert.isFalse(outgoing.waits)
    assert.isFalse(outgoing.settles)
  })
})

describe("a stream that was reset after its fin was written", () => {
  it("is waited for no more, and the peer is told nothing: there is nothing to take back", () => {
    const { outgoing, told, write } = setup()
    const stream = outgoing.open(true, 0)
    const results = write(stream, byte, true)
    outgoing.pump(0)
    stream.reset(5)
    outgoing.confirmHalves(1)
    assert.deepStrictEqual(results, [new StreamClosed()])
    assert.deepStrictEqual(told, [])
    assert.isFalse(outgoing.waits)
    assert.isFalse(outgoing.settles)
  })
})

describe("a priority that changes", () => {
  it("counts for what is written later, whether or not the stream has begun", () => {
    const { outgoing, sent, told, write } = setup()
    const [low, high] = [outgoing.open(false, 0), outgoing.open(false, 0)]
    high.setPriority(5)
    write(low, byte, false)
    write(high, byte, false)
    outgoing.pump(0)
    // The second stream to be opened wrote first, so it has the first id.
    assert.deepStrictEqual(told, ["2 has urgency 122"])
    assert.strictEqual(high.id, 2)
    low.setPriority(9)
    assert.deepStrictEqual(told, ["2 has urgency 122", "6 has urgency 118"])
    write(high, byte, true)
    write(low, byte, true)
    outgoing.pump(1)
    assert.deepStrictEqual(
      sent.map(([id]) => id),
      [2, 6, 6, 2]
    )
  })

  it("of a stream that is queued moves it, and of one that waits for credit counts once there is some", () => {
    const { outgoing, peer, sent, write } = setup()
    const streams = [outgoing.open(false, 0), outgoing.open(false, 0), outgoing.open(false, 0)] as const
    for (const stream of streams) write(stream, byte, true)
    streams[2].setPriority(1)
    peer.credit.uni = 1
    outgoing.pump(0)
    assert.deepStrictEqual(sent, [[2, 1, true]])
    assert.strictEqual(streams[2].id, 2)
    peer.credit.uni = 0
    outgoing.pump(1)
    streams[1].setPriority(7)
    peer.credit.uni = Infinity
    outgoing.pump(2)
    assert.deepStrictEqual([streams[1].id, streams[0].id], [6, 10])
  })
})

describe("streams without credit", () => {
  it("wait for the kind that they are of, in their order", () => {
    const { outgoing, peer, write } = setup()
    peer.credit = { uni: 0, bidi: 0 }
    const streams = [outgoing.open(true, 0), outgoing.open(false, 0), outgoing.open(true, 0)] as const
    for (const stream of streams) write(stream, byte, true)
    outgoing.pump(0)
    outgoing.pump(1)
    assert.deepStrictEqual(
      streams.map(({ id }) => id),
      [undefined, undefined, undefined]
    )
    assert.isTrue(outgoing.waits)
    peer.credit.bidi = Infinity
    outgoing.pump(2)
    assert.deepStrictEqual(
      streams.map(({ id }) => id),
      [0, undefined, 4]
    )
    peer.credit.uni = Infinity
    outgoing.pump(3)
    assert.strictEqual(streams[1].id, 2)
  })
})

describe("a stream without credit that is given up", () => {
  it("is waited for no more", () => {
    const { outgoing, peer, sent, write } = setup()
    peer.credit = { uni: 0, bidi: 0 }
    const given = [outgoing.open(false, 0), outgoing.open(true, 0)]
    for (const stream of given) write(stream, byte, true)
    outgoing.pump(0)
    assert.isTrue(outgoing.waits)
    for (const stream of given) stream.reset(1)
    assert.isFalse(outgoing.waits)
    assert.isFalse(outgoing.isAwaited)
    peer.credit = { uni: Infinity, bidi: Infinity }
    outgoing.pump(1)
    assert.deepStrictEqual(sent, [])
  })
})

describe("streams whose own windows are full", () => {
  it("do not keep the others from writing, however many they are", () => {
    const { outgoing, peer, sent, write } = setup()
    const streams = Array.from({ length: 101 }, () => outgoing.open(false, 0))
    for (const stream of streams) write(stream, byte, false)
    outgoing.pump(0)
    const other = streams[100]!
    peer.full = (id) => id !== other.id
    for (const stream of streams) write(stream, byte, false)
    // The connection's window might be what is full, so only so many are tried in one turn.
    for (let turn = 1; turn <= 3 && other.written === 1; turn++) outgoing.pump(turn)
    assert.strictEqual(other.written, 2)
    peer.full = () => false
    outgoing.pump(9)
    assert.strictEqual(sent.length, 202)
    assert.isFalse(outgoing.congested)
  })
})

describe("a connection whose window is full", () => {
  /** Three streams that could not begin, and what came of them. */
  const blocked = () => {
    const it = setup()
    it.peer.full = () => true
    const streams = [it.outgoing.open(false, 0), it.outgoing.open(false, 0), it.outgoing.open(false, 0)] as const
    const results = streams.map((stream) => it.write(stream, byte, true))
    it.outgoing.pump(0)
    assert.isTrue(it.outgoing.congested)
    // One was tried; it has all of its own window, so the others need not be.
    assert.deepStrictEqual(
      streams.map(({ id }) => id),
      [2, undefined, undefined]
    )
    return { ...it, results, streams }
  }

  it("is left alone until there is room, and then goes on in order", () => {
    const { outgoing, peer, sent } = blocked()
    outgoing.pump(1)
    assert.deepStrictEqual(sent, [])
    peer.full = () => false
    outgoing.pump(2)
    assert.deepStrictEqual(
      sent.map(([id]) => id),
      [2, 6, 10]
    )
    assert.isFalse(outgoing.congested)
  })

  it("goes on with the others when the stream that it was found with is reset", () => {
    const { outgoing, peer, sent, streams } = blocked()
    streams[0].reset(5)
    peer.full = (id) => id === 2
    outgoing.pump(1)
    assert.deepStrictEqual(
      sent.map(([id]) => id),
      [6, 10]
    )
  })

  it("goes on with the others when the peer has stopped the stream that it was found with", () => {
    const { outgoing, peer, results, sent } = blocked()
    peer.stopped.set(2, 8)
    peer.full = () => false
    outgoing.pump(1)
    assert.deepStrictEqual(results[0], [new StreamStopped({ code: 8 })])
    assert.deepStrictEqual(
      sent.map(([id]) => id),
      [6, 10]
    )
    peer.acknowledged.add(6).add(10)
    outgoing.confirm(2, false)
    assert.deepStrictEqual(results.slice(1), [["done"], ["done"]])
    assert.isFalse(outgoing.waits)
  })
})

describe("what has to wait until a stream's bytes are acknowledged", () => {
  const fin = [2, 0, true] as const

  /** A stream that is to end after all of it has been sent. */
  const finishing = () => {
    const it = setup()
    const stream = it.outgoing.open(false, 0)
    it.write(stream, byte, false)
    it.outgoing.pump(1_000)
    it.write(stream, nothing, true)
    it.outgoing.pump(1_000)
    assert.isTrue(it.outgoing.settles)
    return it
  }

  it("is done when nothing is in flight any more", () => {
    const { outgoing, peer, sent } = finishing()
    peer.heardAt = 1_100
    peer.inFlight = false
    outgoing.settle(1_100)
    assert.deepStrictEqual(sent, [[2, 1, false], fin])
    assert.isFalse(outgoing.settles)
  })

  it("waits for a sign of life of a peer that has been silent for long, and asks for one now and then", () => {
    const { outgoing, peer, sent, told } = finishing()
    peer.heardAt = 1_100
    // No timer of the binding's is due soon, but only because it has been waiting for so long.
    peer.inFlight = false
    for (let now = 6_000; now < 7_000; now += 100) outgoing.settle(now)
    assert.deepStrictEqual(told, ["ping", "ping"])
    peer.heardAt = 7_000
    outgoing.settle(7_000)
    assert.deepStrictEqual(told, ["ping", "ping"])
    assert.deepStrictEqual(sent, [[2, 1, false], fin])
  })

  it("asks for a sign of life of a peer that has said nothing since", () => {
    const { outgoing, peer, told } = finishing()
    peer.heardAt = 900
    outgoing.settle(1_400)
    assert.deepStrictEqual(told, [])
    const { work } = outgoing
    outgoing.settle(1_600)
    assert.deepStrictEqual(told, ["ping"])
    // It may leave later: the turn that it asked for was not for nothing.
    assert.isAbove(outgoing.work, work)
  })

  it("is done when a later stream was acknowledged, a while ago, and nothing was lost", () => {
    const { outgoing, peer, sent } = finishing()
    peer.heardAt = 1_010
    // There is no later stream yet, so one is opened: it carries nothing.
    outgoing.settle(1_020)
    outgoing.pump(1_021)
    assert.deepStrictEqual(sent, [
      [2, 1, false],
      [6, 0, true]
    ])
    peer.acknowledged.add(6)
    peer.heardAt = 1_040
    outgoing.confirm(1_040, false)
    outgoing.settle(1_050)
    assert.strictEqual(sent.length, 2)
    outgoing.settle(1_100)
    assert.deepStrictEqual(sent[2], fin)
  })

  it("does not rely on a timer that has been doubled, until the peer has acknowledged something", () => {
    const { outgoing, peer, sent } = finishing()
    peer.inFlight = false
    peer.heardAt = 1_100
    outgoing.expired()
    outgoing.expired()
    outgoing.settle(1_100)
    // Something is opened to prove it by.
    outgoing.pump(1_101)
    assert.deepStrictEqual(sent.slice(1), [[6, 0, true]])
    peer.acknowledged.add(6)
    peer.heardAt = 1_102
    outgoing.confirm(1_102, false)
    outgoing.settle(1_103)
    assert.deepStrictEqual(sent[2], fin)
  })

  it("does not rely on a timer that round trips alone make as long as the idle timeout", () => {
    const { outgoing, peer, sent } = finishing()
    peer.inFlight = false
    peer.heardAt = 1_100
    peer.paths = [{ lost: 0, rtt: 1_900 }]
    outgoing.settle(1_100)
    outgoing.pump(1_101)
    assert.deepStrictEqual(sent.slice(1), [[6, 0, true]])
    peer.heardAt = 1_102
    peer.paths = [{ lost: 0, rtt: 1_800 }]
    outgoing.settle(1_102)
    assert.deepStrictEqual(sent[2], fin)
  })

  it.each([
    ["is done after eight losses in a row, one of which will have been of another stream", 900, true],
    ["is not done after any number of losses on a path that lets only short packets through", 800, false]
  ])("%s", (_, length, isDone) => {
    const { outgoing, peer, sent, write } = setup()
    const stream = outgoing.open(true, 0)
    const results = write(stream, new Uint8Array(5_000), true)
    outgoing.pump(1_000)
    const path = { lost: 0, rtt: 10, pmtu: 1_200, sent: 10, sentBytes: 9_000, lostBytes: 0 }
    // A stream to prove it by, and then the loss, in turns.
    for (let round = 1; round <= 15; round++) {
      const now = 1_000 + 100 * round
      peer.paths = [{ ...path }]
      peer.heardAt = now
      outgoing.settle(now)
      outgoing.pump(now + 1)
      for (const [id] of sent) if (id !== stream.id) peer.acknowledged.add(id)
      outgoing.confirm(now + 2, false)
      assert.deepStrictEqual(results, [], `after ${round}`)
      path.sent += 20
      path.lost += 10
      path.sentBytes += 10 * (1_200 + length)
      path.lostBytes += 10 * 1_200
    }
    peer.paths = [{ ...path }]
    peer.heardAt = 2_600
    outgoing.settle(2_600)
    assert.deepStrictEqual(results, isDone ? ["done"] : [])
  })

  it("waits while there is no path to ask about", () => {
    const { outgoing, peer, told } = finishing()
    peer.heardAt = 1_010
    peer.paths = []
    outgoing.settle(1_020)
    assert.deepStrictEqual(told, [])
    assert.isTrue(outgoing.settles)
  })

  it("is done for a fin, which tells that the peer has stopped the stream meanwhile", () => {
    const { outgoing, peer, write } = setup()
    const stream = outgoing.open(false, 0)
    write(stream, byte, false)
    outgoing.pump(1_000)
    const results = write(stream, nothing, true)
    outgoing.pump(1_001)
    peer.stopped.set(2, 8)
    peer.heardAt = 1_100
    peer.inFlight = false
    outgoing.settle(1_100)
    assert.deepStrictEqual(results, [new StreamStopped({ code: 8 })])
    assert.isFalse(outgoing.settles)
    assert.isFalse(outgoing.waits)
  })

  it("is not done for a fin whose stream has ended, and done for one that has not", () => {
    const { outgoing, peer, sent, write } = setup()
    const streams = [outgoing.open(false, 0), outgoing.open(false, 0)] as const
    for (const stream of streams) write(stream, byte, false)
    outgoing.pump(1_000)
    const results = streams.map((stream) => write(stream, nothing, true))
    outgoing.pump(1_001)
    assert.strictEqual(sent.length, 2)
    streams[0].end(new StreamClosed())
    peer.heardAt = 1_100
    peer.inFlight = false
    outgoing.settle(1_100)
    assert.deepStrictEqual(sent.slice(2), [[6, 0, true]])
    peer.acknowledged.add(6)
    outgoing.confirm(1_200, false)
    assert.deepStrictEqual(results, [[new StreamClosed()], ["done"]])
  })
})

describe("a fin that is written after its data", () => {
  /** A stream whose data has left in packet 0. */
  const setupFin = (bidirectional: boolean) => {
    const it = setup()
    const stream = it.outgoing.open(bidirectional, 0)
    const other = { held: false, over: false, ended: false, released: 0 }
    const answer = Object.assign(other, {
      release: () => {
        other.released += other.held ? 1 : 0
        other.held = false
      }
    })
    if (bidirectional) stream.onId = () => (stream.answer = answer as unknown as RecvStream)
    /** A turn that sends `packets`. */
    const turn = (now: number, packets: number) => {
      it.outgoing.letAnswersEnd()
      it.outgoing.confirm(now, false)
      it.outgoing.pump(now)
      for (let i = 0; i < packets; i++) it.acknowledged.sent(Uint8Array.of(0x40), 1)
      it.outgoing.confirmHalves(now)
      it.outgoing.settle(now)
    }
    /** A packet as the binding leaves it: an acknowledgement of the packets from `smallest` to `largest`. */
    const acknowledge = (largest: number, smallest = 0) => {
      const packet = new Uint8Array(50)
      packet.set([0x02, largest, 0, 0, largest - smallest], 22)
      packet[0] = 0x40
      it.acknowledged.received(packet)
    }
    it.write(stream, byte, false)
    turn(0, 1)
    return { ...it, acknowledge, answer, results: it.write(stream, nothing, true), stream, turn }
  }

  it("leaves at once on a stream with an answer, which is held until the fin is acknowledged, and no longer", () => {
    const { acknowledge, answer, outgoing, results, sent, turn } = setupFin(true)
    turn(1, 1)
    assert.deepStrictEqual(sent, [
      [0, 1, false],
      [0, 0, true]
    ])
    assert.isTrue(answer.held)
    acknowledge(0)
    outgoing.letAnswersEnd()
    assert.isTrue(answer.held)
    acknowledge(1)
    outgoing.letAnswersEnd()
    assert.strictEqual(answer.released, 1)
    assert.deepStrictEqual(results, [])
    turn(2, 0)
    assert.deepStrictEqual(results, ["done"])
    assert.isFalse(outgoing.waits)
    assert.isFalse(outgoing.settles)
  })

  it("waits where there is no answer, until its data is acknowledged, and no longer", () => {
    const { acknowledge, outgoing, peer, results, sent, turn } = setupFin(false)
    turn(1, 0)
    turn(2, 0)
    assert.deepStrictEqual(sent, [[2, 1, false]])
    acknowledge(0)
    turn(3, 0)
    assert.deepStrictEqual(sent.slice(1), [[2, 0, true]])
    assert.deepStrictEqual(results, [])
    peer.acknowledged.add(2)
    turn(4, 1)
    assert.deepStrictEqual(results, ["done"])
    assert.isFalse(outgoing.settles)
  })

  it("waits where there is no answer for what a timer may have sent again, too", () => {
    const { acknowledge, acknowledged, sent, turn } = setupFin(false)
    turn(1, 0)
    acknowledged.expired()
    acknowledge(0)
    turn(2, 0)
    assert.strictEqual(sent.length, 1)
  })

  it.each(["over", "ended"] as const)("waits where the answer is %s: nothing would keep the stream", (how) => {
    const { acknowledge, answer, sent, turn } = setupFin(true)
    answer[how] = true
    turn(1, 0)
    assert.strictEqual(sent.length, 1)
    acknowledge(0)
    turn(2, 0)
    assert.deepStrictEqual(sent.slice(1), [[0, 0, true]])
  })

  it("may not have left when the congestion window was full: its packet is looked for later", () => {
    const { acknowledge, answer, outgoing, peer, turn } = setupFin(true)
    peer.room = 100
    turn(1, 1)
    acknowledge(1)
    outgoing.letAnswersEnd()
    assert.isTrue(answer.held)
    peer.room = 2_000
    turn(2, 1)
    acknowledge(2)
    outgoing.letAnswersEnd()
    assert.isFalse(answer.held)
  })

  it("is sent again when what was in flight with it was lost: it may have been forgotten", () => {
    const { acknowledge, answer, outgoing, peer, results, sent, turn } = setupFin(true)
    turn(1, 2)
    // Of the packets 0 to 2 the last is there.
    acknowledge(2, 2)
    // The timer shows that nothing is in flight.
    peer.inFlight = false
    peer.heardAt = 7
    turn(8, 0)
    assert.deepStrictEqual(sent.slice(1), [
      [0, 0, true],
      [0, 0, true]
    ])
    assert.isTrue(answer.held)
    assert.deepStrictEqual(results, [])
    peer.heardAt = 15
    turn(16, 0)
    assert.deepStrictEqual(results, ["done"])
    assert.strictEqual(answer.released, 1)
    assert.strictEqual(sent.length, 3)
    assert.isFalse(outgoing.settles)
  })
})

describe("a stream that is reset", () => {
  it("is reset when nothing of it is in flight, unless nothing of it was sent or its end was", () => {
    const { hurried, outgoing, peer, told, write } = setup()
    const [begun, waiting, ended] = [outgoing.open(false, 0), outgoing.open(false, 0), outgoing.open(false, 0)] as const
    write(begun, byte, false)
    write(ended, byte, true)
    outgoing.pump(1)
    peer.credit.uni = 0
    write(waiting, byte, true)
    outgoing.pump(2)
    for (const stream of [begun, waiting, ended]) stream.reset(5)
    assert.isTrue(outgoing.settles)
    peer.heardAt = 10
    outgoing.settle(10)
    assert.notInclude(told, "2 is reset with 5")
    // What is sent again of it must not come after the stream that proves it.
    assert.deepStrictEqual(hurried, [2])
    peer.inFlight = false
    peer.heardAt = 20
    outgoing.settle(20)
    assert.deepStrictEqual(
      told.filter((each) => each.includes("reset")),
      ["2 is reset with 5"]
    )
    assert.isFalse(outgoing.settles)
  })
})

describe("long messages", () => {
  const long = new Uint8Array(sendQuantum + 1)

  /** The streams that have begun. */
  const begun = (sent: ReadonlyArray<readonly [id: number, bytes: number, fin: boolean]>) =>
    new Set(sent.map(([id]) => id)).size

  it("are under way a few at a time, of each priority, and short ones are not held back by them", () => {
    const { outgoing, peer, sent, write } = setup()
    const known = new Set<number>()
    // Each takes one write, and its window is full then.
    peer.full = (id) => known.has(id) || !known.add(id)
    for (let i = 0; i < 2 * maxLongStreams; i++) write(outgoing.open(false, 0), long, true)
    for (let now = 0; now < 50; now++) outgoing.pump(now)
    assert.strictEqual(begun(sent), maxLongStreams)
    write(outgoing.open(false, 0), byte, true)
    for (let now = 50; now < 60; now++) outgoing.pump(now)
    assert.strictEqual(begun(sent), maxLongStreams + 1)
    write(outgoing.open(false, 1), long, true)
    for (let now = 60; now < 70; now++) outgoing.pump(now)
    assert.strictEqual(begun(sent), maxLongStreams + 2)
  })

  it("are few when they are very long, and a lone one may be of any length", () => {
    const { outgoing, peer, sent, write } = setup()
    peer.full = (id) => sent.some(([known]) => known === id)
    const huge = new Uint8Array(maxLongBytes)
    const results = Array.from({ length: 3 }, () => write(outgoing.open(false, 0), huge, true))
    for (let now = 0; now < 50; now++) outgoing.pump(now)
    assert.strictEqual(begun(sent), 1)
    peer.full = () => false
    for (let now = 50; now < 2_000; now++) outgoing.pump(now)
    assert.strictEqual(begun(sent), 1)
    peer.acknowledged.add(2)
    outgoing.confirm(2_000, false)
    peer.heardAt = 2_000
    for (let now = 2_001; now < 2_010; now++) outgoing.pump(now)
    assert.deepStrictEqual(results[0], ["done"])
    assert.strictEqual(begun(sent), 2)
  })

  it("on bidirectional streams are not counted: somebody else reads those", () => {
    const { outgoing, peer, sent, write } = setup()
    peer.full = (id) => sent.some(([known]) => known === id)
    for (let i = 0; i < 2 * maxLongStreams; i++) write(outgoing.open(true, 0), long, true)
    for (let now = 0; now < 50; now++) outgoing.pump(now)
    assert.strictEqual(begun(sent), 2 * maxLongStreams)
  })
})

describe("a peer whose application reads nothing", () => {
  const first = 1_024

  /** Nothing more can be begun, and `count` streams wait for the peer to read. */
  const heldBack = (count: number) => {
    const world = setup()
    const { outgoing, peer, write } = world
    peer.credit = { uni: first, bidi: first }
    for (let i = 0; i * initialStreamWindow < mostUnreadWeight; i++) {
      write(outgoing.open(false, 0), new Uint8Array(initialStreamWindow), true)
      outgoing.pump(0)
    }
    const waiting = Array.from({ length: count }, (_, i) => {
      const stream = outgoing.open(false, i % 3)
      return { stream, results: write(stream, byte, true) }
    })
    outgoing.pump(0)
    const begun = () => waiting.filter(({ stream }) => stream.id !== undefined).length
    assert.strictEqual(begun(), 0)
    return { ...world, begun, waiting }
  }

  /** The peer has read all that was sent, and says so. */
  const readAll = ({ peer }: ReturnType<typeof heldBack>) => {
    peer.credit.uni = first
  }

  it("is sent no more messages, is not said to have stalled, and answers and questions go on", () => {
    const { begun, outgoing, peer, sent, write } = heldBack(3)
    for (const [id] of sent) peer.acknowledged.add(id)
    do outgoing.confirm(1, true)
    while (outgoing.confirm(1, true))
    outgoing.confirmHalves(1)
    assert.isFalse(outgoing.waits)
    const question = outgoing.open(true, 0)
    write(question, byte, true)
    const answer = outgoing.answer(5)
    write(answer, byte, true)
    outgoing.pump(1)
    assert.isTrue(sent.some(([id]) => id === question.id))
    assert.isTrue(sent.some(([id]) => id === 5))
    assert.strictEqual(begun(), 0)
  })

  it("is sent the others once it has read, those of the highest priority first", () => {
    const world = heldBack(30)
    const { begun, outgoing, sent, waiting } = world
    readAll(world)
    outgoing.pump(1)
    assert.strictEqual(begun(), 30)
    const order = sent.map(([id]) => waiting.find(({ stream }) => stream.id === id)?.stream.priority)
    assert.deepStrictEqual(
      order.filter((priority) => priority !== undefined),
      [2, 1, 0].flatMap((priority) => Array.from({ length: 10 }, () => priority))
    )
  })

  it("is sent so many in a turn, and others in the next", () => {
    const world = heldBack(120)
    const { begun, outgoing, touches } = world
    readAll(world)
    const before = touches()
    outgoing.pump(1)
    assert.isBelow(begun(), 120)
    assert.isAbove(touches(), before)
    for (let i = 0; i < 4; i++) outgoing.pump(2 + i)
    assert.strictEqual(begun(), 120)
  })

  it("is sent what has become more urgent first, and nothing of what was given up", () => {
    const world = heldBack(6)
    const { outgoing, sent, waiting } = world
    waiting[5]!.stream.reset(1)
    waiting[0]!.stream.setPriority(9)
    readAll(world)
    const before = sent.length
    outgoing.pump(1)
    assert.strictEqual(sent[before]![0], waiting[0]!.stream.id)
    assert.isUndefined(waiting[5]!.stream.id)
    assert.strictEqual(sent.length - before, 5)
  })

  it("is asked for its credit with an empty stream now and then, since the frame may have been lost", () => {
    const { outgoing, peer, sent } = heldBack(1)
    /** A turn in which everything is acknowledged, too. */
    const turn = (now: number) => {
      outgoing.pump(now)
      for (const [id] of sent) peer.acknowledged.add(id)
      while (outgoing.confirm(now, true)) continue
      // What only so many open streams held back.
      outgoing.pump(now)
    }
    const probes = () => sent.filter(([, length]) => length === 0).length
    // Of its first streams it need not have told yet.
    const atOnce = probes()
    assert.isAbove(atOnce, 0)
    const asked: Array<number> = []
    for (let now = 0; now < 3_000; now += 50) {
      const before = probes()
      if (now >= outgoing.deadline) turn(now)
      if (probes() > before) asked.push(now)
    }
    assert.deepStrictEqual(asked, [100, 300, 700, 1_500])
    // For hours, and no credit is taken that is not there.
    for (let now = 3_000; now < 10 * 3_600_000; now += 60_000) turn(now)
    assert.isAtLeast(peer.credit.uni, 1)
    assert.isBelow(probes() - atOnce, first)
  })

  it("asks for no turn once everything that waited was given up", () => {
    const { outgoing, touches, waiting } = heldBack(3)
    for (const { stream } of waiting) stream.reset(1)
    const before = touches()
    outgoing.pump(1_000)
    assert.strictEqual(outgoing.deadline, Infinity)
    assert.strictEqual(touches(), before)
  })

  it("asks for no turn when there is no credit to ask for more with, and goes on asking when there is", () => {
    const { outgoing, peer, sent, touches } = heldBack(1)
    peer.credit.uni = 1
    for (let now = 100; now < 1_000; now += 100) {
      const before = touches()
      outgoing.pump(now)
      assert.strictEqual(outgoing.deadline, Infinity)
      assert.strictEqual(touches(), before)
    }
    peer.credit.uni = 3
    outgoing.pump(2_000)
    const { deadline } = outgoing
    assert.isAbove(deadline, 2_000)
    const before = sent.length
    outgoing.pump(deadline)
    outgoing.pump(deadline)
    assert.isAbove(sent.length, before)
  })

  it("asks for no turn to ask for credit in, while other things have to be sent first", () => {
    const { outgoing, peer, write } = heldBack(1)
    const question = outgoing.open(true, 0)
    write(question, byte, true)
    peer.full = () => true
    outgoing.pump(1)
    assert.strictEqual(outgoing.deadline, Infinity)
    peer.full = () => false
    outgoing.pump(5_000)
    outgoing.pump(5_000)
    assert.isAbove(outgoing.deadline, 5_000)
    assert.isBelow(outgoing.deadline, Infinity)
  })

  it("asks for no turn when as many streams as may be open are", () => {
    const world = heldBack(200)
    const { begun, outgoing, touches, write } = world
    for (let i = 0; i < maxOpenStreams; i++) write(outgoing.open(true, 1), byte, true)
    outgoing.pump(1)
    readAll(world)
    for (let now = 2; now < 10; now++) {
      const before = touches()
      outgoing.pump(now)
      assert.strictEqual(touches(), before)
      assert.strictEqual(outgoing.deadline, Infinity)
    }
    assert.strictEqual(begun(), 0)
  })

  it("is sent the others once it has read, though it does not read many streams that have begun", () => {
    const world = heldBack(30)
    const { begun, outgoing, peer, write } = world
    const questions = Array.from({ length: 100 }, () => outgoing.open(true, 0))
    for (const stream of questions) write(stream, byte, false)
    outgoing.pump(1)
    peer.full = (id) => questions.some((stream) => stream.id === id)
    for (const stream of questions) write(stream, byte, false)
    outgoing.pump(1)
    readAll(world)
    for (let now = 2; now < 10; now++) outgoing.pump(now)
    assert.strictEqual(begun(), 30)
  })

  it("is sent short messages once it has read, though many long ones wait that may not begin", () => {
    const world = heldBack(30)
    const { begun, outgoing, write } = world
    for (let i = 0; i < 200; i++) write(outgoing.open(false, 0), new Uint8Array(2 * sendQuantum), true)
    readAll(world)
    for (let now = 2; now < 100; now++) outgoing.pump(now)
    assert.strictEqual(begun(), 30)
  })

  it("gets what waited for the end of others in a turn right after, whatever had to be found out about that", () => {
    const { outgoing, peer, touches, write } = setup()
    peer.inFlight = false
    const open = Array.from({ length: maxOpenStreams }, () => outgoing.open(true, 0))
    for (const stream of open) write(stream, byte, false)
    outgoing.pump(0)
    const [known, quiet, last] = open
    for (const stream of [known!, quiet!]) write(stream, byte, true)
    const others = [1, 2, 3].map(() => outgoing.open(true, 0))
    for (const stream of others) write(stream, byte, true)
    outgoing.pump(0)
    const begun = () => others.filter(({ id }) => id !== undefined).length
    /** Whether a turn is asked for, which lets one more begin. */
    const lets = (act: () => void) => {
      const [turns, before] = [touches(), begun()]
      act()
      assert.isAbove(touches(), turns)
      outgoing.pump(1)
      assert.strictEqual(begun(), before + 1)
    }
    peer.acknowledged.add(known!.id!)
    lets(() => outgoing.confirmHalves(1))
    peer.heardAt = 1
    lets(() => outgoing.settle(100))
    write(last!, nothing, false)
    lets(() => last!.reset(0))
  })

  it("fails all that waits when the connection ends", () => {
    const { outgoing, waiting } = heldBack(3)
    outgoing.fail(new StreamClosed())
    assert.deepStrictEqual(
      waiting.map(({ results }) => results),
      Array.from({ length: 3 }, () => [new StreamClosed()])
    )
    assert.strictEqual(outgoing.deadline, Infinity)
  })
})

describe("what is sent to learn something of the peer", () => {
  it("needs no place among the streams that may be open: those may wait for what it finds out", () => {
    const { outgoing, peer, sent, write } = setup()
    peer.credit = { uni: 1_024, bidi: 1_024 }
    for (let i = 0; i < maxOpenStreams; i++) write(outgoing.open(false, 0), byte, false)
    const waiting = outgoing.open(false, 0)
    write(waiting, byte, true)
    outgoing.pump(0)
    assert.strictEqual(sent.length, maxOpenStreams)
    outgoing.mark()
    outgoing.pump(1)
    assert.deepStrictEqual(sent.at(-1)!.slice(1), [0, true])
    assert.strictEqual(sent.length, maxOpenStreams + 1)
    assert.isUndefined(waiting.id)
  })
})
