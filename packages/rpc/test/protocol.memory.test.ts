/** Effect's demands on a protocol, over endpoints in memory, with each serialization. */
import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as QuicRpcClient from "../src/QuicRpcClient.ts"
import * as QuicRpcServer from "../src/QuicRpcServer.ts"
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
  Layer.merge(client, server).pipe(Layer.provide(serialization), Layer.provide(places.inMemory()))

describe("RPC in memory with NDJSON", () => {
  protocolSuite(over(RpcSerialization.layerNdjson))
})

describe("RPC in memory with SchemaBinary", () => {
  protocolSuite(over(RpcSerialization.layerSchemaBinary()))
})

describe("RPC in memory with NDJSON-RPC", () => {
  protocolSuite(over(RpcSerialization.layerNdJsonRpc()))
})

describe("RPC in memory with JSON, which has no frames of its own", () => {
  protocolSuite(over(RpcSerialization.layerJson))
})

describe("RPC in memory with JSON-RPC, which has no frames of its own", () => {
  protocolSuite(over(RpcSerialization.layerJsonRpc()))
})
