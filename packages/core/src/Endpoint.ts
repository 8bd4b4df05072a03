/**
 * An endpoint dials peers, accepts their connections, and exchanges messages and streams with them.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { BidirectionalStream } from "./BidirectionalStream.ts"
import type * as Bootstrap from "./Bootstrap.ts"
import type { ClientEndpointError } from "./ClientEndpointError.ts"
import type { Connection, PriorityOptions } from "./Connection.ts"
import type { ConnectionError, EndpointStopped, InvalidAddress, NoneReachable } from "./ConnectionError.ts"
import type { ConnectionId } from "./ConnectionId.ts"
import type * as ConnectionPool from "./ConnectionPool.ts"
import type { Disconnection } from "./Disconnection.ts"
import * as EndpointConfig from "./EndpointConfig.ts"
import { EndpointConfigError, type EndpointError } from "./EndpointError.ts"
import * as args from "./internal/arguments.ts"
import { invalidPath } from "./internal/configPath.ts"
import * as configSource from "./internal/configSource.ts"
import type { Identity, IdentityError } from "./Identity.ts"
import type { IncomingDatagram } from "./IncomingDatagram.ts"
import type { IncomingMessage } from "./IncomingMessage.ts"
import type { IncomingStream } from "./IncomingStream.ts"
import * as optionSetting from "./internal/optionSetting.ts"
import * as internal from "./internal/endpoint/start.ts"
import type * as PeerAddress from "./PeerAddress.ts"
import type { PeerId } from "./PeerId.ts"
import type * as PortMapper from "./PortMapper.ts"
import type { ProtocolTaken } from "./ProtocolError.ts"
import type { ProtocolStream } from "./ProtocolStream.ts"
import type { RpcError } from "./RpcError.ts"
import type { NotConnected, SendError } from "./SendError.ts"
import type { ServeOptions } from "./ServeOptions.ts"
import type { Transport } from "./Transport.ts"

export type { Disconnection } from "./Disconnection.ts"
export type { IncomingDatagram } from "./IncomingDatagram.ts"
export type { IncomingMessage } from "./IncomingMessage.ts"
export type { IncomingStream } from "./IncomingStream.ts"

/**
 * An `InetAddress`, or text such as `"127.0.0.1:4433"`, `"[::1]:4433"` or `"[fe80::1%eth0]:4433"`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Address = NetAddress.InetAddress | string

/**
 * The options of `sendMessage` and `openProtocol`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SendOptions extends PriorityOptions {
  /**
   * How long a send that failed, or the dial for a stream of a protocol, is retried. 0 does not retry. Default
   * `EndpointConfig.retryDuration`.
   */
  readonly retryDuration?: Duration.Input | undefined
}

/**
 * The options of an endpoint.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The address to bind. Default `"0.0.0.0:0"`: every IPv4 address, and a port that the system chooses. */
  readonly localAddress?: Address | undefined
  /** The peers to bootstrap from. Default none. */
  readonly contacts?: ReadonlyArray<PeerAddress.Input> | undefined
  /**
   * How the streams that peers open are read. With "Messages", the default, the endpoint reads all of them as messages, for
   * `incomingMessages`. With "Manual", the application reads each stream itself, from `incomingStreams`; `incomingMessages`
   * then has only messages that follow a question to the endpoint on the same stream; those that wait for room are dropped when
   * their connection ends. A peer's `sendMessage` still succeeds.
   */
  readonly streams?: "Messages" | "Manual" | undefined
  /**
   * The key of the endpoint, by which its peers know it, or the effect that reads it, such as `NodeIdentity.fromFile`. Default a
   * new one for each endpoint.
   */
  readonly identity?: Identity | Effect.Effect<Identity, IdentityError> | undefined
  /** The settings of the endpoint. An unknown name and an invalid value are an `EndpointConfigError`. */
  readonly config?: EndpointConfig.Input | undefined
}

