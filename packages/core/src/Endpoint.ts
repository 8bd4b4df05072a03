/**
 * A place on the network: dials peers, is dialled by them, and exchanges messages and streams with them.
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
import type { IncomingMessage } from "./IncomingMessage.ts"
import type { IncomingStream } from "./IncomingStream.ts"
import * as addressSetting from "./internal/addressSetting.ts"
import * as internal from "./internal/endpoint/start.ts"
import type * as PortMapper from "./PortMapper.ts"
import type { RpcError } from "./RpcError.ts"
import type { NotConnected, SendError } from "./SendError.ts"
import type { Transport } from "./Transport.ts"

export type { Disconnection } from "./Disconnection.ts"
export type { IncomingMessage } from "./IncomingMessage.ts"
export type { IncomingStream } from "./IncomingStream.ts"

/**
 * An address, or text such as `"127.0.0.1:4433"`, `"[::1]:4433"` or `"[fe80::1%eth0]:4433"`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Address = NetAddress.InetAddress | string

/**
 * Options of sending a message.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SendOptions extends PriorityOptions {
  /** Instead of `EndpointConfig.retryDuration`. */
  readonly retryDuration?: Duration.Input | undefined
}

/**
 * Options of an endpoint.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Where to listen. `"0.0.0.0:0"` by default: every IPv4 address, a port of the system's choice. */
  readonly localAddress?: Address | undefined
  /** Peers to bootstrap from. */
  readonly contacts?: ReadonlyArray<Address> | undefined
  /**
   * Who reads the streams that peers open. "Messages", the default: the endpoint reads them all as messages, which come in
   * `incomingMessages`. "Manual": the application reads each stream itself; they come in `incomingStreams`, and no messages
   * come in `incomingMessages`, but those that follow a question to the endpoint on its stream.
   */
  readonly streams?: "Messages" | "Manual" | undefined
  /** Another name than these is an `EndpointConfigError`, as any value is that is not acceptable. */
  readonly config?: EndpointConfig.Input | undefined
}

