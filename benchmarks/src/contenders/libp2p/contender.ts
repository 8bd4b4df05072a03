import { multiaddr } from "@multiformats/multiaddr"
import type { Libp2p } from "libp2p"
import type { Contender, Link } from "../../contender.ts"
import { Counter } from "../counting.ts"
import { serve } from "../orderedStream.ts"
import { addressOf, multiaddrOf, openNode, type Way } from "./node.ts"
import { answer, byteStreamOf, linkByMessage, linkByStream, protocols } from "./streams.ts"

const manyStreams = { maxInboundStreams: 100_000, maxOutboundStreams: 100_000 }

const abouts = { tcp: "over TCP with Noise and Yamux", quic: "over @chainsafe/libp2p-quic 2.1.1" } as const

const confirmed = {
  message: "a stream per message; confirmed by the end of the stream's other half",
  ordered:
    "length-prefixed messages on one stream, small ones joined; confirmed by the receiving application's count, once for each chunk that it read; a question is no stream of its own"
} as const

export const libp2p = (name: string, way: Way, kind: "message" | "ordered"): Contender => {
  const connect = async (node: Libp2p, address: string, closed: () => Promise<void>): Promise<Link> => {
    const connection = await node.dial(multiaddr(multiaddrOf(way, address)), { force: true })
    return kind === "message" ? linkByMessage(connection, closed) : linkByStream(connection, closed)
  }

  return {
    name,
    about: `libp2p 3.3.11 ${abouts[way]}, ${confirmed[kind]}`,
    carrier: way === "tcp" ? "tcp" : "udp",
    listen: async () => {
      const counter = new Counter()
      const node = await openNode(way, true)
      // A stream that the end of its connection cuts off is no message.
      const take = (stream: Parameters<typeof answer>[0]) => void answer(stream, counter).catch(() => {})
      await node.handle(protocols.message, take, manyStreams)
      await node.handle(protocols.question, take, manyStreams)
      await node.handle(protocols.ordered, (stream) => serve(byteStreamOf(stream), counter), manyStreams)
      return { address: addressOf(node), counts: counter.counts, close: async () => node.stop() }
    },
    dial: async (address) => {
      const node = await openNode(way, false)
      return connect(node, address, async () => node.stop())
    },
    dialler: async () => {
      const nodes: Array<Libp2p> = []
      const idle: Array<Libp2p> = []
      const another = async () => {
        const node = await openNode(way, false)
        nodes.push(node)
        return node
      }
      return {
        // A node gives dials to one peer that are under way at once one connection: each needs a node of its own.
        connect: async (address) => {
          const node = idle.pop() ?? (await another())
          const link = await connect(node, address, async () => {})
          idle.push(node)
          return link
        },
        close: async () => {
          await Promise.all(nodes.map(async (node) => node.stop()))
        }
      }
    }
  }
}
