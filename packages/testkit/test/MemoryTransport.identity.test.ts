import { assert, describe, it } from "@effect/vitest"
import { ApplicationClosed } from "@qp2p/core/Close"
import { ConnectionClosed, PeerMismatch, PeerRefused } from "@qp2p/core/ConnectionError"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as TestIdentity from "../src/TestIdentity.ts"
import { bind, provide, setLatency, settle, text } from "./support/recordingSockets.ts"

const leave = () => {}

/** Two sockets, 1 s apart each way. */
const apart = Effect.fnUntraced(function* (
  options: { readonly near?: Parameters<typeof bind>[2]; readonly far?: Parameters<typeof bind>[2] } = {}
) {
  const client = yield* bind("10.0.0.1:1", {}, options.near)
  const server = yield* bind("10.0.0.2:2", {}, options.far)
  yield* setLatency("1 second")
  return { client, server }
})

const pass = (seconds: number) => Effect.andThen(TestClock.adjust(Duration.seconds(seconds)), settle)

describe("a handshake takes", () => {
  it.effect(
    "a round trip to the dialler's check, half of one more to the acceptor's, and the other half to acceptance",
    () =>
      Effect.gen(function* () {
        const { client, server } = yield* apart({
          near: ({ decide }) => decide(true),
          far: ({ decide }) => decide(true)
        })
        const { connected } = client.dial(server.socket.address)
        const state = () => [
          client.handshakes.length,
          connected.length,
          server.accepted.length,
          connected[0]?.acceptances
        ]
        yield* pass(1.9)
        assert.deepStrictEqual(state(), [0, 0, 0, undefined])
        yield* pass(0.1)
        assert.deepStrictEqual(state(), [1, 1, 0, 0])
        const { results } = connected[0]!.send(text("hello"))
        yield* pass(0.9)
        assert.deepStrictEqual([server.handshakes.length, state()], [0, [1, 1, 0, 0]])
        yield* pass(0.1)
        assert.deepStrictEqual([server.handshakes.length, state()], [1, [1, 1, 1, 0]])
        assert.strictEqual(server.accepted[0]!.streams[0]!.text, "hello")
        yield* pass(0.9)
        assert.deepStrictEqual([state(), results], [[1, 1, 1, 0], []])
        yield* pass(0.1)
        assert.deepStrictEqual([state(), results], [[1, 1, 1, 1], ["done"]])
      }).pipe(Effect.scoped, provide)
  )

  it.effect("as long as the acceptor's decision, and then what was held arrives at once", () =>
    Effect.gen(function* () {
      const { client, server } = yield* apart({ far: leave })
      const { connected } = client.dial(server.socket.address)
      yield* pass(2)
      const near = connected[0]!
      const { results } = near.send(text("hello"))
      // Longer than the silence after which a peer that has accepted is said not to respond.
      yield* pass(7)
      assert.deepStrictEqual([server.accepted.length, results, near.silences], [0, [], 0])
      server.handshakes[0]!.decide(true)
      yield* settle
      assert.strictEqual(server.accepted[0]!.streams[0]!.text, "hello")
      yield* pass(1)
      assert.deepStrictEqual([near.acceptances, results], [1, ["done"]])
    }).pipe(Effect.scoped, provide)
  )
})

describe("the handshake timeout", () => {
  it.effect("refuses a peer about which the acceptor does not decide, whatever arrives meanwhile", () =>
    Effect.gen(function* () {
      const { client, server } = yield* apart({ far: leave })
      const { connected } = client.dial(server.socket.address)
      yield* pass(2)
      const near = connected[0]!
      // The acceptor's handshake began at 1 s, and may take 10 s.
      for (let second = 2; second < 11; second++) {
        near.send(text("?"))
        yield* pass(1)
      }
      assert.deepStrictEqual(near.closes, [])
      yield* pass(1)
      assert.deepStrictEqual(near.closes, [new ApplicationClosed({ code: ErrorCode.refused, detail: "refused" })])
      server.handshakes[0]!.decide(true)
      yield* settle
      assert.deepStrictEqual(server.log.events, ["handshake"])
    }).pipe(Effect.scoped, provide)
  )

  it.effect("refuses a peer about which the dialler does not decide", () =>
    Effect.gen(function* () {
      const { client, server } = yield* apart({ near: leave, far: leave })
      const { address } = server.socket
      const { failed } = client.dial(address)
      yield* pass(9.9)
      assert.deepStrictEqual(failed, [])
      yield* pass(0.1)
      const { peerId } = server.identity
      assert.deepStrictEqual(failed, [new PeerRefused({ peerId, address, by: "Local" })])
      yield* pass(10)
      assert.deepStrictEqual(server.log.events, [])
    }).pipe(Effect.scoped, provide)
  )
})

describe("an acceptor", () => {
  it.effect("keeps nothing of a dial that expected another key", () =>
    Effect.gen(function* () {
      const client = yield* bind("10.0.0.1:1")
      const server = yield* bind("10.0.0.2:2", { maxConnections: 1 })
      const expected = TestIdentity.make("another").peerId
      const { address } = server.socket
      const dial = client.dial(address, expected)
      yield* settle
      assert.deepStrictEqual(dial.failed, [new PeerMismatch({ expected, actual: server.identity.peerId, address })])
      const { connected } = client.dial(address, server.identity.peerId)
      yield* settle
      assert.strictEqual(connected[0]!.acceptances, 1)
    }).pipe(Effect.scoped, provide)
  )

  it.effect("that closes while the dialler decides fails the dial with its close", () =>
    Effect.gen(function* () {
      const client = yield* bind("10.0.0.1:1", {}, leave)
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(bind("10.0.0.2:2"), scope)
      const dial = client.dial(server.socket.address)
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* settle
      const close = new ApplicationClosed({ code: 0, detail: "" })
      assert.deepStrictEqual(dial.failed, [new ConnectionClosed({ peer: server.socket.address, close })])
      client.handshakes[0]!.decide(true)
      yield* settle
      assert.deepStrictEqual(client.log.events, ["handshake", "failed"])
    }).pipe(Effect.scoped, provide)
  )
})
