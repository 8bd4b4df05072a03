/**
 * A UDP socket and the connections on it, driven as the binding likes it best: take every packet of the turn, then let each
 * connection read and write, then send.
 */
import { randomBytes } from "node:crypto"
import * as dgram from "node:dgram"
import { native } from "@matrixai/quic"
import type { Counter } from "../counting.ts"
import { PlainConnection } from "./connection.ts"

const { quiche } = native
const host = "127.0.0.1"

/** Slots for packets that were given to the kernel go round; one is used again long after it was taken. */
const ring = Buffer.allocUnsafeSlow(4 << 20)
let slot = 0

const keepAliveInterval = 20_000

export class PlainSocket {
  readonly address: native.Host
  private readonly socket: dgram.Socket
  private readonly config: native.Config
  private readonly payload: number
  /** Counts for the connections that are accepted; without it none are. */
  private readonly counter: Counter | undefined
  private readonly byId = new Map<string, PlainConnection>()
  private readonly connections = new Set<PlainConnection>()
  private touched: Array<PlainConnection> = []
  private scheduled = false
  private timer: NodeJS.Timeout | undefined = undefined
  private deadline = Infinity
  private closed = false
  private readonly keepAlive: NodeJS.Timeout

  static async open(config: native.Config, payload: number, counter?: Counter): Promise<PlainSocket> {
    const socket = dgram.createSocket({ type: "udp4", lookup: (name, _options, callback) => callback(null, name, 4) })
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject)
      socket.bind(0, host, resolve)
    })
    socket.setRecvBufferSize(4 << 20)
    socket.setSendBufferSize(4 << 20)
    return new PlainSocket(socket, config, payload, counter)
  }

  private constructor(socket: dgram.Socket, config: native.Config, payload: number, counter: Counter | undefined) {
    this.socket = socket
    this.config = config
    this.payload = payload
    this.counter = counter
    this.address = { host, port: socket.address().port }
    socket.on("message", this.onPacket)
    this.keepAlive = setInterval(this.pingAll, keepAliveInterval)
  }

  /** `endsWithSocket`: closing the connection closes the socket. */
  dial(peer: native.Host, endsWithSocket: boolean): Promise<PlainConnection> {
    return new Promise((resolve, reject) => {
      const id = randomBytes(20)
      const connecting = quiche.Connection.connect(null, id, this.address, peer, this.config)
      const connection = new PlainConnection(this, connecting, peer, undefined, endsWithSocket)
      this.keep(connection, id)
      connection.onEstablished = () => resolve(connection)
      connection.onGone = () => reject(new Error("the connection has ended"))
      this.touch(connection)
    })
  }

  touch(connection: PlainConnection): void {
    if (!connection.touched) {
      connection.touched = true
      this.touched.push(connection)
    }
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(this.turn)
  }

  /** Tells the peer, and forgets the connection at once. */
  end(connection: PlainConnection): void {
    if (!this.connections.has(connection)) return
    connection.native.close(true, 0, Buffer.alloc(0))
    this.flush(connection)
    this.forget(connection)
  }

  async close(): Promise<void> {
    for (const connection of this.connections) this.end(connection)
    this.closed = true
    clearTimeout(this.timer)
    clearInterval(this.keepAlive)
    await new Promise<void>((resolve) => this.socket.close(() => resolve()))
  }

  private keep(connection: PlainConnection, id: Buffer): void {
    this.connections.add(connection)
    const key = id.toString("latin1")
    connection.keys.push(key)
    this.byId.set(key, connection)
  }

  private forget(connection: PlainConnection): void {
    this.connections.delete(connection)
    for (const key of connection.keys) this.byId.delete(key)
    connection.onGone?.()
  }

  private readonly onPacket = (packet: Buffer, from: dgram.RemoteInfo): void => {
    const long = (packet[0]! & 0x80) !== 0
    const key = long ? packet.toString("latin1", 6, 6 + packet[5]!) : packet.toString("latin1", 1, 21)
    const connection = this.byId.get(key) ?? (long ? this.accept(packet, key, from) : undefined)
    if (connection === undefined) return
    try {
      connection.native.recv(packet, connection.pinned)
    } catch {
      // A packet that does not decrypt is dropped; what is fatal shows when the connection has closed.
    }
    connection.heard = true
    this.touch(connection)
  }

  private accept(packet: Buffer, key: string, from: dgram.RemoteInfo): PlainConnection | undefined {
    if (this.counter === undefined) return undefined
    if (packet.length < 1200 || (packet[0]! & 0xb0) !== 0x80 || packet.readUInt32BE(1) !== 1) return undefined
    const id = randomBytes(20)
    const peer = { host: from.address, port: from.port }
    const accepted = quiche.Connection.accept(id, null, this.address, peer, this.config)
    const connection = new PlainConnection(this, accepted, peer, this.counter, false)
    this.keep(connection, id)
    connection.keys.push(key)
    this.byId.set(key, connection)
    return connection
  }

  private readonly turn = (): void => {
    this.scheduled = false
    if (this.closed) return
    const { touched } = this
    this.touched = []
    for (const connection of touched) {
      connection.touched = false
      if (!this.connections.has(connection)) continue
      connection.turn()
      this.flush(connection)
      if (connection.native.isDraining() || connection.native.isClosed()) this.forget(connection)
      else this.arm(connection)
    }
  }

  private flush(connection: PlainConnection): void {
    const { payload, socket } = this
    const slots = Math.floor(ring.length / payload)
    for (;;) {
      const start = (slot % slots) * payload
      const sent = connection.native.send(ring.subarray(start, start + payload))
      if (sent === null) return
      slot = (slot + 1) % slots
      socket.send(ring, start, sent[0], connection.port, host)
    }
  }

  /** One timer for all, moved only when it would fire too late. */
  private arm(connection: PlainConnection): void {
    const timeout = connection.native.timeout()
    connection.deadline = timeout === null ? Infinity : performance.now() + timeout + 1
    if (connection.deadline >= this.deadline) return
    this.wake(connection.deadline)
  }

  private wake(at: number): void {
    clearTimeout(this.timer)
    this.deadline = at
    this.timer = setTimeout(this.expire, Math.max(1, at - performance.now()))
  }

  private readonly expire = (): void => {
    this.deadline = Infinity
    if (this.closed) return
    const now = performance.now()
    let next = Infinity
    for (const connection of this.connections) {
      if (connection.deadline <= now) {
        if (connection.native.timeout() === 0) connection.native.onTimeout()
        this.touch(connection)
      } else if (connection.deadline < next) next = connection.deadline
    }
    if (next < Infinity) this.wake(next)
  }

  private readonly pingAll = (): void => {
    for (const connection of this.connections) {
      if (connection.onEstablished !== undefined) continue
      connection.native.sendAckEliciting()
      this.touch(connection)
    }
  }
}
