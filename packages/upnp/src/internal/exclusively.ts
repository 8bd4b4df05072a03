/**
 * UDP sockets with a port of their own. Workers of `node:cluster` share one otherwise, also one that the system chooses, and
 * an answer goes to any of them.
 */
import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import * as dgram from "node:dgram"

export interface Options {
  readonly local: NetAddress.Ipv4Address
  /** The only one that the socket talks to. */
  readonly peer: NetAddress.InetAddressV4
  readonly receiveQueue: number
  readonly onError?: ((error: DatagramSocket.DatagramSocketError) => void) | undefined
}

/** A socket connected to `peer`: it has the address of the route there. */
export const connected = ({
  local,
  onError,
  peer,
  receiveQueue
}: Options): Effect.Effect<DatagramSocket.DatagramSocket> =>
  NodeDatagramSocket.fromSocket(open(local, peer), { receiveBuffer: { capacity: receiveQueue }, onError })

/** Has a socket bind so that is somebody else's to bind. */
export const binding = (socket: dgram.Socket): void => {
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
      // An error after this one would end the process.
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
        // Node hands the error to the listener when it is this call that fails, whatever its types say.
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
