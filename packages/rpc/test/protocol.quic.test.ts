/** Effect's demands on a protocol, over QUIC on loopback. */
// @module-tag platform
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as QuicRpcClient from "../src/QuicRpcClient.ts"
import * as QuicRpcServer from "../src/QuicRpcServer.ts"
import * as QuicSocket from "../src/QuicSocket.ts"
import * as QuicSocketServer from "../src/QuicSocketServer.ts"
import * as library from "./support/library.ts"
import * as places from "./support/places.ts"
import { protocolSuite } from "./support/protocolSuite.ts"

const client = Layer.unwrap(
  Effect.map(places.Pair, ({ two }) =>
    library.layerClient.pipe(Layer.provide(QuicRpcClient.layerProtocol(two.peerAddress)))
  )
).pipe(Layer.provide(places.caller))

const server = library.layerServer.pipe(Layer.provide(QuicRpcServer.layerProtocol()), Layer.provide(places.server))

const over = (serialization: Layer.Layer<RpcSerialization.RpcSerialization>) =>
  Layer.merge(client, server).pipe(Layer.provide(serialization), Layer.provide(places.onLoopback()))

describe("RPC over QUIC with NDJSON", () => {
  protocolSuite(over(RpcSerialization.layerNdjson), it.live)
})

describe("RPC over QUIC with SchemaBinary", () => {
  protocolSuite(over(RpcSerialization.layerSchemaBinary()), it.live)
})

const socketClient = Layer.unwrap(
  Effect.map(places.Pair, ({ two }) =>
    library.layerClient.pipe(
      Layer.provide(RpcClient.layerProtocolSocket()),
      Layer.provide(QuicSocket.layer(two.peerAddress))
    )
  )
).pipe(Layer.provide(places.caller))

const socketServer = library.layerServer.pipe(
  Layer.provide(RpcServer.layerProtocolSocketServer),
  Layer.provide(QuicSocketServer.layer()),
  Layer.provide(places.server)
)

const overSockets = (places: Layer.Layer<places.Pair, unknown>) =>
  Layer.merge(socketClient, socketServer).pipe(Layer.provide(RpcSerialization.layerNdjson), Layer.provide(places))

describe("Effect's own protocols over sockets of QUIC", () => {
  protocolSuite(overSockets(places.onLoopback()), it.live)
})

describe("Effect's own protocols over sockets in memory", () => {
  protocolSuite(overSockets(places.inMemory()))
})
