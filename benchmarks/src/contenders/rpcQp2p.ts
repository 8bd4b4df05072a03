import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as QuicRpcClient from "@qp2p/rpc/QuicRpcClient"
import * as QuicRpcServer from "@qp2p/rpc/QuicRpcServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import { Address, rpc } from "./rpc/contender.ts"

const endpoint = Endpoint.layer({ localAddress: "127.0.0.1:0" }).pipe(
  Layer.provide([QuicheTransport.layer(), PortMapper.layerNone])
)

const address = Layer.effect(
  Address,
  Effect.map(Endpoint.Endpoint, ({ localAddress }) => NetAddress.formatInet(localAddress))
)

export const contender = rpc({
  name: "rpc-qp2p",
  about: "over @qp2p/rpc of this repository",
  carrier: "udp",
  serve: Layer.merge(QuicRpcServer.layerProtocol(), address).pipe(Layer.provide(Layer.fresh(endpoint))),
  call: (peer) => QuicRpcClient.layerProtocol(peer).pipe(Layer.provide(Layer.fresh(endpoint)))
})
