/**
 * A UDP socket of Node's, that tells what became of every datagram, and shares its port with nobody.
 *
 * Nothing here runs in a fiber, and nothing is queued: a datagram is taken in where Node hands it over.
 */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import * as dgram from "node:dgram"
import type { BindError } from "@qp2p/core/EndpointError"
import * as socketErrors from "./socketErrors.ts"
import * as tunables from "../tunables.ts"
import type { Batch, IncomingDatagram, QueuedDatagram, UdpEvents, UdpSocket } from "./udpSocket.ts"
import { Zones } from "./zones.ts"

/** The port is free again when the scope has closed, and everything that was handed over is out. */
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
      // It may not have come to be, or have closed itself.
      try {
        socket?.close()
      } catch {}
      resume(Effect.fail(socketErrors.openError(address, socketErrors.openFailureOf(cause, platform), cause)))
    }
    try {
      socket = dgram.createSocket({
        type: NetAddress.isInetAddressV6(address) ? "udp6" : "udp4",
        // One family a socket: an IPv4 peer on a dual-stack socket would have two addresses.
        ipv6Only: NetAddress.isInetAddressV6(address),
        lookup: literally as never
      })
      const opened = socket
      opened.once("error", fail)
      // Without a listener Node ends the process.
      opened.on("error", () => {})
      // Workers of `node:cluster` would all get the same port, and each packet one of them.
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

/** Hosts are literals: there is nothing to look up, in no turn of its own. */
const literally = (
  host: string,
  family: number,
  callback: (error: Error | null, address: string, family: number) => void
): void => callback(null, host, family)

/** Some systems grant less than is asked for, others refuse to grant too much. */
const granted = (size: number, set: (size: number) => void): void => {
  for (let wanted = size; wanted >= tunables.leastKernelBuffer; wanted /= 2) {
    try {
      return set(wanted)
    } catch {}
  }
}

/** One record for all datagrams: it is lent for a call. */
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
  /** The last target, since a batch has many datagrams to one. */
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
    const settle = (datagram: QueuedDatagram, error: unknown) => {
      if (error !== null && error !== undefined) {
        this.events?.onRefused(datagram, socketErrors.codeOf(error) ?? "UNKNOWN")
      }
      left -= 1
      if (left > 0) return
      this.batches -= 1
      if (this.batches === 0) this.onDrained?.()
      done()
    }
    // Node answers in the order of the calls, so one function serves all of them but those that it did not take.
    let answered = 0
    let untaken: Set<QueuedDatagram> | undefined
    const onSent = (error?: unknown) => {
      while (untaken?.has(batch[answered]!) === true) answered += 1
      settle(batch[answered++]!, error)
    }
    const { socket } = this
    for (const datagram of batch) {
      const { address, payload } = datagram
      try {
        socket.send(payload, address.port, this.hostOf(address), onSent)
      } catch (error) {
        untaken ??= new Set()
        untaken.add(datagram)
        process.nextTick(settle, datagram, error)
      }
    }
  }

  /** Waits for what was handed over, and then for the port to be free. */
  readonly close: Effect.Effect<void> = Effect.callback((resume) => {
    const free = () => {
      this.onDrained = undefined
      this.events = undefined
      try {
        this.socket.off("close", this.onClose).close(() => resume(Effect.void))
      } catch {
        // It has closed by itself.
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
   * A datagram could not be received. The next one may be; but one error after the other would keep the process busy. On
   * Windows libuv stops receiving at the first one, for good; it swallows those that tell of an earlier packet.
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
