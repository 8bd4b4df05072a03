/**
 * Everything about an endpoint that can be tuned, with its default, in one place.
 *
 * The schema decodes plain objects, JSON text through `Schema.fromJsonString`, and through `EndpointConfig.config`
 * Effect's `Config` and so the environment. Durations may be any `Duration.Input`; addresses may be strings. As every
 * schema it ignores keys that it does not know, unless it is told `onExcessProperty: "error"`, as `decode` tells it.
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
import { notPath } from "./internal/configPath.ts"
import * as configSource from "./internal/configSource.ts"
import * as durationText from "./internal/durationText.ts"
import { shortestInterval } from "./KeepAlive.ts"
import { nearest } from "./internal/nearest.ts"
import { firstIssue } from "./internal/schemaIssue.ts"
import * as setting from "./internal/setting.ts"

const notSettings = "must be an object of settings"
const unknownSetting = "unknown setting"

/** Follows a short idle timeout, as nobody has asked for it. */
const defaultKeepAlive = Duration.seconds(20)

/** With keep-alive, in milliseconds: its shortest interval, looked at as seldom as timers allow, must come in time. */
const shortestIdleTimeout = 2 * shortestInterval

/** Settings that cannot hold together: idle connections would end although they are to be kept. */
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
  /** Map a UDP port on the gateway through `PortMapper`. Default false. */
  forwardPort: setting.withDefault(setting.flag, false),
  /** Whether an endpoint whose port cannot be mapped fails to start; if not, that is a warning. Default true. */
  forwardPortRequired: setting.withDefault(setting.flag, true),
  /** What the operator knows about the outside; wins over what the gateway and the contact say. Default none. */
  externalIp: setting.optional(setting.ip),
  /** 1 to 65,535. Default none. */
  externalPort: setting.optional(setting.integer(1, 65_535)),
  /**
   * A connection that hears nothing from its peer for this long is closed; QUIC allows it three probe timeouts at least. The
   * smaller of both sides counts. At least 100 ms, or keep-alive could not be in time. A dial that takes longer fails, too.
   * Default 60 s.
   */
  idleTimeout: setting.withDefault(setting.positiveDuration, Duration.seconds(60)),
  /**
   * An idle connection is pinged this often, and more often where a third of the idle timeout is less: the smaller one of
   * both sides. Must be less than `idleTimeout`, unless it is left at its default. `Duration.infinity` turns it off.
   * Default 20 s.
   */
  keepAliveInterval: setting.withDefault(setting.interval, defaultKeepAlive),
  /** The lease asked of the gateway; renewed before it ends. Default 120 s. */
  upnpLeaseDuration: setting.withDefault(setting.positiveDuration, Duration.seconds(120)),
  /** A dial or a send that fails is tried again for at least this long. 0 dials once. Default 30 s. */
  retryDuration: setting.withDefault(setting.duration, Duration.seconds(30)),
  /** Bytes of one message, sent or received. Default 64 MiB. */
  maxMessageSize: setting.withDefault(setting.integer(1, 0xffffffff), 64 * 2 ** 20),
  /** Messages that wait to be taken before peers are held back. Also the capacity of the other queues. Default 10,000. */
  messageBuffer: setting.withDefault(setting.integer(1, 1_000_000), 10_000),
  /** Bytes of messages that wait to be taken before peers are held back. One message always fits. Default 64 MiB. */
  messageBufferBytes: setting.withDefault(setting.integer(1, Number.MAX_SAFE_INTEGER), 64 * 2 ** 20),
  /** Bytes of messages that have arrived in part, per connection; the stream that goes over it is stopped. Default 128 MiB. */
  reassemblyBuffer: setting.withDefault(setting.integer(1, Number.MAX_SAFE_INTEGER), 128 * 2 ** 20),
  /**
   * Bytes that peers have sent and nobody has read, over all connections. Over half of it peers that dial are refused; over
   * all of it the connection with the most is closed with code 3. Default 512 MiB.
   */
  unreadBuffer: setting.withDefault(setting.integer(2 ** 20, Number.MAX_SAFE_INTEGER), 512 * 2 ** 20),
  /** Connections at once, incoming and outgoing. Default 10,000. */
  maxConnections: setting.withDefault(setting.integer(1, 1_000_000), 10_000),
  /** Connections at once with one IP address. Default 1,000. */
  maxConnectionsPerIp: setting.withDefault(setting.integer(1, 1_000_000), 1_000),
  /** A handshake that takes longer has failed. Default 10 s. */
  handshakeTimeout: setting.withDefault(setting.positiveDuration, Duration.seconds(10)),
  /** How long a question to a peer (echo, verification, reachability) may take. Default 10 s. */
  rpcTimeout: setting.withDefault(setting.positiveDuration, Duration.seconds(10)),
  /**
   * A connection that waits for the peer's QUIC, for an acknowledgement, for room to open streams or for the end of one
   * that the peer was asked to stop, and gets nowhere for this long is closed. Waiting for the peer's application to read
   * is no such thing. Default 60 s.
   */
  stallTimeout: setting.withDefault(setting.positiveDuration, Duration.seconds(60)),
  /** Bytes per second to one peer. Default 1 GiB/s. */
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
 * What may be written where a configuration is asked for: every field may be left out.
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
 * Fills in the defaults. Fails with the path and the reason of the first value that is not acceptable, or of a key that
 * is no setting.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const decode = (input: unknown): Effect.Effect<EndpointConfig, EndpointConfigError> =>
  // To a schema a list, a map or a Promise is an object without any of the settings.
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
 * The defaults.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const defaults: EndpointConfig = Schema.decodeSync(EndpointConfig)({})

