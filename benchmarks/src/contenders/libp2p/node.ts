/** js-libp2p over either transport: nodes without limits on connections and streams, and without pings of its own. */
import { noise } from "@chainsafe/libp2p-noise"
import { quic } from "@chainsafe/libp2p-quic"
import { yamux } from "@chainsafe/libp2p-yamux"
import { tcp } from "@libp2p/tcp"
import { createLibp2p, type Libp2p } from "libp2p"
import { provideWithResolvers } from "./withResolvers.ts"

export type Way = "tcp" | "quic"

const plenty = 100_000

const placeOf = (way: Way, host: string, port: number): string =>
  way === "tcp" ? `/ip4/${host}/tcp/${port}` : `/ip4/${host}/udp/${port}/quic-v1`

export const openNode = async (way: Way, listen: boolean): Promise<Libp2p> => {
  provideWithResolvers()
  return createLibp2p({
    addresses: { listen: listen ? [placeOf(way, "127.0.0.1", 0)] : [] },
    connectionManager: {
      maxConnections: plenty,
      inboundConnectionThreshold: plenty,
      maxIncomingPendingConnections: plenty,
      maxParallelDials: plenty,
      maxDialQueueLength: plenty
    },
    connectionMonitor: { enabled: false },
    ...(way === "tcp"
      ? {
          transports: [tcp({ maxConnections: plenty, backlog: 1024 })],
          connectionEncrypters: [noise()],
          streamMuxers: [yamux({ maxInboundStreams: plenty, maxOutboundStreams: plenty, maxEarlyStreams: plenty })]
        }
      : {
          transports: [
            quic({ maxConcurrentStreamLimit: 4096, maxIdleTimeout: 60_000, keepAliveInterval: 20_000, ipv6: false })
          ]
        })
  })
}

/** `host:port#peer`, from what a listening node says of itself. */
export const addressOf = (node: Libp2p): string => {
  const [first] = node.getMultiaddrs()
  const [, , host, , port] = String(first).split("/")
  return `${host}:${port}#${node.peerId.toString()}`
}

/** The same, as a node dials it. */
export const multiaddrOf = (way: Way, address: string): string => {
  const [place = "", peer] = address.split("#")
  const [host = "", port] = place.split(":")
  return `${placeOf(way, host, Number(port))}/p2p/${peer}`
}
