/**
 * The settings of an endpoint and their defaults.
 *
 * The schema decodes plain objects, and JSON text through `Schema.fromJsonString`. `config` reads the settings from Effect's
 * `Config`, and so from the environment. A duration is any `Duration.Input`; an IP address may be text. Like every schema,
 * it ignores unknown keys unless `onExcessProperty` is `"error"`; `decode` rejects them.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { EndpointConfigError } from "./EndpointError.ts"
import * as args from "./internal/arguments.ts"
import { invalidPath } from "./internal/configPath.ts"
import * as configSource from "./internal/configSource.ts"
import * as durationText from "./internal/durationText.ts"
import { shortestInterval } from "./KeepAlive.ts"
import { nearest } from "./internal/nearest.ts"
import { firstIssue } from "./internal/schemaIssue.ts"
import * as setting from "./internal/setting.ts"

const notSettings = "must be an object of settings"
const unknownSetting = "unknown setting"

/** The default interval. Unlike a configured one, it may exceed the idle timeout: the interval then follows the timeout. */
const defaultKeepAlive = Duration.seconds(20)

/** The shortest idle timeout with keep-alive, in milliseconds: twice the shortest interval, so that a late ping is in time. */
const shortestIdleTimeout = 2 * shortestInterval

/** Finds settings that contradict each other: idle connections would time out in spite of keep-alive. */
const contradiction = ({
  idleTimeout,
  keepAliveInterval
}: {
  readonly idleTimeout: Duration.Duration
  readonly keepAliveInterval: Duration.Duration
}) => {
  if (!Duration.isFinite(keepAliveInterval)) return undefined
  if (Duration.toMillis(idleTimeout) < shortestIdleTimeout) {
    return {
      path: ["idleTimeout"],
      issue: `must be at least ${shortestIdleTimeout} milliseconds, for keep-alive to be in time, unless keepAliveInterval is infinite`
    }
  }
  return Duration.isLessThan(keepAliveInterval, idleTimeout) ||
    Duration.Equivalence(keepAliveInterval, defaultKeepAlive)
    ? undefined
    : {
        path: ["keepAliveInterval"],
        issue: `must be less than idleTimeout (${Duration.format(idleTimeout)}), or infinite to turn keep-alive off`
      }
}

