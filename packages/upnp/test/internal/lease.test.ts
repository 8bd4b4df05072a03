import { GatewayNotFound, MappingNotAuthorized, type PortMapperError } from "@qp2p/core/PortMapperError"
import type { Mapping } from "@qp2p/core/PortMapper"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as TestClock from "effect/testing/TestClock"
import { type Grant, type Renewable, Lease, leaseOf, retrySchedule } from "../../src/internal/lease.ts"
import { almostOne, chance, inWords, longestWaits, recordingLogger, recordStatus } from "../support/leases.ts"

const address = (text: string) => NetAddress.inetAddressFromStringUnsafe(text) as NetAddress.InetAddressV4

const grant = (options?: { readonly external?: string; readonly lease?: Duration.Duration }): Grant => ({
  internal: address("192.168.1.20:4433"),
  external: address(options?.external ?? "9.8.7.6:4433"),
  lease: options?.lease ?? Duration.seconds(120)
})

type Answer = Grant | PortMapperError | "hang"

const isGrant = (answer: Grant | PortMapperError): answer is Grant => "internal" in answer

const refused = new MappingNotAuthorized({ gateway: "router" })

/** A gateway that answers as it is told, first to last; the last answer stays. */
class FakeRenewable implements Renewable {
  readonly internalPort = 4433
  readonly requestedLease = Duration.seconds(120)
  readonly gateway = "router"
  /** When it was asked, in ms. */
  readonly times: Array<number> = []
  readonly removed: Array<number> = []
  answers: Array<Answer>
  onRemove: Effect.Effect<void, PortMapperError> = Effect.void

  constructor(...answers: Array<Answer>) {
    this.answers = answers
  }

  readonly obtain: Effect.Effect<Grant, PortMapperError> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    this.times.push(now)
    const answer = (this.answers.length > 1 ? this.answers.shift() : this.answers[0]) ?? "hang"
    if (answer === "hang") return Effect.never
    return isGrant(answer) ? Effect.succeed(answer) : Effect.fail(answer)
  })

  readonly remove: Effect.Effect<void, PortMapperError> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    this.removed.push(now)
    return this.onRemove
  })
}

const keep = (...answers: Array<Answer>) => {
  const renewable = new FakeRenewable(...answers)
  const lease = new Lease(renewable)
  return Effect.map(longestWaits(lease.keep()), (mapping) => ({ renewable, lease, mapping }))
}

const statusOf = (mapping: Mapping) => Effect.map(SubscriptionRef.get(mapping.status), inWords)

