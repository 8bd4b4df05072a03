import * as NodeWS from "@effect/platform-node/NodeWS"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Layer from "effect/Layer"
import * as Socket from "effect/socket/Socket"
import { rpc } from "./rpc/contender.ts"
import { path, serve } from "./rpc/http.ts"

export const contender = rpc({
  name: "rpc-websocket",
  about: "over Effect's WebSockets, not encrypted",
  carrier: "tcp",
  serve: serve(RpcServer.layerProtocolWebsocket({ path })),
  call: (peer) =>
    RpcClient.layerProtocolSocket().pipe(
      Layer.provide(Socket.layerWebSocket(`ws://${peer}${path}`)),
      Layer.provide(NodeWS.layerWebSocketConstructor)
    )
})
