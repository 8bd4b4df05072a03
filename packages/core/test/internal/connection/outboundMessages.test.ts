import { assert, describe, it } from "@effect/vitest"
import { ApplicationClosed } from "../../../src/Close.ts"
import { maxSharedPayload, OutboundMessages } from "../../../src/internal/connection/outboundMessages.ts"
import { StreamClosed, StreamStopped } from "../../../src/StreamError.ts"
import type { StreamFailure } from "../../../src/Transport.ts"
import * as WireMessage from "../../../src/WireMessage.ts"
import { connection, payload } from "../../support/fakeSendStreams.ts"

const setup = (whole = true, preferredBatchBytes?: number) => {
  const { backing, streams } = connection(whole, preferredBatchBytes)
  const messages = new OutboundMessages(backing)
  /** What became of each message, by its first byte: the failure, and whether it may be another's. */
  const results: Array<readonly [first: number, failure: StreamFailure | undefined, sharedRefusal: boolean]> = []
  const send = (first: number, options: { readonly length?: number; readonly priority?: number } = {}) =>
    messages.send(payload(first, options.length), options.priority ?? 0, (failure, sharedRefusal) =>
      results.push([first, failure, sharedRefusal === true])
    )
  return { results, send, streams }
}

describe("messages that wait for their turn", () => {
  it("share a stream that is written at once, and takes what has been added when its turn comes", () => {
    const { send, streams } = setup()
    send(1)
    assert.deepStrictEqual([streams.length, streams[0]!.waits], [1, true])
    send(2, { length: 300 })
    send(3)
    streams[0]!.turn()
    assert.deepStrictEqual(streams[0]!.messages, [
      [1, 1],
      [2, 300],
      [3, 1]
    ])
    send(4)
    send(5)
    assert.strictEqual(streams.length, 2)
    streams[1]!.turn()
    assert.deepStrictEqual(streams[1]!.messages, [
      [4, 1],
      [5, 1]
    ])
    assert.deepStrictEqual(streams[0]!.messages.length, 3)
  })

  it("do so with those of the same priority", () => {
    const { send, streams } = setup()
    for (let i = 0; i < 6; i++) send(i, { priority: i % 3 })
    for (const stream of streams) stream.turn()
    assert.deepStrictEqual(
      streams.map(({ messages, priority }) => [priority, messages.map(([first]) => first)]),
      [
        [0, [0, 3]],
        [1, [1, 4]],
        [2, [2, 5]]
      ]
    )
  })

  it("do not when they are long", () => {
    const { results, send, streams } = setup()
    send(3, { length: maxSharedPayload })
    send(2, { length: maxSharedPayload + 1 })
    assert.deepStrictEqual(
      streams.map((stream) => [stream.waits, stream.fin]),
      [
        [true, false],
        [false, true]
      ]
    )
    for (const stream of streams) stream.turn()
    assert.deepStrictEqual(streams[0]!.messages, [[3, maxSharedPayload]])
    assert.deepStrictEqual(streams[1]!.messages, [[2, maxSharedPayload + 1]])
    streams[1]!.end(new StreamStopped({ code: 1 }))
    assert.deepStrictEqual(results, [[2, new StreamStopped({ code: 1 }), false]])
  })

  it("fill a stream with what one packet within a machine holds, headers included", () => {
    const { send, streams } = setup()
    const each = 4_080 - WireMessage.headerLength
    for (let i = 0; i < 4; i++) send(i, { length: each })
    assert.strictEqual(streams.length, 1)
    send(4)
    assert.strictEqual(streams.length, 2)
    send(5)
    for (const stream of streams) stream.turn()
    assert.deepStrictEqual(
      streams.map(({ messages }) => messages.map(([first]) => first)),
      [
        [0, 1, 2, 3],
        [4, 5]
      ]
    )
    const other = setup()
    for (let i = 0; i < 3; i++) other.send(i, { length: each })
    other.send(3, { length: each + 1 })
    assert.strictEqual(other.streams.length, 2)
  })

  it("fill larger streams the more is under way: half as much, and 64 KiB at most", () => {
    const { send, streams } = setup()
    const each = 1_020 - WireMessage.headerLength
    /** How many messages the streams hold, once `count` more are sent. */
    const lengths = (count: number) => {
      for (let i = 0; i < count; i++) send(0, { length: each })
      for (const stream of streams) if (stream.waits) stream.turn()
      return streams.map(({ messages }) => messages.length)
    }
    assert.deepStrictEqual(lengths(16 + 16 + 16 + 24 + 36 + 54), [16, 16, 16, 24, 36, 54])
    assert.deepStrictEqual(lengths(100).slice(6), [64, 36])
    for (const stream of streams.slice(0, 7)) stream.end()
    assert.deepStrictEqual(lengths(20).slice(8), [18, 2])
    for (const stream of streams.slice(7)) stream.end(new StreamClosed())
    assert.deepStrictEqual(lengths(20).slice(10), [16, 4])
  })

  it.each([
    [8 << 10, 2],
    [32 << 10, 8],
    [64 << 10, 16],
    [1 << 20, 16]
  ])(
    "fill streams of the %i bytes that the transport prefers: %i messages of 4 KiB, 64 KiB at most",
    (bytes, count) => {
      const { send, streams } = setup(true, bytes)
      const each = (4 << 10) - WireMessage.headerLength
      for (let i = 0; i < count; i++) send(i, { length: each })
      assert.strictEqual(streams.length, 1)
      send(count)
      assert.strictEqual(streams.length, 2)
    }
  )

  it("make room for others when they are given up", () => {
    const { send, streams } = setup()
    const each = 4_080 - WireMessage.headerLength
    const sent = [0, 1, 2, 3].map((i) => send(i, { length: each }))
    sent[1]!.cancel()
    sent[1]!.cancel()
    send(4, { length: each })
    assert.strictEqual(streams.length, 1)
    send(5)
    assert.strictEqual(streams.length, 2)
    streams[0]!.turn()
    assert.deepStrictEqual(
      streams[0]!.messages.map(([first]) => first),
      [0, 2, 3, 4]
    )
  })

  it("have streams of their own on a transport that writes nothing whole", () => {
    const { results, send, streams } = setup(false)
    send(1)
    send(2)
    assert.deepStrictEqual(
      streams.map(({ fin, messages }) => [messages, fin]),
      [
        [[[1, 1]], true],
        [[[2, 1]], true]
      ]
    )
    streams[1]!.end(new StreamStopped({ code: 1 }))
    streams[0]!.end()
    assert.deepStrictEqual(results, [
      [2, new StreamStopped({ code: 1 }), false],
      [1, undefined, false]
    ])
  })
})

