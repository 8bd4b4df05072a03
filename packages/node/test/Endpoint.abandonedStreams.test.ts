// @module-tag slow
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Bootstrap from "@qp2p/core/Bootstrap"
import * as ConnectionPool from "@qp2p/core/ConnectionPool"
import * as Endpoint from "@qp2p/core/Endpoint"
import { maxOpenStreams } from "../src/internal/tunables/streams.ts"
import type { StreamFailure } from "@qp2p/core/Transport"
import * as WireMessage from "@qp2p/core/WireMessage"
import { address, bytes, textOf } from "../../core/test/support/values.ts"
import * as live from "./support/quicEndpoints.ts"
import { blackhole, endpoint, onNetwork, settle } from "../../core/test/support/memoryEndpoints.ts"
import { raw } from "../../core/test/support/bareSockets.ts"
import { until } from "./support/quicSockets.ts"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

/** Long enough for everything that nobody refers to to be found, and for whoever watches it to be told. */
const manyCollections = Effect.forEach(
  Array.from({ length: 20 }),
  () =>
    Effect.callback<void>((resume) => {
      collectGarbage()
      setImmediate(() => resume(Effect.void))
    }),
  { discard: true }
)

/** Sends `first` to `one` on a bidirectional stream from `local`; what comes back. */
const asking = Effect.fnUntraced(function* (
  one: Endpoint.Endpoint["Service"],
  local: string,
  first: WireMessage.WireMessage
) {
  const peer = yield* raw(local)
  const connection = yield* peer.dial(String(one.localAddress))
  const came: Array<WireMessage.WireMessage> = []
  const ends: Array<StreamFailure | undefined> = []
  const decoder = new WireMessage.Decoder({ maxMessageSize: 1_000 })
  const { send } = connection.openBi(0, {
    onData: (chunk) => decoder.push(chunk, came) === undefined,
    onEnd: (failure) => ends.push(failure)
  })
  send.write(
    first._tag === "UserMessage" ? WireMessage.encodeUser(first.payload) : WireMessage.encode(first),
    true,
    () => {}
  )
  return { came, ends }
})

const hello: WireMessage.WireMessage = { _tag: "UserMessage", payload: bytes("hello") }

describe("a reply that the application abandons", () => {
  const test = Effect.fnUntraced(function* (one: Endpoint.Endpoint["Service"], local: string) {
    const { ends } = yield* asking(one, local, hello)
    yield* Effect.map(one.nextMessage, ({ reply }) => assert.isTrue(Option.isSome(reply)))
    yield* until("the peer's half has ended", () => {
      collectGarbage()
      return ends.length > 0
    })
    assert.deepStrictEqual(ends, [undefined])
  })

  it.live("is finished, so that it does not stay open at the peer", () =>
    Effect.flatMap(endpoint("10.0.0.1:1"), (one) => test(one, "10.0.0.6:6")).pipe(onNetwork)
  )

  it.live("is finished over QUIC too", () =>
    Effect.flatMap(live.endpoint(), (one) => test(one, "127.0.0.1:0")).pipe(live.onLoopback)
  )

  it.live("is not abandoned while one of its effects is referenced", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1")
      const { came, ends } = yield* asking(one, "10.0.0.6:6", hello)
      const answering = yield* Effect.map(one.nextMessage, ({ reply }) =>
        Effect.andThen(Option.getOrThrow(reply).sendMessage(bytes("one")), Option.getOrThrow(reply).finish)
      )
      yield* manyCollections
      assert.deepStrictEqual(ends, [])
      yield* answering
      assert.deepStrictEqual(came, [{ _tag: "UserMessage", payload: bytes("one") }])
      assert.deepStrictEqual(ends, [undefined])
    }).pipe(onNetwork)
  )
})

