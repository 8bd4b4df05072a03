import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Layer from "effect/Layer"
import { rpc } from "./rpc/contender.ts"
import { path, serve } from "./rpc/http.ts"

export const contender = rpc({
  name: "rpc-http",
  about: "over HTTP/1.1 by `fetch`, a POST for each call, as many connections as calls in flight, not encrypted",
  carrier: "tcp",
  serve: serve(RpcServer.layerProtocolHttp({ path })),
  call: (peer) =>
    RpcClient.layerProtocolHttp({ url: `http://${peer}${path}` }).pipe(Layer.provide(FetchHttpClient.layer))
})
