/** Answers that callers do not take: what a server holds of them is bounded in bytes, for each peer and in all. */
import { assert, describe, it } from "@effect/vitest"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { ProtocolStream } from "@qp2p/core/Protocol"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as limits from "../src/internal/limits.ts"
import { encode, FrameKind, u32 } from "../src/internal/wire/frame.ts"
import { type Frame, FrameDecoder } from "../src/internal/wire/frameDecoder.ts"
import * as office from "./support/office.ts"
import * as places from "./support/places.ts"

const mebibyte = 1 << 20

const nothing = new Uint8Array(0)

const request = (tag: string, payload: unknown) =>
  `${JSON.stringify({ _tag: "Request", id: "1", tag, payload, headers: [] })}\n`

const joined = (...parts: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(parts))

const open = (from: places.Service, to: places.Service) => from.openProtocol(to.peerAddress, limits.rpcProtocol)

/** Asks on a stream of its own, and reads nothing. */
const ask = (from: places.Service, to: places.Service, tag: string, payload: unknown) =>
  Effect.tap(open(from, to), (stream) => stream.write(encode(FrameKind.message, 0, request(tag, payload))))

/** Asks many times on one shared stream, and reads nothing. */
const askShared = (from: places.Service, to: places.Service, count: number, tag: string, payload: unknown) =>
  Effect.tap(open(from, to), (stream) =>
    stream.write(
      joined(
        encode(FrameKind.calls, 0, nothing),
        ...Array.from({ length: count }, (_, index) => encode(FrameKind.message, index, request(tag, payload)))
      )
    )
  )

/** Reads a stream to its end, or until so many frames are whole. Returns the frames, and the code of the reset, if there was one. */
const readAll = (stream: ProtocolStream, most = Number.POSITIVE_INFINITY) =>
  Effect.gen(function* () {
    const decoder = new FrameDecoder(1 << 30)
    const frames: Array<Frame> = []
    const code = yield* Stream.runForEachWhile(stream.read, (chunk) =>
      Effect.sync(() => {
        assert.isTrue(decoder.push(chunk, frames))
        return frames.length < most
      })
    ).pipe(
      Effect.map(() => (frames.length < most ? undefined : ("Unfinished" as const))),
      Effect.catch((error) =>
        Effect.succeed(
          error._tag === "StreamLost" && error.reason._tag === "StreamReset" ? error.reason.code : error._tag
        )
      )
    )
    return { code, frames }
  })

/** Two endpoints with a server, and a third that does not read. */
const setting = (given: Parameters<typeof office.serve>[1]) =>
  Effect.gen(function* () {
    const { one, two } = yield* places.Pair
    const running = yield* office.serve(two, given)
    const honest = yield* office.client(one, two.peerAddress)
    const three = yield* places.another("10.0.0.9:9")
    return { honest, one, running, three, two }
  })

const eight = { maxUnsentBytesPerPeer: 8 * mebibyte }