describe("an opened stream that the application abandons", () => {
  /** A connection, and the endpoint that it leads to. */
  const opened = Effect.gen(function* () {
    const one = yield* live.endpoint()
    const two = yield* live.endpoint()
    return { one, two, peer: two.localAddress }
  })

  /** Collecting takes longer than anything that is waited for here. */
  const collected = (what: string, condition: () => boolean) => Effect.andThen(manyCollections, until(what, condition))

  it.live(
    "is finished: a peer that asks and never finishes can go on asking, over QUIC",
    () =>
      Effect.gen(function* () {
        const { one, peer, two } = yield* opened
        yield* two.incomingMessages.pipe(
          Stream.runForEach(({ payload, reply }) =>
            Effect.forkChild(Effect.ignore(Option.getOrThrow(reply).sendMessage(payload, { fin: true })))
          ),
          Effect.forkScoped
        )
        const ask = Effect.gen(function* () {
          const { receive, send } = yield* one.openBidirectionalStream(peer)
          yield* send.sendMessage(bytes("marco"))
          return textOf(yield* receive.next)
        })
        // Nothing but the endpoint itself brings on a collection of garbage when there is no place for a further stream.
        for (let i = 0; i < 2 * maxOpenStreams + 50; i++) assert.strictEqual(yield* ask, "marco")
      }).pipe(live.onLoopback),
    60_000
  )

  it.live("is finished when it goes one way, too", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1")
      const ends: Array<StreamFailure | undefined> = []
      yield* raw("10.0.0.6:6", () => ({ onData: () => true, onEnd: (failure) => ends.push(failure) }))
      yield* Effect.gen(function* () {
        const connection = yield* one.connectTo("10.0.0.6:6")
        const stream = yield* connection.openUni()
        yield* stream.sendMessage(bytes("hello"))
      })
      yield* collected("the end", () => ends.length > 0)
      assert.deepStrictEqual(ends, [undefined])
    }).pipe(onNetwork)
  )

  it.live("has the peer's half read and dropped: a long one does not wait for ever, over QUIC", () =>
    Effect.gen(function* () {
      const { one, peer, two } = yield* opened
      yield* Effect.gen(function* () {
        const { send } = yield* one.openBidirectionalStream(peer)
        yield* send.sendMessage(bytes("marco"), { fin: true })
      })
      const { reply } = yield* two.nextMessage
      const { sendMessage } = Option.getOrThrow(reply)
      const long = new Uint8Array(1 << 20)
      const answering = yield* Effect.forkChild(
        Effect.andThen(
          Effect.forEach([1, 2, 3, 4], () => sendMessage(long)),
          sendMessage(long, { fin: true })
        )
      )
      yield* collected("the end of the answer", () => answering.pollUnsafe() !== undefined)
      yield* Fiber.join(answering)
    }).pipe(live.onLoopback)
  )

  it.live("is not abandoned while the peer's half is awaited", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1")
      const two = yield* endpoint("10.0.0.2:2")
      const reading = yield* Effect.gen(function* () {
        const { receive, send } = yield* one.openBidirectionalStream("10.0.0.2:2")
        yield* send.sendMessage(bytes("marco"), { fin: true })
        return {
          next: yield* Effect.forkChild(receive.next),
          rest: yield* Effect.forkChild(Stream.runCollect(receive.messages))
        }
      })
      const { reply } = yield* two.nextMessage
      yield* manyCollections
      const answer = Option.getOrThrow(reply)
      yield* answer.sendMessage(bytes("one"))
      yield* answer.sendMessage(bytes("two"), { fin: true })
      assert.strictEqual(textOf(yield* Fiber.join(reading.next)), "one")
      assert.deepStrictEqual((yield* Fiber.join(reading.rest)).map(textOf), ["two"])
    }).pipe(onNetwork)
  )
})

describe("a question to the endpoint itself", () => {
  const question: WireMessage.WireMessage = { _tag: "EndpointVerificationReq", address: address("10.0.0.6:7") }

  it.effect("is answered, however long that takes: no other part ends its stream", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1", { rpcTimeout: "10 seconds" })
      yield* blackhole("10.0.0.6:7")
      const { came, ends } = yield* asking(one, "10.0.0.6:6", question)
      yield* manyCollections
      assert.deepStrictEqual([came, ends], [[], []])
      yield* TestClock.adjust("5 seconds")
      yield* settle
      assert.deepStrictEqual(came, [{ _tag: "EndpointVerificationResp", reachable: false }])
      assert.deepStrictEqual(ends, [undefined])
    }).pipe(onNetwork)
  )

  it.live("that is malformed, or has no response, does not keep its stream open", () =>
    Effect.gen(function* () {
      const broken = Layer.effect(
        Bootstrap.Bootstrap,
        Effect.map(Bootstrap.make, (service) => ({
          ...service,
          respond: (_, { _tag }) =>
            _tag === "EndpointEchoReq" ? Effect.die("a mistake") : Effect.as(Effect.sleep(50), Option.none())
        }))
      )
      const services = yield* Layer.build(
        Endpoint.layerWithoutDependencies({ localAddress: "10.0.0.1:1" }).pipe(
          Layer.provide([broken, ConnectionPool.layer])
        )
      )
      const one = Context.get(services, Endpoint.Endpoint)
      for (const [i, message] of [{ _tag: "EndpointEchoReq" } as const, question].entries()) {
        const { came, ends } = yield* asking(one, `10.0.0.${6 + i}:6`, message)
        yield* until("the peer's half has ended", () => {
          collectGarbage()
          return ends.length > 0
        })
        assert.deepStrictEqual([came, ends], [[], [undefined]])
      }
    }).pipe(onNetwork)
  )
})
