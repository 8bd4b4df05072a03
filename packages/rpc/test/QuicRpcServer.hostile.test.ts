/** Callers that break the rules: it costs them the stream, and nobody else anything. */
import { assert, describe, it } from "@effect/vitest"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { ProtocolStream } from "@qp2p/core/Protocol"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as limits from "../src/internal/limits.ts"
import { encode, FrameKind, u32 } from "../src/internal/wire/frame.ts"
import { type Frame, FrameDecoder } from "../src/internal/wire/frameDecoder.ts"
import * as office from "./support/office.ts"
import * as places from "./support/places.ts"

const nothing = new Uint8Array(0)

const request = (fields: object = {}) =>
  `${JSON.stringify({ _tag: "Request", id: "1", tag: "Echo", payload: { text: "a" }, headers: [], ...fields })}\n`

const joined = (...parts: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(parts))

const calls = encode(FrameKind.calls, 0, nothing)

/** What a hostile caller writes, and what the server makes of it. */
const broken: ReadonlyArray<readonly [string, Uint8Array]> = [
  ["bytes that are no frame", new Uint8Array(64).fill(0xff)],
  ["a first frame of an unknown kind", encode(99, 0, nothing)],
  ["a first frame that only a server sends", encode(FrameKind.settings, 0, u32(1))],
  ["a frame that is longer than a request may be", joined(u32((16 << 20) + 1), new Uint8Array(5))],
  ["text that is no JSON", encode(FrameKind.message, 0, "{]\n")],
  ["half a message", encode(FrameKind.message, 0, '{"_tag":')],
  ["two messages in a frame", encode(FrameKind.message, 0, request() + request())],
  ["JSON that is no message", encode(FrameKind.message, 0, "[1,null]\n")],
  ["a message that is no request", encode(FrameKind.message, 0, '{"_tag":"Eof"}\n')],
  ["a request whose id is an object", encode(FrameKind.message, 0, request({ id: {} }))],
  ["a request whose headers are not pairs", encode(FrameKind.message, 0, request({ headers: [["a"], 5] }))],
  ["a request whose headers are missing", encode(FrameKind.message, 0, request({ headers: undefined }))],
  ["a request whose trace is a number", encode(FrameKind.message, 0, request({ traceId: 1, spanId: 2, sampled: 3 }))],
  ["a claim without a ticket", encode(FrameKind.claim, 0, nothing)],
  ["a shared stream with a broken request", joined(calls, encode(FrameKind.message, 0, "{]\n"))],
  ["a shared stream with an unknown frame", joined(calls, encode(77, 0, nothing))],
  [
    "a shared stream with two calls of one number",
    joined(
      calls,
      encode(FrameKind.message, 3, request({ tag: "Hold", payload: null })),
      encode(FrameKind.message, 3, request())
    )
  ],
  [
    "a shared stream with more calls than it takes",
    joined(
      calls,
      ...Array.from({ length: limits.callsPerStream + 1 }, (_, index) =>
        encode(FrameKind.message, index, request({ tag: "Hold", payload: null }))
      )
    )
  ],
  [
    "a shared stream with a long request",
    joined(calls, encode(FrameKind.message, 0, request({ payload: { text: "a".repeat(70_000) } })))
  ]
]

const open = (one: places.Service, two: places.Service) => one.openProtocol(two.peerAddress, limits.rpcProtocol)

/** Waits until a stream has failed, and returns the tag of the reason and its code. */
const endOf = (stream: ProtocolStream) =>
  Stream.runDrain(stream.read).pipe(
    Effect.flip,
    Effect.map((error) => {
      assert.strictEqual(error._tag, "StreamLost")
      return error._tag === "StreamLost" && error.reason._tag === "StreamReset" ? error.reason.code : undefined
    })
  )

