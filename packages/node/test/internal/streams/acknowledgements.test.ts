import { assert, describe, it } from "@effect/vitest"
import { StreamClosed } from "@qp2p/core/StreamError"
import { byte, nothing, setup } from "./sendingSide.ts"
import { acknowledge as acknowledgeIn } from "../../support/frames.ts"

describe("unidirectional streams that are acknowledged at once", () => {
  const rows: ReadonlyArray<readonly [count: number, bytes: number, completed: ReadonlyArray<number>]> = [
    [3, 16_320, [1, 2, 3]],
    [8, 16_320, [2, 4, 5, 6, 7, 8]],
    [20, 1_024, [12, 20]],
    [4, 60_000, [1, 2, 3, 4]],
    [12, 1_000, [12]],
    [1, 1, [1]]
  ]
  it.each(rows)("%i of %i bytes complete in turns: %j", (count, bytes, completed) => {
    const { outgoing, peer, schedules, write } = setup()
    const results = Array.from({ length: count }, () => write(outgoing.open(false, 0), new Uint8Array(bytes), true))
    outgoing.write(0)
    assert.isFalse(outgoing.completeUni(0, false))
    for (let i = 0; i < count; i++) peer.acknowledged.add(2 + 4 * i)
    const done = () => results.filter(([result]) => result === "done").length
    const seen: Array<number> = []
    for (let turns = 0; done() < count; turns++) {
      const before = schedules()
      assert.isTrue(outgoing.completeUni(1, false))
      seen.push(done())
      // It asks for another turn as long as there may be more.
      assert.strictEqual(schedules() - before, done() < count ? 1 : 0)
      assert.isBelow(turns, 20)
    }
    assert.deepStrictEqual(seen, completed)
    assert.isFalse(outgoing.awaitsPeerTransport)
  })

  it("complete in one turn when other connections keep both ends busy", () => {
    const { outgoing, peer, schedules, write } = setup()
    const results = Array.from({ length: 8 }, () => write(outgoing.open(false, 0), new Uint8Array(16_320), true))
    outgoing.write(0)
    for (let i = 0; i < 8; i++) peer.acknowledged.add(2 + 4 * i)
    const before = schedules()
    assert.isTrue(outgoing.completeUni(1, true))
    assert.isTrue(results.every(([result]) => result === "done"))
    assert.strictEqual(schedules(), before)
  })
})

describe("a bidirectional stream whose packets are acknowledged", () => {
  /** A stream whose data and fin have left in packet 0. */
  const setupSent = () => {
    const it = setup()
    const results = it.write(it.outgoing.open(true, 0), byte, true)
    it.outgoing.write(0)
    it.acknowledged.sent(Uint8Array.of(0x40), 1)
    it.outgoing.completeBidi(0)
    it.outgoing.completeDeferred(0)
    return { ...it, results }
  }

  it("completes without a question to the binding, which would answer with an exception", () => {
    const { acknowledged, asked, outgoing, results } = setupSent()
    acknowledged.acknowledged(0, 0)
    assert.isTrue(outgoing.completeBidi(1))
    assert.deepStrictEqual(results, ["done"])
    assert.strictEqual(asked(), 0)
    assert.isFalse(outgoing.hasDeferred)
  })

  it("does not complete before that, and completes when the binding says so if their numbers do not tell", () => {
    const { acknowledged, asked, outgoing, peer, results } = setupSent()
    assert.isFalse(outgoing.completeBidi(1))
    assert.deepStrictEqual(results, [])
    assert.strictEqual(asked(), 1)
    // After a gap nothing is known of the packets before it.
    for (let i = 0; i < 3; i++) acknowledged.sent(Uint8Array.of(0x40), 1)
    acknowledged.acknowledged(3, 3)
    assert.isFalse(outgoing.completeBidi(2))
    peer.acknowledged.add(0)
    assert.isTrue(outgoing.completeBidi(3))
    assert.deepStrictEqual(results, ["done"])
  })
})

describe("a stream that was reset after its fin was written", () => {
  it("is no longer waited for, and the peer is told nothing: there is nothing to take back", () => {
    const { outgoing, told, write } = setup()
    const stream = outgoing.open(true, 0)
    const results = write(stream, byte, true)
    outgoing.write(0)
    stream.reset(5)
    outgoing.completeBidi(1)
    assert.deepStrictEqual(results, [new StreamClosed()])
    assert.deepStrictEqual(told, [])
    assert.isFalse(outgoing.awaitsPeerTransport)
    assert.isFalse(outgoing.hasDeferred)
  })
})

