/**
 * The contract between an endpoint and the network.
 *
 * A transport binds one socket that dials and accepts. It has connections with reliable, flow-controlled streams, and reports
 * when a peer has acknowledged what was sent. `QuicheTransport` speaks QUIC; a transport for tests needs no sockets.
 *
 * The contract consists of records of plain callbacks, called synchronously: a message costs no fiber. Core owns queues,
 * framing, retries and typed effects; a transport owns bytes. The rules for both sides:
 *
 * - Callbacks never throw. They may call any method of any record. A method only schedules work, and its results are reported
 *   later, from the transport's own turn. The exceptions are `done` of `write` and the callbacks of `writeWhole`, which may
 *   be called within the method.
 * - A chunk passed to `onData` belongs to the transport and is valid only during the call. A chunk passed to `write` must not
 *   change until the stream has ended. If its buffer is transferred before, the transport resets the stream and reports
 *   `StreamClosed` to its owner.
 * - After `onClosed`, `onFailed` or `onEnd`, the record makes no more calls, and calls on it do nothing.
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
import type { Identity } from "./Identity.ts"
import * as args from "./InvalidArgument.ts"
import { isIdentity } from "./internal/identity/isIdentity.ts"
import type { PeerId } from "./PeerId.ts"
import type { Peer } from "./PeerPolicy.ts"
import type { StreamError, StreamStopped } from "./StreamError.ts"

/**
 * The options of `bind`. `EndpointConfig` documents the limits.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface BindOptions {
  /** The address to bind. With port 0, the system chooses a port. */
  readonly localAddress: NetAddress.InetAddress
  /** The key of this side. Every connection proves it to the peer, and the peer's key to this side. */
  readonly identity: Identity
  /** Whether peers may dial this socket. The socket of a client ignores dials. */
  readonly accept: boolean
  /** The idle timeout (RFC 9000, section 10.1). */
  readonly idleTimeout: Duration.Duration
  /** The interval between pings on an idle connection; infinite for none. */
  readonly keepAliveInterval: Duration.Duration
  /** The longest time of a handshake, dialled or accepted. */
  readonly handshakeTimeout: Duration.Duration
  /** The longest time that a connection may wait for the peer without progress. */
  readonly stallTimeout: Duration.Duration
  /**
   * The maximum number of connections. At the maximum, a transport may close a connection that its owner has not used, or one
   * that is idle, in favour of a new one, with code 5 (`ErrorCode.evicted`). A few handshakes of peers may be under way besides.
   */
  readonly maxConnections: number
  /** The maximum number of accepted connections with one IP address, or with one /64 of IPv6. */
  readonly maxConnectionsPerIp: number
  /** The highest send rate to one peer, in bytes per second. */
  readonly maxSendRate: number
  /**
   * The most bytes that the transport and the owner hold of what peers have sent and the application has not read, on all connections. Above
   * three quarters of it, the connection with the most is held back: its peer sends more slowly or not at all until there is
   * room, and nothing is lost. So a peer that is held back does not make the transport exceed it; a connection that exceeds it
   * all the same is closed with code 3. Above half of it, inbound dials of an IP address (or /64 of IPv6) are refused whose
   * connections hold more than 64 KiB of it.
   */
  readonly unreadBuffer: number
}

/**
 * The events of a bound socket.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SocketEvents {
  /**
   * A peer has proven its key, on a dialled or an inbound connection. `decide` is called once, at once or later, with whether
   * the connection may go on. Before that, the transport sends nothing that the handshake does not need, acknowledges no stream
   * data, and calls neither `onConnection` nor `onConnected`. If the connection is refused, the transport closes it with code 4
   * (`ErrorCode.refused`). The handshake timeout includes this time. `decide` does nothing once the connection has ended.
   * A function that is returned is called once if the connection ends before the decision, which is not needed any more.
   * Without this property, every peer is admitted.
   */
  readonly onHandshake?: ((peer: Peer, decide: (isAdmitted: boolean) => void) => (() => void) | void) | undefined
  /** An inbound connection is established, and admitted. Returns the handlers of the connection's events. */
  readonly onConnection: (connection: BackingConnection) => ConnectionEvents
}

