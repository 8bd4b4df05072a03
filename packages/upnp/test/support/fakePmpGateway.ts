/**
 * A gateway that speaks PCP, NAT-PMP or both, on a socket in memory or on a real one.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import { createSocket } from "node:dgram"
import type { OpenSocket } from "../../src/internal/natpmp/client.ts"

export type Kind = "PcpMap" | "ExternalAddress" | "PmpMap"

/** What a request says; what its kind does not have is 0 or empty. */
export interface Request {
  readonly kind: Kind
  readonly bytes: Uint8Array
  /** Milliseconds on the clock of the test. */
  readonly at: number
  readonly lifetime: number
  readonly client: string
  readonly nonce: string
  readonly internalPort: number
  readonly externalPort: number
  readonly externalAddress: string
}

/** What comes back, and from where if it is not the gateway. */
export type Reply = Uint8Array | { readonly from: string; readonly port?: number; readonly payload: Uint8Array }

export type Behaviour = (request: Request, gateway: FakePmpGateway) => ReadonlyArray<Reply>

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

const ip = (bytes: Uint8Array) => {
  const address = NetAddress.ipv6FromBytesUnsafe(bytes)
  return NetAddress.formatIp(NetAddress.toCanonical(address))
}

const read = (payload: Uint8Array, at: number): Request => {
  const bytes = new Uint8Array(payload)
  const view = new DataView(bytes.buffer)
  const none = { lifetime: 0, client: "", nonce: "", internalPort: 0, externalPort: 0, externalAddress: "" }
  if (bytes[0] === 2) {
    return {
      kind: "PcpMap",
      bytes,
      at,
      lifetime: view.getUint32(4),
      client: ip(bytes.subarray(8, 24)),
      nonce: hex(bytes.subarray(24, 36)),
      internalPort: view.getUint16(40),
      externalPort: view.getUint16(42),
      externalAddress: ip(bytes.subarray(44, 60))
    }
  }
  if (bytes[1] === 0) return { ...none, kind: "ExternalAddress", bytes, at }
  return {
    ...none,
    kind: "PmpMap",
    bytes,
    at,
    internalPort: view.getUint16(4),
    externalPort: view.getUint16(6),
    lifetime: view.getUint32(8)
  }
}

const words = (length: number, write: (view: DataView) => void): Uint8Array => {
  const bytes = new Uint8Array(length)
  write(new DataView(bytes.buffer))
  return bytes
}

export interface PcpReply {
  readonly version?: number
  readonly opcode?: number
  readonly code?: number
  readonly lifetime?: number
  readonly externalPort?: number
  readonly externalAddress?: string
  readonly internalPort?: number
  readonly nonce?: string
  readonly length?: number
}

/** An answer to a PCP request: granted as wished for, where nothing else is said. */
export const pcpReply =
  (reply: PcpReply = {}): Behaviour =>
  (request, gateway) => {
    const external = NetAddress.ipFromStringUnsafe(reply.externalAddress ?? gateway.externalAddress)
    const mapped = NetAddress.isIpv4Address(external) ? NetAddress.toIpv4Mapped(external) : external
    const bytes = words(60, (view) => {
      view.setUint8(0, reply.version ?? 2)
      view.setUint8(1, reply.opcode ?? 0x81)
      view.setUint8(3, reply.code ?? 0)
      view.setUint32(4, reply.lifetime ?? request.lifetime)
      view.setUint32(8, gateway.epoch())
      view.setUint8(36, 17)
      view.setUint16(40, reply.internalPort ?? request.internalPort)
      view.setUint16(42, reply.externalPort ?? request.externalPort)
    })
    bytes.set(Buffer.from(reply.nonce ?? request.nonce, "hex"), 24)
    bytes.set(NetAddress.ipv6ToOctets(mapped), 44)
    return [bytes.subarray(0, reply.length ?? 60)]
  }

export const addressReply =
  (reply: { readonly code?: number; readonly address?: string } = {}): Behaviour =>
  (_, gateway) => {
    const bytes = words(12, (view) => {
      view.setUint8(1, 0x80)
      view.setUint16(2, reply.code ?? 0)
      view.setUint32(4, gateway.epoch())
    })
    const address = NetAddress.ipFromStringUnsafe(reply.address ?? gateway.externalAddress)
    if (NetAddress.isIpv4Address(address)) bytes.set(NetAddress.ipv4ToOctets(address), 8)
    return [bytes]
  }

export interface PmpReply {
  readonly code?: number
  readonly lifetime?: number
  readonly internalPort?: number
  readonly externalPort?: number
}

export const pmpReply =
  (reply: PmpReply = {}): Behaviour =>
  (request, gateway) => [
    words(16, (view) => {
      view.setUint8(1, 0x81)
      view.setUint16(2, reply.code ?? 0)
      view.setUint32(4, gateway.epoch())
      view.setUint16(8, reply.internalPort ?? request.internalPort)
      view.setUint16(10, reply.externalPort ?? request.externalPort)
      view.setUint32(12, reply.lifetime ?? request.lifetime)
    })
  ]