/**
 * Options from Effect's `ConfigProvider`, under `path` if one is given: `localAddress`, `contacts` (a list, or text with
 * commas between), and every field of `EndpointConfig` beside them. `EndpointConfig.config` says how they are spelt and
 * written, and what becomes of other names. What is not there has its default.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const config = (path?: string, options?: EndpointConfig.SourceOptions): Config.Config<Options> => {
  const refused = invalidPath(path, options)
  if (refused !== undefined) return refused
  const own = configSource.read(path, { texts: ["localAddress"], lists: ["contacts"] })
  return Config.all({
    own: Config.mapEffect(own, ({ contacts, localAddress }) =>
      Effect.mapError(addressSetting.decode({ localAddress, contacts }), (issue) => configSource.errorAt(path, issue))
    ),
    config: EndpointConfig.config(path, options)
  }).pipe(Config.map(({ config, own: { contacts, localAddress } }) => ({ localAddress, contacts, config })))
}

/**
 * Each message, connection and disconnection goes to exactly one taker, whether it takes by stream or one by one. The
 * queues are bounded: messages that nobody takes hold their senders back. A stream that is left early may have taken a
 * batch of which the rest is lost with it; `nextConnection`, `nextMessage` and `nextDisconnection` take one item only.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class Endpoint extends Context.Service<
  Endpoint,
  {
    /** The bound UDP address, which may be a wildcard. That is no address to dial: see `localAddresses`. */
    readonly localAddress: NetAddress.InetAddress
    /**
     * Where this endpoint is reached by peers near by: the bound address, or those of the interfaces behind a wildcard, as
     * they are now. The ones that most peers can reach come first, loopback addresses last. A transport that knows no
     * interfaces leaves the loopback address.
     */
    readonly localAddresses: readonly [NetAddress.InetAddress, ...Array<NetAddress.InetAddress>]
    /**
     * Where peers reach this endpoint, as far as is known: configured, mapped, seen by the contact, or else the first of
     * `localAddresses`, which is never a wildcard. What the latest bootstrap has found.
     */
    readonly publicAddress: NetAddress.InetAddress
    /** The contact that answered first when the endpoint was bootstrapped last, if any did: as it was named. */
    readonly bootstrapContact: Option.Option<NetAddress.InetAddress>
    /**
     * The port on the gateway, if `forwardPort` asked for one and it was granted. Its `status` tells what becomes of it;
     * losing it does not end the endpoint, and `publicAddress` follows it.
     */
    readonly portMapping: Option.Option<PortMapper.Mapping>
    /**
     * The connections there are now, whoever dialled: those that can be used. Not those that are made for verification, as by
     * `isReachable`, and not those of peers that have only asked for verification together with their handshake.
     */
    readonly connections: Effect.Effect<ReadonlyArray<Connection>>
    /**
     * Connections of peers that dialled this endpoint. Ends when it stops. A peer that only verifies whether this endpoint
     * can be reached makes a connection for it, which does not appear here, and neither does its end in `disconnections`.
     */
    readonly incomingConnections: Stream.Stream<Connection>
    /** Messages of every connection, whoever dialled. Ends when the endpoint stops. */
    readonly incomingMessages: Stream.Stream<IncomingMessage>
    /**
     * With the option `streams: "Manual"`: streams that peers have opened, each as soon as its first bytes have come. A
     * stream that begins with a control message of qp2p is the endpoint's and does not appear, and one that ends without a
     * byte does not either. At most `messageBuffer` streams wait here; of each, and of those beyond them, no more than 9
     * bytes are read before the application reads it, so flow control holds peers back. A stream that has not been taken
     * when its connection ends is let go of. Ends when the endpoint stops.
     */
    readonly incomingStreams: Stream.Stream<IncomingStream>
    /** Every connection that ended, but those made for verification. Ends when the endpoint stops. */
    readonly disconnections: Stream.Stream<Disconnection>
    /** Waits for the next connection that a peer made. */
    readonly nextConnection: Effect.Effect<Connection, EndpointStopped>
    /** Waits for the next stream that a peer opened, with the option `streams: "Manual"`. */
    readonly nextStream: Effect.Effect<IncomingStream, EndpointStopped>
    /** Waits for the next message. */
    readonly nextMessage: Effect.Effect<IncomingMessage, EndpointStopped>
    /** Waits for the next disconnection. */
    readonly nextDisconnection: Effect.Effect<Disconnection, EndpointStopped>
    /**
     * A connection with `peer`: the one there is, or a new one. Dials that fail for reasons that may pass are tried
     * again for `retryDuration`.
     */
    readonly connectTo: (peer: Address) => Effect.Effect<Connection, ConnectionError>
    /** Dials all of them at once, each once; the first to answer wins and the other dials are given up. */
    readonly connectToAny: (peers: ReadonlyArray<Address>) => Effect.Effect<Connection, NoneReachable>
    /** Whether `peer` answers, over a connection that is made for this and closed again. */
    readonly isReachable: (peer: Address) => Effect.Effect<void, RpcError>
    /**
     * Bootstraps again, as at the start: reaches a contact, learns the public address and has it verified; a client only
     * reaches a contact. `contacts` are those of the options by default. For an endpoint whose network has changed, or
     * that found no contact when it started. When none answers, the public address stays what it was and there is no
     * contact. Fails as the start does, and then changes nothing. One at a time: a second caller waits for its turn. The
     * contact may be asked over a connection that is there already; it verifies over a new one.
     */
    readonly bootstrap: (
      contacts?: ReadonlyArray<Address>
    ) => Effect.Effect<Bootstrap.Outcome, Bootstrap.BootstrapError | InvalidAddress | EndpointStopped>
    /**
     * Closes every connection with `peer`: those whose peer is there now, and those that were dialled there. Callers without
     * types: `InvalidArgument` for what is neither address nor text.
     */
    readonly disconnectFrom: (peer: Address) => Effect.Effect<void>
    /** The id of the connection with `peer`, which is there now, or was dialled there and answers from elsewhere. */
    readonly connectionId: (peer: Address) => Effect.Effect<Option.Option<ConnectionId>>
    /** Where the peer with this id is now. */
    readonly addressOf: (id: ConnectionId) => Effect.Effect<Option.Option<NetAddress.InetAddress>>
    /** Opens a stream to a peer that both sides write, over a connection that is dialled if need be. */
    readonly openBidirectionalStream: (
      peer: Address,
      options?: PriorityOptions
    ) => Effect.Effect<BidirectionalStream, ConnectionError>
    /** As `sendMessage`, but only over a connection that is there. */
    readonly trySendMessage: (
      payload: Uint8Array,
      peer: Address,
      options?: PriorityOptions
    ) => Effect.Effect<void, NotConnected | SendError>
    /**
     * Sends a message of 1 byte to `maxMessageSize`, dialling if need be. Done when the peer has acknowledged all of
     * it; the payload must not be changed before. What is no `Uint8Array`, and an option that there is not, fails with
     * `SerializationError` before anything is dialled. Tried again over a new connection when the connection is lost, for
     * `retryDuration`: a message whose acknowledgement was lost then arrives twice. A peer whose own `maxMessageSize` is
     * smaller stops the stream, which fails this with `StreamLost`, unless the message was so short that QUIC had
     * acknowledged it by then.
     */
    readonly sendMessage: (payload: Uint8Array, peer: Address, options?: SendOptions) => Effect.Effect<void, SendError>
    /** Ends everything and frees the port. Idempotent; closing the scope does the same. */
    readonly close: Effect.Effect<void>
  }
>()("@qp2p/core/Endpoint") {}

/**
 * An endpoint that lives as long as the scope. Listens, maps a port if the configuration says so, and bootstraps: when
 * contacts are given and one answers, this fails unless that contact can reach us at the public address. When none
 * answers the endpoint works without.
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
 * An endpoint that dials and is not dialled: no peer can connect to it, and nothing is asked of its contacts but a
 * connection. It receives what peers send on the connections that it made.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeClient = (
  options?: Options
): Effect.Effect<Endpoint["Service"], ClientEndpointError, Scope.Scope | Transport> => internal.makeClient(options)

/**
 * An endpoint that peers can dial, for the lifetime of the layer.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Endpoint, EndpointError, Transport | PortMapper.PortMapper> =>
  Layer.effect(Endpoint, make(options))

/**
 * An endpoint that only dials, for the lifetime of the layer.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (options?: Options): Layer.Layer<Endpoint, ClientEndpointError, Transport> =>
  Layer.effect(Endpoint, makeClient(options))

/** `Config.unwrap` throws at an undefined `config`, although its type admits that, and takes nearly anything for options. */
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
  config: args.optional(args.check("must be a Config, or an object with a Config for each setting", isOfConfigs))
}

/**
 * The layer `layer` with options from Effect's `Config`, such as `{ localAddress: Config.String("LISTEN") }` or
 * `Endpoint.config("qp2p")`, which is read at the top level, without a path, when there are none. Fails with
 * `Config.ConfigError` when the source has no acceptable value.
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
 * The layer `layerClient` with options from Effect's `Config`, as in `layerConfig`.
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
 * For programs that bring their own pool or bootstrap.
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