describe("answers that a peer does not take", () => {
  it.effect("hold back its further calls, then refuse them before they reach a handler, and others go on", () =>
    Effect.gen(function* () {
      const { honest, running, three, two } = yield* setting(eight)
      const streams = yield* Effect.forEach(Array.from({ length: 50 }), () =>
        ask(three, two, "Long", { length: mebibyte })
      )
      yield* office.until(() => running.held().streams === 50 && running.held().unsentBytes > 3 * mebibyte)
      yield* office.turns(2_000)
      // Half of the share is in use, and the calls beyond it have not begun.
      assert.isAtMost(running.held().unsentBytes, 5.1 * mebibyte)
      assert.lengthOf(yield* honest.Long({ length: 3 * mebibyte }), 3 * mebibyte)

      yield* TestClock.adjust("31 seconds")
      yield* office.until(() => running.held().streams < 10)
      const ends = yield* Effect.forEach(streams, (stream) => readAll(stream))
      const whole = ends.filter(({ code }) => code === undefined)
      assert.isAbove(whole.length, 2)
      for (const { frames } of whole) assert.isAbove(frames[0]!.content.length, mebibyte)
      const refused = ends.filter(({ code }) => code === ErrorCode.overloaded)
      assert.lengthOf(refused, 50 - whole.length)
      yield* office.until(() => running.held().unsentBytes === 0)
      assert.strictEqual(yield* honest.Echo({ text: "well" }), "well")
    }).pipe(office.onNetwork)
  )

  it.effect("let its calls go on as soon as they are taken", () =>
    Effect.gen(function* () {
      const { honest, running } = yield* setting(eight)
      const answers = yield* Effect.forEach(
        Array.from({ length: 40 }),
        () => Effect.map(honest.Long({ length: mebibyte }), (text) => text.length),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers, Array(40).fill(mebibyte))
      yield* office.until(() => running.held().unsentBytes === 0)
    }).pipe(office.onNetwork)
  )

  it.effect("and that are complete at the same time fail beyond its share, with an error of a type", () =>
    Effect.gen(function* () {
      const { honest, one, running, three, two } = yield* setting(eight)
      const streams = yield* Effect.forEach(Array.from({ length: 30 }), () => ask(three, two, "Hold", null))
      yield* office.until(() => running.watch.running === 30)
      yield* Deferred.succeed(running.watch.letGo, "x".repeat(mebibyte))
      yield* office.until(() => running.watch.running === 0)
      yield* office.turns(500)
      assert.isAtMost(running.held().unsentBytes, 9.1 * mebibyte)
      assert.strictEqual(running.held().calls, 0)
      const ends = yield* Effect.forEach(streams, (stream) => readAll(stream))
      const whole = ends.filter(({ code }) => code === undefined)
      assert.isAtLeast(whole.length, 8)
      assert.lengthOf(
        ends.filter(({ code }) => code === ErrorCode.evicted),
        30 - whole.length
      )
      assert.isBelow(whole.length, 12)

      // The same with a client of this library, which reads: its error says that the handler may have run.
      Object.assign(running.watch, { letGo: yield* Deferred.make<string>() })
      const calls = yield* Effect.forEach(Array.from({ length: 30 }), () =>
        Effect.forkChild(Effect.exit(honest.Hold()))
      )
      yield* office.until(() => running.watch.running === 30)
      yield* Deferred.succeed(running.watch.letGo, "x".repeat(mebibyte))
      const exits = yield* Effect.forEach(calls, (call) => Fiber.join(call))
      const failed = exits.filter((exit) => exit._tag === "Failure")
      assert.isAbove(failed.length, 0)
      for (const exit of failed) assert.include(String(exit), "SocketReadError")
      assert.strictEqual(yield* honest.Echo({ text: "well" }), "well")
      assert.lengthOf(yield* one.connections, 1)
      yield* office.until(() => running.held().unsentBytes === 0)
    }).pipe(office.onNetwork)
  )

  it.effect("and does not fetch from a shared stream fail beyond its share, and others go on", () =>
    Effect.gen(function* () {
      const { honest, running, three, two } = yield* setting(eight)
      const shared = yield* askShared(three, two, 100, "Long", { length: mebibyte })
      yield* office.until(() => running.held().tickets > 0 && running.held().tickets === running.held().calls)
      yield* office.turns(2_000)
      assert.isAtMost(running.held().unsentBytes, 9.2 * mebibyte)
      assert.isAtMost(running.held().tickets, 9)
      assert.isAtLeast(running.held().tickets, 4)
      assert.lengthOf(yield* honest.Long({ length: mebibyte }), mebibyte)
      const frames: Array<Frame> = []
      const decoder = new FrameDecoder(1 << 24)
      while (frames.length < 101) for (const chunk of yield* shared.pull) decoder.push(chunk, frames)
      const tickets = frames.filter(({ kind }) => kind === FrameKind.moved).map(({ content }) => content)
      // The handlers of the others have not run.
      assert.lengthOf(
        frames.filter(({ kind }) => kind === FrameKind.refused),
        100 - tickets.length
      )
      assert.isBelow(tickets.length, 10)
      const claim = (ticket: Uint8Array) =>
        Effect.gen(function* () {
          const stream = yield* open(three, two)
          yield* stream.write(encode(FrameKind.claim, 0, ticket))
          return yield* readAll(stream)
        })
      const fetched = yield* claim(tickets[0]!)
      assert.isUndefined(fetched.code)
      assert.isAbove(fetched.frames[0]!.content.length, mebibyte)
    }).pipe(office.onNetwork)
  )

  it.effect("and that move together beyond its share fail when they are fetched, with an error of a type", () =>
    Effect.gen(function* () {
      const { honest, running } = yield* setting(eight)
      yield* Deferred.succeed(running.watch.letGo, "short")
      yield* honest.Hold()
      Object.assign(running.watch, { letGo: yield* Deferred.make<string>() })
      yield* honest.Echo({ text: "short" })
      const calls = yield* Effect.forEach(Array.from({ length: 30 }), () =>
        Effect.forkChild(Effect.exit(honest.Hold()))
      )
      yield* office.until(() => running.watch.running === 30)
      yield* Deferred.succeed(running.watch.letGo, "x".repeat(mebibyte))
      const exits = yield* Effect.forEach(calls, (call) => Fiber.join(call))
      const failed = exits.filter((exit) => exit._tag === "Failure")
      assert.isAbove(failed.length, 0)
      assert.isBelow(failed.length, 30)
      for (const exit of failed) assert.include(String(exit), "SocketReadError")
      assert.strictEqual(yield* honest.Echo({ text: "well" }), "well")
      yield* office.until(() => running.held().unsentBytes === 0 && running.held().tickets === 0)
    }).pipe(office.onNetwork)
  )

  it.effect("on a shared stream end that stream, when the peer's share is full", () =>
    Effect.gen(function* () {
      const { honest, running, three, two } = yield* setting({ maxUnsentBytesPerPeer: mebibyte })
      const shared = yield* askShared(three, two, 250, "Hold", null)
      yield* office.until(() => running.watch.running === 250)
      yield* Deferred.succeed(running.watch.letGo, "x".repeat(16_000))
      yield* office.until(() => running.held().streams === 0 && running.held().calls === 0)
      assert.strictEqual((yield* readAll(shared)).code, ErrorCode.evicted)
      assert.strictEqual(running.held().unsentBytes, 0)
      assert.strictEqual(yield* honest.Echo({ text: "well" }), "well")
    }).pipe(office.onNetwork)
  )

  it.effect("are dropped first for the peer that has the most of them, when the server is full", () =>
    Effect.gen(function* () {
      const { honest, running, three, two } = yield* setting({ ...eight, maxUnsentBytes: 4 * mebibyte })
      const streams = yield* Effect.forEach(Array.from({ length: 4 }), () =>
        ask(three, two, "Long", { length: mebibyte })
      )
      yield* office.until(() => running.held().unsentBytes > 2.9 * mebibyte)
      yield* office.turns(500)
      assert.isAtMost(running.held().unsentBytes, 4 * mebibyte)
      for (let call = 0; call < 5; call++) {
        assert.lengthOf(yield* honest.Long({ length: 1.5 * mebibyte }), 1.5 * mebibyte)
        assert.isAtMost(running.held().unsentBytes, 4 * mebibyte)
      }
      const codes = (yield* Effect.forEach(streams, (stream) => readAll(stream))).map(({ code }) => code)
      assert.include(codes, ErrorCode.evicted)
      assert.include(codes, undefined)
    }).pipe(office.onNetwork)
  )

  it.effect("are counted in parts of streams as well, and a stream has no gap before it fails", () =>
    Effect.gen(function* () {
      const { honest, running, three, two } = yield* setting(eight)
      // They begin while the share is empty: each has a short part first.
      const streams = yield* Effect.forEach(Array.from({ length: 30 }), () =>
        ask(three, two, "Swell", { length: mebibyte })
      )
      yield* office.until(() => running.watch.running === 30)
      yield* Deferred.succeed(running.watch.letGo, "now")
      yield* office.until(() => running.watch.running < 15)
      yield* office.turns(2_000)
      assert.isAtMost(running.held().unsentBytes, 9.1 * mebibyte)
      assert.isAtLeast(running.watch.running, 4)
      const swollen = yield* Stream.runCollect(Stream.take(honest.Swell({ length: 2 * mebibyte }), 10))
      assert.deepStrictEqual(
        swollen.slice(1).map((text) => [text.length, Number(text.slice(0, 10))]),
        Array.from({ length: 9 }, (_, index) => [2 * mebibyte, index + 1])
      )
      const ends = yield* Effect.forEach(streams, (stream) => readAll(stream, 2))
      // After the short part comes a long one, or the end: never a later part.
      for (const { code, frames } of ends) {
        if (code === "Unfinished")
          assert.include(new TextDecoder().decode(frames[1]!.content.subarray(0, 99)), "0000000001")
        else assert.strictEqual(code, ErrorCode.evicted)
      }
      assert.isAbove(ends.filter(({ code }) => code === ErrorCode.evicted).length, 15)
      yield* three.close
      yield* office.until(() => running.held().unsentBytes === 0 && running.watch.running === 0)
    }).pipe(office.onNetwork)
  )
})

