import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcServer from "effect/rpc/RpcServer"
import { SocketServer } from "effect/socket/SocketServer"
import { Address, rpc } from "./rpc/contender.ts"

const host = "127.0.0.1"

const address = Layer.effect(
  Address,
  Effect.map(SocketServer, ({ address }) =>
    address._tag === "UnixPathAddress" ? address.path : NetAddress.formatInet(address)
  )
)

export const contender = rpc({
  name: "rpc-tcp",
  about: "over Effect's TCP sockets (NodeSocket), not encrypted",
  carrier: "tcp",
  serve: Layer.merge(RpcServer.layerProtocolSocketServer, address).pipe(
    Layer.provide(Layer.fresh(NodeSocketServer.layer({ port: 0, host })))
  ),
  call: (peer) =>
    RpcClient.layerProtocolSocket().pipe(
      Layer.provide(NodeSocket.layerNet({ port: Number(peer.split(":")[1]), host, noDelay: true }))
    )
})
