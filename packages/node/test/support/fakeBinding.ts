/**
 * A socket of the driver on a fake native binding, for what no real one can be brought to do.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type { NativeConfig, Quiche } from "../../src/internal/binding/native.ts"
import { Outbox } from "../../src/internal/path/outbox.ts"
import { Socket } from "../../src/internal/socket/socket.ts"
import type { QueuedDatagram } from "../../src/internal/udp/udpSocket.ts"
import type { Identity } from "@qp2p/core/Identity"
import { fromPublicKey, type PeerId } from "@qp2p/core/PeerId"
import type { BindOptions, DialEvents, SocketEvents } from "@qp2p/core/Transport"
import * as Redacted from "effect/Redacted"
import { certificateOf, publicKeyOf } from "./certificates.ts"
import { address, type Dial, Peer } from "./quicSockets.ts"
import { type ResetTokens, resetTokens } from "../../src/internal/packets/resetToken.ts"
import { connectionIdLength } from "../../src/internal/packets/connectionId.ts"
import { minDatagramSize } from "../../src/internal/packets/datagramSize.ts"

/** One connection of the binding: quiet, until a test says that something has happened. */
export class Native {
  established = false
  /** The stateless reset token of an accepted connection's first id, and those of the ids that were issued. */
  token: bigint | null = null
  readonly issuedTokens: Array<bigint> = []
  /** The id of the peer's that packets go to. */
  destination: Uint8Array = new Uint8Array(8)
  /** How many ids were issued with which the peer is to retire another one. */
  retirements = 0
  /** Packets that the peer did send, and their bytes; what a test hands to `receive` counts only when it says so. */
  received = 0
  receivedBytes = 0
  /** Packets that are ready to be sent. */
  readonly outgoing: Array<Uint8Array> = []
  sent = 0
  /** Packets with acknowledgements: nothing of the kind leaves after `close`. */
  readonly acknowledgements: Array<Uint8Array> = []
  /** Bytes that have come on streams, by id. */
  readonly streams = new Map<number, number>()
  readonly closes: Array<readonly [application: boolean, code: number, reason: string]> = []
  over = false
  /** What `isClosed` says: the binding has found a stateless reset. */
  closed = false
  pings = 0
  /** Whether a PING makes a packet: 40 bytes, of which the last four are its number. */
  makesPings = false
  pingDue = false
  /** Packets that were handed to it. */
  taken = 0
  expired = 0
  /** Thrown by `send`, `isReadable`, `close` and `stats`, as long as they are there. */
  sendError: Error | undefined = undefined
  readError: Error | undefined = undefined
  closeError: Error | undefined = undefined
  statsError: Error | undefined = undefined
  authenticates = false
  paths: Array<{ readonly rtt: number }> = []
  /** In how many milliseconds the binding's timers are due, one after the other. */
  readonly timers: Array<number> = []
  /** How many connection ids the peer stores, those that it was issued, and those that it has retired since last asked. */
  peerIdLimit = 2
  readonly issued: Array<Uint8Array> = []
  readonly retired: Array<Uint8Array> = []
  /** Thrown by `newSourceCid`, as long as it is there. */
  issueError: Error | undefined = undefined
  /** What the peer shows. */
  certificates: Array<Uint8Array> | null = [certificateOf(publicKeyOf(1))]
  /** Streams that were written to their ends. */
  readonly finished: Array<number> = []

  recv(): void {
    this.taken += 1
    // One that it has authenticated, if a test says so.
    if (this.authenticates) this.received += 1
  }

  send(buffer: Uint8Array): [number, unknown] | null {
    if (this.sendError !== undefined) throw this.sendError
    const packet = this.outgoing.shift() ?? this.acknowledgements.shift() ?? this.ping()
    if (packet === undefined) return null
    this.sent += 1
    buffer.set(packet)
    return [packet.length, undefined]
  }

  private ping(): Uint8Array | undefined {
    if (!this.pingDue) return undefined
    this.pingDue = false
    const packet = Buffer.alloc(40)
    packet[0] = 0x40
    packet.writeUInt32BE(this.sent, 36)
    return packet
  }

  close(application: boolean, code: number, reason: Uint8Array): void {
    if (this.closeError !== undefined) throw this.closeError
    this.closes.push([application, code, new TextDecoder().decode(reason)])
    this.acknowledgements.length = 0
    this.outgoing.push(Uint8Array.of(0xcc))
    this.over = true
  }

  isReadable(): boolean {
    if (this.readError !== undefined) throw this.readError
    return this.streams.size > 0
  }

  readable(): Array<number> {
    return [...this.streams.keys()]
  }

  streamReadable(id: number): boolean {
    return this.streams.has(id)
  }

  streamRecv(id: number, room: Uint8Array): [number, boolean] | null {
    const bytes = this.streams.get(id)
    if (bytes === undefined) return null
    this.streams.delete(id)
    return [Math.min(bytes, room.length), false]
  }

