/**
 * A `PortMapper` for tests: it records its calls, grants ports, fails on request, and lets leases expire on Effect's
 * clock.
 *
 * It keeps the contract of `PortMapper`: a mapping is renewed at half its lease while its scope is open, and removed
 * when the scope closes. A renewal that fails is repeated after another half; a mapping that is not renewed ends with
 * its lease. The mapping's status reports this, and is `Lost` at once when the mapper is told to `forget`.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { Failed, Lost, Mapped, type MappingStatus, Remapped, Renewing } from "@qp2p/core/MappingStatus"
import {
  check,
  duration,
  type Fields,
  inetAddress,
  integer,
  ofFields,
  ofOptions,
  ofRecord,
  ofValue,
  optional,
  unless,
  untyped
} from "@qp2p/core/InvalidArgument"
import { granted, type MapOptions, PortMapper } from "@qp2p/core/PortMapper"
import {
  GatewayProtocolError,
  PortMapperError as PortMapperErrors,
  type PortMapperError,
  PortMapperTimedOut,
  PortMapperUnsupported
} from "@qp2p/core/PortMapperError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as FiberHandle from "effect/FiberHandle"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Gateway, Host } from "./Gateway.ts"
import { anything, gateway } from "./internal/checks.ts"
import { ipFrom } from "./internal/network/control.ts"
import { Nat } from "./internal/network/nat.ts"
import { type Place, placeAt, placeOf } from "./internal/network/place.ts"
import { Realm } from "./internal/network/realm.ts"

/**
 * A call of the mapper, or something that it did by itself, and the result.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Call {
  /** What was done. */
  readonly action: "map" | "renew" | "unmap"
  /** The time of the call, in milliseconds of `Clock.currentTimeMillis`. */
  readonly time: number
  /** The internal address of the mapping. */
  readonly internal: NetAddress.InetAddress
  /** The external address that was granted or removed, or the error. */
  readonly result: Result.Result<NetAddress.InetAddress, PortMapperError>
}

/**
 * A forwarded port: packets to `external` arrive at `internal`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Forwarding {
  /** The address that packets are forwarded to. */
  readonly internal: NetAddress.InetAddress
  /** The address that packets are sent to. */
  readonly external: NetAddress.InetAddress
}

/**
 * What a test does with the port mapper.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class TestPortMapper extends Context.Service<
  TestPortMapper,
  {
    /** The latest 10,000 calls, oldest first. */
    readonly calls: Effect.Effect<ReadonlyArray<Call>>
    /** The current mappings of all callers, with the internal addresses that the gateway knows. */
    readonly mappings: Effect.Effect<ReadonlyArray<Forwarding>>
    /** Makes the next `times` calls that map or renew fail with `error`; 1 by default. */
    readonly failNext: (error: PortMapperError, times?: number) => Effect.Effect<void>
    /** Sets how long a call that maps or renews waits for its answer; 0 by default. */
    readonly setDelay: (delay: Duration.Input) => Effect.Effect<void>
    /**
     * Removes every mapping, as a router does that restarts. Statuses become `Lost`, and the next renewal obtains the
     * mapping again.
     */
    readonly forget: Effect.Effect<void>
  }
>()("@qp2p/testkit/TestPortMapper") {}

/**
 * How the port mapper is set up.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The address that mappings are granted at; 203.0.113.1 by default, which is reserved for documentation (RFC 5737).
   */
  readonly external?: string | NetAddress.IpAddress | undefined
}

const defaultExternal = "203.0.113.1"

const callsKept = 10_000

/** The maximum of `times`: more is a mistake in the test. */
const mostFailures = 1_000_000

const portMapperError = check("must be a PortMapperError", Schema.is(PortMapperErrors))

const mapFields: Fields = {
  internal: inetAddress,
  external: optional(integer(0, 65_535)),
  lease: check("must be a Duration", Duration.isDuration)
}

/** The part of a gateway that a mapper uses, and how it translates an internal address. */
interface Router {
  readonly nat: Nat
  readonly placeOf: (internal: NetAddress.InetAddress) => Place
}