/** An honest call that is under way: `check` finds whether it still is. */
const honest = (one: places.Service, two: places.Service, given?: Parameters<typeof office.serve>[1]) =>
  Effect.gen(function* () {
    const running = yield* office.serve(two, given)
    const client = yield* office.client(one, two.peerAddress)
    yield* client.Echo({ text: "short" })
    const held = yield* Effect.forkChild(client.Hold())
    yield* office.until(() => running.watch.running === 1)
    const check = Effect.gen(function* () {
      assert.isUndefined(held.pollUnsafe())
      assert.strictEqual(yield* client.Echo({ text: "well" }), "well")
    })
    return { running, client, held, check }
  })

/** The frames that arrive on a stream, and what is in them. */
const frames = (stream: ProtocolStream): Effect.Effect<ReadonlyArray<Frame>> => {
  const decoder = new FrameDecoder(1 << 24)
  return Effect.map(Effect.orDie(stream.pull as Effect.Effect<ReadonlyArray<Uint8Array>, unknown>), (chunks) => {
    const all: Array<Frame> = []
    for (const chunk of chunks) assert.isTrue(decoder.push(chunk, all))
    return all
  })
}

describe("a caller that sends", () => {
  for (const [title, bytes] of broken) {
    it.effect(`${title} loses that stream, and others go on`, () =>
      Effect.gen(function* () {
        const { one, two } = yield* places.Pair
        const { check, running } = yield* honest(one, two)
        const stream = yield* open(one, two)
        yield* stream.write(bytes)
        assert.strictEqual(yield* endOf(stream), ErrorCode.malformed)
        yield* check
        yield* office.until(() => running.held().streams === 2 || running.held().streams === 1)
        assert.isAtMost(running.held().calls, 1)
        assert.strictEqual(running.held().bufferedBytes, 0)
        assert.lengthOf(yield* two.connections, 1)
      }).pipe(office.onNetwork)
    )
  }

  it.effect("a ticket that is not its own gets no answer", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { check } = yield* honest(one, two)
      const stream = yield* open(one, two)
      yield* stream.write(encode(FrameKind.claim, 0, u32(0)))
      assert.strictEqual(yield* endOf(stream), ErrorCode.noError)
      yield* check
    }).pipe(office.onNetwork)
  )

  it.effect("half a request and no more loses the stream after a while", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { check, running } = yield* honest(one, two)
      const stream = yield* open(one, two)
      yield* stream.write(joined(u32(1 << 20), new Uint8Array(5), new Uint8Array(100_000)))
      yield* office.until(() => running.held().bufferedBytes > 100_000)
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual(yield* endOf(stream), ErrorCode.malformed)
      yield* check
      assert.strictEqual(running.held().bufferedBytes, 0)
    }).pipe(office.onNetwork)
  )

  it.effect("a request byte by byte, ever slower, loses the stream", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { check, running } = yield* honest(one, two)
      const stream = yield* open(one, two)
      yield* stream.write(joined(u32(10 << 20), new Uint8Array(1_000)))
      yield* office.until(() => running.held().bufferedBytes > 0)
      for (let at = 0; at < 4; at++) {
        yield* TestClock.adjust("20 seconds")
        yield* Effect.ignore(stream.write(new Uint8Array(1)))
        yield* office.turns(50)
      }
      assert.strictEqual(yield* endOf(stream), ErrorCode.malformed)
      assert.strictEqual(running.held().bufferedBytes, 0)
      yield* check
    }).pipe(office.onNetwork)
  )

  it.effect(
    "long requests in part, under any number of keys, has half of their memory for its IP address, and others have theirs",
    () =>
      Effect.gen(function* () {
        const { one, two } = yield* places.Pair
        const memory = 64 << 20
        const { check, client, running } = yield* honest(one, two, { maxRequestBytes: memory })
        const sent = 200_000
        let streams = 0
        for (let key = 1; key <= 6; key++) {
          const attacker = yield* places.another(`10.0.0.6:${key}`)
          for (let count = 0; count < 3; count++) {
            const stream = yield* open(attacker, two)
            streams++
            yield* stream.write(joined(u32(8 << 20), new Uint8Array(5)))
            yield* office.turns(50)
            yield* Effect.forkChild(
              Effect.ignore(Effect.forEach(Array.from({ length: 10 }), () => stream.write(new Uint8Array(sent / 10))))
            )
          }
        }
        yield* office.turns(500)
        const admitted = memory / 2 / (8 << 20) + 1
        assert.isAtLeast(running.held().streams, streams)
        assert.isAtLeast(running.held().bufferedBytes, 2 * sent)
        assert.isAtMost(running.held().bufferedBytes, (admitted + 1) * sent)
        assert.strictEqual((yield* client.Echo({ text: "x".repeat(1 << 20) })).length, 1 << 20)
        yield* check
        yield* TestClock.adjust("2 minutes")
        yield* TestClock.adjust("2 minutes")
        yield* office.until(() => running.held().bufferedBytes === 0 || running.held().streams < streams)
      }).pipe(office.onNetwork)
  )

  it.effect(
    "long requests whose handlers go on has a third of their memory, and further ones wait until those end",
    () =>
      Effect.gen(function* () {
        const { one, two } = yield* places.Pair
        const { client, running } = yield* honest(one, two, { maxRequestBytes: 24 << 20 })
        const long = { headers: { x: "x".repeat(1 << 20) } }
        const admitted = 8
        const fibers = yield* Effect.forEach(Array.from({ length: admitted + 2 }), () =>
          Effect.forkChild(client.Hold(undefined, long))
        )
        yield* office.until(() => running.watch.running === 1 + admitted)
        yield* office.turns(500)
        assert.strictEqual(running.watch.running, 1 + admitted)
        // Short calls, and those of other peers, have memory of their own.
        assert.strictEqual(yield* client.Echo({ text: "well" }), "well")
        const other = yield* places.another("10.0.0.6:1")
        const theirs = yield* office.client(other, two.peerAddress)
        assert.strictEqual((yield* theirs.Echo({ text: "x".repeat(1 << 20) })).length, 1 << 20)
        yield* Fiber.interrupt(fibers[0]!)
        yield* office.until(() => running.watch.interrupted === 1 && running.watch.running === 1 + admitted)
        yield* Fiber.interruptAll(fibers)
        yield* office.until(() => running.watch.running === 1)
        assert.strictEqual((yield* client.Echo({ text: "x".repeat(1 << 20) })).length, 1 << 20)
      }).pipe(office.onNetwork)
  )

  it.effect("long requests that wait for memory leaves no stream when it is gone, and they fail after a while", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { check, client, running } = yield* honest(one, two, { maxRequestBytes: 1 << 20 })
      const long = { headers: { x: "x".repeat(1 << 20) } }
      const first = yield* Effect.forkChild(client.Hold(undefined, long))
      yield* office.until(() => running.watch.running === 2)
      const { streams } = running.held()
      const gone = yield* Effect.forkChild(client.Hold(undefined, long))
      yield* office.until(() => running.held().streams === streams + 1)
      yield* Fiber.interrupt(gone)
      yield* office.until(() => running.held().streams === streams)
      const waiting = yield* Effect.forkChild(Effect.flip(client.Hold(undefined, long)))
      yield* office.until(() => running.held().streams === streams + 1)
      yield* office.turns(100)
      yield* TestClock.adjust("31 seconds")
      const error = yield* Fiber.join(waiting)
      assert.strictEqual(error._tag, "RpcClientError")
      yield* office.until(() => running.held().streams === streams)
      yield* check
      yield* Fiber.interrupt(first)
      yield* office.until(() => running.watch.running === 1)
    }).pipe(office.onNetwork)
  )

  it.effect("headers that claim much, and nothing else, makes the server hold nothing", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { check, running } = yield* honest(one, two)
      for (let count = 0; count < 100; count++) {
        const stream = yield* open(one, two)
        yield* stream.write(joined(u32(16 << 20), new Uint8Array(5)))
      }
      yield* office.until(() => running.held().streams > 100)
      assert.isBelow(running.held().bufferedBytes, 100 * 16)
      yield* check
    }).pipe(office.onNetwork)
  )

  it.effect("more shared streams than it may has the rest refused", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { check } = yield* honest(one, two)
      for (let count = 0; count < limits.sharedStreamsPerPeer; count++) {
        const stream = yield* open(one, two)
        yield* stream.write(calls)
        assert.deepStrictEqual(
          (yield* frames(stream)).map(({ kind }) => kind),
          [FrameKind.settings]
        )
      }
      const stream = yield* open(one, two)
      yield* stream.write(calls)
      assert.strictEqual(yield* endOf(stream), ErrorCode.overloaded)
      yield* check
    }).pipe(office.onNetwork)
  )

  it.effect("an unknown procedure gets a defect for that call alone", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { check, running } = yield* honest(one, two)
      const stream = yield* open(one, two)
      yield* stream.write(joined(calls, encode(FrameKind.message, 1, request({ tag: "Nothing" }))))
      const answers: Array<Frame> = []
      while (answers.length < 2) answers.push(...(yield* frames(stream)))
      assert.include(new TextDecoder().decode(answers[1]!.content), "Unknown request tag")
      yield* stream.write(encode(FrameKind.message, 2, request()))
      assert.include(new TextDecoder().decode((yield* frames(stream))[0]!.content), '"value":"a"')
      yield* check
      assert.strictEqual(running.held().calls, 1)
    }).pipe(office.onNetwork)
  )

  for (const isShared of [false, true]) {
    it.effect(
      `a value at which its schema throws gets a defect for that call alone, ${isShared ? "on a shared stream" : "on a stream of its own"}`,
      () =>
        Effect.gen(function* () {
          const { one, two } = yield* places.Pair
          const { check, running } = yield* honest(one, two)
          const thrown = request({ tag: "Picky", payload: { text: "throw" } })
          const stream = yield* open(one, two)
          yield* stream.write(
            isShared
              ? joined(calls, encode(FrameKind.message, 7, request({ tag: "Hold", payload: null })))
              : encode(FrameKind.message, 0, thrown)
          )
          const answers: Array<Frame> = []
          if (isShared) {
            yield* office.until(() => running.watch.running === 2)
            yield* stream.write(encode(FrameKind.message, 8, thrown))
          }
          while (answers.at(-1)?.kind !== FrameKind.message) answers.push(...(yield* frames(stream)))
          assert.include(new TextDecoder().decode(answers.at(-1)!.content), "not this text")
          // The other call of the stream goes on.
          yield* office.until(() => running.held().calls === (isShared ? 2 : 1))
          assert.strictEqual(running.watch.running, isShared ? 2 : 1)
          yield* check
        }).pipe(office.onNetwork)
    )
  }

  it.effect("its request with the end of its half, and then stops the answer, has the handler interrupted", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { check, running } = yield* honest(one, two)
      const stream = yield* open(one, two)
      yield* stream.write(encode(FrameKind.message, 0, request({ tag: "Hold", payload: null })), { fin: true })
      yield* office.until(() => running.watch.running === 2)
      yield* stream.stop(ErrorCode.noError)
      yield* office.until(() => running.held().calls === 1)
      assert.strictEqual(running.watch.interrupted, 1)
      yield* check
    }).pipe(office.onNetwork)
  )

  it.effect("a notification gets no answer, and holds no stream", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { check, running } = yield* honest(one, two)
      const stream = yield* open(one, two)
      yield* stream.write(encode(FrameKind.message, 0, request({ isNotification: true })))
      yield* Stream.runDrain(stream.read)
      yield* check
      yield* office.until(() => running.held().streams === 2)
      assert.strictEqual(running.held().calls, 1)
    }).pipe(office.onNetwork)
  )
})

