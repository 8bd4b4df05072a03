/** The HTTP server of the contenders that need one. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as RpcSerialization from "effect/rpc/RpcSerialization"
import type * as RpcServer from "effect/rpc/RpcServer"
import { createServer } from "node:http"
import { Address } from "./contender.ts"

export const path = "/rpc"

const address = Layer.effect(
  Address,
  Effect.map(HttpServer.HttpServer, ({ address }) =>
    address._tag === "UnixPathAddress" ? address.path : NetAddress.formatInet(address)
  )
)

/** A protocol that registers a route, on a server of its own. */
export const serve = (
  protocol: Layer.Layer<RpcServer.Protocol, never, RpcSerialization.RpcSerialization | HttpRouter.HttpRouter>
) => {
  // One layer, so that the server has the routes of this protocol.
  const routed = Layer.provide(protocol, HttpRouter.layer)
  return HttpRouter.serve(routed, { disableListenLog: true, disableLogger: true }).pipe(
    Layer.merge(address),
    Layer.provideMerge(routed),
    Layer.provide(Layer.fresh(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })))
  )
}
