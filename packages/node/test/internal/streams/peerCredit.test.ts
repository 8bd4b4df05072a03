import { assert, describe, it } from "@effect/vitest"
import {
  initialStreamWindow,
  maxBacklogWeight,
  maxOpenStreams,
  sendQuantum
} from "../../../src/internal/tunables/streams.ts"
import { StreamClosed } from "@qp2p/core/StreamError"
import { byte, nothing, setup } from "./sendingSide.ts"

describe("streams without credit", () => {
  it("wait for credit of their kind, and go on in order", () => {
    const { outgoing, peer, write } = setup()
    peer.credit = { uni: 0, bidi: 0 }
    const streams = [outgoing.open(true, 0), outgoing.open(false, 0), outgoing.open(true, 0)] as const
    for (const stream of streams) write(stream, byte, true)
    outgoing.write(0)
    outgoing.write(1)
    assert.deepStrictEqual(
      streams.map(({ id }) => id),
      [undefined, undefined, undefined]
    )
    assert.isTrue(outgoing.awaitsPeerTransport)
    peer.credit.bidi = Infinity
    outgoing.write(2)
    assert.deepStrictEqual(
      streams.map(({ id }) => id),
      [0, undefined, 4]
    )
    peer.credit.uni = Infinity
    outgoing.write(3)
    assert.strictEqual(streams[1].id, 2)
  })
})

describe("a stream without credit that is reset", () => {
  it("is no longer waited for", () => {
    const { outgoing, peer, sent, write } = setup()
    peer.credit = { uni: 0, bidi: 0 }
    const given = [outgoing.open(false, 0), outgoing.open(true, 0)]
    for (const stream of given) write(stream, byte, true)
    outgoing.write(0)
    assert.isTrue(outgoing.awaitsPeerTransport)
    for (const stream of given) stream.reset(1)
    assert.isFalse(outgoing.awaitsPeerTransport)
    assert.isFalse(outgoing.awaitsPeer)
    peer.credit = { uni: Infinity, bidi: Infinity }
    outgoing.write(1)
    assert.deepStrictEqual(sent, [])
  })
})