/** What a configuration source can say. */
const FromText = setting.fromText(EndpointConfig)

const decodeTexts = Schema.decodeUnknownEffect(FromText)

const names = Object.keys(EndpointConfig.fields)

/** Settings of an endpoint beside its configuration: see `Endpoint.config`. */
const besides = ["localAddress", "contacts"]

/** Variables that are not read from a source of configuration, and begin with QP2P. */
const elsewhere = ["quicheBinding"]

/**
 * Options of reading settings from a configuration source.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SourceOptions {
  /** Names under the path that the program reads itself, such as `interval`: they are not reported. None by default. */
  readonly others?: ReadonlyArray<string> | undefined
}

/**
 * Reads the fields from Effect's `ConfigProvider`: by default from environment variables. Under the path `"qp2p"` the field
 * `idleTimeout` is the variable `QP2P_IDLE_TIMEOUT`, or `qp2p_idleTimeout`, which comes first. `ConfigProvider.constantCase`
 * makes no difference. What is not there has its default.
 *
 * Everything is text: durations have a unit, such as `"30 seconds"`, `"500ms"` or `"2s"`; a number alone is an error, except 0.
 * `"off"` turns keep-alive off.
 *
 * Under a path, a name that is not a setting is reported: the error names the setting that is meant, and when none is near
 * it is a warning in the log. Without a path other names are not looked at: an environment is full of them.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const config = (path?: string, options?: SourceOptions): Config.Config<EndpointConfig> => {
  const refused = notPath(path, options)
  if (refused !== undefined) return refused
  const texts = configSource.read(path, { texts: names })
  const checked =
    path === undefined
      ? Config.succeed(undefined)
      : configSource.checkNames(path, [...names, ...besides], [...elsewhere, ...(options?.others ?? [])])
  return Config.mapEffect(Config.all([texts, checked]), ([texts]) =>
    Effect.mapError(decodeTexts(texts), ({ issue }) => configSource.errorAt(path, issue))
  )
}

/**
 * Reads a duration as people write it: `"500ms"`, `"2s"`, `"1.5m"`, `"2 seconds"`, `"Infinity"`. None for a number without a
 * unit, except 0, because the unit would be a guess.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const durationFromString = (text: string): Option.Option<Duration.Duration> =>
  typeof text === "string" ? durationText.fromText(text) : Option.none()
