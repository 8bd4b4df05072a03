/** Keeps a port mapping alive in any protocol: renews it, reports its status and removes it. */
import * as MappingStatus from "@qp2p/core/MappingStatus"
import * as PortMapper from "@qp2p/core/PortMapper"
import { type PortMapperError, PortMapperTimedOut } from "@qp2p/core/PortMapperError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Latch from "effect/Latch"
import * as NetAddress from "effect/net/NetAddress"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { type Reach, reachOf } from "./reach.ts"

/** What the gateway granted. `lease` is infinite for a mapping that lasts until it is removed. */
export interface Grant {
  readonly internal: NetAddress.InetAddressV4
  readonly external: NetAddress.InetAddressV4
  readonly lease: Duration.Duration
}

/** How a protocol obtains and removes one mapping. */
export interface Renewable {
  readonly internalPort: number
  /** The requested lease. */
  readonly requestedLease: Duration.Duration
  /** The gateway that was asked last, for error messages. */
  readonly gateway: string | undefined
  /** Requests the mapping, or its renewal. */
  readonly obtain: Effect.Effect<Grant, PortMapperError>
  /** Removes the mapping, and every mapping that an unanswered request may have made. */
  readonly remove: Effect.Effect<void, PortMapperError>
}

/**
 * The range of leases, in seconds. In the protocols 0 means removal or a permanent mapping; longer than a week is
 * useless.
 */
const leaseRange = { minimum: 1, maximum: 604_800 }

/** Rounds a lease up to whole seconds, within `leaseRange`. */
export const leaseOf = (lease: Duration.Duration): Duration.Duration =>
  Duration.seconds(Math.min(Math.max(Math.ceil(Duration.toSeconds(lease)), leaseRange.minimum), leaseRange.maximum))

/** How long removing a mapping may delay the closing of the scope. */
export const removeTimeout = Duration.seconds(3)

/**
 * A renewal is due when half of the lease has passed, so that a gateway that restarts or is busy has time to recover. A
 * permanent mapping is renewed as often as if the requested lease had been granted, because the gateway may still
 * forget it.
 */
export const renewalSchedule = (requestedLease: Duration.Duration): Schedule.Schedule<unknown, Grant> =>
  Schedule.forever.pipe(
    Schedule.setInputType<Grant>(),
    Schedule.modifyDelay(({ input: { lease } }) =>
      Effect.succeed(Duration.times(Duration.isFinite(lease) ? lease : requestedLease, 1 / 2))
    )
  )

/** The pauses after a failed renewal: the first, the longest and the shortest, for every lease. */
const retryRange = { first: Duration.seconds(5), longest: Duration.seconds(60), shortest: Duration.millis(250) }

/**
 * The pauses between attempts after a failed renewal: at least three attempts while the lease still runs, then attempts
 * without end, at most 60 s apart. Each pause is shortened at random, so that the hosts of a network do not all ask a
 * restarted gateway at the same moment.
 */
export const retrySchedule = (lease: Duration.Duration): Schedule.Schedule<unknown> => {
  const within = (part: number, longest: Duration.Duration) =>
    Duration.max(Duration.min(Duration.times(lease, part), longest), retryRange.shortest)
  const longest = within(1 / 8, retryRange.longest)
  return Schedule.exponential(within(1 / 32, retryRange.first)).pipe(
    Schedule.modifyDelay(({ duration }) =>
      Effect.map(Random.nextBetween(0.5, 1), (factor) => Duration.times(Duration.min(duration, longest), factor))
    )
  )
}

const reaches: Record<Exclude<Reach, "Public">, string> = {
  Private: "it is private, so another gateway stands between this one and the internet",
  Shared: "it is shared by a provider's customers (carrier-grade NAT)",
  Special: "it is no address of the internet"
}

const warnOfReach = ({ address }: NetAddress.InetAddressV4): Effect.Effect<void> => {
  const reach = reachOf(address)
  if (reach === "Public") return Effect.void
  return Effect.logWarning(
    `the gateway's external address is ${NetAddress.formatIp(address)}: ${reaches[reach]}; peers outside may not reach it`
  )
}

/** A granted mapping and its current state. */
interface ActiveMapping {
  readonly status: PortMapper.Mapping["status"]
  grant: Grant
  /** The time of the grant, in nanoseconds of the monotonic clock. */
  grantedAt: bigint
  lost: boolean
  /** The error of the last attempt to renew the mapping. */
  failure: PortMapperError | undefined
}

/** Renews one mapping half-way through its lease, retries failed renewals, and publishes the status of the mapping. */
export class Lease {
  readonly #renewable: Renewable
  readonly #due = Latch.makeUnsafe()
  #active: ActiveMapping | undefined

