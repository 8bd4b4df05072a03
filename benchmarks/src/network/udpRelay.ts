import * as dgram from "node:dgram"
import { readFileSync } from "node:fs"
import type { Running } from "./relay.ts"
import type { Conditions } from "./way.ts"
import { Way } from "./way.ts"

/** Asked of the kernel, which may grant less. What overflows it is in `counts`. */
const socketBuffer = 8 << 20

/** What a router of the size of this relay would keep for its lines. */
const capacity = 64 << 20

const bind = (): Promise<dgram.Socket> =>
  new Promise((resolve, reject) => {
    const socket = dgram.createSocket({ type: "udp4", recvBufferSize: socketBuffer, sendBufferSize: socketBuffer })
    socket.once("error", reject)
    socket.bind(0, "127.0.0.1", () => {
      // A peer that has gone is told by an error of the socket; its packets are lost, as on any network.
      socket.off("error", reject).on("error", () => undefined)
      resolve(socket)
    })
  })

/** Packets that the kernel dropped in front of these ports, because the relay was too slow; 0 where it does not say. */
const droppedByKernel = (ports: ReadonlySet<number>): number => {
  try {
    const lines = readFileSync("/proc/net/udp", "utf8").split("\n").slice(1)
    return lines.reduce((dropped, line) => {
      const fields = line.trim().split(/\s+/)
      const port = Number.parseInt(fields[1]?.split(":")[1] ?? "", 16)
      return ports.has(port) ? dropped + Number(fields[12]) : dropped
    }, 0)
  } catch {
    return 0
  }
}

/**
 * Passes packets between everyone who sends to it and `target`, as a gateway does: each sender is seen by the target
 * at a port of its own.
 */
export const openUdpRelay = async (target: number, conditions: Conditions, seed: number): Promise<Running> => {
  const front = await bind()
  const there = new Way(conditions, seed, capacity)
  const back = new Way(conditions, seed + 1, capacity)
  const behind = new Map<number, Promise<dgram.Socket>>()
  const sockets = [front]

  const open = async (port: number) => {
    const socket = await bind()
    sockets.push(socket)
    const deliver = (data: Uint8Array) => front.send(data, port, "127.0.0.1")
    socket.on("message", (data) => back.send(data, deliver))
    return socket
  }

  front.on("message", (data, sender) => {
    let socket = behind.get(sender.port)
    if (socket === undefined) behind.set(sender.port, (socket = open(sender.port)))
    void socket.then((socket) => there.send(data, (data) => socket.send(data, target, "127.0.0.1")))
  })

  return {
    port: front.address().port,
    counts: () => ({
      there: there.counts,
      back: back.counts,
      dropped: droppedByKernel(new Set(sockets.map((socket) => socket.address().port)))
    }),
    close: () => {
      there.close()
      back.close()
      for (const socket of sockets) socket.close()
    }
  }
}