describe("A lease", () => {
  it.effect.each([
    { name: "what was granted", lease: Duration.seconds(60), at: [0, 30_000, 60_000] },
    { name: "what was asked for, if it is granted for ever", lease: Duration.infinity, at: [0, 60_000, 120_000] }
  ])("is renewed when half of $name has passed", ({ at, lease }) =>
    Effect.gen(function* () {
      const { renewable } = yield* keep(grant({ lease }))
      yield* TestClock.adjust(at[2]! - 1)
      assert.deepStrictEqual(renewable.times, at.slice(0, 2))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(renewable.times, at)
    })
  )

  it.effect("follows what was granted last", () =>
    Effect.gen(function* () {
      const { renewable } = yield* keep(grant(), grant({ lease: Duration.seconds(10) }))
      yield* TestClock.adjust("70 seconds")
      assert.deepStrictEqual(renewable.times, [0, 60_000, 65_000, 70_000])
    })
  )

  it.effect("says that it is renewed", () =>
    Effect.gen(function* () {
      const { mapping } = yield* keep(grant(), "hang")
      const { seen } = yield* recordStatus(mapping)
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(seen, ["Mapped 9.8.7.6:4433", "Renewing 9.8.7.6:4433"])
    })
  )

  it.effect("is mapped again after a renewal, without a word in the log", () => {
    const { layer, lines } = recordingLogger()
    return Effect.gen(function* () {
      const { mapping } = yield* keep(grant())
      const { seen } = yield* recordStatus(mapping)
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(seen, ["Mapped 9.8.7.6:4433", "Renewing 9.8.7.6:4433", "Mapped 9.8.7.6:4433"])
      assert.deepStrictEqual(lines, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("says and logs each renewal that failed, and is tried again while it runs", () => {
    const { layer, lines } = recordingLogger()
    return Effect.gen(function* () {
      const { renewable, mapping } = yield* keep(grant(), refused, new GatewayNotFound(), grant())
      const { seen } = yield* recordStatus(mapping)
      yield* TestClock.adjust("100 seconds")
      assert.deepStrictEqual(renewable.times, [0, 60_000, 63_750, 71_250])
      assert.deepStrictEqual(seen, [
        "Mapped 9.8.7.6:4433",
        "Renewing 9.8.7.6:4433",
        "Failed 9.8.7.6:4433 MappingNotAuthorized",
        "Renewing 9.8.7.6:4433",
        "Failed 9.8.7.6:4433 GatewayNotFound",
        "Renewing 9.8.7.6:4433",
        "Mapped 9.8.7.6:4433"
      ])
      assert.deepStrictEqual(lines, Array(2).fill("the mapping of port 4433 was not renewed"))
    }).pipe(Effect.provide(layer))
  })

  it.effect("is lost when it has run out, once, and stays so until it is granted again", () =>
    Effect.gen(function* () {
      const { renewable, mapping } = yield* keep(grant(), refused)
      const { seen } = yield* recordStatus(mapping)
      yield* TestClock.adjust("119999 millis")
      assert.strictEqual(yield* statusOf(mapping), "Failed 9.8.7.6:4433 MappingNotAuthorized")
      yield* TestClock.adjust("1 millis")
      const untilLost = seen.length
      assert.strictEqual(seen.at(-1), "Lost 9.8.7.6:4433 MappingNotAuthorized")
      const asked = renewable.times.length
      yield* TestClock.adjust("10 minutes")
      assert.isAtLeast(renewable.times.length, asked + 40)
      assert.lengthOf(seen, untilLost)
      renewable.answers = [grant()]
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(seen.slice(untilLost), ["Mapped 9.8.7.6:4433"])
      renewable.answers = ["hang"]
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(seen.at(-1), "Renewing 9.8.7.6:4433")
    })
  )

  it.effect("runs from the last grant", () =>
    Effect.gen(function* () {
      const { mapping } = yield* keep(grant(), grant(), refused)
      yield* TestClock.adjust("179999 millis")
      assert.strictEqual(yield* statusOf(mapping), "Failed 9.8.7.6:4433 MappingNotAuthorized")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* statusOf(mapping), "Lost 9.8.7.6:4433 MappingNotAuthorized")
    })
  )

  it.effect("is lost on time although a renewal hangs", () =>
    Effect.gen(function* () {
      const { mapping } = yield* keep(grant(), "hang")
      yield* TestClock.adjust("119999 millis")
      assert.strictEqual(yield* statusOf(mapping), "Renewing 9.8.7.6:4433")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* statusOf(mapping), "Lost 9.8.7.6:4433 PortMapperTimedOut")
    })
  )

  it.effect("is never lost when it was granted for ever", () =>
    Effect.gen(function* () {
      const { mapping } = yield* keep(grant({ lease: Duration.infinity }), refused)
      yield* TestClock.adjust("1 day")
      assert.strictEqual(yield* statusOf(mapping), "Failed 9.8.7.6:4433 MappingNotAuthorized")
    })
  )

  it.effect("is lost when the gateway has forgotten it, and asked for at once", () =>
    Effect.gen(function* () {
      const { renewable, lease, mapping } = yield* keep(grant())
      const { seen } = yield* recordStatus(mapping)
      yield* TestClock.adjust("10 seconds")
      yield* lease.lost(new GatewayNotFound())
      yield* lease.lost(new GatewayNotFound())
      lease.renewNow()
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(seen, ["Mapped 9.8.7.6:4433", "Lost 9.8.7.6:4433 GatewayNotFound", "Mapped 9.8.7.6:4433"])
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(renewable.times, [0, 10_000, 70_000])
    })
  )

  it.effect("does not wait with a renewal that failed when the gateway is back", () =>
    Effect.gen(function* () {
      const { renewable, lease } = yield* keep(grant(), refused, grant())
      yield* TestClock.adjust("61 seconds")
      lease.renewNow()
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(renewable.times, [0, 60_000, 61_000])
    })
  )

  it.effect.each([
    { what: "port", external: "9.8.7.6:6000" },
    { what: "address", external: "9.8.7.5:4433" }
  ])("says that the external $what is another", ({ external }) => {
    const { layer, lines } = recordingLogger()
    return Effect.gen(function* () {
      const { mapping } = yield* keep(grant(), grant({ external }))
      const { seen } = yield* recordStatus(mapping)
      yield* TestClock.adjust("120 seconds")
      assert.deepStrictEqual(seen, [
        "Mapped 9.8.7.6:4433",
        "Renewing 9.8.7.6:4433",
        `Remapped ${external} before 9.8.7.6:4433`,
        `Renewing ${external}`,
        `Mapped ${external}`
      ])
      // Who follows the status decides what is worth a line of the log.
      assert.deepStrictEqual(lines, [])
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.6:4433")
    }).pipe(Effect.provide(layer))
  })

  it.effect("is renewed no more when its scope has closed", () =>
    Effect.gen(function* () {
      const { renewable } = yield* Effect.scoped(keep(grant()))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(renewable.times, [0])
      assert.deepStrictEqual(renewable.removed, [0])
    })
  )
})

describe("The removal of what a lease left", () => {
  it.effect("comes also when the mapping was not made", () =>
    Effect.gen(function* () {
      const renewable = new FakeRenewable(refused)
      const error = yield* Effect.flip(Effect.scoped(new Lease(renewable).keep()))
      assert.strictEqual(error._tag, "MappingNotAuthorized")
      assert.deepStrictEqual(renewable.removed, [0])
    })
  )

  it.effect("comes also when it is interrupted", () =>
    Effect.gen(function* () {
      const renewable = new FakeRenewable("hang")
      const fiber = yield* Effect.forkChild(Effect.scoped(new Lease(renewable).keep()))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(renewable.removed, [1_000])
    })
  )

  it.effect("takes three seconds at most, and says that it failed", () => {
    const { layer, lines } = recordingLogger()
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { renewable } = yield* Scope.provide(keep(grant()), scope)
      renewable.onRemove = Effect.never
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
      assert.deepStrictEqual(lines, ["port 4433 was not unmapped"])
    }).pipe(Effect.provide(layer))
  })
})

describe("An external address that is not public", () => {
  const hint = (address: string, what: string) =>
    `the gateway's external address is ${address}: ${what}; peers outside may not reach it`
  it.effect.each([
    { address: "10.1.2.3", what: "it is private, so another gateway stands between this one and the internet" },
    { address: "100.64.0.1", what: "it is shared by a provider's customers (carrier-grade NAT)" },
    { address: "203.0.113.7", what: "it is no address of the internet" }
  ])("is warned of: $address", ({ address, what }) => {
    const { layer, lines } = recordingLogger()
    return Effect.gen(function* () {
      const { mapping } = yield* keep(grant({ external: `${address}:4433` }))
      assert.strictEqual(yield* statusOf(mapping), `Mapped ${address}:4433`)
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(lines, [hint(address, what)])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is warned of again when it is another, but not for another port", () => {
    const { layer, lines } = recordingLogger()
    return Effect.gen(function* () {
      yield* keep(grant(), grant({ external: "10.1.2.3:4433" }), grant({ external: "10.1.2.3:4434" }))
      yield* TestClock.adjust("120 seconds")
      assert.deepStrictEqual(lines, [
        hint("10.1.2.3", "it is private, so another gateway stands between this one and the internet")
      ])
    }).pipe(Effect.provide(layer))
  })
})

/** The first waits of a schedule, in ms. */
const waits = (schedule: Schedule.Schedule<unknown>, value: number, count: number) =>
  Effect.gen(function* () {
    const step = yield* Schedule.toStep(schedule)
    const found: Array<number> = []
    for (let i = 0; i < count; i++) {
      const [, wait] = yield* step(0, undefined)
      found.push(Math.round(Duration.toMillis(wait)))
    }
    return found
  }).pipe(Effect.orDie, Effect.provideService(Random.Random, chance(value)))

describe("retrySchedule", () => {
  it.effect.each([
    { lease: 1, expected: [250, 250, 250, 250, 250] },
    { lease: 4, expected: [250, 500, 500, 500, 500] },
    { lease: 120, expected: [3_750, 7_500, 15_000, 15_000, 15_000] },
    { lease: 3_600, expected: [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] }
  ])("waits longer and longer, up to an eighth of $lease s and a minute", ({ expected, lease }) =>
    Effect.gen(function* () {
      const schedule = retrySchedule(Duration.seconds(lease))
      assert.deepStrictEqual(yield* waits(schedule, almostOne, expected.length), expected)
      assert.deepStrictEqual(
        yield* waits(schedule, 0, expected.length),
        expected.map((wait) => wait / 2)
      )
    })
  )

  it.effect.each([2, 4, 30, 120, 3_600, 604_800])("tries at least three times in the second half of %s s", (lease) =>
    Effect.gen(function* () {
      const [first, second, third] = yield* waits(retrySchedule(Duration.seconds(lease)), almostOne, 3)
      assert.isAtMost(first! + second! + third!, (lease / 2) * 1_000)
    })
  )

  it.effect("never ends", () =>
    Effect.gen(function* () {
      const all = yield* waits(retrySchedule(Duration.seconds(120)), almostOne, 2_000)
      assert.strictEqual(all.at(-1), 15_000)
    })
  )
})

describe("leaseOf", () => {
  it.each([
    [Duration.zero, 1],
    [Duration.millis(1), 1],
    [Duration.millis(1_500), 2],
    [Duration.seconds(120), 120],
    [Duration.weeks(2), 604_800],
    [Duration.infinity, 604_800]
  ] as const)("is in whole seconds, up to a week: %s", (asked, seconds) => {
    assert.strictEqual(Duration.toSeconds(leaseOf(asked)), seconds)
  })
})
