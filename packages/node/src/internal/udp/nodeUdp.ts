/**
 * A UDP socket over `node:dgram`. It reports every datagram that is not sent, and shares its port with no other process.
 *
 * It has no fibers and no queue: the driver takes a datagram in the callback that delivers it.
 */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import * as dgram from "node:dgram"
import type { BindError } from "@qp2p/core/EndpointError"
import * as socketErrors from "./socketErrors.ts"
import * as tunables from "../tunables/udp.ts"
import type { Batch, IncomingDatagram, QueuedDatagram, UdpEvents, UdpSocket } from "./udpSocket.ts"
import { Zones } from "./zones.ts"

/** Opens a socket. When the scope has closed, everything that was handed over is out, and the port is free. */
export const open = (
  address: NetAddress.InetAddress,
  /** In the words of `process.platform`. */
  platform = process.platform
): Effect.Effect<UdpSocket, BindError, Scope.Scope> =>
  Effect.acquireRelease(bind(address, platform), (socket) => socket.close)

const bind = (address: NetAddress.InetAddress, platform: NodeJS.Platform): Effect.Effect<NodeUdp, BindError> =>
  Effect.callback((resume) => {
    const zones = new Zones(undefined, platform)
    let socket: dgram.Socket | undefined
    const fail = (cause: unknown) => {
      // The socket may not exist, or may have closed by itself.
      try {
        socket?.close()
      } catch {}
      resume(Effect.fail(socketErrors.openError(address, socketErrors.openFailureOf(cause, platform), cause)))
    }
    try {
      socket = dgram.createSocket({
        type: NetAddress.isInetAddressV6(address) ? "udp6" : "udp4",
        // One address family a socket: an IPv4 peer on a dual-stack socket would have two addresses.
        ipv6Only: NetAddress.isInetAddressV6(address),
        lookup: literally as never
      })
      const opened = socket
      opened.once("error", fail)
      // Without a listener, Node ends the process on an error.
      opened.on("error", () => {})
      // Without `exclusive`, workers of `node:cluster` share the port, and each packet goes to any of them.
      opened.bind({ address: zones.hostOf(address), port: address.port, exclusive: true }, () => {
        opened.off("error", fail)
        granted(tunables.kernelBuffer, (size) => opened.setRecvBufferSize(size))
        granted(tunables.kernelBuffer, (size) => opened.setSendBufferSize(size))
        resume(Effect.succeed(new NodeUdp(opened, zones, platform === "win32" ? 1 : tunables.maxReadErrors)))
      })
    } catch (cause) {
      fail(cause)
    }
  })

/** A look-up for hosts that are IP literals: it answers at once, without a turn of the event loop. */
const literally = (
  host: string,
  family: number,
  callback: (error: Error | null, address: string, family: number) => void
): void => callback(null, host, family)

/** Sets the size of a buffer. Some systems grant less than is asked for, others refuse sizes that are too large. */
const granted = (size: number, set: (size: number) => void): void => {
  for (let wanted = size; wanted >= tunables.minKernelBuffer; wanted /= 2) {
    try {
      return set(wanted)
    } catch {}
  }
}

/** One record for all datagrams, valid during the callback only. */
class Arrival implements IncomingDatagram {
  payload!: Uint8Array
  host!: string
  port!: number

  get address(): NetAddress.InetAddress {
    return NetAddress.inetAddressFromNativeUnsafe(this.host, this.port)
  }
}

class NodeUdp implements UdpSocket {
  readonly address: NetAddress.InetAddress
  private readonly socket: dgram.Socket
  private readonly zones: Zones
  private readonly maxReadErrors: number
  private readonly arrival = new Arrival()
  private events: UdpEvents | undefined = undefined
  private batches = 0
  private readErrors = 0
  private onDrained: (() => void) | undefined = undefined
  /** The last target: a batch has many datagrams to the same address. */
  private lastAddress: NetAddress.InetAddress | undefined = undefined
  private lastHost = ""

  constructor(socket: dgram.Socket, zones: Zones, maxReadErrors: number) {
    this.socket = socket
    this.zones = zones
    this.maxReadErrors = maxReadErrors
    const bound = socket.address()
    this.address = NetAddress.inetAddressFromNativeUnsafe(zones.plain(bound.address), bound.port)
    socket.on("error", this.onError)
  }

  listen(events: UdpEvents): void {
    this.events = events
    this.socket.on("message", this.onMessage)
    this.socket.on("close", this.onClose)
  }

  readonly send = (batch: Batch, done: () => void): void => {
    this.batches += 1
    let left = batch.length
    const complete = (datagram: QueuedDatagram, error: unknown) => {
      if (error !== null && error !== undefined) {
        this.events?.onRefused(datagram, socketErrors.codeOf(error) ?? "UNKNOWN")
      }
      left -= 1
      if (left > 0) return
      this.batches -= 1
      if (this.batches === 0) this.onDrained?.()
      done()
    }
    // Node calls back in the order of the calls. One function serves all datagrams but those that `send` threw for.
    let called = 0
    let untaken: Set<QueuedDatagram> | undefined
    const onSent = (error?: unknown) => {
      while (untaken?.has(batch[called]!) === true) called += 1
      complete(batch[called++]!, error)
    }
    const { socket } = this
    for (const datagram of batch) {
      const { address, payload } = datagram
      try {
        socket.send(payload, address.port, this.hostOf(address), onSent)
      } catch (error) {
        untaken ??= new Set()
        untaken.add(datagram)
        process.nextTick(complete, datagram, error)
      }
    }
  }

  /** Waits until everything that was handed over is out, and then until the port is free. */
  readonly close: Effect.Effect<void> = Effect.callback((resume) => {
    const free = () => {
      this.onDrained = undefined
      this.events = undefined
      try {
        this.socket.off("close", this.onClose).close(() => resume(Effect.void))
      } catch {
        // The socket has closed by itself.
        resume(Effect.void)
      }
    }
    if (this.batches === 0) free()
    else this.onDrained = free
  })

  private hostOf(address: NetAddress.InetAddress): string {
    if (address !== this.lastAddress) {
      this.lastHost = this.zones.hostOf(address)
      this.lastAddress = address
    }
    return this.lastHost
  }

  private readonly onMessage = (payload: Uint8Array, from: dgram.RemoteInfo): void => {
    const { arrival } = this
    this.readErrors = 0
    arrival.payload = payload
    arrival.host = this.zones.plain(from.address)
    arrival.port = from.port
    this.events?.onDatagram(arrival)
  }

  /**
   * A datagram could not be received. The next one may be, but a stream of errors would keep the process busy. On Windows libuv
   * stops receiving for good at the first error; it swallows errors that report an earlier packet.
   */
  private readonly onError = (cause: unknown): void => {
    this.readErrors += 1
    if (this.readErrors >= this.maxReadErrors) this.fail(cause)
  }

  private readonly onClose = (): void => this.fail(new Error("the socket was closed"))

  private fail(cause: unknown): void {
    const { events } = this
    this.events = undefined
    events?.onFailed(cause)
    try {
      this.socket.off("close", this.onClose).close()
    } catch {}
  }
}