describe("the length of a message", () => {
  it.effect("is limited by maxResponseSize on a shared stream as well, for that call alone", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two)
      const client = yield* office.client(one, two.peerAddress, { maxResponseSize: 1_000 })
      assert.lengthOf(yield* client.Long({ length: 500 }), 500)
      const held = yield* Effect.forkChild(client.Hold())
      yield* office.until(() => running.watch.running === 1)
      yield* client.Echo({ text: "" })
      const { streams } = running.held()
      for (let time = 0; time < 3; time++) {
        const error = yield* Effect.flip(client.Long({ length: 5_000 }))
        assert.strictEqual(error._tag, "RpcClientError")
        assert.include(error.message, "too long")
      }
      assert.strictEqual(yield* client.Echo({ text: "on" }), "on")
      assert.isUndefined(held.pollUnsafe())
      // It was the shared stream that carried them.
      assert.strictEqual(running.held().streams, streams)
      yield* Fiber.interrupt(held)
    }).pipe(office.onNetwork)
  )

  it.effect("is limited by maxRequestSize on a shared stream as well, for that call alone", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two, { maxRequestSize: 1_000 })
      const client = yield* office.client(one, two.peerAddress)
      yield* Deferred.succeed(running.watch.letGo, "short")
      yield* client.Hold()
      Object.assign(running.watch, { letGo: yield* Deferred.make<string>() })
      yield* client.Echo({ text: "short" })
      const held = yield* Effect.forkChild(client.Hold())
      yield* office.until(() => running.watch.running === 1)
      // On a shared stream, then on its own.
      for (let time = 0; time < 2; time++) {
        const error = yield* Effect.flip(client.Echo({ text: "e".repeat(5_000) }))
        assert.strictEqual(error._tag, "RpcClientError")
        assert.strictEqual(error._tag === "RpcClientError" ? error.reason._tag : "", "SocketReadError")
      }
      assert.strictEqual(yield* client.Echo({ text: "on" }), "on")
      assert.isUndefined(held.pollUnsafe())
      yield* Fiber.interrupt(held)
    }).pipe(office.onNetwork)
  )

  it.effect("may be less than that of a ticket: answers still move", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      yield* office.serve(two, { maxRequestSize: 1 })
      const stream = yield* open(one, two)
      yield* stream.write(encode(FrameKind.claim, 0, u32(7)))
      assert.strictEqual((yield* readAll(stream)).code, ErrorCode.noError)
      const long = yield* open(one, two)
      yield* long.write(encode(FrameKind.message, 0, "{}"))
      assert.strictEqual((yield* readAll(long)).code, ErrorCode.malformed)
    }).pipe(office.onNetwork)
  )
})