/**
 * The events of a dial: exactly one of them occurs, once.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface DialEvents {
  /**
   * The peer has proven its key, which is the expected one, and is admitted. The connection is usable: what is sent leaves with
   * the end of the handshake. The peer may still refuse it: see `onAccepted`. Returns the handlers of the connection's events.
   */
  readonly onConnected: (connection: BackingConnection) => ConnectionEvents
  /** The dial failed. */
  readonly onFailed: (error: ConnectionError) => void
}

/**
 * An address of one of the machine's network interfaces.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface NetworkInterface {
  /** The name of the interface, such as `"eth0"`. An interface with several addresses has several records. */
  readonly name: string
  /** The address, without a zone. */
  readonly address: NetAddress.IpAddress
  /** The length of the network's prefix, in bits. */
  readonly prefixLength: number
  /** The zone's number of a link-local IPv6 address (RFC 4007); 0 for other addresses. */
  readonly scopeId: number
}

/**
 * A bound socket. Closing the scope of its `bind` closes every connection, tells the peers, and frees the port.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface BackingSocket {
  /** The address that the socket is bound to. */
  readonly address: NetAddress.InetAddress
  /**
   * Dials `peer`. The returned function cancels the dial: it closes the half-open connection, and no event follows. If the
   * peer shows another key than that of `expected`, the dial fails with `PeerMismatch`, and the peer learns nothing of this
   * side's key.
   */
  readonly dial: (peer: NetAddress.InetAddress, events: DialEvents, expected?: PeerId) => () => void
}

/**
 * The counters of one connection.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ConnectionStats {
  /** The smoothed round-trip time (RFC 9002, section 5.3). */
  readonly roundTripTime: Duration.Duration
  /** The number of packets sent. */
  readonly packetsSent: number
  /** The number of packets received. */
  readonly packetsReceived: number
  /** The number of sent packets that are considered lost (RFC 9002, section 6.1). */
  readonly packetsLost: number
  /** The number of packets that the system refused to send, as without a route. They also count as sent and as lost. */
  readonly packetsRefused: number
  /** The number of bytes sent. */
  readonly bytesSent: number
  /** The number of bytes received. */
  readonly bytesReceived: number
  /** The most bytes that may be in flight (RFC 9002, section 7). */
  readonly congestionWindow: number
  /** The number of datagrams that arrived and were dropped, because more came at once than the transport keeps. Default 0. */
  readonly datagramsDropped?: number | undefined
  /** The number of datagrams that were queued and dropped, because the path carries only smaller ones since. Default 0. */
  readonly datagramsUnsent?: number | undefined
}

/**
 * An established connection.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface BackingConnection {
  /** The id of the peer: the key that it has proven. */
  readonly peerId: PeerId
  /** Whether the peer has accepted the connection. It is true from the beginning on an inbound one. */
  readonly isAccepted: boolean
  /**
   * The peer's address: the last one at which it has proven to receive (RFC 9000, section 8). It changes when a NAT on the path
   * rebinds or the peer changes networks, and not for packets alone, whose source address any host can forge.
   */
  readonly remoteAddress: NetAddress.InetAddress
  /** Opens a unidirectional stream at once. Beyond the peer's stream limit, the stream waits with its data. */
  readonly openUni: (priority: number) => BackingSendStream
  /** Opens a bidirectional stream at once, as `openUni` does. */
  readonly openBi: (
    priority: number,
    events: RecvEvents
  ) => { readonly send: BackingSendStream; readonly receive: BackingRecvStream }
  /**
   * The most bytes of a datagram (RFC 9221) that the connection carries now; 0 when the peer takes none. It follows the size of
   * the path's packets. Without this property, the connection carries no datagrams.
   */
  readonly maxDatagramSize?: number | undefined
  /**
   * Queues a datagram of at most `maxDatagramSize` bytes, which belongs to the transport from then on. Returns false when it is
   * dropped at once: too many wait to leave, or the connection has ended. The number and the bytes of those that wait are
   * bounded. A datagram is sent once, is not acknowledged to the owner, and arrives at most once, in any order. Datagrams and
   * streams take turns, so that neither delays the other for long.
   */
  readonly sendDatagram?: ((datagram: Uint8Array) => boolean) | undefined
  /** Drops queued data and closes the connection with `code` (0 to 2^53 - 1) and `detail`, a text for people. */
  readonly close: (code: number, detail: string) => void
  /** Returns the counters of the connection. */
  readonly stats: () => ConnectionStats
  /**
   * Orders the connections between two peers in the same way on both sides, by comparing the texts. The least is the oldest,
   * which both sides use. The side that dials may choose it, so core compares only those of connections with one key. It also
   * orders simultaneous dials in both directions. Without it, the order is that in which
   * connections are made, which may differ at the peer.
   */
  readonly seniority?: string | undefined
  /**
   * The number of bytes of small messages that the owner should put on one stream, at most 65,536. It is read for each
   * message.
   *
   * The peer acknowledges a stream as a whole, so the best size depends on the transport's other traffic. Without a value,
   * the owner sizes batches for a connection that has the transport to itself: several batches are in flight, so that one
   * is sent while another is acknowledged. When other connections keep both ends busy, larger batches take fewer packets.
   */
  readonly preferredBatchBytes?: number | undefined
  /**
   * Probes the peer with a ping. Without an answer within a few seconds, the connection ends with `IdleTimedOut`. A call
   * sends a ping; a transport may leave it out within 50 ms of another one. Core calls it when the peer dials although this
   * connection exists: the peer may have lost it.
   */
  readonly checkAlive?: (() => void) | undefined
  /**
   * Whether an operation waits for the peer and no packet has arrived from it for a few probe timeouts, as
   * `onUnresponsive` reports. Any packet ends this state. Without this property, core ignores `onUnresponsive`.
   */
  readonly isUnresponsive?: boolean | undefined
  /**
   * Adds `change` bytes to what the owner holds of messages that have arrived in part, and of datagrams that wait to be taken:
   * they count against `unreadBuffer` like unread bytes of the connection. Core calls it for long messages only, in steps, and
   * for each datagram. Without this method, they count nowhere.
   */
  readonly charge?: ((change: number) => void) | undefined
  /**
   * Whether the peer is held back, since too much of what it has sent is unread. A message of its that does not arrive is
   * not its fault then. Without this property, no peer is held back.
   */
  readonly isHeldBack?: boolean | undefined
  /** Ends the connection with `IdleTimedOut`, since its peer has lost it. Without this method, core closes the connection. */
  readonly timeOut?: (() => void) | undefined
}

