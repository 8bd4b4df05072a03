import { assert, describe, it } from "@effect/vitest"
import { StreamClosed, StreamStopped } from "@qp2p/core/StreamError"
import { byte, nothing, setup } from "./sendingSide.ts"

describe("what has to wait until a stream's bytes are acknowledged", () => {
  const fin = [2, 0, true] as const

  /** A stream that is to end after all of it has been sent. */
  const finishing = () => {
    const it = setup()
    const stream = it.outgoing.open(false, 0)
    it.write(stream, byte, false)
    it.outgoing.write(1_000)
    it.write(stream, nothing, true)
    it.outgoing.write(1_000)
    assert.isTrue(it.outgoing.hasDeferred)
    return it
  }

  it("is done when nothing is in flight", () => {
    const { outgoing, peer, sent } = finishing()
    peer.heardAt = 1_100
    peer.inFlight = false
    outgoing.completeDeferred(1_100)
    assert.deepStrictEqual(sent, [[2, 1, false], fin])
    assert.isFalse(outgoing.hasDeferred)
  })

  it("waits for news of a peer that has been silent for long, and pings it now and then", () => {
    const { outgoing, peer, sent, told } = finishing()
    peer.heardAt = 1_100
    // No timer of the binding's is due soon, but only because it has been waiting for so long.
    peer.inFlight = false
    for (let now = 6_000; now < 7_000; now += 100) outgoing.completeDeferred(now)
    assert.deepStrictEqual(told, ["ping", "ping"])
    peer.heardAt = 7_000
    outgoing.completeDeferred(7_000)
    assert.deepStrictEqual(told, ["ping", "ping"])
    assert.deepStrictEqual(sent, [[2, 1, false], fin])
  })

  it("pings a peer that has sent nothing since", () => {
    const { outgoing, peer, told } = finishing()
    peer.heardAt = 900
    outgoing.completeDeferred(1_400)
    assert.deepStrictEqual(told, [])
    const { work } = outgoing
    outgoing.completeDeferred(1_600)
    assert.deepStrictEqual(told, ["ping"])
    // It may leave later: the turn that it asked for was not for nothing.
    assert.isAbove(outgoing.work, work)
  })

  it("is done when a stream opened later was acknowledged a while ago, and nothing was lost", () => {
    const { outgoing, peer, sent } = finishing()
    peer.heardAt = 1_010
    // There is no later stream yet, so a probe stream is opened.
    outgoing.completeDeferred(1_020)
    outgoing.write(1_021)
    assert.deepStrictEqual(sent, [
      [2, 1, false],
      [6, 0, true]
    ])
    peer.acknowledged.add(6)
    peer.heardAt = 1_040
    outgoing.completeUni(1_040, false)
    outgoing.completeDeferred(1_050)
    assert.strictEqual(sent.length, 2)
    outgoing.completeDeferred(1_100)
    assert.deepStrictEqual(sent[2], fin)
  })

  it("does not rely on a timer that has been doubled, until the peer has acknowledged something", () => {
    const { outgoing, peer, sent } = finishing()
    peer.inFlight = false
    peer.heardAt = 1_100
    outgoing.expired()
    outgoing.expired()
    outgoing.completeDeferred(1_100)
    // A probe stream is opened.
    outgoing.write(1_101)
    assert.deepStrictEqual(sent.slice(1), [[6, 0, true]])
    peer.acknowledged.add(6)
    peer.heardAt = 1_102
    outgoing.completeUni(1_102, false)
    outgoing.completeDeferred(1_103)
    assert.deepStrictEqual(sent[2], fin)
  })

  it("does not rely on a timer that round trips alone make as long as the idle timeout", () => {
    const { outgoing, peer, sent } = finishing()
    peer.inFlight = false
    peer.heardAt = 1_100
    peer.paths = [{ lost: 0, rtt: 1_900 }]
    outgoing.completeDeferred(1_100)
    outgoing.write(1_101)
    assert.deepStrictEqual(sent.slice(1), [[6, 0, true]])
    peer.heardAt = 1_102
    peer.paths = [{ lost: 0, rtt: 1_800 }]
    outgoing.completeDeferred(1_102)
    assert.deepStrictEqual(sent[2], fin)
  })

  it.each([
    ["is done after eight losses in a row, one of which will have been of another stream", 900, true],
    ["is not done after any number of losses on a path that lets only short packets through", 800, false]
  ])("%s", (_, length, isDone) => {
    const { outgoing, peer, sent, write } = setup()
    const stream = outgoing.open(true, 0)
    const results = write(stream, new Uint8Array(5_000), true)
    outgoing.write(1_000)
    const path = { lost: 0, rtt: 10, pmtu: 1_200, sent: 10, sentBytes: 9_000, lostBytes: 0 }
    // A probe stream, and then the loss, in turns.
    for (let round = 1; round <= 15; round++) {
      const now = 1_000 + 100 * round
      peer.paths = [{ ...path }]
      peer.heardAt = now
      outgoing.completeDeferred(now)
      outgoing.write(now + 1)
      for (const [id] of sent) if (id !== stream.id) peer.acknowledged.add(id)
      outgoing.completeUni(now + 2, false)
      assert.deepStrictEqual(results, [], `after ${round}`)
      path.sent += 20
      path.lost += 10
      path.sentBytes += 10 * (1_200 + length)
      path.lostBytes += 10 * 1_200
    }
    peer.paths = [{ ...path }]
    peer.heardAt = 2_600
    outgoing.completeDeferred(2_600)
    assert.deepStrictEqual(results, isDone ? ["done"] : [])
  })

  it("waits while there is no path to ask about", () => {
    const { outgoing, peer, told } = finishing()
    peer.heardAt = 1_010
    peer.paths = []
    outgoing.completeDeferred(1_020)
    assert.deepStrictEqual(told, [])
    assert.isTrue(outgoing.hasDeferred)
  })

  it("sends a fin, which shows that the peer has stopped the stream meanwhile", () => {
    const { outgoing, peer, write } = setup()
    const stream = outgoing.open(false, 0)
    write(stream, byte, false)
    outgoing.write(1_000)
    const results = write(stream, nothing, true)
    outgoing.write(1_001)
    peer.stopped.set(2, 8)
    peer.heardAt = 1_100
    peer.inFlight = false
    outgoing.completeDeferred(1_100)
    assert.deepStrictEqual(results, [new StreamStopped({ code: 8 })])
    assert.isFalse(outgoing.hasDeferred)
    assert.isFalse(outgoing.awaitsPeerTransport)
  })

  it("sends no fin of a stream that has ended, and that of one that has not", () => {
    const { outgoing, peer, sent, write } = setup()
    const streams = [outgoing.open(false, 0), outgoing.open(false, 0)] as const
    for (const stream of streams) write(stream, byte, false)
    outgoing.write(1_000)
    const results = streams.map((stream) => write(stream, nothing, true))
    outgoing.write(1_001)
    assert.strictEqual(sent.length, 2)
    streams[0].end(new StreamClosed())
    peer.heardAt = 1_100
    peer.inFlight = false
    outgoing.completeDeferred(1_100)
    assert.deepStrictEqual(sent.slice(2), [[6, 0, true]])
    peer.acknowledged.add(6)
    outgoing.completeUni(1_200, false)
    assert.deepStrictEqual(results, [[new StreamClosed()], ["done"]])
  })
})
