/**
 * UDP sockets that share their port with no other process. Workers of `node:cluster` share ports by default, even ports
 * that the system chooses, and each answer reaches an arbitrary worker.
 */
import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import * as dgram from "node:dgram"

/** The addresses of a UDP socket and the size of its receive queue, in datagrams. */
export interface Options {
  readonly local: NetAddress.Ipv4Address
  /** The only address that the socket sends to and receives from. */
  readonly peer: NetAddress.InetAddressV4
  readonly receiveQueue: number
  readonly onError?: ((error: DatagramSocket.DatagramSocketError) => void) | undefined
}

/** Opens a socket connected to `peer`. Its local address is that of the route to `peer`. */
export const connect = ({
  local,
  onError,
  peer,
  receiveQueue
}: Options): Effect.Effect<DatagramSocket.DatagramSocket> =>
  NodeDatagramSocket.fromSocket(open(local, peer), { receiveBuffer: { capacity: receiveQueue }, onError })

/** Makes `socket.bind` exclusive, for a socket that other code binds. */
export const enforce = (socket: dgram.Socket): void => {
  const bind = socket.bind.bind(socket)
  socket.bind = ((port: number, address: string) => bind({ address, port, exclusive: true })) as typeof socket.bind
}

const open = (
  local: NetAddress.Ipv4Address,
  peer: NetAddress.InetAddressV4
): Effect.Effect<dgram.Socket, DatagramSocket.DatagramSocketError> =>
  Effect.callback((resume) => {
    const socket = dgram.createSocket({ type: "udp4", lookup: literally as never })
    const fail = (cause: unknown) => {
      // Without a listener, a second error event would end the process.
      socket.on("error", () => {})
      try {
        socket.close()
      } catch {}
      const reason = new DatagramSocket.DatagramSocketOpenError({ kind: "Unknown", cause })
      resume(Effect.fail(new DatagramSocket.DatagramSocketError({ reason })))
    }
    socket.once("error", fail)
    try {
      socket.bind({ address: NetAddress.formatIp(local), port: 0, exclusive: true }, () =>
        // Node passes an error to this callback when connecting fails, although its types do not say so.
        socket.connect(peer.port, NetAddress.formatIp(peer.address), (error?: unknown) => {
          socket.off("error", fail)
          if (error === undefined) resume(Effect.succeed(socket))
          else fail(error)
        })
      )
    } catch (cause) {
      fail(cause)
    }
  })

const literally = (
  host: string,
  family: number,
  callback: (error: Error | null, address: string, family: number) => void
): void => callback(null, host, family)
