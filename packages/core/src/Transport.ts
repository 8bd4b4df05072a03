/**
 * The seam between an endpoint and the network.
 *
 * A transport binds one socket that both dials and accepts, keeps connections with reliable, flow-controlled streams,
 * and tells when a peer has acknowledged what it was sent. `QuicheTransport` is the live one; a transport for tests
 * needs no sockets.
 *
 * The contract is records of plain callbacks, called synchronously: a message costs no fiber on its way through.
 * Core owns queues, framing, retries and typed effects; a transport owns bytes. The rules for both sides:
 *
 * - Callbacks never throw. They may call any method of any record: methods only take note and report later, from the
 *   transport's own turn. The exceptions are `done` of `write` and what `writeWhole` is given, which may be called from
 *   within.
 * - A chunk handed to `onData` belongs to the transport and is valid during the call only. A chunk handed to `write`
 *   must not be changed until the stream has ended. When its buffer is transferred to somewhere else meanwhile, the stream
 *   is reset, and its owner told `StreamClosed`.
 * - After `onClosed`, `onFailed` or `onEnd` the record is silent, and calls on it do nothing.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import type { Close } from "./Close.ts"
import type { ConnectionError } from "./ConnectionError.ts"
import type { BindError } from "./EndpointError.ts"
import * as args from "./InvalidArgument.ts"
import type { StreamError, StreamStopped } from "./StreamError.ts"

/**
 * What `bind` is told. The limits are those of `EndpointConfig`, which documents them.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface BindOptions {
  /** Port 0 lets the system choose. */
  readonly localAddress: NetAddress.InetAddress
  /** Whether peers may dial this socket. A client's answers nobody. */
  readonly accept: boolean
  /** The idle timeout (RFC 9000, section 10.1). */
  readonly idleTimeout: Duration.Duration
  /** How often an idle connection is kept alive; infinite for never. */
  readonly keepAliveInterval: Duration.Duration
  /** How long a dial and an accepted handshake may take. */
  readonly handshakeTimeout: Duration.Duration
  /** How long a connection may make no progress while something is to be sent. */
  readonly stallTimeout: Duration.Duration
  /** The maximum number of connections. */
  readonly maxConnections: number
  /** The maximum number of accepted connections with one IP address. */
  readonly maxConnectionsPerIp: number
  /** Bytes per second to one peer. */
  readonly maxSendRate: number
  /**
   * Bytes that may wait to be read, on all connections. Over it the connection with the most is closed with code 3, and
   * dials are refused while much waits.
   */
  readonly unreadBuffer: number
}

/**
 * What a bound socket tells its owner.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SocketEvents {
  /** A peer's dial was accepted and its handshake is complete. */
  readonly onConnection: (connection: BackingConnection) => ConnectionEvents
}

/**
 * What becomes of a dial: exactly one of the two, once.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface DialEvents {
  /** The dial succeeded; the handshake is complete. */
  readonly onConnected: (connection: BackingConnection) => ConnectionEvents
  /** The dial failed. */
  readonly onFailed: (error: ConnectionError) => void
}

/**
 * An address of an interface of the machine.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface NetworkInterface {
  /** Such as `"eth0"`. An interface with several addresses is there several times. */
  readonly name: string
  /** The address, without a zone. */
  readonly address: NetAddress.IpAddress
  /** The length of the network's prefix, in bits. */
  readonly prefixLength: number
  /** The number of the zone of link-local IPv6 addresses (RFC 4007); 0 where there is none. */
  readonly scopeId: number
}

/**
 * A bound socket. It lives as long as the scope of the `bind` that made it; closing that scope closes every
 * connection, tells the peers, and frees the port.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface BackingSocket {
  /** The address that the socket is bound to. */
  readonly address: NetAddress.InetAddress
  /** Dials `peer`. The function returned gives up: the half-open connection is closed and nothing is reported. */
  readonly dial: (peer: NetAddress.InetAddress, events: DialEvents) => () => void
}

/**
 * Counters of one connection, since it was made.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ConnectionStats {
  /** Smoothed round-trip time (RFC 9002, section 5.3). */
  readonly roundTripTime: Duration.Duration
  /** Packets sent. */
  readonly packetsSent: number
  /** Packets received. */
  readonly packetsReceived: number
  /** Packets that were sent and are considered lost (RFC 9002, section 6.1). */
  readonly packetsLost: number
  /** Those that the system did not send, as without a route or past a firewall. They count as sent, and as lost. */
  readonly packetsRefused: number
  /** Bytes sent. */
  readonly bytesSent: number
  /** Bytes received. */
  readonly bytesReceived: number
  /** Bytes that may be in flight (RFC 9002, section 7). */
  readonly congestionWindow: number
}