/**
 * Reads the options of an endpoint from Effect's `ConfigProvider`, under `path` if one is given. Give a path: without one, the
 * variables are `LOCAL_ADDRESS`, `CONTACTS` and so on, and an endpoint whose `LOCAL_ADDRESS` is misspelt listens on every
 * interface.
 *
 * The options are `localAddress`, `contacts` (a list, or text as `PeerAddress.listFromString` reads it), `streams` (`Messages` or
 * `Manual`), and every field of `EndpointConfig`. An absent option has its default. `EndpointConfig.config` describes the
 * names, the formats, and the treatment of unknown names.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const config = (path?: string, options?: EndpointConfig.SourceOptions): Config.Config<Options> => {
  const refused = invalidPath(path, options)
  if (refused !== undefined) return refused
  const own = configSource.read(path, { texts: ["localAddress", "streams"], lists: ["contacts"] })
  return Config.all({
    own: Config.mapEffect(own, (texts) =>
      Effect.mapError(optionSetting.decode(texts), (issue) => configSource.errorAt(path, issue))
    ),
    config: EndpointConfig.config(path, options)
  }).pipe(
    Config.map(({ config, own: { contacts, localAddress, streams } }) => ({ localAddress, contacts, streams, config }))
  )
}

/**
 * An endpoint of the network.
 *
 * Each message, stream, datagram, connection and disconnection goes to exactly one taker, by a stream or one by one. The queues
 * are bounded: messages that the application does not take hold their senders back, and datagrams are dropped. A stream takes
 * items in batches: when the program stops it early, the rest of its batch is lost. `nextConnection`, `nextStream`,
 * `nextMessage`, `nextDatagram` and `nextDisconnection` take exactly one item.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class Endpoint extends Context.Service<
  Endpoint,
  {
    /** The endpoint's own id: its public key. */
    readonly peerId: PeerId
    /** The settings of the endpoint, with their defaults. */
    readonly config: EndpointConfig.EndpointConfig
    /**
     * The endpoint as others find it: its id and every address known by now, the public one first. Hand its text to other
     * programs, which dial it. A client has no addresses.
     */
    readonly peerAddress: PeerAddress.PeerAddress
    /**
     * The current `peerAddress`, and each other one that a bootstrap or the port mapping brings. It does not report a change
     * of the machine's network interfaces alone: read `peerAddress`, which asks for the interfaces each time. A slow reader
     * gets the latest. It ends when the endpoint stops.
     */
    readonly peerAddressChanges: Stream.Stream<PeerAddress.PeerAddress>
    /** The address that the UDP socket is bound to. A wildcard cannot be dialled: see `localAddresses`. */
    readonly localAddress: NetAddress.InetAddress
    /**
     * The addresses at which peers in the local network reach this endpoint: the bound address, or for a wildcard the
     * current addresses of the interfaces. Those that most peers can reach come first, loopback addresses last. Without
     * interfaces from the transport, it is the loopback address.
     */
    readonly localAddresses: readonly [NetAddress.InetAddress, ...Array<NetAddress.InetAddress>]
    /**
     * The address at which peers reach this endpoint, from the latest bootstrap. In order of precedence it is the configured
     * one, the mapped one, the one that the contact sees, or the first of `localAddresses`. It is never a wildcard.
     */
    readonly publicAddress: NetAddress.InetAddress
    /** The contact that answered first in the latest bootstrap, as it was listed; none when no contact answered. */
    readonly bootstrapContact: Option.Option<PeerAddress.PeerAddress>
    /**
     * The port mapping on the gateway; none without `forwardPort`, or when the gateway granted none. Its `status` reports
     * changes. A lost mapping does not stop the endpoint, and `publicAddress` follows a new external address.
     */
    readonly portMapping: Option.Option<PortMapper.Mapping>
    /**
     * The current usable connections, inbound and outbound. Connections for verification are left out: those that
     * `isReachable` makes, and those of peers that have only asked for an echo together with their handshake. A peer's
     * connection for verification is listed when its echo question arrives after the handshake, as after packet loss.
     */
    readonly connections: Effect.Effect<ReadonlyArray<Connection>>
    /**
     * The inbound connections. The stream ends when the endpoint stops. A connection that a peer makes only to verify that
     * this endpoint can be reached does not appear here: its echo question arrives together with its handshake, and nothing
     * else follows. When packets are lost or reordered, the question may arrive later. Then the connection appears here, and
     * its end appears in `disconnections` if the connection was taken.
     *
     * A connection that carries only echo questions from its handshake on is closed after `rpcTimeout`.
     */
    readonly incomingConnections: Stream.Stream<Connection>
    /** The messages of all connections, inbound and outbound. The stream ends when the endpoint stops. */
    readonly incomingMessages: Stream.Stream<IncomingMessage>
    /**
     * The streams that peers open, with the option `streams: "Manual"`; none without it. Streams that begin with the header of a
     * control message of qp2p belong to the endpoint and do not appear, nor do streams that end empty. A stream appears as soon
     * as its bytes differ from such a header, usually with the first byte. A stream of which only a beginning of the header
     * arrives, such as the bytes 0 and 1, appears with its end, or after one second.
     *
     * At most `messageBuffer` streams wait here. The endpoint reads at most 9 bytes of a stream before the application reads
     * it, so flow control holds peers back. Waiting streams are dropped when their connection ends. This stream ends when the
     * endpoint stops.
     */
    readonly incomingStreams: Stream.Stream<IncomingStream>
    /**
     * The datagrams of all connections, which peers send with `Connection.sendDatagram`. At most `messageBuffer` wait here, of
     * at most a sixteenth of `messageBufferBytes`, 256 bytes counted for each besides its payload. One peer may fill a third of
     * that, and the peers at one IP address a half. A further datagram is dropped, and counted in the `stats` of its connection.
     * The stream ends when the endpoint stops.
     */
    readonly datagrams: Stream.Stream<IncomingDatagram>
    /**
     * The connections that ended, except those for verification. A connection for verification that appeared in
     * `incomingConnections` and was taken appears here as well. The stream ends when the endpoint stops.
     */
    readonly disconnections: Stream.Stream<Disconnection>
    /** Takes the next inbound connection. */
    readonly nextConnection: Effect.Effect<Connection, EndpointStopped>
    /** Takes the next stream that a peer opened, with the option `streams: "Manual"`. */
    readonly nextStream: Effect.Effect<IncomingStream, EndpointStopped>
    /** Takes the next message. */
    readonly nextMessage: Effect.Effect<IncomingMessage, EndpointStopped>
    /** Takes the next datagram. */
    readonly nextDatagram: Effect.Effect<IncomingDatagram, EndpointStopped>
    /** Takes the next disconnection. */
    readonly nextDisconnection: Effect.Effect<Disconnection, EndpointStopped>
    /**
     * Returns the connection with `peer`, or dials one. It completes when the peer has accepted: for a dial, a round trip after
     * the handshake is complete on this side. A dial that fails with a transient error is retried for `retryDuration`.
     */
    readonly connectTo: (peer: PeerAddress.Input) => Effect.Effect<Connection, ConnectionError>
    /** Dials all peers at once, each once. Returns the first connection and cancels the other dials. */
    readonly connectToAny: (peers: ReadonlyArray<PeerAddress.Input>) => Effect.Effect<Connection, NoneReachable>
    /** Checks that `peer` can be dialled and answers, over a new connection that it closes again. */
    readonly isReachable: (peer: PeerAddress.Input) => Effect.Effect<void, RpcError>
    /**
     * Bootstraps again, as at the start: reaches a contact, learns the public address, and has the contact verify it. A client
     * only reaches a contact. Use it after a change of networks, or when no contact answered at the start.
     *
     * `contacts` are by default those of the options. When no contact answers, the public address stays the same and
     * `bootstrapContact` is none. It fails as the start does, and then changes nothing. Calls run one at a time. The question
     * may use an existing connection with the contact; the contact verifies over a new one.
     */
    readonly bootstrap: (
      contacts?: ReadonlyArray<PeerAddress.Input>
    ) => Effect.Effect<Bootstrap.Outcome, Bootstrap.BootstrapError | InvalidAddress | EndpointStopped>
    /**
     * Closes every connection with `peer`: by its id, or of each peer that is at the address or was dialled there. A host name
     * without an id finds no connection. Callers without types get an `InvalidArgument` for a value that is no peer.
     */
    readonly disconnectFrom: (peer: PeerAddress.Input) => Effect.Effect<void>
    /** Returns the id of the connection that is used with `peer`: by the id of the peer, or an address where it is or was dialled. */
    readonly connectionId: (peer: PeerAddress.Input) => Effect.Effect<Option.Option<ConnectionId>>
    /** Returns the current address of the peer of the connection with this id. */
    readonly addressOf: (id: ConnectionId) => Effect.Effect<Option.Option<NetAddress.InetAddress>>
    /**
     * Opens a bidirectional stream to a peer, and dials the peer if there is no connection. Completes as `connectTo` does: when
     * the peer has accepted the connection.
     */
    readonly openBidirectionalStream: (
      peer: PeerAddress.Input,
      options?: PriorityOptions
    ) => Effect.Effect<BidirectionalStream, ConnectionError>
    /**
     * Opens a stream of the protocol `name` (1 to 255 bytes of UTF-8) to a peer, and dials the peer if there is no connection. The
     * stream is writable at once: its first bytes leave together with the name. It completes without the peer's acceptance, of the
     * connection and of the stream: see `ProtocolStream` for a refusal. A dial that fails with a transient error is retried for
     * `retryDuration`. A name of another length, or with a lone surrogate, fails with `InvalidArgument`.
     *
     * The stream belongs to the scope. When the scope closes, a half that was not finished is reset, and what the peer still sends is
     * stopped, both with code 0.
     */
    readonly openProtocol: (
      peer: PeerAddress.Input,
      name: string,
      options?: SendOptions
    ) => Effect.Effect<ProtocolStream, ConnectionError, Scope.Scope>
    /**
     * Serves the protocol `name` (1 to 255 bytes of UTF-8) until the scope closes: runs `handler` for each stream that a peer opens,
     * in a fiber and a scope of its own, on every connection, inbound and outbound. Fails with `ProtocolTaken` when the endpoint
     * already serves the name. When the name or a limit is out of range, the error has an `InvalidArgument` as its `reason`.
     *
     * When the handler ends, its half of the stream is finished, and what the peer still sends is discarded. When it fails or has a
     * defect, the stream is reset with code 7, and the failure is logged; other streams do not notice. An interrupted handler resets
     * its stream with code 0. The end of the connection does not interrupt a handler: its reads and writes fail, and
     * `ProtocolStream.stopped` reports it.
     *
     * When the scope closes, handlers that run are interrupted, and further streams are refused. A handler that does not read holds
     * back its own stream: messages and other streams go on.
     */
    readonly serveProtocol: <E, R>(
      name: string,
      handler: (stream: ProtocolStream) => Effect.Effect<void, E, R>,
      options?: ServeOptions
    ) => Effect.Effect<void, ProtocolTaken, R | Scope.Scope>
    /** Sends a message over an existing connection, once. Fails with `NotConnected` when there is none. */
    readonly trySendMessage: (
      payload: Uint8Array,
      peer: PeerAddress.Input,
      options?: PriorityOptions
    ) => Effect.Effect<void, NotConnected | SendError>
    /**
     * Sends a message of 1 byte to `maxMessageSize`, and dials the peer if there is no connection. Completes when the peer has
     * acknowledged all of it. Do not change the payload before.
     *
     * When the connection is lost, the send is retried over a new one for `retryDuration`: a message whose acknowledgement was
     * lost arrives twice. A payload that is not a `Uint8Array` and an unknown option fail with `SerializationError` before a
     * dial. A peer with a smaller `maxMessageSize` stops the stream, and the send fails with `StreamLost`, unless the message
     * is so short that QUIC has already acknowledged it.
     */
    readonly sendMessage: (
      payload: Uint8Array,
      peer: PeerAddress.Input,
      options?: SendOptions
    ) => Effect.Effect<void, SendError>
    /** Closes all connections and frees the port. It is idempotent. Closing the scope does the same. */
    readonly close: Effect.Effect<void>
  }
