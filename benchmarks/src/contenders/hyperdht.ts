import { once } from "node:events"
import type { Duplex } from "node:stream"
import HyperDHT from "hyperdht"
import type { Contender, Link } from "../contender.ts"
import { Counter } from "./counting.ts"
import { type ByteStream, linkOver, serve } from "./orderedStream.ts"

const host = "127.0.0.1"

const streamOf = (stream: Duplex): ByteStream => ({
  write: (bytes) => stream.write(bytes),
  onData: (receive) => void stream.on("data", receive),
  onDrain: (drained) => void stream.on("drain", drained),
  onEnd: (ended) => {
    stream.on("error", ended)
    stream.on("close", () => ended(new Error("the connection has ended")))
  },
  close: async () => {
    if (stream.destroyed) return
    const closed = once(stream, "close")
    stream.end()
    await closed
  }
})

const open = async (bootstrap: ReadonlyArray<{ readonly host: string; readonly port: number }>): Promise<HyperDHT> => {
  const node = new HyperDHT({ host, bootstrap, ephemeral: bootstrap.length > 0, firewalled: false })
  await node.fullyBootstrapped()
  return node
}

/** The node that listens is also the only one that is asked where it is: nothing but the handshake is left of a dial. */
const placeOf = (address: string) => {
  const [place = "", key = ""] = address.split("#")
  const [host = "", port] = place.split(":")
  return { contact: { host, port: Number(port) }, key: Buffer.from(key, "hex") }
}

const connect = async (node: HyperDHT, address: string, closed?: () => Promise<void>): Promise<Link> => {
  const { contact, key } = placeOf(address)
  const stream = node.connect(key, { relayAddresses: [contact] })
  await once(stream, "open")
  return linkOver(streamOf(stream), closed)
}

export const contender: Contender = {
  name: "hyperdht",
  about:
    "hyperdht 6.34.0 (UDX and Noise), length-prefixed messages on its one ordered stream, small ones joined; confirmed by the receiving application's count, once for each chunk that it read; a question is no stream of its own",
  carrier: "udp",
  listen: async () => {
    const counter = new Counter()
    const node = await open([])
    const server = node.createServer()
    server.on("connection", (stream) => {
      stream.on("error", () => {})
      stream.on("end", () => stream.end())
      serve(streamOf(stream), counter)
    })
    await server.listen()
    const key = Buffer.from(server.publicKey).toString("hex")
    return {
      address: `${host}:${node.address().port}#${key}`,
      counts: counter.counts,
      close: () => node.destroy({ force: true })
    }
  },
  dial: async (address) => {
    const node = await open([placeOf(address).contact])
    return connect(node, address, () => node.destroy({ force: true }))
  },
  dialler: async () => {
    let node: HyperDHT | undefined
    return {
      connect: async (address) => connect((node ??= await open([placeOf(address).contact])), address),
      close: async () => node?.destroy({ force: true })
    }
  }
}