/**
 * A report of unfinished streams that use up the limit of open streams (RFC 9000, section 4.6).
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface HeldStreams {
  /**
   * The kind of the streams. `UnfinishedSends`: this side opened them and has not finished them, so its further streams wait.
   * `UnfinishedReplies`: the peer opened them and this side has not finished its replies on them, so the peer can open no
   * more. `UnreadAnswers`: this side opened them and has not read their answers to the end, or the peer has not finished
   * those, so this side can open no more.
   */
  readonly kind: "UnfinishedSends" | "UnfinishedReplies" | "UnreadAnswers"
  /** The number of those streams. */
  readonly count: number
}

/**
 * The events of a connection.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ConnectionEvents {
  /** The peer opened a stream. `send` is the sending half of a bidirectional one. Returns the handlers of its events. */
  readonly onStream: (receive: BackingRecvStream, send: BackingSendStream | undefined) => RecvEvents
  /**
   * A datagram has arrived, whose bytes belong to the owner. It is not called before the peer is admitted. Without this
   * property, datagrams are dropped.
   */
  readonly onDatagram?: ((datagram: Uint8Array) => void) | undefined
  /**
   * Whether anything of the application has passed on the connection, in either direction. A full transport closes connections
   * first on which nothing has. Without this property, every connection counts as one that has carried data.
   */
  readonly hasCarriedData?: boolean | undefined
  /**
   * Whether streams of the peer wait until the application makes room for their messages, which the peer may count as confirmed.
   * A full transport does not close such a connection for another one.
   */
  readonly holdsMessages?: boolean | undefined
  /** The peer has accepted this dialled connection: `isAccepted` has become true. It occurs once. */
  readonly onAccepted?: (() => void) | undefined
  /** The connection's `remoteAddress` has changed. */
  readonly onMoved?: (() => void) | undefined
  /** New streams wait for unfinished ones. The event occurs once until that changes. */
  readonly onStreamsHeld?: ((held: HeldStreams) => void) | undefined
  /**
   * An acknowledgement or an answer is due, and no packet has arrived from the peer for a few probe timeouts (RFC 9002,
   * section 6.2). The peer may have crashed and restarted: core dials it beside this connection. The event occurs once until
   * `isUnresponsive` has been false.
   */
  readonly onUnresponsive?: (() => void) | undefined
  /**
   * The connection has ended. This is the last event. All bytes that arrived before have been passed to `onData`, even those
   * of paused streams; flow control limits their number.
   */
  readonly onClosed: (close: Close) => void
}

