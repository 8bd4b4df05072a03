/**
 * Keeps what a gateway granted, in whatever protocol: renews it, says what becomes of it, removes it.
 */
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

/** What the gateway granted. `lease` is infinite when it keeps the mapping until it is told otherwise. */
export interface Grant {
  readonly internal: NetAddress.InetAddressV4
  readonly external: NetAddress.InetAddressV4
  readonly lease: Duration.Duration
}

/** How one mapping is asked for. */
export interface Holding {
  readonly internalPort: number
  /** The lease that is asked for. */
  readonly asked: Duration.Duration
  /** The gateway that was asked last, for errors. */
  readonly gateway: string | undefined
  /** Asks for the mapping, or for its renewal. */
  readonly obtain: Effect.Effect<Grant, PortMapperError>
  /** Removes what may be on a gateway because of it. */
  readonly remove: Effect.Effect<void, PortMapperError>
}

/** What a lease may last, in seconds: 0 removes a mapping or is for ever, and past a week there is no use in having one. */
const leaseRange = { minimum: 1, maximum: 604_800 }

/** In whole seconds, and worth having. */
export const leaseOf = (lease: Duration.Duration): Duration.Duration =>
  Duration.seconds(Math.min(Math.max(Math.ceil(Duration.toSeconds(lease)), leaseRange.minimum), leaseRange.maximum))

/** A gateway that has gone away must not hold up whoever closes the scope. */
export const removeTimeout = Duration.seconds(3)

/**
 * Half the lease is left when a renewal is due, so that a gateway that restarts or is busy has time to come back. One that
 * grants for ever is asked as often as if it had granted what it was asked for: it may forget all the same.
 */
export const renewalSchedule = (asked: Duration.Duration): Schedule.Schedule<unknown, Grant> =>
  Schedule.forever.pipe(
    Schedule.setInputType<Grant>(),
    Schedule.modifyDelay(({ input: { lease } }) =>
      Effect.succeed(Duration.times(Duration.isFinite(lease) ? lease : asked, 1 / 2))
    )
  )

/** What is waited at first and at most after a renewal that failed, whatever the lease. */
const retryRange = { first: Duration.seconds(5), longest: Duration.seconds(60), shortest: Duration.millis(250) }

/**
 * A renewal that failed is tried again at least three times while the lease still runs, and after it without end, never
 * more than 60 s apart. The waits are shortened at random, or all hosts of a network would ask a gateway that is back at
 * the same moment.
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

/** A mapping that was granted, and what became of it. */
interface Kept {
  readonly status: PortMapper.Mapping["status"]
  grant: Grant
  /** In nanoseconds of the monotonic clock. */
  grantedAt: bigint
  lost: boolean
  /** Why the last try to renew it failed. */
  failure: PortMapperError | undefined
}

export class Lease {
  readonly #holding: Holding
  readonly #due = Latch.makeUnsafe()
  #kept: Kept | undefined

  constructor(holding: Holding) {
    this.#holding = holding
  }

  /** Makes the mapping, renews it while the scope lives and removes it when the scope closes. */
  keep(): Effect.Effect<PortMapper.Mapping, PortMapperError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      yield* Effect.addFinalizer(() => this.#remove())
      const grant = yield* this.#holding.obtain
      const mapping = yield* PortMapper.granted(grant.internal, grant.external)
      const kept: Kept = {
        status: mapping.status,
        grant,
        grantedAt: yield* Clock.monotonicTimeNanos,
        lost: false,
        failure: undefined
      }
      this.#kept = kept
      yield* warnOfReach(grant.external)
      yield* Effect.forkScoped(this.#renewals(kept))
      return mapping
    })
  }

  /** The lease is no more: it ran out, or the gateway has forgotten it. */
  lost(error: PortMapperError): Effect.Effect<void> {
    return Effect.suspend(() => {
      const kept = this.#kept
      if (kept === undefined || kept.lost) return Effect.void
      kept.lost = true
      return SubscriptionRef.set(kept.status, MappingStatus.Lost({ external: kept.grant.external, error }))
    })
  }

  /** Do not wait any longer with the renewal. */
  renewNow(): void {
    this.#due.openUnsafe()
  }

  #renewals(kept: Kept): Effect.Effect<never> {
    const schedule = renewalSchedule(this.#holding.asked)
    const renewal = this.#renewal(kept)
    return Effect.gen({ self: this }, function* () {
      yield* Effect.raceFirst(Effect.scheduleFrom(renewal, kept.grant, schedule), this.#due.await)
      while (true) {
        this.#due.closeUnsafe()
        yield* Effect.raceFirst(Effect.repeat(renewal, schedule), this.#due.await)
      }
    })
  }

  /** Asks until the gateway grants the mapping again. Meanwhile the lease may run out. */
  #renewal(kept: Kept): Effect.Effect<Grant> {
    const attempt = Effect.gen({ self: this }, function* () {
      yield* this.#report(kept, MappingStatus.Renewing({ external: kept.grant.external }))
      return yield* this.#holding.obtain
    }).pipe(
      Effect.tapError((error) => this.#failed(kept, error)),
      Effect.tap((grant) => this.#granted(kept, grant))
    )
    return Effect.suspend(() => {
      const { lease } = kept.grant
      const schedule = retrySchedule(Duration.isFinite(lease) ? lease : this.#holding.asked)
      // The schedule has no end, so nothing is left to fail with.
      return Effect.raceFirst(Effect.orDie(Effect.retry(attempt, schedule)), this.#expiry(kept))
    })
  }

  #granted(kept: Kept, grant: Grant): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const before = kept.grant.external
      const { external } = grant
      kept.grant = grant
      kept.grantedAt = yield* Clock.monotonicTimeNanos
      kept.lost = false
      kept.failure = undefined
      if (Equal.equals(before, external))
        return yield* SubscriptionRef.set(kept.status, MappingStatus.Mapped({ external }))
      yield* SubscriptionRef.set(kept.status, MappingStatus.Remapped({ external, before }))
      if (!Equal.equals(before.address, external.address)) yield* warnOfReach(external)
    })
  }

  #failed(kept: Kept, error: PortMapperError): Effect.Effect<void> {
    kept.failure = error
    return Effect.andThen(
      this.#report(kept, MappingStatus.Failed({ external: kept.grant.external, error })),
      Effect.logWarning(`the mapping of port ${this.#holding.internalPort} was not renewed`, error)
    )
  }

  /** What is lost stays so until it is granted again. */
  #report(kept: Kept, status: MappingStatus.MappingStatus): Effect.Effect<void> {
    return kept.lost ? Effect.void : SubscriptionRef.set(kept.status, status)
  }

  #expiry(kept: Kept): Effect.Effect<never> {
    const { grant, grantedAt } = kept
    return Effect.gen({ self: this }, function* () {
      const age = Duration.nanos((yield* Clock.monotonicTimeNanos) - grantedAt)
      yield* Effect.sleep(Duration.subtract(grant.lease, age))
      yield* this.lost(kept.failure ?? this.#timedOut())
      return yield* Effect.never
    })
  }

  #remove(): Effect.Effect<void> {
    return this.#holding.remove.pipe(
      Effect.timeoutOrElse({ duration: removeTimeout, orElse: () => Effect.fail(this.#timedOut()) }),
      Effect.catch((error) => Effect.logWarning(`port ${this.#holding.internalPort} was not unmapped`, error))
    )
  }

  #timedOut(): PortMapperTimedOut {
    return new PortMapperTimedOut({ gateway: this.#holding.gateway ?? "" })
  }
}