/** How a gateway that speaks NAT-PMP only answers PCP. */
export const onlyNatPmp: Behaviour = (request, gateway) => [
  words(8, (view) => {
    view.setUint8(1, 0x80 | (request.bytes[1] ?? 0))
    view.setUint16(2, 1)
    view.setUint32(4, gateway.epoch())
  })
]

export const silent: Behaviour = () => []

/** One behaviour after the other, in one answer. */
export const all =
  (...behaviours: ReadonlyArray<Behaviour>): Behaviour =>
  (request, gateway) =>
    behaviours.flatMap((behaviour) => behaviour(request, gateway))

export const bytes =
  (...octets: ReadonlyArray<number>): Behaviour =>
  () => [Uint8Array.from(octets)]

export class FakePmpGateway {
  readonly requests: Array<Request> = []
  readonly #now: () => number
  readonly #behaviours = new Map<Kind, Array<Behaviour>>([
    ["PcpMap", [pcpReply()]],
    ["ExternalAddress", [addressReply()]],
    ["PmpMap", [pmpReply()]]
  ])
  readonly #listeners = new Set<() => void>()
  #startedAt: number
  externalAddress = "9.8.7.6"
  /** Sockets in memory that are open. */
  open = 0
  /** What the next socket in memory does instead of opening. */
  openFailure: DatagramSocket.DatagramSocketError | undefined
  /** What the next packet makes the network report. */
  report: DatagramSocket.DatagramSocketError | undefined

  constructor(now: () => number) {
    this.#now = now
    // It has been up for a while.
    this.#startedAt = now() - 1_000_000
  }

  epoch(): number {
    return Math.floor((this.#now() - this.#startedAt) / 1_000)
  }

  /** Loses its mappings. */
  restart() {
    this.#startedAt = this.#now()
  }

  /** What to do with requests of one kind, first to last; the last one stays. */
  answer(kind: Kind, ...behaviours: ReadonlyArray<Behaviour>) {
    this.#behaviours.set(kind, [...behaviours])
  }

  kinds(): ReadonlyArray<Kind> {
    return this.requests.map((request) => request.kind)
  }

  /** When it was asked, all of it or one kind. */
  times(kind?: Kind): ReadonlyArray<number> {
    return this.requests.filter((request) => kind === undefined || request.kind === kind).map((request) => request.at)
  }

  receive(payload: Uint8Array): ReadonlyArray<Reply> {
    const request = read(payload, this.#now())
    this.requests.push(request)
    const queue = this.#behaviours.get(request.kind) ?? []
    const behaviour = (queue.length > 1 ? queue.shift() : queue[0]) ?? silent
    const replies = behaviour(request, this)
    this.#listeners.forEach((listener) => listener())
    return replies
  }

  /** Resolves when the condition holds; it is looked at after each request. */
  until(condition: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const check = () => {
        if (!condition()) return
        this.#listeners.delete(check)
        resume(Effect.void)
      }
      this.#listeners.add(check)
      check()
      return Effect.sync(() => this.#listeners.delete(check))
    })
  }

  /** A host whose address on the way to the gateway is 192.168.1.50. */
  readonly openSocket: OpenSocket = ({ gateway, local, onError }) =>
    DatagramSocket.makeFromBackingSocket((events) =>
      Effect.suspend(() => {
        if (this.openFailure !== undefined) return Effect.fail(this.openFailure)
        this.open++
        const peer = { host: NetAddress.formatIp(gateway.address), port: gateway.port }
        const host = NetAddress.isUnspecified(local) ? "192.168.1.50" : NetAddress.formatIp(local)
        return Effect.succeed<DatagramSocket.BackingSocket>({
          address: { host, port: 50_000 },
          peer,
          connected: true,
          send: (payload, _, done) => {
            done()
            const { report } = this
            this.report = undefined
            if (report !== undefined) return onError(report)
            for (const reply of this.receive(payload)) {
              if ("from" in reply) events.onPacket(reply.payload, reply.from, reply.port ?? peer.port)
              else events.onPacket(reply, peer.host, peer.port)
            }
          },
          sendMany: () => {},
          joinMulticast: () => Effect.die("not here"),
          close: () => void this.open--
        })
      })
    )
}

/** On the clock of the test. */
export const make: Effect.Effect<FakePmpGateway> = Effect.map(
  Clock.Clock,
  (clock) => new FakePmpGateway(() => clock.currentTimeMillisUnsafe())
)

/** On a real UDP socket of 127.0.0.1; its port is what to send to. */
export const makeLive: Effect.Effect<{ readonly gateway: FakePmpGateway; readonly port: number }, never, Scope.Scope> =
  Effect.gen(function* () {
    const gateway = yield* make
    const socket = yield* Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createSocket>>((resume) => {
        const socket = createSocket("udp4")
        socket.bind(0, "127.0.0.1", () => resume(Effect.succeed(socket)))
      }),
      (socket) => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
    )
    socket.on("message", (payload, from) => {
      for (const reply of gateway.receive(payload)) {
        socket.send("from" in reply ? reply.payload : reply, from.port, from.address)
      }
    })
    return { gateway, port: socket.address().port }
  })
