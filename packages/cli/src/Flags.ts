/**
 * Flags that several commands share, and the parsing of their values.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Address from "@qp2p/core/Address"
import { InvalidAddress } from "@qp2p/core/ConnectionError"
import * as EndpointConfig from "@qp2p/core/EndpointConfig"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Addresses may have zones that name interfaces of this machine. */
const { interfaces } = QuicheTransport.make()

const readAddress = (input: string) => Address.fromString(input.trim(), interfaces)

/** Parses an address, unless `refuse` returns a reason against it. */
const readUnless = (refuse: (address: NetAddress.InetAddress) => string | undefined) => (input: string) =>
  Result.flatMap(readAddress(input), (address) => {
    const detail = refuse(address)
    return detail === undefined ? Result.succeed(address) : Result.fail(new InvalidAddress({ input, detail }))
  })

const readListen = readUnless(Address.unbindable)

/**
 * Parses a socket address: `127.0.0.1:4433`, `[::1]:4433`, `[fe80::1%eth0]:4433`. None for any other text.
 *
 * @stability unstable
 * @category parsing
 * @since 0.1.0
 */
export const parseAddress = (input: string): Option.Option<NetAddress.InetAddress> =>
  Result.getSuccess(readAddress(input))

/** The reason as a sentence that begins with "Expected": the parser puts "Expected: " before any other. */
const reasonOf = (read: (input: string) => Result.Result<unknown, InvalidAddress>) => (input: string) =>
  Result.match(read(input), {
    onSuccess: () => "",
    onFailure: ({ detail }) =>
      detail.startsWith("expected ")
        ? `Expected ${detail.slice("expected ".length)}`
        : `Expected another address: ${detail}`
  })

/**
 * Parses a finite duration as the settings of an endpoint are read: `500ms`, `2s`, `1.5m`, `2 seconds`. None for a number
 * without a unit, except 0, because the unit would be a guess.
 *
 * @stability unstable
 * @category parsing
 * @since 0.1.0
 */
export const parseDuration = (input: string): Option.Option<Duration.Duration> =>
  Option.filter(
    EndpointConfig.durationFromString(input),
    (span) => Duration.isFinite(span) && !Duration.isNegative(span)
  )

/**
 * A flag for an integer in decimal digits, from `min` to `max`.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const wholeNumber = (
  name: string,
  options: { readonly description: string; readonly min: number; readonly max: number; readonly metavar?: string }
): Flag.Flag<number> =>
  Flag.String(name).pipe(
    Flag.withMetavar(options.metavar ?? "NUMBER"),
    Flag.withDescription(options.description),
    Flag.filterMap(
      (input) => {
        const value = /^-?\d{1,15}$/u.test(input) ? Number(input) : Number.NaN
        return value >= options.min && value <= options.max ? Option.some(value) : Option.none()
      },
      () => `Expected a whole number, ${options.min} to ${options.max}`
    )
  )

const durationHelp = "Expected a time span such as 500ms, 2s or 1m"

/** Like `parseDuration`; `off` stands for an infinite one. */
const parseInterval = (input: string): Option.Option<Duration.Duration> =>
  input.trim().toLowerCase() === "off" ? Option.some(Duration.infinity) : parseDuration(input)

