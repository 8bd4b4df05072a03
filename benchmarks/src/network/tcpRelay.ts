import * as net from "node:net"
import type { Running } from "./relay.ts"
import type { Conditions, WayCounts } from "./way.ts"
import { Way } from "./way.ts"

/** A sender is held back while this much of its data is under way: far more than fits on any line that is tried here. */
const window = 32 << 20

const sum = (ways: ReadonlyArray<Way>): WayCounts =>
  ways.reduce<WayCounts>(
    (total, { counts }) => ({
      delivered: total.delivered + counts.delivered,
      bytes: total.bytes + counts.bytes,
      lost: total.lost + counts.lost,
      overflowed: total.overflowed + counts.overflowed
    }),
    { delivered: 0, bytes: 0, lost: 0, overflowed: 0 }
  )

/** Carries what `from` says to `to`, its end included. Nothing leaves before `notBefore`. */
const carry = (from: net.Socket, to: net.Socket, way: Way, notBefore: number): void => {
  const check = () => {
    if (way.waiting < window && from.isPaused()) from.resume()
  }
  from.on("data", (data) => {
    way.send(
      data,
      (data) => {
        to.write(data)
        check()
      },
      notBefore
    )
    if (way.waiting >= window) from.pause()
  })
  from.on("end", () => way.send(new Uint8Array(), () => to.end(), notBefore))
}

/**
 * Passes TCP connections on to `target`. Both halves end here, so the ends' congestion control sees only loopback and
 * nothing can be lost: what remains of the network is its latency, its rate, and the round trip in which a connection is made.
 */
export const openTcpRelay = async (target: number, conditions: Conditions): Promise<Running> => {
  const there: Array<Way> = []
  const back: Array<Way> = []
  const sockets = new Set<net.Socket>()
  const lossless = { ...conditions, loss: 0 }

  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = net.connect({ port: target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true })
    const ways = [new Way(lossless, 0, Infinity), new Way(lossless, 0, Infinity)] as const
    there.push(ways[0])
    back.push(ways[1])
    // Over a real line the dialler speaks one round trip after it began.
    const connected = performance.now() + 2 * conditions.latency
    carry(near, far, ways[0], connected)
    carry(far, near, ways[1], connected)
    for (const [socket, other] of [
      [near, far],
      [far, near]
    ] as const) {
      sockets.add(socket)
      // An error is followed by "close", which takes the other half along.
      socket.on("error", () => undefined)
      socket.on("close", (failed) => {
        sockets.delete(socket)
        if (failed) other.destroy()
      })
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve)
  })

  return {
    port: (server.address() as net.AddressInfo).port,
    counts: () => ({ there: sum(there), back: sum(back), dropped: 0 }),
    close: () => {
      server.close()
      for (const way of [...there, ...back]) way.close()
      for (const socket of sockets) socket.destroy()
    }
  }
}
