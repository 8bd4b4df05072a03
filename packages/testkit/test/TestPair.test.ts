/**
 * Two endpoints and a client between them, in one line.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Messages from "@qp2p/core/Messages"
import * as Protocol from "@qp2p/core/Protocol"
import { Endpoint } from "@qp2p/core/Endpoint"
import type { PeerAddress } from "@qp2p/core/PeerAddress"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { MemoryNetwork } from "../src/MemoryNetwork.ts"
import * as TestPair from "../src/TestPair.ts"
import * as Topology from "../src/Topology.ts"

/** A service whose answers are twice the question. */
const makeTwice = Messages.make("twice", { message: Schema.Finite, answer: Schema.Finite })

const server = Layer.effectDiscard(
  Effect.flatMap(makeTwice, ({ incoming }) =>
    Effect.forkScoped(Stream.runForEach(incoming, ({ reply, value }) => reply(2 * value)))
  )
)

class Twice extends Context.Service<
  Twice,
  { readonly of: (value: number) => Effect.Effect<number, Messages.AskError> }
>()("@qp2p/testkit/test/TestPair.test/Twice") {
  static readonly layer = (peer: PeerAddress) =>
    Layer.effect(
      Twice,
      Effect.map(makeTwice, ({ ask }) => ({ of: (value: number) => ask(peer, value) }))
    )
}

describe("a pair for tests", () => {
  it.effect("has the same messages at both endpoints", () =>
    Effect.gen(function* () {
      const { one, two } = yield* TestPair.both(makeTwice)
      const pair = yield* Topology.Pair
      yield* one.send(pair.two.peerAddress, 5)
      const { peerId, value } = yield* two.next
      assert.deepStrictEqual([peerId, value], [pair.one.peerId, 5])
      yield* two.send(peerId, 6)
      assert.strictEqual((yield* one.next).value, 6)
    }).pipe(Effect.scoped, Effect.provide(TestPair.layer()))
  )

  it.effect("has a typed client of what is served at the other endpoint", () =>
    Effect.gen(function* () {
      const twice = yield* Twice
      assert.strictEqual(yield* twice.of(21), 42)
    }).pipe(Effect.provide(TestPair.layerOf({ server, client: Twice.layer })))
  )

  it.effect("has a network between them that breaks, on the clock of the test", () =>
    Effect.gen(function* () {
      const twice = yield* Twice
      const network = yield* MemoryNetwork
      const { one, two } = yield* Topology.Pair
      yield* network.partition(one.localAddress, two.localAddress)
      const asking = yield* Effect.forkChild(Effect.flip(twice.of(1)), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(asking))._tag, "AskTimedOut")
    }).pipe(Effect.provide(TestPair.layerOf({ server, client: Twice.layer })))
  )

  it.effect("serves protocols alike", () =>
    Effect.gen(function* () {
      const { one, two } = yield* Topology.Pair
      const stream = yield* one.openProtocol(two.peerAddress, "echo")
      yield* stream.write(Uint8Array.of(7), { fin: true })
      assert.deepStrictEqual(yield* Stream.runCollect(stream.read), [Uint8Array.of(7)])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        TestPair.layerOf({
          server: Protocol.layer("echo", (stream) => Stream.runForEach(stream.read, (bytes) => stream.write(bytes))),
          client: () => Layer.empty
        })
      )
    )
  )

  it.effect("builds the same layer for each side", () => {
    class Id extends Context.Service<Id, string>()("@qp2p/testkit/test/TestPair.test/Id") {
      static readonly layer = Layer.effect(
        Id,
        Effect.map(Endpoint, ({ peerId }) => peerId)
      )
    }
    const seen: Array<string> = []
    const noted = Layer.effectDiscard(Effect.map(Id, (id) => seen.push(id))).pipe(Layer.provideMerge(Id.layer))
    return Effect.gen(function* () {
      const { one, two } = yield* Topology.Pair
      assert.strictEqual(yield* Id, one.peerId)
      assert.deepStrictEqual(seen, [two.peerId, one.peerId])
    }).pipe(Effect.provide(TestPair.layerOf({ server: noted, client: () => noted })))
  })
})