/**
 * The reason why a stream failed: an error of the stream, or the end of its connection.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type StreamFailure = StreamError | Close

/**
 * The whole content of a stream.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface StreamContent {
  /** The bytes to send. */
  readonly bytes: Uint8Array
  /** The memory that the peer needs for it until its application reads it, in bytes: the bytes and an overhead per message. */
  readonly weight: number
}

/**
 * The sending half of a stream, as a transport provides it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface BackingSendStream {
  /**
   * Queues `bytes`. `done` is called once: with a failure, or without one when there is room for more or, with `fin`, when
   * the peer has acknowledged everything on the stream.
   */
  readonly write: (bytes: Uint8Array, fin: boolean, done: (failure?: StreamFailure) => void) => void
  /**
   * Queues the whole content of a stream on which nothing was written, for a later call of `content`. The transport calls
   * `content` once, when it is the stream's turn to send, and not at all when the stream fails before. Until then, the owner
   * may add to the content. `done` is called as in `write` with `fin`.
   *
   * `most` is the largest weight that the content should have, to limit what is sent to a peer whose application does not
   * read; a single message may weigh more. The content has at least 1 byte, or none when all its messages were cancelled:
   * then the stream ends empty. Without this method, each message has a stream of its own.
   */
  readonly writeWhole?:
    | ((content: (most: number) => StreamContent, done: (failure?: StreamFailure) => void) => void)
    | undefined
  /**
   * Registers a callback for the peer's stop, which also works while nothing is written. `stopped` is called once, from the
   * transport's own turn, when the peer stops the stream or soon if it already has. It is not called when the stream ends in
   * another way. Core calls this method at most once for each stream. Streams without a callback must cost nothing for it.
   */
  readonly onStopped: (stopped: (failure: StreamStopped) => void) => void
  /** Sets the priority of what is not sent yet. A higher priority is sent first. */
  readonly setPriority: (priority: number) => void
  /** Drops what is not acknowledged and resets the stream with `code` (0 to 2^53 - 1). */
  readonly reset: (code: number) => void
}

/**
 * The receiving half of a stream, as a transport provides it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface BackingRecvStream {
  /** Resumes a stream that paused because `onData` returned false or `demand` returned 0. */
  readonly resume: () => void
  /** Discards the rest and asks the peer to stop sending, with `code` (0 to 2^53 - 1). */
  readonly stop: (code: number) => void
}

/**
 * The events of the receiving half of a stream.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface RecvEvents {
  /**
   * Returns the most bytes of the next chunk; called before each. 0 pauses the stream until `resume`: its bytes stay with the
   * transport and hold their flow-control credit. Without this property, chunks have any size.
   */
  readonly demand?: (() => number) | undefined
  /** The next bytes of the stream. Returning false pauses the stream until `resume`, and flow control holds the peer back. */
  readonly onData: (chunk: Uint8Array) => boolean
  /** The peer finished the stream, or the stream failed. It occurs once. */
  readonly onEnd: (failure?: StreamFailure) => void
}

/**
 * Binds the sockets of endpoints. Each transport implements this service.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<
  Transport,
  {
    /** Binds a socket, which closes with the scope. */
    readonly bind: (options: BindOptions, events: SocketEvents) => Effect.Effect<BackingSocket, BindError, Scope.Scope>
    /**
     * Returns the current network interfaces. Core uses them for the addresses behind a wildcard, for the names of zones, and
     * for broadcast addresses. Without this method, core knows no interfaces.
     */
    readonly interfaces?: (() => ReadonlyArray<NetworkInterface>) | undefined
  }
>()("@qp2p/core/Transport") {}

const bindFields: Readonly<Record<keyof BindOptions, args.Check>> = {
  localAddress: args.inetAddress,
  identity: args.check("must be an Identity", isIdentity),
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
 * Checks the arguments of `bind`. Returns the error, or undefined when they are valid. Each transport calls it before it
 * binds, so that all transports reject the same arguments.
 *
 * @stability unstable
 * @category checking
 * @since 0.1.0
 */
export const problemOfBind = (options: unknown, events: unknown): args.InvalidArgument | undefined =>
  args.ofFields("options", options, bindFields) ??
  args.ofFields("events", events, { onConnection: args.func, onHandshake: args.optional(args.func) })