/**
 * The flag `--listen`: the address to bind.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const listen: Flag.Flag<NetAddress.InetAddress> = Flag.String("listen").pipe(
  Flag.withMetavar("ADDRESS"),
  Flag.withDescription("Address and UDP port to listen on; port 0 lets the system choose one"),
  Flag.filterMap((input) => Result.getSuccess(readListen(input)), reasonOf(readListen))
)

/**
 * The flag `--out`: the directory for received files.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const outDirectory: Flag.Flag<string> = Flag.String("out").pipe(
  Flag.withMetavar("DIRECTORY"),
  Flag.withDescription("Directory for received files; created when missing"),
  Flag.filter(
    (path) => path !== "" && !path.includes("\0"),
    () => "Expected a directory"
  )
)

/**
 * A flag for a duration greater than 0.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const duration = (name: string, description: string): Flag.Flag<Duration.Duration> =>
  Flag.String(name).pipe(
    Flag.withMetavar("TIME"),
    Flag.withDescription(description),
    Flag.filterMap(
      (input) => Option.filter(parseDuration(input), (span) => Duration.toMillis(span) > 0),
      () => durationHelp
    )
  )

/**
 * The flag `--idle-timeout`: the endpoint's idle timeout.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const idleTimeout: Flag.Flag<Option.Option<Duration.Duration>> = duration(
  "idle-timeout",
  "Report a peer as lost after this long without hearing from it (default 60s)"
).pipe(Flag.optional)

/**
 * The flag `--keep-alive`: the endpoint's keep-alive interval, infinite for `off`.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const keepAlive: Flag.Flag<Option.Option<Duration.Duration>> = Flag.String("keep-alive").pipe(
  Flag.withMetavar("TIME"),
  Flag.withDescription(
    "Ping an idle connection this often, or off (default 20s; a third of --idle-timeout when only that is given)"
  ),
  Flag.filterMap(
    (input) => Option.filter(parseInterval(input), (span) => Duration.toMillis(span) > 0),
    () => `${durationHelp}, or off`
  ),
  Flag.optional
)

/**
 * The flag `--external-ip`: overrides the detected public IP address.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const externalIp: Flag.Flag<Option.Option<NetAddress.IpAddress>> = Flag.String("external-ip").pipe(
  Flag.withMetavar("IP"),
  Flag.withDescription("Announce this address (default: the one a contact sees)"),
  Flag.filterMap(
    (input) =>
      Option.filter(
        Schema.decodeUnknownOption(Schema.IpAddressFromString)(input),
        (ip) => Address.notOneHost(NetAddress.toCanonical(ip)) === undefined
      ),
    () => "Expected the IP address of one host, such as 203.0.113.7 or 2001:db8::7"
  ),
  Flag.optional
)

/**
 * The flag `--external-port`: overrides the detected public port, 1 to 65535.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const externalPort: Flag.Flag<Option.Option<number>> = Flag.String("external-port").pipe(
  Flag.withMetavar("PORT"),
  Flag.withDescription("Announce this port (default: the one a contact sees)"),
  Flag.filterMap(
    (input) => {
      const port = /^\d{1,5}$/u.test(input) ? Number(input) : 0
      return port >= 1 && port <= 65_535 ? Option.some(port) : Option.none()
    },
    () => "Expected a port, 1 to 65535"
  ),
  Flag.optional
)

/**
 * The flag `--forward-port`: requires the router to map a port.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const forwardPort: Flag.Flag<boolean> = Flag.Boolean("forward-port").pipe(
  Flag.withDescription(
    "Have the router forward a port to this machine, and fail when it does not (qp2p doctor says why)"
  ),
  Flag.withDefault(false)
)

/**
 * The flag `--forward-port-optional`: asks the router to map a port, and continues without.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const forwardPortOptional: Flag.Flag<boolean> = Flag.Boolean("forward-port-optional").pipe(
  Flag.withDescription("As --forward-port, but only say so when the router does not"),
  Flag.withDefault(false)
)

/**
 * The flag `--lease`: the lease of the port mapping.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const lease: Flag.Flag<Option.Option<Duration.Duration>> = duration(
  "lease",
  "Ask the router to keep the port for this long; renewed at half of it (default 120s)"
).pipe(Flag.optional)

/**
 * The protocol for port mapping. `any` tries all of them; `nat-pmp` includes PCP.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type PortMapperName = "any" | "upnp" | "nat-pmp"

/**
 * The flag `--port-mapper`: the protocol for port mapping.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const portMapper: Flag.Flag<Option.Option<PortMapperName>> = Flag.Literals("port-mapper", [
  "any",
  "upnp",
  "nat-pmp"
]).pipe(
  Flag.withMetavar("PROTOCOL"),
  Flag.withDescription(
    "Ask the router in this protocol only, when it lies in another; nat-pmp is also PCP (default any, one after the other)"
  ),
  Flag.optional
)

/**
 * The timeouts of an endpoint, from the flags.
 *
 * A keep-alive interval longer than the idle timeout would be useless: when only the idle timeout is given, the
 * interval is a third of it, at most 20 s.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const timeouts = (options: {
  readonly idleTimeout: Option.Option<Duration.Duration>
  readonly keepAlive: Option.Option<Duration.Duration>
}): { readonly idleTimeout?: Duration.Duration; readonly keepAliveInterval?: Duration.Duration } => {
  const idle = Option.getOrUndefined(options.idleTimeout)
  const interval =
    Option.getOrUndefined(options.keepAlive) ??
    (idle === undefined ? undefined : Duration.min(Duration.seconds(20), Duration.millis(Duration.toMillis(idle) / 3)))
  return {
    ...(idle === undefined ? {} : { idleTimeout: idle }),
    ...(interval === undefined ? {} : { keepAliveInterval: interval })
  }
}
