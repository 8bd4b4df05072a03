import { createServer, connect, type Socket } from "node:net"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import type { Contender, Link } from "../contender.ts"
import { Counter } from "./counting.ts"
import { type ByteStream, linkOver, serve } from "./orderedStream.ts"

const streamOf = (socket: Socket): ByteStream => {
  socket.setNoDelay(true)
  return {
    write: (bytes) => socket.write(bytes),
    writeAll: (parts) => {
      socket.cork()
      let room = true
      for (const part of parts) room = socket.write(part)
      socket.uncork()
      return room
    },
    onData: (receive) => void socket.on("data", receive),
    onDrain: (drained) => void socket.on("drain", drained),
    onEnd: (ended) => {
      socket.on("error", ended)
      socket.on("close", () => ended(new Error("the connection has ended")))
    },
    close: async () => {
      if (socket.closed) return
      const closed = once(socket, "close")
      socket.end()
      socket.resume()
      await closed
    }
  }
}

const dial = async (address: string): Promise<Link> => {
  const [host, port] = address.split(":")
  const socket = connect(Number(port), host)
  await once(socket, "connect")
  return linkOver(streamOf(socket))
}

/** Node's TCP: no encryption, one ordered stream. What the others would cost if they did nothing else. */
export const contender: Contender = {
  name: "tcp",
  about:
    "node:net, without encryption, length-prefixed messages on one stream; confirmed by the receiving application's count, once for each chunk that it read",
  carrier: "tcp",
  listen: async () => {
    const counter = new Counter()
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
      socket.on("error", () => {})
      serve(streamOf(socket), counter)
    })
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 })
    await once(server, "listening")
    return {
      address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      counts: counter.counts,
      close: async () => {
        const closed = once(server, "close")
        server.close()
        for (const socket of sockets) socket.destroy()
        await closed
      }
    }
  },
  dial,
  dialler: async () => ({ connect: dial, close: async () => {} })
}