describe("a caller that does not read", () => {
  it.effect("its answers holds back itself, and lets go of everything with its connection", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { running } = yield* honest(one, two)
      const three = yield* places.another("10.0.0.9:9")
      yield* Effect.forEach(
        Array.from({ length: 50 }),
        () =>
          Effect.gen(function* () {
            const stream = yield* three.openProtocol(two.peerAddress, limits.rpcProtocol)
            yield* stream.write(encode(FrameKind.message, 0, request({ tag: "Long", payload: { length: 1 << 20 } })))
          }),
        { discard: true }
      )
      const shared = yield* three.openProtocol(two.peerAddress, limits.rpcProtocol)
      yield* shared.write(
        joined(
          calls,
          ...Array.from({ length: 100 }, (_, index) =>
            encode(FrameKind.message, index, request({ tag: "Long", payload: { length: 20_000 } }))
          )
        )
      )
      yield* office.until(() => running.held().tickets === 100 && running.held().streams === 52)
      const client = yield* office.client(one, two.peerAddress)
      assert.strictEqual(yield* client.Echo({ text: "meanwhile" }), "meanwhile")
      yield* three.close
      yield* office.until(() => running.held().connections === 1)
      yield* office.until(() => running.held().streams <= 3)
      assert.strictEqual(running.held().tickets, 0)
      assert.strictEqual(running.held().calls, 1)
    }).pipe(office.onNetwork)
  )

  it.effect("or claim an answer that has moved loses it after a while", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { check, running } = yield* honest(one, two)
      const stream = yield* open(one, two)
      yield* stream.write(
        joined(calls, encode(FrameKind.message, 5, request({ tag: "Long", payload: { length: 20_000 } })))
      )
      yield* office.until(() => running.held().tickets === 1)
      yield* TestClock.adjust("31 seconds")
      yield* office.until(() => running.held().calls === 1)
      assert.strictEqual(running.held().tickets, 0)
      yield* check
    }).pipe(office.onNetwork)
  )
})