/**
 * An established connection.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface BackingConnection {
  /** Where the peer is now. It changes when a NAT on the way rebinds. */
  readonly remoteAddress: NetAddress.InetAddress
  /** Opens a stream at once; a stream that the peer has no credit for yet waits with its data. */
  readonly openUni: (priority: number) => BackingSendStream
  /** Opens a bidirectional stream at once, as `openUni` does. */
  readonly openBi: (
    priority: number,
    events: RecvEvents
  ) => { readonly send: BackingSendStream; readonly receive: BackingRecvStream }
  /** Drops what is queued and tells the peer `code` (0 to 2^53 - 1) and `detail`, a text for people. */
  readonly close: (code: number, detail: string) => void
  /** Counters of the connection since it was made. */
  readonly stats: () => ConnectionStats
  /**
   * Puts the connections of two peers in one order, the same at both: the least is the oldest, and the one that both
   * use. Compared as text. Dials that cross are neither before the other, but have an order all the same. Without this
   * the order is that in which they came about, which may be another at the peer.
   */
  readonly seniority?: string | undefined
  /**
   * How many bytes of waiting small messages the owner should put on one stream: at most 65,536 are used. Read for each
   * message. The peer acknowledges a stream as a whole, so the best size depends on what else the transport sends. Without it
   * the owner sizes batches for a connection that has the transport to itself: several are under way at a time, so that one
   * is sent while another is acknowledged. A transport whose other connections keep both ends busy prefers larger batches,
   * which take fewer packets.
   */
  readonly preferredBatchBytes?: number | undefined
  /**
   * Asks the peer for a sign of life. Without one within a few seconds the connection ends with `IdleTimedOut`. Asked
   * when the peer dials although this connection is there: it may have lost it. Asked again, it asks the peer again.
   */
  readonly checkAlive?: (() => void) | undefined
  /**
   * Whether what `onUnresponsive` tells of still holds: something waits for the peer, and nothing has been heard of it
   * for a few probe timeouts. Anything that is heard ends it. Without this, `onUnresponsive` is not followed.
   */
  readonly isUnresponsive?: boolean | undefined
  /** Ends the connection with `IdleTimedOut`: its peer has been found to have lost it. Without this it is closed. */
  readonly timeOut?: (() => void) | undefined
}

/**
 * Streams that keep others from being opened.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface HeldStreams {
  /**
   * `Opener`: streams that this side opened and has not finished. `Answerer`: streams that the peer opened and this side has
   * not finished, so that the peer can open no more. `Answers`: streams that this side opened and the peer has not
   * finished, or whose answers are not read here, so that the peer lets this side open no more.
   */
  readonly by: "Opener" | "Answerer" | "Answers"
  /** The number of those streams. */
  readonly count: number
}

/**
 * What a connection tells its owner.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ConnectionEvents {
  /** The peer opened a stream. `send` is its other half when it is bidirectional. */
  readonly onStream: (receive: BackingRecvStream, send: BackingSendStream | undefined) => RecvEvents
  /** The connection's `remoteAddress` has changed. */
  readonly onMoved?: (() => void) | undefined
  /** Streams wait because of others that are not ended. Told once until that has changed. */
  readonly onStreamsHeld?: ((held: HeldStreams) => void) | undefined
  /**
   * Something waits for the peer, an acknowledgement or an answer, and nothing has been heard of it for a few probe
   * timeouts (RFC 9002, section 6.2). It may have crashed, and be back: its endpoint then dials it beside this
   * connection. Told once until `isUnresponsive` has been false.
   */
  readonly onUnresponsive?: (() => void) | undefined
  /**
   * The last event. Everything that arrived before has been offered to `onData`, even where nobody wanted more: what is
   * left of a connection that is gone is no more than its flow-control windows.
   */
  readonly onClosed: (close: Close) => void
}

/**
 * Why a stream ended before its time.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type StreamFailure = StreamError | Close

/**
 * All that is ever on a stream.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface StreamContent {
  /** The bytes to send. */
  readonly bytes: Uint8Array
  /** What the peer keeps of it until its application reads it, in bytes: those, and something for each message. */
  readonly weight: number
}