  constructor(renewable: Renewable) {
    this.#renewable = renewable
  }

  /** Requests the mapping, renews it while the scope is open and removes it when the scope closes. */
  keep(): Effect.Effect<PortMapper.Mapping, PortMapperError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      yield* Effect.addFinalizer(() => this.#remove())
      const grant = yield* this.#renewable.obtain
      const mapping = yield* PortMapper.granted(grant.internal, grant.external)
      const active: ActiveMapping = {
        status: mapping.status,
        grant,
        grantedAt: yield* Clock.monotonicTimeNanos,
        lost: false,
        failure: undefined
      }
      this.#active = active
      yield* warnOfReach(grant.external)
      yield* Effect.forkScoped(this.#renewals(active))
      return mapping
    })
  }

  /** Reports that the mapping is gone: the lease expired, or the gateway forgot it. */
  lost(error: PortMapperError): Effect.Effect<void> {
    return Effect.suspend(() => {
      const active = this.#active
      if (active === undefined || active.lost) return Effect.void
      active.lost = true
      return SubscriptionRef.set(active.status, MappingStatus.Lost({ external: active.grant.external, error }))
    })
  }

  /** Starts the next renewal at once. */
  renewNow(): void {
    this.#due.openUnsafe()
  }

  #renewals(active: ActiveMapping): Effect.Effect<never> {
    const schedule = renewalSchedule(this.#renewable.requestedLease)
    const renewal = this.#renewal(active)
    return Effect.gen({ self: this }, function* () {
      yield* Effect.raceFirst(Effect.scheduleFrom(renewal, active.grant, schedule), this.#due.await)
      while (true) {
        this.#due.closeUnsafe()
        yield* Effect.raceFirst(Effect.repeat(renewal, schedule), this.#due.await)
      }
    })
  }

  /** Repeats the request until the gateway grants the mapping again, and reports when the lease expires before that. */
  #renewal(active: ActiveMapping): Effect.Effect<Grant> {
    const attempt = Effect.gen({ self: this }, function* () {
      yield* this.#report(active, MappingStatus.Renewing({ external: active.grant.external }))
      return yield* this.#renewable.obtain
    }).pipe(
      Effect.tapError((error) => this.#failed(active, error)),
      Effect.tap((grant) => this.#granted(active, grant))
    )
    return Effect.suspend(() => {
      const { lease } = active.grant
      const schedule = retrySchedule(Duration.isFinite(lease) ? lease : this.#renewable.requestedLease)
      // `retrySchedule` never ends, so no error is left.
      return Effect.raceFirst(Effect.orDie(Effect.retry(attempt, schedule)), this.#expiry(active))
    })
  }

  #granted(active: ActiveMapping, grant: Grant): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const before = active.grant.external
      const { external } = grant
      active.grant = grant
      active.grantedAt = yield* Clock.monotonicTimeNanos
      active.lost = false
      active.failure = undefined
      if (Equal.equals(before, external))
        return yield* SubscriptionRef.set(active.status, MappingStatus.Mapped({ external }))
      yield* SubscriptionRef.set(active.status, MappingStatus.Remapped({ external, before }))
      if (!Equal.equals(before.address, external.address)) yield* warnOfReach(external)
    })
  }

  #failed(active: ActiveMapping, error: PortMapperError): Effect.Effect<void> {
    active.failure = error
    return Effect.andThen(
      this.#report(active, MappingStatus.Failed({ external: active.grant.external, error })),
      Effect.logWarning(`the mapping of port ${this.#renewable.internalPort} was not renewed`, error)
    )
  }

  /** Sets the status, unless the mapping is lost: that status stays until the next grant. */
  #report(active: ActiveMapping, status: MappingStatus.MappingStatus): Effect.Effect<void> {
    return active.lost ? Effect.void : SubscriptionRef.set(active.status, status)
  }

  #expiry(active: ActiveMapping): Effect.Effect<never> {
    const { grant, grantedAt } = active
    return Effect.gen({ self: this }, function* () {
      const age = Duration.nanos((yield* Clock.monotonicTimeNanos) - grantedAt)
      yield* Effect.sleep(Duration.subtract(grant.lease, age))
      yield* this.lost(active.failure ?? this.#timedOut())
      return yield* Effect.never
    })
  }

  #remove(): Effect.Effect<void> {
    return this.#renewable.remove.pipe(
      Effect.timeoutOrElse({ duration: removeTimeout, orElse: () => Effect.fail(this.#timedOut()) }),
      Effect.catch((error) => Effect.logWarning(`port ${this.#renewable.internalPort} was not unmapped`, error))
    )
  }

  #timedOut(): PortMapperTimedOut {
    return new PortMapperTimedOut({ gateway: this.#renewable.gateway ?? "" })
  }
}
