/**
 * Protocols over QUIC.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { ProtocolStream } from "@qp2p/core/ProtocolStream"
import type { BackingConnection } from "@qp2p/core/Transport"
import { joined as whole, shout, textFrom } from "../../core/test/support/protocols.ts"
import { bytes } from "../../core/test/support/values.ts"
import { faulty, Network } from "./support/impairedNetwork.ts"
import {
  endpoint,
  endpointBehind,
  eventually,
  joined,
  onLoopback,
  pair,
  type Service
} from "./support/quicEndpoints.ts"

/** Asks a question in a protocol, and returns the answer. */
const asked = (from: Service, to: Service, name: string, question: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* from.openProtocol(to.localAddress, name)
      yield* Effect.forkChild(stream.write(bytes(question), { fin: true }), { startImmediately: true })
      return yield* textFrom(stream)
    })
  )

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

describe("protocols over QUIC", () => {
  it.live("that are not read count against unreadBuffer: their peer is held back, and another is not", () =>
    Effect.gen(function* () {
      const unreadBuffer = 4 * 2 ** 20
      const [streams, size] = [200, 60_000]
      const two = yield* endpoint({ unreadBuffer })
      const [large, small] = yield* Effect.all([endpoint(), endpoint()])
      // A new one would be refused at this address, which holds more than half.
      yield* small.connectTo(two.localAddress)
      const reading = yield* Deferred.make<void>()
      yield* two.serveProtocol("begins", (stream) =>
        Effect.gen(function* () {
          yield* stream.pull
          yield* Deferred.await(reading)
          yield* Stream.runDrain(stream.read)
        })
      )
      yield* two.serveProtocol("shout", shout)
      const done = yield* Deferred.make<void>()
      let written = 0
      const writing = yield* Effect.forEach(numbers(streams), () =>
        Effect.forkChild(
          Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* large.openProtocol(two.localAddress, "begins")
              yield* stream.write(bytes("x"))
              // Less than a handler's buffer takes: the transport alone would hold nothing.
              yield* stream.write(new Uint8Array(size), { fin: true })
              written += 1
              yield* Deferred.await(done)
            })
          )
        )
      )
      const isHeldBack = (one: Service) =>
        Effect.map(two.connections, (connections) =>
          connections.some(
            (each) =>
              each.peerId === one.peerId &&
              (each as unknown as { readonly backing: BackingConnection }).backing.isHeldBack === true
          )
        )
      yield* eventually("the peer is held back", isHeldBack(large))
      assert.strictEqual(yield* asked(small, two, "shout", "x"), "x!")
      assert.isFalse(yield* isHeldBack(small))
      assert.isBelow(written * size, 2 * unreadBuffer)
      yield* Deferred.succeed(reading, undefined)
      yield* eventually(
        "all is written",
        Effect.sync(() => written === streams)
      )
      yield* eventually(
        "the peer goes on",
        Effect.map(isHeldBack(large), (is) => !is)
      )
      yield* Deferred.succeed(done, undefined)
      yield* Fiber.joinAll(writing)
      assert.lengthOf(yield* two.connections, 2)
    }).pipe(onLoopback)
  )

  it.live("answer 2,000 questions on streams of their own, 64 at a time, beside messages", () =>
    Effect.gen(function* () {
      const { one, two } = yield* joined()
      yield* two.serveProtocol("shout", shout)
      yield* one.serveProtocol("shout", shout)
      const [there, back] = yield* Effect.all(
        [
          Effect.forEach(numbers(2_000), (i) => asked(one, two, "shout", `${i}`), { concurrency: 64 }),
          Effect.forEach(numbers(200), (i) => asked(two, one, "shout", `${i}`), { concurrency: 8 }),
          Effect.forEach(numbers(200), (i) => one.sendMessage(bytes(`${i}`), two.localAddress), { concurrency: 8 })
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        there,
        numbers(2_000).map((i) => `${i}!`)
      )
      assert.deepStrictEqual(
        back,
        numbers(200).map((i) => `${i}!`)
      )
      for (const _ of numbers(200)) yield* two.nextMessage
      assert.lengthOf(yield* one.connections, 1)
    }).pipe(onLoopback)
  )

  it.live("carry 5 MiB each way at once, whole, and each half ends on its own", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      yield* two.serveProtocol("echo", (stream) =>
        Effect.andThen(
          Stream.runForEach(stream.read, (chunk) => stream.write(chunk)),
          stream.finish
        )
      )
      const stream = yield* one.openProtocol(two.localAddress, "echo")
      const content = new Uint8Array(5 << 20).map((_, i) => (i * 31) >> 3)
      yield* Effect.forkChild(
        Effect.andThen(
          Effect.forEach(numbers(80), (i) => stream.write(content.subarray(i << 16, (i + 1) << 16))),
          stream.finish
        )
      )
      assert.deepStrictEqual(whole(yield* Stream.runCollect(stream.read)), content)
    }).pipe(onLoopback)
  )

  it.live("that nothing serves are refused, 5,000 times on one connection, and messages go on", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const kinds = yield* Effect.forEach(
        numbers(5_000),
        (i) => Effect.map(Effect.flip(asked(one, two, `nobody's ${i}`, "x".repeat(i))), ({ _tag }) => _tag),
        { concurrency: 64 }
      )
      assert.deepStrictEqual([...new Set(kinds)], ["ProtocolRefused"])
      yield* one.sendMessage(bytes("message"), two.localAddress)
      assert.lengthOf(yield* one.connections, 1)
    }).pipe(onLoopback)
  )

  it.live("keep no place of a stream that is interrupted, reset or refused", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      let running = 0
      const counted = (stream: ProtocolStream) =>
        Effect.acquireUseRelease(
          Effect.sync(() => (running += 1)),
          () => Effect.raceFirst(Effect.ignore(textFrom(stream)), stream.stopped),
          () => Effect.sync(() => (running -= 1))
        )
      yield* two.serveProtocol("counted", counted, { maxStreamsPerPeer: 16 })
      for (const _ of numbers(40)) {
        yield* Effect.forEach(
          numbers(16),
          (i) =>
            Effect.scoped(
              Effect.gen(function* () {
                const stream = yield* one.openProtocol(two.localAddress, "counted")
                yield* stream.write(bytes("x"))
                if (i % 3 === 0) yield* stream.reset(16)
                else if (i % 3 === 1) yield* Effect.sleep(i)
                else yield* stream.stop(17)
              })
            ),
          { concurrency: "unbounded" }
        )
        yield* eventually(
          "all handlers to end",
          Effect.sync(() => running === 0)
        )
      }
      yield* one.serveProtocol("shout", shout)
      assert.strictEqual(yield* asked(two, one, "shout", "fine"), "fine!")
    }).pipe(onLoopback)
  )

  it.live("report a handler that fails with code 7 to a peer that waits for its answer", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const question = yield* Deferred.make<string>()
      yield* two.serveProtocol("wrong", (stream) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(question, yield* textFrom(stream))
          return yield* Effect.fail("wrong")
        })
      )
      const error = yield* Effect.flip(asked(one, two, "wrong", "why?"))
      assert.strictEqual(yield* Deferred.await(question), "why?")
      assert.deepInclude(error, { _tag: "StreamLost" })
      assert.deepInclude(error._tag === "StreamLost" ? error.reason : undefined, { _tag: "StreamReset", code: 7 })
    }).pipe(onLoopback)
  )

  it.live(
    "answer and refuse on a network that loses 5 % of the packets, and duplicates and reorders others",
    () =>
      Effect.gen(function* () {
        const faults = { loss: 0.05, duplication: 0.05, reordering: 0.1 }
        const network = new Network(faulty({ seed: 1, ...faults }), faulty({ seed: 2, ...faults }))
        const one = yield* endpointBehind(network)
        const two = yield* endpoint()
        yield* two.serveProtocol("shout", shout)
        const answers = yield* Effect.forEach(
          numbers(300),
          (i) => {
            const name = i % 3 === 0 ? "nobody's" : "shout"
            return Effect.catchTag(
              asked(one, two, name, i % 3 === 0 ? "x".repeat(i * 20) : `${i}`),
              "ProtocolRefused",
              ({ _tag }) => Effect.succeed(_tag)
            )
          },
          { concurrency: 16 }
        )
        assert.deepStrictEqual(
          answers,
          numbers(300).map((i) => (i % 3 === 0 ? "ProtocolRefused" : `${i}!`))
        )
      }).pipe(onLoopback),
    60_000
  )
})
