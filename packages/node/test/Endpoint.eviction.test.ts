/**
 * Which connections a full endpoint closes for new ones.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import { ApplicationClosed } from "@qp2p/core/Close"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import * as Effect from "effect/Effect"
import { bytes, textOf } from "../../core/test/support/values.ts"
import { endpoint, onLoopback, type Service } from "./support/quicEndpoints.ts"

const evicted = new ApplicationClosed({ code: ErrorCode.evicted, detail: "no room for idle connections" })

/** A peer that dials `node` and says nothing. */
const silent = Effect.fnUntraced(function* (node: Service) {
  const peer = yield* endpoint({ retryDuration: 0 })
  yield* peer.connectTo(node.localAddress)
  yield* node.nextConnection
  return peer
})

/** A peer that dials `node` and sends it a message. */
const speaking = Effect.fnUntraced(function* (node: Service) {
  const peer = yield* silent(node)
  yield* peer.sendMessage(bytes("hello"), node.localAddress)
  yield* node.nextMessage
  return peer
})

const isConnected = (one: Service, other: Service) =>
  Effect.map(one.connections, (all) => all.some(({ peerId }) => peerId === other.peerId))

describe("a full endpoint", () => {
  it.live("closes the oldest connection that never spoke for a new one, with code 5; its peer may dial again", () =>
    onLoopback(
      Effect.gen(function* () {
        const node = yield* endpoint({ maxConnections: 4 })
        const first = yield* speaking(node)
        const second = yield* silent(node)
        const third = yield* silent(node)
        const fourth = yield* speaking(node)
        const fifth = yield* speaking(node)
        assert.deepStrictEqual((yield* second.nextDisconnection).reason, evicted)
        for (const peer of [first, third, fourth, fifth]) assert.isTrue(yield* isConnected(node, peer))
        // The peer does not notice, but for the disconnection.
        yield* second.sendMessage(bytes("again"), node.localAddress)
        assert.strictEqual(textOf((yield* node.nextMessage).payload), "again")
        assert.deepStrictEqual((yield* third.nextDisconnection).reason, evicted)
        for (const peer of [first, second, fourth, fifth]) assert.isTrue(yield* isConnected(node, peer))
      })
    )
  )

  it.live("closes connections on which only echo and verification were asked for", () =>
    onLoopback(
      Effect.gen(function* () {
        const node = yield* endpoint({ maxConnections: 2 })
        const asking = yield* endpoint({}, [node.localAddress])
        assert.isTrue(yield* isConnected(node, asking))
        const others = [yield* speaking(node), yield* speaking(node)]
        assert.deepStrictEqual((yield* asking.nextDisconnection).reason, evicted)
        for (const peer of others) assert.isTrue(yield* isConnected(node, peer))
      })
    )
  )

  it.live("refuses a new connection rather than close one that is in use, or one that was sent to", () =>
    onLoopback(
      Effect.gen(function* () {
        const node = yield* endpoint({ maxConnections: 2 })
        const heard = yield* speaking(node)
        const toldOnly = yield* silent(node)
        yield* node.sendMessage(bytes("for you"), toldOnly.peerId)
        yield* toldOnly.nextMessage
        const late = yield* endpoint({ retryDuration: 0 })
        const error = yield* Effect.flip(late.connectTo(node.localAddress))
        assert.deepInclude(error, { _tag: "TransportError", code: 2 })
        for (const peer of [heard, toldOnly]) assert.isTrue(yield* isConnected(node, peer))
      })
    )
  )

  it.live("still dials: a tenth of the places is its own, and over that an unused connection goes", () =>
    onLoopback(
      Effect.gen(function* () {
        const node = yield* endpoint({ maxConnections: 10, retryDuration: 0 })
        const peers: Array<Service> = []
        for (let i = 0; i < 9; i++) peers.push(yield* i === 4 ? silent(node) : speaking(node))
        const [one, two, three] = yield* Effect.all([endpoint(), endpoint(), endpoint()])
        yield* node.connectTo(one.localAddress)
        for (const peer of peers) assert.isTrue(yield* isConnected(node, peer))
        yield* node.connectTo(two.localAddress)
        assert.deepStrictEqual((yield* peers[4]!.nextDisconnection).reason, evicted)
        for (const dialled of [one, two]) assert.isTrue(yield* isConnected(node, dialled))
        const error = yield* Effect.flip(node.connectTo(three.localAddress))
        assert.deepInclude(error, { _tag: "TooManyConnections", limit: 10 })
      })
    )
  )

  it.live("keeps the connections that it has dialled, used or not", () =>
    onLoopback(
      Effect.gen(function* () {
        const node = yield* endpoint({ maxConnections: 2 })
        const dialled = yield* endpoint()
        yield* node.connectTo(dialled.localAddress)
        const first = yield* silent(node)
        yield* speaking(node)
        assert.deepStrictEqual((yield* first.nextDisconnection).reason, evicted)
        assert.isTrue(yield* isConnected(node, dialled))
        const late = yield* endpoint({ retryDuration: 0 })
        const error = yield* Effect.flip(late.connectTo(node.localAddress))
        assert.deepInclude(error, { _tag: "TransportError", code: 2 })
      })
    )
  )
})