describe("a peer whose application reads nothing", () => {
  const first = 1_024

  /** The backlog is full, and `count` streams wait for the peer to read. */
  const backlogged = (count: number) => {
    const world = setup()
    const { outgoing, peer, write } = world
    peer.credit = { uni: first, bidi: first }
    for (let i = 0; i * initialStreamWindow < maxBacklogWeight; i++) {
      write(outgoing.open(false, 0), new Uint8Array(initialStreamWindow), true)
      outgoing.write(0)
    }
    const waiting = Array.from({ length: count }, (_, i) => {
      const stream = outgoing.open(false, i % 3)
      return { stream, results: write(stream, byte, true) }
    })
    outgoing.write(0)
    const begun = () => waiting.filter(({ stream }) => stream.id !== undefined).length
    assert.strictEqual(begun(), 0)
    return { ...world, begun, waiting }
  }

  /** The peer has read all that was sent, and says so. */
  const readAll = ({ peer }: ReturnType<typeof backlogged>) => {
    peer.credit.uni = first
  }

  it("is sent no more unidirectional streams, is not taken to have stalled, and bidirectional ones go on", () => {
    const { begun, outgoing, peer, sent, write } = backlogged(3)
    for (const [id] of sent) peer.acknowledged.add(id)
    do outgoing.completeUni(1, true)
    while (outgoing.completeUni(1, true))
    outgoing.completeBidi(1)
    assert.isFalse(outgoing.awaitsPeerTransport)
    const ours = outgoing.open(true, 0)
    write(ours, byte, true)
    const theirs = outgoing.acceptSend(5)
    write(theirs, byte, true)
    outgoing.write(1)
    assert.isTrue(sent.some(([id]) => id === ours.id))
    assert.isTrue(sent.some(([id]) => id === 5))
    assert.strictEqual(begun(), 0)
  })

  it("is sent the others once it has read, those of the highest priority first", () => {
    const world = backlogged(30)
    const { begun, outgoing, sent, waiting } = world
    readAll(world)
    outgoing.write(1)
    assert.strictEqual(begun(), 30)
    const order = sent.map(([id]) => waiting.find(({ stream }) => stream.id === id)?.stream.priority)
    assert.deepStrictEqual(
      order.filter((priority) => priority !== undefined),
      [2, 1, 0].flatMap((priority) => Array.from({ length: 10 }, () => priority))
    )
  })

  it("is sent a limited number in a turn, and others in the next", () => {
    const world = backlogged(120)
    const { begun, outgoing, schedules } = world
    readAll(world)
    const before = schedules()
    outgoing.write(1)
    assert.isBelow(begun(), 120)
    assert.isAbove(schedules(), before)
    for (let i = 0; i < 4; i++) outgoing.write(2 + i)
    assert.strictEqual(begun(), 120)
  })

  it("is sent what has become more urgent first, and nothing of what was reset", () => {
    const world = backlogged(6)
    const { outgoing, sent, waiting } = world
    waiting[5]!.stream.reset(1)
    waiting[0]!.stream.setPriority(9)
    readAll(world)
    const before = sent.length
    outgoing.write(1)
    assert.strictEqual(sent[before]![0], waiting[0]!.stream.id)
    assert.isUndefined(waiting[5]!.stream.id)
    assert.strictEqual(sent.length - before, 5)
  })

  it("is sent a probe stream now and then, since the frame with its credit may have been lost", () => {
    const { outgoing, peer, sent } = backlogged(1)
    /** A turn in which everything is acknowledged, too. */
    const turn = (now: number) => {
      outgoing.write(now)
      for (const [id] of sent) peer.acknowledged.add(id)
      while (outgoing.completeUni(now, true)) continue
      // What waited for a place.
      outgoing.write(now)
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

  it("asks for no turn once everything that waited was reset", () => {
    const { outgoing, schedules, waiting } = backlogged(3)
    for (const { stream } of waiting) stream.reset(1)
    const before = schedules()
    outgoing.write(1_000)
    assert.strictEqual(outgoing.deadline, Infinity)
    assert.strictEqual(schedules(), before)
  })

  it("asks for no turn without credit for a probe stream, and sends them again when there is credit", () => {
    const { outgoing, peer, sent, schedules } = backlogged(1)
    peer.credit.uni = 1
    for (let now = 100; now < 1_000; now += 100) {
      const before = schedules()
      outgoing.write(now)
      assert.strictEqual(outgoing.deadline, Infinity)
      assert.strictEqual(schedules(), before)
    }
    peer.credit.uni = 3
    outgoing.write(2_000)
    const { deadline } = outgoing
    assert.isAbove(deadline, 2_000)
    const before = sent.length
    outgoing.write(deadline)
    outgoing.write(deadline)
    assert.isAbove(sent.length, before)
  })

  it("asks for no turn to probe in while the congestion window is full", () => {
    const { outgoing, peer, write } = backlogged(1)
    const ours = outgoing.open(true, 0)
    write(ours, byte, true)
    peer.full = () => true
    outgoing.write(1)
    assert.strictEqual(outgoing.deadline, Infinity)
    peer.full = () => false
    outgoing.write(5_000)
    outgoing.write(5_000)
    assert.isAbove(outgoing.deadline, 5_000)
    assert.isBelow(outgoing.deadline, Infinity)
  })

  it("asks for no turn while as many streams are open as may be", () => {
    const world = backlogged(200)
    const { begun, outgoing, schedules, write } = world
    for (let i = 0; i < maxOpenStreams; i++) write(outgoing.open(true, 1), byte, true)
    outgoing.write(1)
    readAll(world)
    for (let now = 2; now < 10; now++) {
      const before = schedules()
      outgoing.write(now)
      assert.strictEqual(schedules(), before)
      assert.strictEqual(outgoing.deadline, Infinity)
    }
    assert.strictEqual(begun(), 0)
  })

  it("is sent the others once it has read, though it reads nothing of many bidirectional streams", () => {
    const world = backlogged(30)
    const { begun, outgoing, peer, write } = world
    const questions = Array.from({ length: 100 }, () => outgoing.open(true, 0))
    for (const stream of questions) write(stream, byte, false)
    outgoing.write(1)
    peer.full = (id) => questions.some((stream) => stream.id === id)
    for (const stream of questions) write(stream, byte, false)
    outgoing.write(1)
    readAll(world)
    for (let now = 2; now < 10; now++) outgoing.write(now)
    assert.strictEqual(begun(), 30)
  })

  it("is sent short streams once it has read, though many long ones wait that may not begin", () => {
    const world = backlogged(30)
    const { begun, outgoing, write } = world
    for (let i = 0; i < 200; i++) write(outgoing.open(false, 0), new Uint8Array(2 * sendQuantum), true)
    readAll(world)
    for (let now = 2; now < 100; now++) outgoing.write(now)
    assert.strictEqual(begun(), 30)
  })

  it("is sent what waited for a place in the turn after another stream ends, however that was found", () => {
    const { outgoing, peer, schedules, write } = setup()
    peer.inFlight = false
    const open = Array.from({ length: maxOpenStreams }, () => outgoing.open(true, 0))
    for (const stream of open) write(stream, byte, false)
    outgoing.write(0)
    const [known, quiet, last] = open
    for (const stream of [known!, quiet!]) write(stream, byte, true)
    const others = [1, 2, 3].map(() => outgoing.open(true, 0))
    for (const stream of others) write(stream, byte, true)
    outgoing.write(0)
    const begun = () => others.filter(({ id }) => id !== undefined).length
    /** Whether a turn is asked for, which lets one more begin. */
    const lets = (act: () => void) => {
      const [turns, before] = [schedules(), begun()]
      act()
      assert.isAbove(schedules(), turns)
      outgoing.write(1)
      assert.strictEqual(begun(), before + 1)
    }
    peer.acknowledged.add(known!.id!)
    lets(() => outgoing.completeBidi(1))
    peer.heardAt = 1
    lets(() => outgoing.completeDeferred(100))
    write(last!, nothing, false)
    lets(() => last!.reset(0))
  })

  it("fails every stream that waits when the connection ends", () => {
    const { outgoing, waiting } = backlogged(3)
    outgoing.fail(new StreamClosed())
    assert.deepStrictEqual(
      waiting.map(({ results }) => results),
      Array.from({ length: 3 }, () => [new StreamClosed()])
    )
    assert.strictEqual(outgoing.deadline, Infinity)
  })
})
