/**
 * Everything about an endpoint that can be tuned, with its default, in one place.
 *
 * The schema decodes plain objects, JSON and, through `EndpointConfig.config`, Effect's `Config` and so the environment.
 * Durations may be a `Duration`, a number of milliseconds, or a string such as `"30 seconds"`; addresses may be strings.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ConfigError } from "./EndpointError.ts"
import { firstIssue } from "./internal/schemaIssue.ts"

/** A `Duration`, or anything that names one; not negative. */
const Time = Schema.Union([Schema.Duration, Schema.DurationFromMillis, Schema.DurationFromString]).check(
  Schema.makeFilter((duration) => (Duration.isNegative(duration) ? "must not be negative" : undefined))
)

/** A `Time` that some timer counts down, so 0 makes no sense. */
const PositiveTime = Time.check(
  Schema.makeFilter((duration) => (Duration.isZero(duration) ? "must be more than 0" : undefined))
)

const Bytes = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))

const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))

const Port = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))

const withDefault = <S extends Schema.Top>(schema: S, value: S["Type"]) =>
  schema.pipe(Schema.withDecodingDefaultType(Effect.succeed(value)))

/**
 * @category schemas
 * @since 0.1.0
 */
export const EndpointConfig = Schema.Struct({
  /** Map a UDP port on the gateway through `PortMapper`. Default false. */
  forwardPort: withDefault(Schema.Boolean, false),
  /** What the operator knows about the outside; wins over what the gateway and the contact say. Default none. */
  externalIp: Schema.optional(Schema.Union([Schema.IpAddress, Schema.IpAddressFromString])),
  /** 1 to 65,535. Default none. */
  externalPort: Schema.optional(Port),
  /** A connection that hears nothing from its peer for this long is closed. The smaller of both sides counts. Default 60 s. */
  idleTimeout: withDefault(PositiveTime, Duration.seconds(60)),
  /** An idle connection is pinged this often. `Duration.infinity` turns it off. Default 20 s. */
  keepAliveInterval: withDefault(PositiveTime, Duration.seconds(20)),
  /** The lease asked of the gateway; renewed before it ends. Default 120 s. */
  upnpLeaseDuration: withDefault(PositiveTime, Duration.seconds(120)),
  /** A dial or a send that fails is tried again for at least this long. 0 tries once. Default 30 s. */
  retryDuration: withDefault(Time, Duration.seconds(30)),
  /** Bytes of one message, sent or received. Default 64 MiB. */
  maxMessageSize: withDefault(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0xffffffff })), 64 * 2 ** 20),
  /** Messages that wait to be taken before peers are held back. Also the capacity of the other queues. Default 10,000. */
  messageBuffer: withDefault(Count, 10_000),
  /** Bytes of messages that wait to be taken before peers are held back. One message always fits. Default 64 MiB. */
  messageBufferBytes: withDefault(Bytes, 64 * 2 ** 20),
  /** Bytes of messages that have arrived in part, per connection; the stream that goes over it is stopped. Default 128 MiB. */
  reassemblyBuffer: withDefault(Bytes, 128 * 2 ** 20),
  /** Connections at once, incoming and outgoing. Default 10,000. */
  maxConnections: withDefault(Count, 10_000),
  /** Connections at once with one IP address. Default 1,000. */
  maxConnectionsPerIp: withDefault(Count, 1_000),
  /** A handshake that takes longer has failed. Default 10 s. */
  handshakeTimeout: withDefault(PositiveTime, Duration.seconds(10)),
  /** How long a question to a peer (echo, verification, reachability) may take. Default 10 s. */
  rpcTimeout: withDefault(PositiveTime, Duration.seconds(10)),
  /**
   * A connection that waits for the peer's QUIC, for an acknowledgement or for room to open streams, and gets nowhere for
   * this long is closed. Waiting for the peer's application to read is no such thing. Default 60 s.
   */
  stallTimeout: withDefault(PositiveTime, Duration.seconds(60)),
  /** Bytes per second to one peer. Default 1 GiB/s. */
  maxSendRate: withDefault(Schema.Int.check(Schema.isBetween({ minimum: 65_536, maximum: 2 ** 40 })), 2 ** 30)
})

/**
 * @category models
 * @since 0.1.0
 */
export type EndpointConfig = typeof EndpointConfig.Type

/**
 * What may be written where a configuration is asked for: every field may be left out.
 *
 * @category models
 * @since 0.1.0
 */
export type Input = {
  readonly [K in keyof typeof EndpointConfig.Encoded]?: (typeof EndpointConfig.Encoded)[K] | undefined
}

const decodeUnknown = Schema.decodeUnknownEffect(EndpointConfig)

/**
 * Fills in the defaults. Fails with the path and the reason of the first value that is not acceptable.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (input: unknown): Effect.Effect<EndpointConfig, ConfigError> =>
  Effect.mapError(decodeUnknown(input), (error) => new ConfigError(firstIssue(error.issue)))

/**
 * The defaults.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaults: EndpointConfig = Schema.decodeSync(EndpointConfig)({})

/** What a configuration source can say: text, of which an address has only this one form. */
const FromText = Schema.Struct({
  ...EndpointConfig.fields,
  externalIp: Schema.optional(Schema.IpAddressFromString)
})

/**
 * Reads the fields from Effect's `ConfigProvider`: by default from environment variables of the same names, under
 * `path` if one is given. What is not there has its default.
 *
 * @category decoding
 * @since 0.1.0
 */
export const config = (path?: string): Config.Config<EndpointConfig> =>
  Config.withDefault(Config.schema(FromText, path), defaults)