>()("@qp2p/core/Endpoint") {}

/**
 * Makes an endpoint that closes with the scope. It binds a socket, maps a port if `forwardPort` is set, and bootstraps.
 *
 * When a contact answers, the start fails unless that contact can reach the endpoint at its public address. When no contact
 * answers, the endpoint starts without one.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options?: Options
): Effect.Effect<Endpoint["Service"], EndpointError, Scope.Scope | Transport | PortMapper.PortMapper> =>
  internal.make(options)

/**
 * Makes an endpoint that dials and cannot be dialled. It closes with the scope, and only connects with its contacts. It
 * receives on the connections that it dialled.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeClient = (
  options?: Options
): Effect.Effect<Endpoint["Service"], ClientEndpointError, Scope.Scope | Transport> => internal.makeClient(options)

/**
 * Provides an endpoint that dials and accepts connections: see `make`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Endpoint, EndpointError, Transport | PortMapper.PortMapper> =>
  Layer.effect(Endpoint, make(options))

/**
 * Provides an endpoint that dials and cannot be dialled: see `makeClient`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (options?: Options): Layer.Layer<Endpoint, ClientEndpointError, Transport> =>
  Layer.effect(Endpoint, makeClient(options))

/** Unwraps options. `Config.unwrap` throws for an undefined `config`, which its type allows, and accepts nearly any value. */
const unwrap = (options: Config.Wrap<Options>): Effect.Effect<Options, EndpointConfigError | Config.ConfigError> =>
  Effect.suspend((): Effect.Effect<Options, EndpointConfigError | Config.ConfigError> => {
    const problem = Config.isConfig(options) ? undefined : args.problemOf(options, configOptions)
    if (problem !== undefined) return Effect.fail(new EndpointConfigError(problem))
    return Config.unwrap(Config.isConfig(options) ? options : Record.filter(options as {}, Predicate.isNotUndefined))
  })

