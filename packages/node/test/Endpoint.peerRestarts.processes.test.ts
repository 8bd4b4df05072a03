/**
 * Peers in processes of their own, over real sockets, that are killed and started again on their port, or stopped for a
 * while. They are built: the processes run the package as it is installed. Nothing but what this is about would end a
 * connection within an hour.
 */
// @module-tag slow
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { IdleTimedOut, StatelessReset } from "@qp2p/core/Close"
import { ConnectionReset } from "@qp2p/core/ConnectionError"
import { ConnectionLost } from "@qp2p/core/SendError"
import { bytes } from "../../core/test/support/values.ts"
import { keyFile, limit, startPeer as start } from "./support/peerProcess.ts"
import { endpoint, onLoopback } from "./support/quicEndpoints.ts"
import { at } from "./support/quicSockets.ts"
import { freePort } from "./support/udpPeers.ts"

/** An endpoint, and a peer that it has dialled or that has dialled it, and that has had a message. */
const joined = Effect.fnUntraced(function* (by: "it" | "the peer", keyFile?: string) {
  const self = yield* endpoint({ idleTimeout: "1 hour", stallTimeout: "1 hour" })
  const port = yield* freePort
  const address = `127.0.0.1:${port}`
  const peer = yield* start(port, by === "it" ? undefined : String(self.localAddress), keyFile)
  yield* self.sendMessage(bytes("before"), address)
  yield* peer.says("before")
  return { self, port, address, peer, connection: yield* self.connectTo(address) }
})

for (const by of ["it", "the peer"] as const) {
  describe(`of a connection that ${by} had dialled, a peer that is killed and is back on its port`, () => {
    it.live(
      "gets what was being sent to it",
      () =>
        Effect.gen(function* () {
          const { address, connection, peer, port, self } = yield* joined(by)
          yield* peer.kill
          const sending = yield* Effect.forkChild(self.sendMessage(bytes("in the midst"), address))
          const again = yield* start(port)
          yield* Fiber.join(sending)
          yield* again.says("in the midst")
          assert.deepStrictEqual((yield* self.nextDisconnection).reason, new IdleTimedOut())
          assert.isTrue((yield* self.connectTo(address)) !== connection)
        }).pipe(onLoopback),
      limit
    )

    it.live(
      "gets what is sent to it later",
      () =>
        Effect.gen(function* () {
          const { address, peer, port, self } = yield* joined(by)
          yield* peer.kill
          const again = yield* start(port)
          yield* self.sendMessage(bytes("after"), address)
          yield* again.says("after")
        }).pipe(onLoopback),
      limit
    )

    it.live(
      "is found out by who waits for its answer, although it had acknowledged the question",
      () =>
        Effect.gen(function* () {
          const { connection, peer, port } = yield* joined(by)
          const { receive, send } = yield* connection.openBi()
          yield* send.sendMessage(bytes("a question"))
          yield* send.finish
          yield* peer.says("a question")
          yield* peer.kill
          yield* start(port)
          const error = yield* Effect.flip(receive.next)
          assert.strictEqual(error._tag, "ConnectionLost")
        }).pipe(onLoopback),
      limit
    )
  })
}

/** How long a peer that has dialled takes at most, after the dial, until it can reset the connection. */
const resettable = "3 seconds"

for (const by of ["it", "the peer"] as const) {
  describe(`of a connection that ${by} had dialled, a peer with a key in a file that is killed and is back`, () => {
    it.live(
      "resets the connection, and gets over another one what was being sent and what is sent later, each once",
      () =>
        Effect.gen(function* () {
          const file = yield* keyFile
          const { address, connection, peer, port, self } = yield* joined(by, file)
          yield* Effect.sleep(resettable)
          yield* peer.kill
          const sending = yield* Effect.forkChild(self.sendMessage(bytes("in the midst"), address))
          const again = yield* start(port, undefined, file)
          yield* Fiber.join(sending)
          const disconnection = yield* self.nextDisconnection
          assert.deepStrictEqual(disconnection.reason, new StatelessReset())
          assert.strictEqual(disconnection.peerId, connection.peerId)
          yield* self.sendMessage(bytes("after"), connection.peerId)
          yield* again.says("after")
          assert.deepStrictEqual(again.said, ["ready", "in the midst", "after"])
          const anew = yield* self.connectTo(connection.peerId)
          assert.isTrue(anew !== connection)
          assert.strictEqual(anew.peerId, connection.peerId)
        }).pipe(onLoopback),
      limit
    )

    it.live(
      "resets the connection for who waits for its answer, although it had acknowledged the question",
      () =>
        Effect.gen(function* () {
          const file = yield* keyFile
          const { connection, peer, port } = yield* joined(by, file)
          yield* Effect.sleep(resettable)
          const { receive, send } = yield* connection.openBi()
          yield* send.sendMessage(bytes("a question"))
          yield* send.finish
          yield* peer.says("a question")
          yield* peer.kill
          yield* start(port, undefined, file)
          const error = yield* Effect.flip(receive.next)
          assert.deepStrictEqual(error, new ConnectionLost({ reason: new ConnectionReset({ peer: at(port) }) }))
        }).pipe(onLoopback),
      limit
    )
  })
}

describe("a peer that is stopped for a while", () => {
  it.live(
    "keeps its connection",
    () =>
      Effect.gen(function* () {
        const { address, connection, peer, self } = yield* joined("it")
        peer.child.kill("SIGSTOP")
        const sending = yield* Effect.forkChild(self.sendMessage(bytes("patience"), address))
        yield* Effect.sleep("3 seconds")
        peer.child.kill("SIGCONT")
        yield* Fiber.join(sending)
        yield* peer.says("patience")
        // A connection that was made meanwhile is given up again.
        yield* Effect.sleep("1 second")
        assert.isTrue((yield* self.connectTo(address)) === connection)
        yield* connection.send(bytes("goes on"))
        yield* peer.says("goes on")
        assert.deepStrictEqual(peer.said, ["ready", "before", "patience", "goes on"])
      }).pipe(onLoopback),
    limit
  )
})
