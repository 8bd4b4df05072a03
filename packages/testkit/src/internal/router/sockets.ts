/** The router's sockets, on the loopback interface: no other host sees them. */
// A fake router is a real server, so that clients reach it through the kernel.
// @effect-diagnostics nodeBuiltinImport:off
import { BindError } from "@qp2p/core/EndpointError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import * as dgram from "node:dgram"
import * as net from "node:net"

const host = "127.0.0.1"

const at = (port: number) => NetAddress.inetAddressUnsafe(NetAddress.ipv4Loopback, port)

const cannotListen = (cause: Error) => new BindError({ address: at(0), detail: cause.message, cause })

/** A bound UDP socket of the fake router, on loopback. */
export interface Udp {
  readonly address: NetAddress.InetAddress
  readonly send: (payload: Uint8Array, port: number) => void
  /** Closes the socket. */
  readonly stop: () => void
}

/** A received UDP datagram and the address of its sender. */
export interface Packet {
  readonly payload: Uint8Array
  readonly host: string
  readonly port: number
}

/** Binds a UDP socket on loopback, until the scope closes. */
export const udp = (onPacket: (packet: Packet) => void): Effect.Effect<Udp, BindError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<OpenUdp, BindError>((resume) => {
        const socket = dgram.createSocket("udp4")
        socket.once("error", (cause) => resume(Effect.fail(cannotListen(cause))))
        socket.bind(0, host, () => resume(Effect.succeed(opened(socket, onPacket))))
      }),
      ({ closed, udp }) => Effect.andThen(Effect.sync(udp.stop), Deferred.await(closed))
    ),
    ({ udp }) => udp
  )

interface OpenUdp {
  readonly udp: Udp
  readonly closed: Deferred.Deferred<void>
}

const opened = (socket: dgram.Socket, onPacket: (packet: Packet) => void): OpenUdp => {
  const closed = Deferred.makeUnsafe<void>()
  let open = true
  socket.once("close", () => Deferred.doneUnsafe(closed, Effect.void))
  // The network reports packets to closed sockets here.
  socket.on("error", () => {})
  socket.on("message", (payload, from) => onPacket({ payload, host: from.address, port: from.port }))
  const udp: Udp = {
    address: at(socket.address().port),
    send: (payload, port) => {
      if (open) socket.send(payload, port, host, () => {})
    },
    stop: () => {
      if (open) socket.close()
      open = false
    }
  }
  return { udp, closed }
}

/** A TCP connection, as `http.ts` uses it. */
export interface Connection {
  readonly host: string
  readonly isOpen: () => boolean
  readonly onData: (take: (chunk: Uint8Array) => void) => void
  readonly write: (bytes: Uint8Array) => void
  /** Writes `chunk` repeatedly, as fast as the other side reads. */
  readonly writeForEver: (chunk: Uint8Array) => void
  /** Closes the connection after all bytes were written. */
  readonly end: () => void
  readonly reset: () => void
}

/** A TCP server of the fake router, on loopback, and how many connections it has open. */
export interface Tcp {
  readonly address: NetAddress.InetAddress
  readonly connections: () => number
}

/** Starts a TCP server on loopback, until the scope closes. */
export const tcp = (
  onConnection: (connection: Connection) => void,
  onClosed: () => void
): Effect.Effect<Tcp, BindError, Scope.Scope> => {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => {
      sockets.delete(socket)
      onClosed()
    })
    onConnection(connectionOf(socket))
  })
  return Effect.acquireRelease(
    Effect.callback<Tcp, BindError>((resume) => {
      server.once("error", (cause) => resume(Effect.fail(cannotListen(cause))))
      server.listen(0, host, () => {
        const bound = server.address()
        const port = bound === null || typeof bound === "string" ? 0 : bound.port
        resume(Effect.succeed({ address: at(port), connections: () => sockets.size }))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
}

const connectionOf = (socket: net.Socket): Connection => {
  // Unread bytes would hide that the other side has closed.
  socket.resume()
  socket.setNoDelay(true)
  const isOpen = () => socket.writable
  return {
    host: socket.remoteAddress ?? host,
    isOpen,
    onData: (take) => void socket.on("data", take),
    write: (bytes) => {
      if (isOpen()) socket.write(bytes)
    },
    writeForEver: (chunk) => {
      const more = () => {
        if (isOpen() && socket.write(chunk)) setImmediate(more)
      }
      socket.on("drain", more)
      more()
    },
    end: () => void socket.end(),
    reset: () => afterTurns(turnsToRead, () => void socket.resetAndDestroy())
  }
}

/**
 * Node takes bytes that arrive together with a reset for bytes and a regular end. A client in this process has read the
 * bytes after a few turns of the event loop.
 */
const turnsToRead = 5

const afterTurns = (turns: number, then: () => void): void => {
  if (turns === 0) then()
  else setImmediate(() => afterTurns(turns - 1, then))
}