const aConfig = args.optional(args.check("must be a Config", Config.isConfig))

const isOfConfigs = (value: unknown): boolean =>
  Config.isConfig(value) || (args.isRecord(value) && Object.values(value).every((each) => aConfig(each) === undefined))

const configOptions: args.Fields = {
  localAddress: aConfig,
  contacts: aConfig,
  streams: aConfig,
  identity: aConfig,
  config: args.optional(args.check("must be a Config, or an object with a Config for each setting", isOfConfigs))
}

/**
 * Provides an endpoint as `layer` does, with options from Effect's `Config`, such as `Endpoint.config("qp2p")` or
 * `{ localAddress: Config.String("LISTEN"), identity: Identity.config("KEY") }`. The default is `Endpoint.config()`, without a
 * path and with a new identity. Fails with `Config.ConfigError` when the source has an invalid value.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options> = config()
): Layer.Layer<Endpoint, EndpointError | Config.ConfigError, Transport | PortMapper.PortMapper> =>
  Layer.effect(Endpoint, Effect.flatMap(unwrap(options), make))

/**
 * Provides an endpoint as `layerClient` does, with options from Effect's `Config`: see `layerConfig`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerClientConfig = (
  options: Config.Wrap<Options> = config()
): Layer.Layer<Endpoint, ClientEndpointError | Config.ConfigError, Transport> =>
  Layer.effect(Endpoint, Effect.flatMap(unwrap(options), makeClient))

/**
 * Provides an endpoint as `layer` does, with the pool and the bootstrap from the context.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerWithoutDependencies = (
  options?: Options
): Layer.Layer<
  Endpoint,
  EndpointError,
  Transport | PortMapper.PortMapper | ConnectionPool.ConnectionPool | Bootstrap.Bootstrap
> => Layer.effect(Endpoint, internal.makeWithServices(options))