const make = Effect.fnUntraced(function* (router: Router) {
  const { nat } = router
  const clock = yield* Clock.Clock
  const calls: Array<Call> = []
  const failures: Array<PortMapperError> = []
  let delay: Duration.Duration = Duration.zero

  const record = (action: Call["action"], internal: NetAddress.InetAddress, result: Call["result"]) => {
    if (calls.length === callsKept) calls.shift()
    calls.push({ action, time: clock.currentTimeMillisUnsafe(), internal, result })
  }

  const grant = (
    { external, internal, lease }: MapOptions,
    inner: Place
  ): Result.Result<NetAddress.InetAddress, PortMapperError> => {
    const failure = failures.shift()
    if (failure !== undefined) return Result.fail(failure)
    if (NetAddress.familyOf(inner.address) !== NetAddress.familyOf(nat.address)) {
      return Result.fail(new PortMapperUnsupported({ detail: "the gateway maps no ports of this address family" }))
    }
    const forward = nat.forward(inner, external ?? internal.port, Duration.toMillis(lease))
    return forward === undefined
      ? Result.fail(new PortMapperUnsupported({ detail: "every port of the gateway is taken" }))
      : Result.succeed(placeAt(nat.address, forward.port).address)
  }

  const answer = Effect.suspend(() => Effect.sleep(delay))

  const ask = (action: "map" | "renew", options: MapOptions, inner: Place) =>
    Effect.suspend(() => {
      const result = grant(options, inner)
      record(action, options.internal, result)
      return Effect.fromResult(result)
    })

  /** Reports the loss of each mapping, when the gateway has forgotten it. */
  const kept = new Set<Effect.Effect<void>>()
  const gateway = NetAddress.formatIp(nat.address)

  const map: PortMapper["Service"]["map"] = Effect.fnUntraced(function* (options) {
    const wrong = ofFields("options", options, mapFields)
    if (wrong !== undefined) return yield* new PortMapperUnsupported({ detail: wrong.message })
    const inner = router.placeOf(options.internal)
    yield* answer
    const external = yield* Effect.acquireRelease(ask("map", options, inner), unmap(options, inner))
    const mapping = yield* granted(options.internal, external)
    const { lose, renew } = yield* keep(
      mapping.status,
      options.lease,
      Effect.andThen(answer, ask("renew", options, inner))
    )
    const forgotten = lose(
      new GatewayProtocolError({ gateway, code: Option.none(), detail: "it has forgotten its mappings" })
    )
    yield* Effect.acquireRelease(
      Effect.sync(() => kept.add(forgotten)),
      () => Effect.sync(() => kept.delete(forgotten))
    )
    yield* renew.pipe(Effect.delay(Duration.times(options.lease, 0.5)), Effect.forever, Effect.forkScoped)
    return mapping
  })

  /** Publishes the status of a mapping after its grant. A lost mapping stays `Lost` until it is granted again. */
  const keep = Effect.fnUntraced(function* (
    status: SubscriptionRef.SubscriptionRef<MappingStatus>,
    lease: Duration.Duration,
    again: Effect.Effect<NetAddress.InetAddress, PortMapperError>
  ) {
    const end = yield* FiberHandle.make<void>()
    let before = (yield* SubscriptionRef.get(status)).external
    let lost = false
    let latest: PortMapperError = new PortMapperTimedOut({ gateway })
    const publish = (next: () => MappingStatus) =>
      Effect.suspend(() => (lost ? Effect.void : SubscriptionRef.set(status, next())))
    const lose = (error: PortMapperError) =>
      Effect.andThen(
        publish(() => Lost({ external: before, error })),
        Effect.sync(() => {
          lost = true
        })
      )
    const runOut = FiberHandle.run(
      end,
      Effect.delay(
        Effect.suspend(() => lose(latest)),
        lease
      )
    )
    const renew = publish(() => Renewing({ external: before })).pipe(
      Effect.andThen(again),
      Effect.flatMap((external) => {
        const next = Equal.equals(before, external) ? Mapped({ external }) : Remapped({ external, before })
        before = external
        lost = false
        return Effect.andThen(
          runOut,
          publish(() => next)
        )
      }),
      Effect.catch((error) => {
        latest = error
        return publish(() => Failed({ external: before, error }))
      })
    )
    yield* runOut
    return { renew, lose }
  })

  const unmap =
    ({ internal }: MapOptions, inner: Place) =>
    (external: NetAddress.InetAddress) =>
      Effect.sync(() => {
        nat.unforward(inner)
        record("unmap", internal, Result.succeed(external))
      })

  const steering = TestPortMapper.of({
    calls: Effect.sync(() => [...calls]),
    mappings: Effect.sync(() =>
      nat.forwarded.map(({ inner, port }) => ({
        internal: inner.address,
        external: placeAt(nat.address, port).address
      }))
    ),
    failNext: (error, times = 1) =>
      unless(
        () => ofValue("error", error, portMapperError) ?? ofValue("times", times, integer(0, mostFailures)),
        () =>
          Effect.sync(() => {
            for (let i = 0; i < times; i++) failures.push(error)
          })
      ),
    setDelay: (input) =>
      unless(
        () => ofValue("delay", input, duration),
        () =>
          Effect.sync(() => {
            delay = Duration.fromInputUnsafe(input)
          })
      ),
    forget: Effect.suspend(() => {
      nat.restart()
      return Effect.forEach([...kept], (forgotten) => forgotten, { discard: true })
    })
  })
  return Context.make(PortMapper, PortMapper.of({ map })).pipe(Context.add(TestPortMapper, steering))
})

/**
 * A mapper without a network: it grants the requested port, or the internal one, or the next that is free. Fails when
 * `external` is not an IP address.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<PortMapper | TestPortMapper, NetAddress.NetAddressError> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const wrong = ofOptions(options, { external: anything })
      if (wrong !== undefined) return yield* untyped(wrong)
      const { external = defaultExternal } = options
      const address = yield* ipFrom(external)
      const clock = yield* Clock.Clock
      const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
      const nat = new Nat({
        kind: "FullCone",
        hairpinning: true,
        lifetime: 0,
        address,
        inside: new Realm(),
        outside: new Realm(),
        now
      })
      return yield* make({ nat, placeOf })
    })
  )

/**
 * A mapper that opens ports on the gateway that `host` is behind.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerHost = (
  host: Host & { readonly gateway: Gateway }
): Layer.Layer<PortMapper | TestPortMapper, NetAddress.NetAddressError> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const wrong = ofRecord("host", host, { address: anything, gateway })
      if (wrong !== undefined) return yield* untyped(wrong)
      const own = yield* ipFrom(host.address)
      return yield* make({
        nat: host.gateway.nat,
        // A socket that is bound to every address of its host is reached at the address that the gateway knows.
        placeOf: ({ address, port }) => placeAt(NetAddress.isUnspecified(address) ? own : address, port)
      })
    })
  )