  stats() {
    if (this.statsError !== undefined) throw this.statsError
    return {
      sent: this.sent,
      recv: this.received,
      recvBytes: this.receivedBytes,
      peerMaxIdleTimeout: 0,
      peerActiveConnIdLimit: this.peerIdLimit
    }
  }

  newSourceCid(id: Uint8Array, token: bigint, retiresOldest: boolean): number {
    if (this.issueError !== undefined) throw this.issueError
    this.issuedTokens.push(token)
    if (retiresOldest) this.retirements += 1
    return this.issued.push(id)
  }

  retiredScidNext(): Uint8Array | null {
    return this.retired.shift() ?? null
  }

  pathStats() {
    return this.paths.map((path) => ({ recv: this.received, ...path }))
  }

  sendAckEliciting(): void {
    this.pings += 1
    this.pingDue = this.makesPings
  }

  onTimeout(): void {
    this.expired += 1
    this.timers.shift()
  }

  timeout(): number | null {
    return this.timers[0] ?? null
  }

  peerStreamsLeftBidi(): number {
    return 100
  }

  peerStreamsLeftUni(): number {
    return 100
  }

  streamSend(id: number, bytes: Uint8Array, fin: boolean): number {
    if (fin) this.finished.push(id)
    return bytes.length
  }

  streamWritable(): boolean {
    return true
  }

  streamFinished(): boolean {
    return false
  }

  streamPriority(): void {}

  isEstablished(): boolean {
    return this.established
  }

  peerCertChain(): Array<Uint8Array> | null {
    return this.certificates
  }

  isClosed(): boolean {
    return this.closed
  }

  isDraining(): boolean {
    return this.over
  }

  isTimedOut(): boolean {
    return false
  }

  peerError(): null {
    return null
  }

  localError(): null {
    return null
  }

  destinationId(): Uint8Array {
    return this.destination
  }

  sourceId(): Uint8Array {
    return new Uint8Array(connectionIdLength)
  }
}

/** The stateless reset tokens of the socket at a port. */
export const fakeTokens = (port: number): ResetTokens => resetTokens(Redacted.make(new Uint8Array(32)), port)

/** The peer behind every native connection, unless a test says otherwise. */
export const peerId = fromPublicKey(publicKeyOf(1))

const identity: Identity = {
  peerId: fromPublicKey(publicKeyOf(2)),
  secretKey: Redacted.make(new Uint8Array(32)),
  sign: () => Effect.die("the sockets of these tests sign nothing")
}

export interface Setup extends Partial<BindOptions> {
  readonly onHandshake?: SocketEvents["onHandshake"]
  /** Told of each peer that has dialled. */
  readonly onPeer?: (peer: Peer) => void
  /** Bytes of the largest packets; the smallest are all there are by default. */
  readonly maxPayload?: number
  /** Whether the binding makes Retry packets. By default it fails to, and the first packets that would get one are dropped. */
  readonly makesRetries?: boolean
}

