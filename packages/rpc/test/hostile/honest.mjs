/** The calls of the honest peer: short ones, which share a stream, and long ones, each with its own. */
import * as Endpoint from "@qp2p/core/Endpoint"
import * as QuicRpcClient from "@qp2p/rpc/QuicRpcClient"
import * as Effect from "effect/Effect"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Stream from "effect/Stream"
import { Group } from "./group.mjs"

/** Characters of a long answer. */
const length = 20_000

/** Ways to ask the node for a text. The client lives until the scope closes. */
export const asks = (endpoint, node) =>
  Effect.gen(function* () {
    const protocol = yield* QuicRpcClient.makeProtocol(node)
    const client = yield* Effect.provideService(RpcClient.make(Group), RpcClient.Protocol, protocol)
    return [
      (text) => client.Echo({ text }),
      (text) => Effect.map(client.Long({ text, length }), (answer) => answer.slice(0, -length)),
      (text) =>
        Effect.map(Stream.runCollect(client.Parts({ text, count: 3 })), (parts) =>
          parts.length === 3 ? parts[2] : "parts are missing"
        )
    ]
  }).pipe(Effect.provideService(Endpoint.Endpoint, endpoint), Effect.provide(RpcSerialization.layerNdjson))
