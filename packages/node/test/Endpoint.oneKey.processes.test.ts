/**
 * Two processes with one key, over real sockets: they are one peer to all others.
 */
// @module-tag slow
import { LocallyClosed, StatelessReset } from "@qp2p/core/Close"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { bytes } from "../../core/test/support/values.ts"
import * as NodeIdentity from "../src/NodeIdentity.ts"
import { keyFile, limit, startPeer } from "./support/peerProcess.ts"
import { endpoint, onLoopback } from "./support/quicEndpoints.ts"
import { until } from "./support/quicSockets.ts"
import { freePort } from "./support/udpPeers.ts"

/** Two processes with the key of one file, which have both dialled an endpoint. */
const twins = Effect.gen(function* () {
  const file = yield* keyFile
  const self = yield* endpoint({ idleTimeout: "1 hour" })
  const start = Effect.fnUntraced(function* () {
    const port = yield* freePort
    const process = yield* startPeer(port, String(self.localAddress), file)
    const connection = yield* self.nextConnection
    return { process, port, connection }
  })
  const one = yield* start()
  const two = yield* start()
  const { peerId } = yield* NodeIdentity.fromFile(file)
  return { self, one, two, peerId, file }
})

describe("two processes with one key", () => {
  it.live(
    "are one peer: each has its connection, and a message for the id comes to one of them, once",
    () =>
      Effect.gen(function* () {
        const { one, peerId, self, two } = yield* twins
        assert.deepStrictEqual([one.connection.peerId, two.connection.peerId], [peerId, peerId])
        assert.isTrue(one.connection !== two.connection)
        assert.strictEqual((yield* self.connections).length, 2)
        const sent = Array.from({ length: 20 }, (_, i) => `message ${i}`)
        yield* Effect.forEach(sent, (text) => self.sendMessage(bytes(text), peerId), { discard: true })
        const heard = () => [...one.process.said, ...two.process.said].filter((line) => line !== "ready")
        yield* until("all have come", () => heard().length >= sent.length)
        assert.sameMembers(heard(), sent)
        // Over a connection of its own each is reached for certain.
        yield* one.connection.send(bytes("to the one"))
        yield* two.connection.send(bytes("to the other"))
        yield* one.process.says("to the one")
        yield* two.process.says("to the other")
      }).pipe(onLoopback),
    limit
  )

  it.live(
    "lose both connections when the peer is disconnected",
    () =>
      Effect.gen(function* () {
        const { one, peerId, self, two } = yield* twins
        yield* self.disconnectFrom(peerId)
        const ends = [yield* self.nextDisconnection, yield* self.nextDisconnection]
        assert.sameMembers(
          ends.map(({ connectionId }) => connectionId),
          [one.connection.id, two.connection.id]
        )
        for (const { reason } of ends) assert.deepStrictEqual(reason, new LocallyClosed())
        assert.deepStrictEqual(yield* self.connectionId(peerId), Option.none())
      }).pipe(onLoopback),
    limit
  )

  it.live(
    "do not reset each other's connections: one that is killed and is back ends its own alone",
    () =>
      Effect.gen(function* () {
        const { file, one, self, two } = yield* twins
        // Until what has dialled can be reset.
        yield* Effect.sleep("3 seconds")
        yield* one.process.kill
        yield* startPeer(one.port, undefined, file)
        yield* Effect.ignore(one.connection.send(bytes("to the one that was")))
        const end = yield* self.nextDisconnection
        assert.strictEqual(end.connectionId, one.connection.id)
        assert.deepStrictEqual(end.reason, new StatelessReset())
        assert.isFalse(end.last)
        yield* two.connection.send(bytes("to the other"))
        yield* two.process.says("to the other")
      }).pipe(onLoopback),
    limit
  )
})