/**
 * The settings of an endpoint, decoded and with their defaults.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const EndpointConfig = Schema.Struct({
  /** Maps a UDP port on the gateway through `PortMapper`. Default false. */
  forwardPort: setting.withDefault(setting.flag, false),
  /** Whether the endpoint fails to start when its port cannot be mapped. If false, it logs a warning. Default true. */
  forwardPortRequired: setting.withDefault(setting.flag, true),
  /** Overrides the public IP address that the gateway or a contact reports. Default none. */
  externalIp: setting.optional(setting.ip),
  /** Overrides the public port that the gateway or a contact reports, 1 to 65,535. Default none. */
  externalPort: setting.optional(setting.integer(1, 65_535)),
  /**
   * Closes a connection that receives nothing from its peer for this long, but for three probe timeouts at least (RFC 9000,
   * section 10.1). The smaller value of both sides applies. Also fails a dial that takes longer. With keep-alive, at least
   * 100 ms. Default 60 s.
   */
  idleTimeout: setting.withDefault(setting.positiveDuration, Duration.seconds(60)),
  /**
   * Pings an idle connection at this interval, or at a third of the idle timeout (the smaller one of both sides) where that
   * is shorter. A configured interval must be less than `idleTimeout`. `Duration.infinity` turns keep-alive off. Default
   * 20 s.
   */
  keepAliveInterval: setting.withDefault(setting.interval, defaultKeepAlive),
  /** The lease of a port mapping, which is renewed before it ends. Default 120 s. */
  upnpLeaseDuration: setting.withDefault(setting.positiveDuration, Duration.seconds(120)),
  /** Retries a failed dial or send for at least this long. 0 does not retry. Default 30 s. */
  retryDuration: setting.withDefault(setting.duration, Duration.seconds(30)),
  /** The largest payload of a message, sent or received, in bytes: 1 to 2^32 - 1. Default 64 MiB. */
  maxMessageSize: setting.withDefault(setting.integer(1, 0xffffffff), 64 * 2 ** 20),
  /**
   * The most received messages that wait to be taken; a full queue holds senders back. One peer may fill a third of it, and the
   * peers at one IP address a half. Also the capacity of the other queues. 1 to 1,000,000. Default 10,000.
   */
  messageBuffer: setting.withDefault(setting.integer(1, 1_000_000), 10_000),
  /**
   * The most bytes of received messages that wait to be taken, of which one peer may fill a third, and the peers at one IP address a
   * half. An empty queue takes a message of any size. Datagrams may take a sixteenth of it besides. Default 64 MiB.
   */
  messageBufferBytes: setting.withDefault(setting.integer(1, Number.MAX_SAFE_INTEGER), 64 * 2 ** 20),
  /**
   * The most bytes of incomplete messages on one connection. The stream that exceeds it is stopped with code 2. So are the
   * streams of incomplete messages, of more than 64 KiB together, whose peer sends less than 1 KiB a second for 30 s though
   * nothing holds it back. Default 128 MiB.
   */
  reassemblyBuffer: setting.withDefault(setting.integer(1, Number.MAX_SAFE_INTEGER), 128 * 2 ** 20),
  /**
   * The most memory for what peers have sent and the application has not read, over all connections, besides 64 KiB for each
   * connection; at least 1 MiB. Messages that have arrived in part count, and over QUIC also what each piece costs besides its
   * bytes, and short answers that the peer has asked for and does not take. One IP address, or one /64 of IPv6, may take half
   * of it; the addresses of this machine share the whole. Above half of it, inbound dials of an address are refused that itself
   * holds more than 64 KiB. Above three quarters, senders are held back, the largest first, and lose nothing. Default 512 MiB.
   */
  unreadBuffer: setting.withDefault(setting.integer(2 ** 20, Number.MAX_SAFE_INTEGER), 512 * 2 ** 20),
  /**
   * The most connections at once, inbound and outbound: 1 to 1,000,000. Inbound ones take at most nine tenths. At the limit, a
   * new connection takes the place of an inbound one that nothing was sent on, or else of the one that is idle for the longest
   * time, at least 30 s: that one is closed with code 5 when the handshake of the new one is complete. Up to a tenth more, at
   * least one, may have such handshakes under way. Default 10,000.
   */
  maxConnections: setting.withDefault(setting.integer(1, 1_000_000), 10_000),
  /** The most connections at once with one IP address, or one /64 of IPv6: 1 to 1,000,000. Default 1,000. */
  maxConnectionsPerIp: setting.withDefault(setting.integer(1, 1_000_000), 1_000),
  /** Fails a handshake that takes longer. Default 10 s. */
  handshakeTimeout: setting.withDefault(setting.positiveDuration, Duration.seconds(10)),
  /**
   * Fails a question to a peer (echo, verification, reachability) that takes longer. Also closes a peer's connection for
   * verification that its peer has not closed by then. Default 10 s.
   */
  rpcTimeout: setting.withDefault(setting.positiveDuration, Duration.seconds(10)),
  /**
   * Closes a connection that waits for the peer's QUIC without progress for this long: for an acknowledgement, for room to
   * open streams, or for the end of a stream that the peer was asked to stop. Waiting for the peer's application to read
   * does not count. Default 60 s.
   */
  stallTimeout: setting.withDefault(setting.positiveDuration, Duration.seconds(60)),
  /** The highest send rate to one peer, in bytes per second: 64 KiB to 1 TiB. Default 1 GiB. */
  maxSendRate: setting.withDefault(setting.integer(65_536, 2 ** 40), 2 ** 30)
})
  .annotate({ message: notSettings, messageUnexpectedKey: unknownSetting })
  .check(Schema.makeFilter(contradiction))

