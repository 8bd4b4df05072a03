/**
 * Peers made of the native binding alone, which do what the driver never does.
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as certificate from "../../src/internal/binding/certificate.ts"
import * as native from "../../src/internal/binding/native.ts"
import * as nativeConfig from "../../src/internal/binding/nativeConfig.ts"
import * as packetHeader from "../../src/internal/packets/packetHeader.ts"
import * as Identity from "@qp2p/core/Identity"
import { type Udp, udp } from "./udpPeers.ts"

/** The binding's config with what only peers of tests set. */
export interface RawConfig extends native.NativeConfig {
  verifyPeer(verify: boolean): void
  enableEarlyData(): void
  setActiveConnectionIdLimit(ids: number): void
}

/** The binding's connection with what only peers of tests call. */
export interface RawConnection extends native.NativeConnection {
  availableDcids(): number
  retireDestinationCid(sequence: number): void
  session(): Uint8Array | null
  setSession(session: Uint8Array): void
  isResumed(): boolean
  isInEarlyData(): boolean
}

export type Configure = (config: RawConfig) => void

export interface ConfigOptions {
  readonly configure?: Configure | undefined
  readonly credentials?: certificate.Credentials | undefined
  /** What the peer does instead of what the driver does: with any signature algorithm, or without a certificate. */
  readonly tls?: "any algorithm" | "no certificate" | undefined
}

/** The binding, whose configs are made with other settings of TLS. */
const withTls = (quiche: native.Quiche, tls: ConfigOptions["tls"]): native.Quiche => {
  if (tls === undefined) return quiche
  const { Config } = quiche
  const withBoringSslCtx: typeof Config.withBoringSslCtx = (verify, allowFail, ca, key, cert) =>
    tls === "any algorithm"
      ? Config.withBoringSslCtx(verify, allowFail, ca, key, cert, null)
      : Config.withBoringSslCtx(verify, allowFail, ca, null, null, "ed25519")
  return { ...quiche, Config: { withBoringSslCtx } }
}

export const config = Effect.fnUntraced(function* (options: ConfigOptions = {}) {
  const { configure } = options
  const quiche = yield* Effect.orDie(native.load)
  const identity = yield* Effect.orDie(Identity.generate)
  const credentials = options.credentials ?? (yield* Effect.orDie(certificate.selfSigned(identity)))
  const made = nativeConfig.configs(withTls(quiche, options.tls), { credentials, idleTimeout: 60_000 })(1_350)
  configure?.(made as RawConfig)
  return { quiche, config: made }
})

/** A native connection and the socket that it uses. Packets that arrive are answered unless `deaf`. */
export class RawPeer {
  readonly native: RawConnection
  readonly socket: Udp
  readonly peerPort: number
  deaf = false
  /** Called after each packet. */
  onPacket: (() => void) | undefined
  private readonly buffer = new Uint8Array(65_535)
  private timer: NodeJS.Timeout | undefined

  constructor(connection: native.NativeConnection, socket: Udp, peerPort: number) {
    this.native = connection as RawConnection
    this.socket = socket
    this.peerPort = peerPort
  }

  /** Every packet that the connection has to send. */
  take(): Array<Uint8Array> {
    const packets: Array<Uint8Array> = []
    for (let sent = this.native.send(this.buffer); sent !== null; sent = this.native.send(this.buffer)) {
      packets.push(this.buffer.slice(0, sent[0]))
    }
    return packets
  }

  flush(): void {
    if (this.native.isClosed()) return
    for (const packet of this.take()) this.socket.send(packet, this.peerPort)
    clearTimeout(this.timer)
    const timeout = this.native.timeout()
    if (timeout === null) return
    this.timer = setTimeout(() => {
      this.native.onTimeout()
      this.flush()
    }, timeout + 1)
  }

  hear(bytes: Uint8Array): void {
    if (this.deaf || this.native.isClosed()) return
    try {
      this.native.recv(bytes, {
        from: { host: "127.0.0.1", port: this.peerPort },
        to: { host: "127.0.0.1", port: this.socket.port }
      })
    } catch {
      // What a damaged packet or a failed handshake leaves behind shows in the connection.
    }
    this.onPacket?.()
    this.flush()
  }

  stop(): void {
    this.deaf = true
    clearTimeout(this.timer)
  }
}

/** A native client with a socket of its own, before its first flight. */
export const rawClient = Effect.fnUntraced(function* (
  peerPort: number,
  options: ConfigOptions & { readonly socket?: Udp } = {}
) {
  const { config: made, quiche } = yield* config(options)
  const socket = options.socket ?? (yield* udp())
  const connection = quiche.Connection.connect(
    "qp2p",
    randomBytes(20),
    { host: "127.0.0.1", port: socket.port },
    { host: "127.0.0.1", port: peerPort },
    made
  )
  const peer = new RawPeer(connection, socket, peerPort)
  if (options.socket === undefined) socket.onHeard = ({ bytes }) => peer.hear(bytes)
  yield* Effect.addFinalizer(() => Effect.sync(() => peer.stop()))
  return peer
})

export interface ServerOptions extends Omit<ConfigOptions, "configure"> {
  /** Whether the client first gets a Retry packet. */
  readonly retry?: boolean
}

/** A native server for one client. */
export const rawServer = Effect.fnUntraced(function* (configure?: Configure, options: ServerOptions = {}) {
  const { config: made, quiche } = yield* config({ configure, ...options })
  const socket = yield* udp()
  const peers: Array<RawPeer> = []
  let originalId: Uint8Array | null = null
  socket.onHeard = ({ bytes, port }) => {
    if (peers.length === 0) {
      const header = packetHeader.parseLongHeader(bytes)
      if (header === undefined || !header.initial) return
      if (options.retry === true && header.token.length === 0) {
        originalId = header.dcid.slice()
        const buffer = new Uint8Array(1_200)
        const token = new Uint8Array(8)
        const length = quiche.retry(header.scid, header.dcid, randomBytes(20), token, packetHeader.version1, buffer)
        return socket.send(buffer.slice(0, length), port)
      }
      // With a Retry, the id that it gave stays in use; the connection's first packets then bring another.
      const connection = quiche.Connection.accept(
        originalId === null ? randomBytes(20) : header.dcid.slice(),
        originalId,
        { host: "127.0.0.1", port: socket.port },
        { host: "127.0.0.1", port },
        made
      )
      peers.push(new RawPeer(connection, socket, port))
    }
    peers[0]!.hear(bytes)
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => peers.forEach((peer) => peer.stop())))
  return { port: socket.port, peers }
})