/** A socket at 127.0.0.1:1, or another address. */
export const bind = (setup: Setup = {}) => {
  const local = setup.localAddress ?? address("127.0.0.1:1")
  const { makesRetries = false, maxPayload = minDatagramSize, onHandshake, onPeer, ...overrides } = setup
  const retries: Array<{ readonly newScid: Uint8Array; readonly token: Uint8Array }> = []
  const natives: Array<Native> = []
  const ids: Array<Uint8Array> = []
  const sent: Array<Uint8Array> = []
  const datagrams: Array<QueuedDatagram> = []
  const defects: Array<unknown> = []
  /** Connections that were closed for what waited on them. */
  const overloads: Array<readonly [peer: string, unread: number]> = []
  const warnings: Array<string> = []
  const accepted: Array<Peer> = []
  const evicted: Array<string> = []
  /** Effect's clock, in milliseconds. */
  const clock = { now: 0 }
  let acceptError: Error | undefined
  let taken = true
  let tokenOfNext: bigint | null = null
  const make = (scid: Uint8Array) => {
    const native = new Native()
    natives.push(native)
    ids.push(scid)
    return native
  }
  const outbox = new Outbox((batch, done) => {
    // What is lent may be written over as soon as it is taken.
    for (const datagram of batch) {
      datagrams.push(datagram)
      sent.push(datagram.payload.slice())
    }
    if (taken) done()
  })
  const socket = new Socket({
    quiche: {
      retry: (_scid: Uint8Array, _dcid: Uint8Array, newScid: Uint8Array, token: Uint8Array) => {
        if (!makesRetries) throw new Error("BufferTooShort")
        retries.push({ newScid, token })
        return 100
      },
      Connection: {
        connect: (_name: string, scid: Uint8Array) => make(scid),
        accept: (scid: Uint8Array) => {
          if (acceptError !== undefined) throw acceptError
          const native = make(scid)
          native.token = tokenOfNext
          return native
        }
      }
    } as unknown as Quiche,
    configOf: () =>
      ({ setStatelessResetToken: (token: bigint | null) => (tokenOfNext = token) }) as unknown as NativeConfig,
    resetTokens: fakeTokens(local.port),
    maxPayload: () => maxPayload,
    address: local,
    bind: {
      localAddress: local,
      identity,
      accept: true,
      idleTimeout: Duration.seconds(60),
      keepAliveInterval: Duration.seconds(20),
      handshakeTimeout: Duration.seconds(10),
      stallTimeout: Duration.seconds(60),
      maxConnections: 100,
      maxConnectionsPerIp: 100,
      maxSendRate: 2 ** 30,
      unreadBuffer: 2 ** 30,
      ...overrides
    },
    idleTimeout: 60_000,
    events: {
      onHandshake,
      onConnection: (connection) => {
        const peer = new Peer(connection)
        accepted.push(peer)
        onPeer?.(peer)
        return peer
      }
    },
    outbox,
    onDefect: (defect) => defects.push(defect),
    onOverload: (peer, unread) => overloads.push([NetAddress.formatInet(peer), unread]),
    onEvicted: (peer) => evicted.push(NetAddress.formatInet(peer)),
    onWarning: (text) => warnings.push(text),
    now: () => clock.now
  })
  const receive = (payload: Uint8Array, port = 2) => socket.receive({ payload, address: address(`127.0.0.1:${port}`) })
  /** As Node does it: hosts may have zones with the names of interfaces, of which "eth0" is number 2. */
  const receiveFrom = (payload: Uint8Array, host: string, port: number) =>
    socket.receive({
      payload,
      host,
      port,
      get address() {
        return NetAddress.inetAddressFromNativeUnsafe(host, port, new Map([["eth0", 2]]))
      }
    })
  const dial = (to = "127.0.0.1:2", expected?: PeerId): Dial => {
    const connected: Array<Peer> = []
    const failed: Dial["failed"] = []
    const events: DialEvents = {
      onConnected: (connection) => {
        const peer = new Peer(connection)
        connected.push(peer)
        return peer
      },
      onFailed: (error) => failed.push(error)
    }
    const cancel = socket.dial(address(to), events, expected)
    return { connected, failed, cancel }
  }
  return {
    socket,
    dial,
    receive,
    receiveFrom,
    /** What the binding was asked for, in order: its connections, and the ids that the driver gave them. */
    natives,
    ids,
    /** The ids and tokens of the Retry packets that it has made. */
    retries,
    sent,
    /** The same as it was handed to the kernel. */
    datagrams,
    defects,
    overloads,
    evicted,
    clock,
    warnings,
    accepted,
    failAccept: (error: Error) => {
      acceptError = error
    },
    /** The kernel takes no datagrams from now on. */
    stopTaking: () => {
      taken = false
    }
  }
}

/** The turns of the loop that have been asked for, and those that they ask for. */
export const turns = Effect.forEach(
  Array.from({ length: 3 }),
  () => Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void))),
  { discard: true }
)

/** A packet with a short header for the connection with this id. */
export const shortHeader = (id: Uint8Array, length = 100): Uint8Array => {
  const packet = new Uint8Array(Math.max(length, 1 + id.length))
  packet[0] = 0x40
  packet.set(id, 1)
  return packet
}

/** The numbers of the PINGs that have left for an address. */
export const pingsTo = (datagrams: ReadonlyArray<QueuedDatagram>, to: string): ReadonlyArray<number> =>
  datagrams
    .filter(({ address, payload }) => NetAddress.formatInet(address) === to && payload.length === 40)
    .map(({ payload }) => Buffer.from(payload).readUInt32BE(36))

/** A packet for the connection with this id that acknowledges packets by their numbers, as the binding leaves it. */
export const acknowledging = (id: Uint8Array, number: number, numbers: ReadonlyArray<number>): Uint8Array => {
  const frames = numbers.flatMap((each) => [0x02, 0x80, (each >> 16) & 0xff, (each >> 8) & 0xff, each & 0xff, 0, 0, 0])
  return Uint8Array.from([0x40, ...id, number, ...frames, ...new Uint8Array(16).fill(5)])
}

/** A client's first packet, without the parts that are encrypted. */
export const initial = (
  dcid: Uint8Array = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  token: Uint8Array = new Uint8Array(0)
): Uint8Array => {
  const packet = new Uint8Array(minDatagramSize)
  const length = token.length === 0 ? [0] : [0x40 | (token.length >> 8), token.length & 0xff]
  packet.set([0xc0, 0, 0, 0, 1, dcid.length, ...dcid, 1, 9, ...length, ...token])
  return packet
}

/** A server's answer to the client with this id that it speaks `version` only. */
export const negotiation = (id: Uint8Array, version: number): Uint8Array =>
  Uint8Array.of(0x80, 0, 0, 0, 0, id.length, ...id, 1, 9, 0, 0, 0, version)