describe("a fin that is written after its data", () => {
  /** A stream whose data has left in packet 0. */
  const setupFin = (bidirectional: boolean) => {
    const it = setup()
    const stream = it.outgoing.open(bidirectional, 0)
    const peerHalf = {
      isDeferred: false,
      isRead: false,
      ended: false,
      allowed: 0,
      deferReading: () => {
        peerHalf.isDeferred = true
      },
      allowReading: () => {
        peerHalf.allowed += peerHalf.isDeferred ? 1 : 0
        peerHalf.isDeferred = false
      }
    }
    if (bidirectional)
      stream.whenOpened(
        () => stream.setPeerHalf(peerHalf),
        () => assert.fail()
      )
    /** A turn that sends `packets`. */
    const turn = (now: number, packets: number) => {
      it.outgoing.allowReading()
      it.outgoing.completeUni(now, false)
      it.outgoing.write(now)
      for (let i = 0; i < packets; i++) it.acknowledged.sent(Uint8Array.of(0x40), 1)
      it.outgoing.completeBidi(now)
      it.outgoing.completeDeferred(now)
    }
    /** A packet as the binding leaves it: an acknowledgement of the packets from `smallest` to `largest`. */
    const acknowledge = (largest: number, smallest = 0) => {
      const packet = new Uint8Array(50)
      packet.set([0x02, largest, 0, 0, largest - smallest], 22)
      packet[0] = 0x40
      acknowledgeIn(it.acknowledged, packet)
    }
    it.write(stream, byte, false)
    turn(0, 1)
    return { ...it, acknowledge, peerHalf, results: it.write(stream, nothing, true), stream, turn }
  }

  it("leaves at once on a bidirectional stream, whose receiving half is not read until the fin is acknowledged", () => {
    const { acknowledge, peerHalf, outgoing, results, sent, turn } = setupFin(true)
    turn(1, 1)
    assert.deepStrictEqual(sent, [
      [0, 1, false],
      [0, 0, true]
    ])
    assert.isTrue(peerHalf.isDeferred)
    acknowledge(0)
    outgoing.allowReading()
    assert.isTrue(peerHalf.isDeferred)
    acknowledge(1)
    outgoing.allowReading()
    assert.strictEqual(peerHalf.allowed, 1)
    assert.deepStrictEqual(results, [])
    turn(2, 0)
    assert.deepStrictEqual(results, ["done"])
    assert.isFalse(outgoing.awaitsPeerTransport)
    assert.isFalse(outgoing.hasDeferred)
  })

  it("waits on a unidirectional stream until its data is acknowledged, and no longer", () => {
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
    assert.isFalse(outgoing.hasDeferred)
  })

  it("waits on a unidirectional stream for what a timer may have sent again, too", () => {
    const { acknowledge, acknowledged, sent, turn } = setupFin(false)
    turn(1, 0)
    acknowledged.expired()
    acknowledge(0)
    turn(2, 0)
    assert.strictEqual(sent.length, 1)
  })

  it.each([
    ["was read to its end", "isRead"],
    ["was stopped", "ended"]
  ] as const)("waits if the receiving half %s: the binding would not keep the stream", (_, how) => {
    const { acknowledge, peerHalf, sent, turn } = setupFin(true)
    peerHalf[how] = true
    turn(1, 0)
    assert.strictEqual(sent.length, 1)
    acknowledge(0)
    turn(2, 0)
    assert.deepStrictEqual(sent.slice(1), [[0, 0, true]])
  })

  it("needs evidence of its own: that its data has arrived says nothing of it", () => {
    const { acknowledge, expedited, peer, peerHalf, sent, stream, turn } = setupFin(true)
    peerHalf.isRead = true
    peer.heardAt = 10
    turn(11, 0)
    turn(20, 0)
    assert.isDefined(stream.inferenceState.evidence)
    assert.deepStrictEqual(expedited, [0])
    acknowledge(0)
    turn(30, 0)
    assert.deepStrictEqual(sent.at(-1), [0, 0, true])
    assert.isUndefined(stream.inferenceState.evidence)
    turn(31, 1)
    peer.heardAt = 50
    turn(60, 0)
    // What is sent again of the fin goes before all others, too.
    assert.deepStrictEqual(expedited, [0, 0])
  })

  it("may not have left if the congestion window was full: its packet is determined later", () => {
    const { acknowledge, peerHalf, outgoing, peer, turn } = setupFin(true)
    peer.room = 100
    turn(1, 1)
    acknowledge(1)
    outgoing.allowReading()
    assert.isTrue(peerHalf.isDeferred)
    peer.room = 2_000
    turn(2, 1)
    acknowledge(2)
    outgoing.allowReading()
    assert.isFalse(peerHalf.isDeferred)
  })

  it("is sent again if what was in flight with it was lost: the binding may have forgotten it", () => {
    const { acknowledge, peerHalf, outgoing, peer, results, sent, turn } = setupFin(true)
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
    assert.isTrue(peerHalf.isDeferred)
    assert.deepStrictEqual(results, [])
    peer.heardAt = 15
    turn(16, 0)
    assert.deepStrictEqual(results, ["done"])
    assert.strictEqual(peerHalf.allowed, 1)
    assert.strictEqual(sent.length, 3)
    assert.isFalse(outgoing.hasDeferred)
  })
})

describe("a reset", () => {
  it("leaves when nothing of the stream is in flight, and not at all if nothing of it was sent or its end was", () => {
    const { expedited, outgoing, peer, told, write } = setup()
    const [begun, waiting, ended] = [outgoing.open(false, 0), outgoing.open(false, 0), outgoing.open(false, 0)] as const
    write(begun, byte, false)
    write(ended, byte, true)
    outgoing.write(1)
    peer.credit.uni = 0
    write(waiting, byte, true)
    outgoing.write(2)
    for (const stream of [begun, waiting, ended]) stream.reset(5)
    assert.isTrue(outgoing.hasDeferred)
    peer.heardAt = 10
    outgoing.completeDeferred(10)
    assert.notInclude(told, "2 is reset with 5")
    // What is sent again of it must not come after the probe stream.
    assert.deepStrictEqual(expedited, [2])
    peer.inFlight = false
    peer.heardAt = 20
    outgoing.completeDeferred(20)
    assert.deepStrictEqual(
      told.filter((each) => each.includes("reset")),
      ["2 is reset with 5"]
    )
    assert.isFalse(outgoing.hasDeferred)
  })
})