describe("the result of a message", () => {
  it("is that of its stream", () => {
    const { results, send, streams } = setup()
    send(1)
    send(2)
    streams[0]!.turn()
    send(3)
    assert.deepStrictEqual(results, [])
    streams[0]!.end()
    assert.deepStrictEqual(results, [
      [1, undefined, false],
      [2, undefined, false]
    ])
    const failure = new ApplicationClosed({ code: 0, detail: "" })
    streams[1]!.fail(failure)
    assert.deepStrictEqual(results[2], [3, failure, false])
  })

  it("of a stream that failed before its turn is a failure, and others do not wait on it", () => {
    const { results, send, streams } = setup()
    send(1)
    streams[0]!.fail(new StreamClosed())
    send(2)
    streams[1]!.end()
    assert.deepStrictEqual(results, [
      [1, new StreamClosed(), false],
      [2, undefined, false]
    ])
  })

  it("that the peer refused may be another's fault when it was not alone; from then on all are", () => {
    const { results, send, streams } = setup()
    const refusal = new StreamStopped({ code: 1 })
    send(1)
    send(2)
    streams[0]!.end(refusal)
    send(3)
    send(4)
    assert.deepStrictEqual(
      streams.map(({ fin, waits }) => [waits, fin]),
      [
        [false, false],
        [false, true],
        [false, true]
      ]
    )
    streams[1]!.end(refusal)
    streams[2]!.end()
    assert.deepStrictEqual(results, [
      [1, refusal, true],
      [2, refusal, true],
      [3, refusal, false],
      [4, undefined, false]
    ])
  })

  it("that the peer refused is its own fault when it was alone, and others share a stream as before", () => {
    const { results, send, streams } = setup()
    const refusal = new StreamStopped({ code: 1 })
    send(1)
    streams[0]!.end(refusal)
    send(2)
    send(3)
    streams[1]!.end()
    assert.deepStrictEqual(results, [
      [1, refusal, false],
      [2, undefined, false],
      [3, undefined, false]
    ])
    assert.strictEqual(streams.length, 2)
  })

  it("that the peer refused is its own fault when all others were given up before its turn", () => {
    const { results, send, streams } = setup()
    send(1).cancel()
    send(2)
    send(3).cancel()
    streams.at(-1)!.end(new StreamStopped({ code: 1 }))
    assert.deepStrictEqual(results, [[2, new StreamStopped({ code: 1 }), false]])
    send(4)
    send(5)
    assert.isTrue(streams.at(-1)!.waits)
  })

  it("of a stream that failed otherwise is no fault of a message, and others share a stream as before", () => {
    const { results, send, streams } = setup()
    send(1)
    send(2)
    streams[0]!.end(new StreamClosed())
    send(3)
    send(4)
    assert.strictEqual(streams.length, 2)
    assert.deepStrictEqual(results, [
      [1, new StreamClosed(), false],
      [2, new StreamClosed(), false]
    ])
  })
})