/**
 * The settings of an endpoint, decoded and with their defaults.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type EndpointConfig = typeof EndpointConfig.Type

/**
 * The input of a configuration: every field is optional.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Input = {
  readonly [K in keyof typeof EndpointConfig.Encoded]?: (typeof EndpointConfig.Encoded)[K] | undefined
}

const decodeUnknown = Schema.decodeUnknownEffect(EndpointConfig, { onExcessProperty: "error" })

/**
 * Decodes a configuration and fills in the defaults. Fails with the path and the reason of the first invalid value or
 * unknown key.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const decode = (input: unknown): Effect.Effect<EndpointConfig, EndpointConfigError> =>
  // A schema would accept an array, a Map or a Promise as an object without settings.
  args.isRecord(input)
    ? Effect.mapError(decodeUnknown(input), (error) => {
        const { detail, path } = firstIssue(error.issue)
        const meant = detail === unknownSetting ? nearest(path, names) : undefined
        return new EndpointConfigError({
          path,
          detail: meant === undefined ? detail : `${detail}; did you mean ${meant}?`
        })
      })
    : Effect.fail(new EndpointConfigError({ path: "", detail: notSettings }))

/**
 * The configuration with every setting at its default.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const defaults: EndpointConfig = Schema.decodeSync(EndpointConfig)({})

/** Decodes settings from a configuration source, where each is text. */
const FromText = setting.fromText(EndpointConfig)

const decodeTexts = Schema.decodeUnknownEffect(FromText)

const names = Object.keys(EndpointConfig.fields)

/** Options of an endpoint that `Endpoint.config` reads beside these settings. */
const endpointOptions = { texts: ["localAddress", "streams"], lists: ["contacts"] }

/** Settings under `QP2P_` that other modules read from the environment. */
const reservedNames = ["quicheBinding"]

/**
 * The options of `config`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SourceOptions {
  /** Names under the path that the program reads itself, such as `interval`. They are not reported. Default none. */
  readonly others?: ReadonlyArray<string> | undefined
}

/**
 * Reads the settings from Effect's `ConfigProvider`, which by default reads environment variables. An absent setting has its
 * default.
 *
 * Under the path `"qp2p"`, the field `idleTimeout` is the variable `QP2P_IDLE_TIMEOUT` or `qp2p_idleTimeout`; the latter takes
 * precedence. `ConfigProvider.constantCase` is not needed, and does no harm.
 *
 * Every value is text. A duration has a unit, such as `"30 seconds"`, `"500ms"` or `"2s"`; a number without a unit is an error,
 * except 0. `"off"` turns keep-alive off.
 *
 * Under a path, an unknown name that resembles a setting is an error that names the setting; any other unknown name is a
 * warning in the log. Without a path, unknown names are ignored, since an environment has many.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const config = (path?: string, options?: SourceOptions): Config.Config<EndpointConfig> => {
  const refused = invalidPath(path, options)
  if (refused !== undefined) return refused
  const texts = configSource.read(path, { texts: names })
  const checked =
    path === undefined
      ? Config.succeed(undefined)
      : configSource.checkNames(path, { texts: [...names, ...endpointOptions.texts], lists: endpointOptions.lists }, [
          ...reservedNames,
          ...(options?.others ?? [])
        ])
  return Config.mapEffect(Config.all([texts, checked]), ([texts]) =>
    Effect.mapError(decodeTexts(texts), ({ issue }) => configSource.errorAt(path, issue))
  )
}

/**
 * Reads a duration from text, such as `"500ms"`, `"2s"`, `"1.5m"`, `"2 seconds"` or `"Infinity"`. A number without a unit gives
 * none, except 0.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const durationFromString = (text: string): Option.Option<Duration.Duration> =>
  typeof text === "string" ? durationText.fromText(text) : Option.none()
