/**
 * Everybody who takes part. Each is loaded only where it runs: a process that measures one of them has none of the
 * others in its memory.
 */
import type { Contender } from "../contender.ts"
import type { ForeignContender } from "../foreign.ts"
import { qp2pRust } from "./qp2pRust.ts"

type Load = () => Promise<{ readonly contender: Contender }>

const contenders: { readonly [name: string]: Load } = {
  qp2p: () => import("./qp2p.ts"),
  "qp2p-transport": () => import("./transport.ts"),
  "plain-loop": () => import("./plainLoop.ts"),
  "class-layer": () => import("./classLayer.ts"),
  hyperdht: () => import("./hyperdht.ts"),
  "libp2p-tcp": () => import("./libp2pTcp.ts"),
  "libp2p-tcp-one-stream": () => import("./libp2pTcpOneStream.ts"),
  "libp2p-quic": () => import("./libp2pQuic.ts"),
  tcp: () => import("./tcp.ts"),
  "rpc-qp2p": () => import("./rpcQp2p.ts"),
  "rpc-tcp": () => import("./rpcTcp.ts"),
  "rpc-websocket": () => import("./rpcWebsocket.ts"),
  "rpc-http": () => import("./rpcHttp.ts")
}

/** Programs in other languages. */
const foreign: ReadonlyArray<ForeignContender> = qp2pRust

export const names: ReadonlyArray<string> = [...Object.keys(contenders), ...foreign.map(({ name }) => name)]

export const foreignOf = (name: string): ForeignContender | undefined => foreign.find((other) => other.name === name)

export const loadContender = async (name: string): Promise<Contender> => {
  const load = contenders[name]
  if (load === undefined) throw new Error(`there is no contender "${name}"; there are ${names.join(", ")}`)
  return (await load()).contender
}