describe("a message that is given up", () => {
  it("before its turn is left out, and the others go on", () => {
    const { results, send, streams } = setup()
    const sent = [1, 2, 3].map((first) => send(first, { length: 10 * first }))
    sent[1]!.cancel()
    streams[0]!.turn()
    assert.deepStrictEqual(streams[0]!.messages, [
      [1, 10],
      [3, 30]
    ])
    streams[0]!.end()
    assert.deepStrictEqual(
      results.map(([first]) => first),
      [1, 3]
    )
    assert.deepStrictEqual(streams[0]!.resets, [])
  })

  it("after its turn is sent, and no result is reported", () => {
    const { results, send, streams } = setup()
    const sent = [1, 2].map((first) => send(first))
    streams[0]!.turn()
    sent[0]!.cancel()
    assert.deepStrictEqual([streams[0]!.messages.length, streams[0]!.resets], [2, []])
    streams[0]!.end()
    assert.deepStrictEqual(results, [[2, undefined, false]])
    sent[1]!.cancel()
    assert.deepStrictEqual(streams[0]!.resets, [])
  })

  it.each([false, true])("as all others of its stream takes the stream with it (after their turn: %s)", (after) => {
    const { results, send, streams } = setup()
    const sent = [1, 2].map((first) => send(first))
    if (after) streams[0]!.turn()
    for (const message of sent) {
      assert.deepStrictEqual(streams[0]!.resets, [])
      message.cancel()
      message.cancel()
    }
    assert.deepStrictEqual(streams[0]!.resets, [0])
    // Nobody writes on a stream that is gone.
    send(3)
    assert.strictEqual(streams.length, 2)
    streams[0]!.fail(new StreamClosed())
    streams[1]!.end()
    assert.deepStrictEqual(results, [[3, undefined, false]])
  })

  it("and has a stream of its own takes it with it", () => {
    const { send, streams } = setup()
    send(1, { length: maxSharedPayload + 1 }).cancel()
    assert.deepStrictEqual(streams[0]!.resets, [0])
  })
})

describe("messages that weigh more than their stream may carry", () => {
  const weightOf = (streams: ReadonlyArray<{ readonly weight: number }>) => streams.map(({ weight }) => weight)

  it("follow on streams of their own, in order, as many on each as may be, and one at least", () => {
    const { results, send, streams } = setup()
    for (let i = 0; i < 7; i++) send(i, { length: 100 })
    const two = 2 * (256 + WireMessage.headerLength + 100)
    streams[0]!.turn(two)
    streams[1]!.turn(two + 1)
    streams[2]!.turn(1)
    streams[3]!.turn()
    assert.deepStrictEqual(
      streams.map(({ messages }) => messages.map(([first]) => first)),
      [[0, 1], [2, 3], [4], [5, 6]]
    )
    assert.deepStrictEqual(weightOf(streams), [two, two, two / 2, two])
    for (const stream of streams) stream.end()
    assert.deepStrictEqual(
      results.map(([first, failure]) => [first, failure]),
      Array.from({ length: 7 }, (_, i) => [i, undefined])
    )
  })

  it("can be given up on afterwards, and those that were before are not carried over", () => {
    const { results, send, streams } = setup()
    const messages = [0, 1, 2, 3].map((first) => send(first))
    messages[1]!.cancel()
    streams[0]!.turn(1)
    messages[2]!.cancel()
    streams[1]!.turn(Infinity)
    assert.deepStrictEqual(
      streams.map((stream) => stream.messages.map(([first]) => first)),
      [[0], [3]]
    )
    for (const stream of streams) stream.end()
    assert.deepStrictEqual(
      results.map(([first]) => first),
      [0, 3]
    )
  })

  it("reset their stream when all of them are given up on", () => {
    const { send, streams } = setup()
    const messages = [0, 1, 2].map((first) => send(first))
    streams[0]!.turn(1)
    messages[1]!.cancel()
    assert.deepStrictEqual(streams[1]!.resets, [])
    messages[2]!.cancel()
    assert.deepStrictEqual(streams[1]!.resets, [0])
    assert.deepStrictEqual(streams[0]!.resets, [])
  })

  it("are distinguished when the peer refuses a stream", () => {
    const { results, send, streams } = setup()
    for (let i = 0; i < 3; i++) send(i)
    streams[0]!.turn(1)
    streams[1]!.turn(Infinity)
    streams[0]!.fail(new StreamStopped({ code: 1 }))
    streams[1]!.fail(new StreamStopped({ code: 1 }))
    assert.deepStrictEqual(
      results.map(([first, , sharedRefusal]) => [first, sharedRefusal]),
      [
        [0, false],
        [1, true],
        [2, true]
      ]
    )
  })
})
