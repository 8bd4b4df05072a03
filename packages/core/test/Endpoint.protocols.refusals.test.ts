/**
 * Streams of protocols that are refused: their names, the limits, and what openers see.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Endpoint from "../src/Endpoint.ts"
import { ProtocolRefused } from "../src/ProtocolError.ts"
import type { ServeOptions } from "../src/ServeOptions.ts"
import { endpoint, onNetwork, pair, peer, settle, takenTexts } from "./support/memoryEndpoints.ts"
import { bareAcceptor, joined, openResp, shout, textFrom } from "./support/protocols.ts"
import { bytes } from "./support/values.ts"

describe("a stream that the peer refuses", () => {
  it.effect("fails read, pull, write and finish, also those that wait, and completes `stopped`", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        yield* two.serveProtocol("other", shout)
        const stream = yield* one.openProtocol(peer, "nobody's")
        const refused = new ProtocolRefused({ peer: two.peerId, protocol: "nobody's", kind: "NotServed" })
        const operations: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          textFrom(stream),
          stream.pull,
          stream.write(new Uint8Array(1_000_000), { fin: true })
        ]
        const waiting = yield* Effect.forEach(operations, (each) =>
          Effect.forkChild(Effect.flip(each), { startImmediately: true })
        )
        const stopped = yield* Effect.forkChild(stream.stopped, { startImmediately: true })
        for (const each of waiting) assert.deepStrictEqual(yield* Fiber.join(each), refused)
        assert.deepInclude(yield* Fiber.join(stopped), { _tag: "StreamStopped", code: 6 })
        assert.deepStrictEqual(yield* Effect.flip(textFrom(stream)), refused)
        assert.deepStrictEqual(yield* Effect.flip(Effect.asVoid(stream.pull)), refused)
        assert.deepStrictEqual(yield* Effect.flip(stream.write(bytes("x"))), refused)
        assert.deepStrictEqual(yield* Effect.flip(stream.finish), refused)
        assert.deepInclude(yield* stream.stopped, { _tag: "StreamStopped", code: 6 })
        yield* stream.reset(1)
        yield* stream.stop(1)
        // Nothing else notices.
        yield* one.sendMessage(bytes("message"), peer)
        assert.deepStrictEqual(yield* takenTexts(two), ["message"])
        const other = yield* one.openProtocol(peer, "other")
        yield* Effect.forkChild(other.write(bytes("x"), { fin: true }))
        assert.strictEqual(yield* textFrom(other), "x!")
        assert.lengthOf(yield* one.connections, 1)
      })
    )
  )

  it.effect("is not counted as open: more are opened than there is credit for", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one] = yield* pair()
        for (let i = 0; i < 3_000; i++) {
          const error = yield* Effect.flip(
            Effect.scoped(Effect.flatMap(one.openProtocol(peer, "nobody's"), (stream) => Effect.asVoid(stream.pull)))
          )
          assert.strictEqual(error._tag, "ProtocolRefused")
        }
      })
    )
  )
})

describe("the answer of a peer", () => {
  const answered = (answer: Uint8Array, fin: boolean) =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1")
      const acceptor = yield* bareAcceptor(peer)
      const stream = yield* one.openProtocol(peer, "x")
      yield* settle
      const [got] = acceptor.streams
      got!.write(answer, fin)
      yield* settle
      return { got: got!, stream, peerId: stream.peerId }
    })

  for (const [how, answer] of [
    ["with a refusal", openResp("NotServed")],
    ["with a refusal and more bytes", joined([openResp("NotServed"), bytes("more")])],
    ["with no byte, as of a peer that knows no protocols", new Uint8Array(0)]
  ] as const) {
    it.effect(`${how} refuses the stream, which is reset`, () =>
      onNetwork(
        Effect.gen(function* () {
          const { got, peerId, stream } = yield* answered(answer, true)
          const error = yield* Effect.flip(textFrom(stream))
          assert.deepStrictEqual(error, new ProtocolRefused({ peer: peerId, protocol: "x", kind: "NotServed" }))
          assert.deepInclude(got.ends[0], { _tag: "StreamReset", code: 0 })
        })
      )
    )
  }

  it.effect("that goes on after a refusal is discarded: 1 MiB of it", () =>
    onNetwork(
      Effect.gen(function* () {
        const { got, stream } = yield* answered(openResp("TooManyStreams"), false)
        for (let i = 0; i < 16; i++) {
          got.write(new Uint8Array(65_536), false)
          yield* settle
        }
        assert.deepStrictEqual(
          got.writes,
          Array.from({ length: 17 }, () => "done")
        )
        got.write(bytes("x"), false)
        yield* settle
        got.write(bytes("y"), false)
        yield* settle
        assert.deepInclude(got.writes.at(-1), { _tag: "StreamStopped", code: 0 })
        assert.include(yield* Effect.flip(textFrom(stream)), { _tag: "ProtocolRefused", kind: "TooManyStreams" })
      })
    )
  )

  for (const [how, answer] of [
    ["that is no frame", bytes("HTTP/1.1 200 OK\r\n\r\n")],
    ["that is another message", joined([Uint8Array.of(0, 1, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0), bytes("more")])],
    ["with an unknown outcome", joined([openResp("Accepted").subarray(0, 13), Uint8Array.of(9, 0, 0, 0)])],
    ["that is cut off", openResp("Accepted").subarray(0, 16)]
  ] as const) {
    it.effect(`${how} fails the stream, and keeps the connection`, () =>
      onNetwork(
        Effect.gen(function* () {
          const { got, stream } = yield* answered(answer, true)
          assert.include(yield* Effect.flip(textFrom(stream)), { _tag: "SerializationError" })
          assert.deepInclude(got.ends[0], { _tag: "StreamReset", code: 1 })
          assert.include(yield* Effect.flip(stream.write(bytes("x"))), { _tag: "StreamLost" })
        })
      )
    )
  }

  it.effect("is read however it is cut", () =>
    onNetwork(
      Effect.gen(function* () {
        const answer = joined([openResp("Accepted"), bytes("xyz")])
        for (let cut = 1; cut < answer.length; cut++) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const { got, stream } = yield* answered(answer.subarray(0, cut), false)
              got.write(answer.subarray(cut), true)
              assert.strictEqual(yield* textFrom(stream), "xyz", `cut at ${cut}`)
            })
          )
        }
      })
    )
  )
})

describe("the limits of streams", () => {
  /** Opens a stream that is served until its opener leaves. Returns why it is not, or undefined. */
  const open = (from: Endpoint.Endpoint["Service"], to: string, name = "waits") =>
    Effect.gen(function* () {
      const stream = yield* from.openProtocol(to, name)
      return yield* Effect.match(stream.pull, {
        onSuccess: () => undefined,
        onFailure: (error) => (error._tag === "ProtocolRefused" ? error.kind : error._tag)
      })
    })

  const serving = Effect.fnUntraced(function* (options: ServeOptions, local = peer, name = "waits") {
    const over = yield* Deferred.make<void>()
    const two = yield* endpoint(local)
    yield* two.serveProtocol(
      name,
      (stream) =>
        Effect.andThen(
          stream.write(bytes("served")),
          Effect.ignore(Effect.raceFirst(textFrom(stream), Deferred.await(over)))
        ),
      options
    )
    return { two, over }
  })

  it.effect("count streams in all, and give back the place of one that has ended", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* serving({ maxStreams: 2 })
        const others = yield* Effect.all([endpoint("10.0.1.1:1"), endpoint("10.0.1.2:1"), endpoint("10.0.1.3:1")])
        assert.deepStrictEqual(yield* Effect.forEach(others, (each) => open(each, peer)), [
          undefined,
          undefined,
          "TooManyStreams"
        ])
        const [first, , third] = others
        yield* first.disconnectFrom(peer)
        yield* settle
        assert.isUndefined(yield* open(third, peer))
      })
    )
  )

  it.effect("count the streams of one peer", () =>
    onNetwork(
      Effect.gen(function* () {
        const { over } = yield* serving({ maxStreamsPerPeer: 2 })
        const [one, other] = yield* Effect.all([endpoint("10.0.1.1:1"), endpoint("10.0.1.2:1")])
        assert.isUndefined(yield* Effect.scoped(open(one, peer)))
        yield* settle
        const served = yield* Effect.forEach([1, 2, 3, 4], () => open(one, peer))
        assert.deepStrictEqual(served, [undefined, undefined, "TooManyStreams", "TooManyStreams"])
        assert.isUndefined(yield* open(other, peer))
        yield* Deferred.succeed(over, undefined)
        yield* settle
        assert.isUndefined(yield* open(one, peer))
      })
    )
  )

  it.effect("count the streams of all peers at one IP address, whatever their keys, and of one /64", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* serving({ maxStreams: 6, maxStreamsPerPeer: 2 })
        const at = (address: string) => Effect.flatMap(endpoint(address), (each) => open(each, peer))
        const same = yield* Effect.forEach([1, 2, 3, 4], (port) => at(`10.0.1.1:${port}`))
        assert.deepStrictEqual(same, [undefined, undefined, undefined, "TooManyStreams"])
        assert.isUndefined(yield* at("10.0.1.2:1"))
        const six = "[2001:db8::2]:2"
        yield* serving({ maxStreams: 4, maxStreamsPerPeer: 1 }, six)
        const net = yield* Effect.forEach([1, 2, 3], (host) =>
          Effect.flatMap(endpoint(`[2001:db8:1::${host}]:1`), (each) => open(each, six))
        )
        assert.deepStrictEqual(net, [undefined, undefined, "TooManyStreams"])
        assert.isUndefined(yield* Effect.flatMap(endpoint("[2001:db8:1:1::1]:1"), (each) => open(each, six)))
      })
    )
  )

  it.effect("are those of one protocol: others are served", () =>
    onNetwork(
      Effect.gen(function* () {
        const { two } = yield* serving({ maxStreams: 1 })
        yield* two.serveProtocol("shout", shout)
        const one = yield* endpoint("10.0.1.1:1")
        assert.isUndefined(yield* open(one, peer))
        assert.strictEqual(yield* open(one, peer), "TooManyStreams")
        const other = yield* one.openProtocol(peer, "shout")
        yield* Effect.forkChild(other.write(bytes("x"), { fin: true }))
        assert.strictEqual(yield* textFrom(other), "x!")
      })
    )
  )

  it.effect("are integers from 1 to 4,096: anything else is a typed error", () =>
    onNetwork(
      Effect.gen(function* () {
        const two = yield* endpoint(peer)
        for (const wrong of [0, -1, 1.5, 4_097, Number.NaN, "1"] as ReadonlyArray<number>) {
          for (const options of [
            { maxStreams: wrong },
            { maxStreamsPerPeer: wrong },
            { maxStream: 1 },
            null
          ] as const) {
            const { _tag, reason } = yield* Effect.flip(two.serveProtocol("x", shout, options as ServeOptions))
            assert.deepStrictEqual([_tag, reason?._tag], ["ProtocolTaken", "InvalidArgument"])
          }
        }
        const { reason } = yield* Effect.flip(two.serveProtocol("x", 5 as unknown as typeof shout))
        assert.deepInclude(reason, { _tag: "InvalidArgument", argument: "handler" })
        yield* two.serveProtocol("x", shout, { maxStreams: 4_096, maxStreamsPerPeer: 1 })
      })
    )
  )
})