describe("a caller that does not read its shared stream", () => {
  it.effect("does not hold up a server that stops", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const scope = yield* Scope.make()
      const running = yield* Scope.provide(office.serve(two), scope)
      const shared = yield* open(one, two)
      const asks = Array.from({ length: 200 }, (_, index) =>
        encode(FrameKind.message, index, request({ tag: "Long", payload: { length: 16_000 } }))
      )
      // More answers than the stream and the server's outbox have room for: their handlers wait.
      yield* shared.write(joined(calls, ...asks))
      yield* office.until(() => running.held().calls > 100)
      yield* office.turns(500)
      assert.isAbove(running.held().calls, 100)
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* office.until(() => stopping.pollUnsafe() !== undefined)
      assert.deepStrictEqual(running.held(), office.nothing)
    }).pipe(office.onNetwork)
  )
})

describe("a server that breaks the rules", () => {
  for (const [title, bytes] of [
    ["an answer that is no JSON", encode(FrameKind.message, 0, "{]\n")],
    ["an answer that is no answer", encode(FrameKind.message, 0, request())],
    ["an answer that is too long", joined(u32((16 << 20) + 1), new Uint8Array(5))],
    ["a frame of another kind", encode(FrameKind.claim, 0, u32(1))],
    ["the end of the stream", nothing]
  ] as const) {
    it.effect(`with ${title} fails the call with a typed error, on a stream of its own and on a shared one`, () =>
      Effect.gen(function* () {
        const { one, two } = yield* places.Pair
        let isShared = false
        const answer = encode(
          FrameKind.message,
          0,
          `${JSON.stringify({ _tag: "Exit", requestId: "?", exit: { _tag: "Success", value: "short" } })}\n`
        )
        yield* two.serveProtocol(limits.rpcProtocol, (stream) =>
          Effect.gen(function* () {
            yield* stream.pull
            yield* stream.write(isShared ? bytes : answer, { fin: true })
          }).pipe(Effect.ignore)
        )
        const client = yield* office.client(one, two.peerAddress)
        // The answer is that of the stream, whatever its id.
        assert.strictEqual(yield* client.Echo({ text: "a" }), "short")
        isShared = true
        for (const call of [client.Echo({ text: "b" }), client.Who()]) {
          const error = yield* Effect.flip(call)
          assert.strictEqual(error._tag, "RpcClientError")
        }
      }).pipe(office.onNetwork)
    )
  }

  it.effect("with an answer to a call that is over is not noticed", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const { client, held, running } = yield* honest(one, two)
      yield* Fiber.interrupt(held)
      yield* Deferred.succeed(running.watch.letGo, "too late")
      assert.strictEqual(yield* client.Echo({ text: "next" }), "next")
    }).pipe(office.onNetwork)
  )
})