/**
 * The sending half of a stream.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface BackingSendStream {
  /**
   * Queues `bytes`. `done` is called once: with a failure; or, without `fin`, when there is room for more; or, with
   * `fin`, when the peer has acknowledged everything.
   */
  readonly write: (bytes: Uint8Array, fin: boolean, done: (failure?: StreamFailure) => void) => void
  /**
   * Queues all that will ever be on a stream that nothing was written on: `content` is asked for it once, when the stream
   * gets its turn to send, and never when it fails before that. Until then its owner may add to the content. It is 1 byte
   * at least, unless all of it has turned out not to be sent: then the stream ends empty. `most` is what it should weigh
   * at most, so that a peer whose application reads nothing is not sent more than a bound; a single message may weigh
   * more. `done` as with `fin`. Without this, each message has a stream of its own.
   */
  readonly writeWhole?:
    | ((content: (most: number) => StreamContent, done: (failure?: StreamFailure) => void) => void)
    | undefined
  /**
   * Asks to be told when the peer stops the stream, also while nothing is being written. `stopped` is called once, from the
   * transport's own turn: when that happens, or soon if it has happened. It is never called when the stream ends otherwise.
   * Asked at most once for each stream. A stream that nobody asks this of must not cost anything for it.
   */
  readonly onStopped: (stopped: (failure: StreamStopped) => void) => void
  /** Higher first; 0 is the default. Takes effect for what is not yet sent. */
  readonly setPriority: (priority: number) => void
  /** Drops what is not yet acknowledged and tells the peer `code` (0 to 2^53 - 1). */
  readonly reset: (code: number) => void
}

/**
 * The receiving half of a stream.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface BackingRecvStream {
  /** Takes up again after `onData` has answered false, or `demand` 0. */
  readonly resume: () => void
  /** Discards what is left and asks the peer to stop, with `code` (0 to 2^53 - 1). */
  readonly stop: (code: number) => void
}

/**
 * What the receiving half of a stream tells its owner.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface RecvEvents {
  /**
   * How many bytes to hand over, asked before each chunk. 0 leaves them where they are, with their flow-control credit,
   * until `resume`. Without it, as many as there are.
   */
  readonly demand?: (() => number) | undefined
  /** Bytes in order. False pauses the stream until `resume`; flow control then holds the peer back. */
  readonly onData: (chunk: Uint8Array) => boolean
  /** Once: the peer finished the stream, or it failed. */
  readonly onEnd: (failure?: StreamFailure) => void
}

/**
 * Binds the sockets of endpoints: the contract that each transport implements.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<
  Transport,
  {
    /** Binds a socket that lives as long as the scope. */
    readonly bind: (options: BindOptions, events: SocketEvents) => Effect.Effect<BackingSocket, BindError, Scope.Scope>
    /**
     * The interfaces as they are now: for addresses behind a wildcard, for zones by name, and for broadcast addresses.
     * Without it, nothing is known of them.
     */
    readonly interfaces?: (() => ReadonlyArray<NetworkInterface>) | undefined
  }
>()("@qp2p/core/Transport") {}

const bindFields: Readonly<Record<keyof BindOptions, args.Check>> = {
  localAddress: args.inetAddress,
  accept: args.flag,
  idleTimeout: args.positiveDuration,
  keepAliveInterval: args.positiveDuration,
  handshakeTimeout: args.positiveDuration,
  stallTimeout: args.positiveDuration,
  maxConnections: args.integer(1, Number.MAX_SAFE_INTEGER),
  maxConnectionsPerIp: args.integer(1, Number.MAX_SAFE_INTEGER),
  maxSendRate: args.integer(1, Number.MAX_SAFE_INTEGER),
  unreadBuffer: args.integer(1, Number.MAX_SAFE_INTEGER)
}

/**
 * Says what is wrong with the arguments of `bind`, if anything is. Each transport asks this before it binds, so that all of
 * them refuse the same arguments.
 *
 * @stability unstable
 * @category checking
 * @since 0.1.0
 */
export const problemOfBind = (options: unknown, events: unknown): args.InvalidArgument | undefined =>
  args.ofFields("options", options, bindFields) ?? args.ofFields("events", events, { onConnection: args.func })
