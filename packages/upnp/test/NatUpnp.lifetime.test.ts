import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as TestClock from "effect/testing/TestClock"
import * as FakeGateway from "./support/fakeUpnpGateway.ts"
import {
  argument,
  argumentsOf,
  failure,
  foundAt,
  mapAt,
  mapThrough,
  names,
  portsAsked,
  settle
} from "./support/natUpnpMapper.ts"
import { longestWaits, recordingLogger, recordStatus } from "./support/leases.ts"

const ok = FakeGateway.response("AddPortMapping")
const failed = FakeGateway.fault(899, "out of order")
const conflict = FakeGateway.fault(718, "ConflictInMappingEntry")

/** A gateway that somebody switches off. */
const makeMortal = Effect.gen(function* () {
  const scope = yield* Scope.make()
  return { gateway: yield* Scope.provide(FakeGateway.make, scope), off: Scope.close(scope, Exit.void) }
})

describe("NatUpnp.map, for as long as its scope lives", () => {
  it.effect("renews at half the lease, and asks for the external address again", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const times = () => gateway.requests.map(({ time }) => time)
      yield* mapAt(gateway.location)
      const before = times().length
      yield* TestClock.adjust("60 seconds")
      yield* gateway.received("AddPortMapping", 2)
      yield* gateway.idle
      yield* settle
      yield* TestClock.adjust("60 seconds")
      const third = yield* gateway.received("AddPortMapping", 3)
      assert.deepStrictEqual(times().slice(before), [60_000, 60_000, 120_000, 120_000])
      assert.deepStrictEqual(names(gateway).slice(-2), ["GetExternalIPAddress", "AddPortMapping"])
      assert.strictEqual(argument(third, "NewLeaseDuration"), "120")
    })
  )

  it.effect("tells that the gateway's external address has changed", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const { reached, seen } = yield* recordStatus(yield* mapAt(gateway.location))
      gateway.answer("GetExternalIPAddress", FakeGateway.externalIp("9.8.7.7"))
      yield* TestClock.adjust("60 seconds")
      yield* reached(3)
      assert.deepStrictEqual(seen.slice(1), ["Renewing 9.8.7.6:4433", "Remapped 9.8.7.7:4433 before 9.8.7.6:4433"])
    })
  )

  it.effect("warns when a renewal fails, and searches and asks again before the lease ends", () => {
    const log = recordingLogger()
    return Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const times = () => gateway.requests.map(({ time }) => time)
      gateway.answer("AddPortMapping", ok, failed, ok)
      yield* longestWaits(mapAt(gateway.location))
      yield* TestClock.adjust("60 seconds")
      yield* log.logged(1)
      assert.deepStrictEqual(log.lines, ["the mapping of port 4433 was not renewed"])
      const before = times().length
      yield* settle
      yield* TestClock.adjust("3749 millis")
      assert.lengthOf(times(), before)
      yield* TestClock.adjust("1 millis")
      yield* gateway.received("AddPortMapping", 3)
      assert.deepStrictEqual(times().slice(before), [63_750, 63_750, 63_750])
      assert.deepStrictEqual(names(gateway).slice(-3), ["description", "GetExternalIPAddress", "AddPortMapping"])
    }).pipe(Effect.provide(log.layer))
  })

  it.effect("gets its mapping again from a router that has restarted elsewhere", () =>
    Effect.gen(function* () {
      const { gateway: before, off } = yield* makeMortal
      const after = yield* FakeGateway.make
      after.answer("description", { body: FakeGateway.description({ controlUrl: "/elsewhere" }) })
      let { location } = before
      const scope = yield* Scope.make()
      const mapping = yield* longestWaits(
        Scope.provide(
          mapThrough(() => foundAt(location)),
          scope
        )
      )
      const { reached, seen } = yield* recordStatus(mapping)
      yield* off
      location = after.location
      yield* TestClock.adjust("60 seconds")
      yield* reached(3)
      yield* settle
      yield* TestClock.adjust("3750 millis")
      yield* reached(5)
      assert.deepStrictEqual(seen, [
        "Mapped 9.8.7.6:4433",
        "Renewing 9.8.7.6:4433",
        "Failed 9.8.7.6:4433 GatewayUnreachable",
        "Renewing 9.8.7.6:4433",
        "Mapped 9.8.7.6:4433"
      ])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(names(after).slice(-2), ["AddPortMapping", "DeletePortMapping"])
    })
  )

  it.effect("goes back to the gateway that it had before, and not to another that answers first", () =>
    Effect.gen(function* () {
      const home = yield* FakeGateway.make
      const other = yield* FakeGateway.make
      home.answer("AddPortMapping", ok, failed, ok)
      const locations = [home.location]
      const mapping = yield* longestWaits(mapThrough(() => foundAt(...locations)))
      const { reached } = yield* recordStatus(mapping)
      locations.unshift(other.location.replace("127.0.0.1", "localhost"))
      yield* TestClock.adjust("60 seconds")
      yield* reached(3)
      yield* settle
      yield* TestClock.adjust("3750 millis")
      yield* reached(5)
      assert.deepStrictEqual(names(other), [])
    })
  )

  it.effect("goes to another gateway when that is gone, and removes the mapping there", () => {
    const log = recordingLogger()
    return Effect.gen(function* () {
      const { gateway: home, off } = yield* makeMortal
      const other = yield* FakeGateway.make
      other.answer("GetExternalIPAddress", FakeGateway.externalIp("9.8.7.7"))
      const locations = [home.location]
      const scope = yield* Scope.make()
      const mapping = yield* longestWaits(
        Scope.provide(
          mapThrough(() => foundAt(...locations)),
          scope
        )
      )
      const { reached, seen } = yield* recordStatus(mapping)
      locations.push(other.location.replace("127.0.0.1", "localhost"))
      yield* off
      yield* TestClock.adjust("60 seconds")
      yield* reached(3)
      yield* settle
      yield* TestClock.adjust("3750 millis")
      yield* reached(5)
      assert.strictEqual(seen.at(-1), "Remapped 9.8.7.7:4433 before 9.8.7.6:4433")
      const lines = log.lines.length
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(names(other).at(-1), "DeletePortMapping")
      assert.lengthOf(log.lines, lines)
    }).pipe(Effect.provide(log.layer))
  })

  it.effect("takes the next port when another host took its own, and leaves that one alone", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", ok, conflict, ok)
      const scope = yield* Scope.make()
      const { reached, seen } = yield* recordStatus(yield* Scope.provide(mapAt(gateway.location), scope))
      yield* TestClock.adjust("60 seconds")
      yield* reached(3)
      assert.strictEqual(seen.at(-1), "Remapped 9.8.7.6:4434 before 9.8.7.6:4433")
      yield* gateway.idle
      yield* settle
      yield* TestClock.adjust("60 seconds")
      yield* reached(5)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(portsAsked(gateway), ["4433", "4433", "4434", "4434"])
      assert.deepStrictEqual(portsAsked(gateway, "DeletePortMapping"), ["4434"])
    })
  )

  it.effect("goes on asking for permanent mappings, and such a one does not run out", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(725, "OnlyPermanentLeasesSupported"), ok, ok, failed)
      const mapping = yield* mapAt(gateway.location)
      const { reached } = yield* recordStatus(mapping)
      yield* TestClock.adjust("60 seconds")
      yield* reached(3)
      yield* gateway.idle
      yield* settle
      yield* TestClock.adjust("60 seconds")
      yield* reached(5)
      const adds = gateway.requests.filter((request) => request.name === "AddPortMapping")
      assert.deepStrictEqual(
        adds.map((add) => argument(add, "NewLeaseDuration")),
        ["120", "0", "0", "0"]
      )
      yield* TestClock.adjust("10 minutes")
      assert.notStrictEqual((yield* SubscriptionRef.get(mapping.status))._tag, "Lost")
    })
  )

  it.effect("removes the mapping when the scope closes", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      yield* Effect.scoped(mapAt(gateway.location, { external: 5555 }))
      assert.deepStrictEqual(names(gateway), [
        "description",
        "GetExternalIPAddress",
        "AddPortMapping",
        "DeletePortMapping"
      ])
      assert.deepStrictEqual(argumentsOf(yield* gateway.received("DeletePortMapping")), [
        ["NewRemoteHost", ""],
        ["NewExternalPort", "5555"],
        ["NewProtocol", "UDP"]
      ])
      yield* gateway.idle
    })
  )

  it.effect.each([
    { what: "takes it well that the gateway has forgotten the mapping", code: 714, lines: [] },
    { what: "warns when the mapping is not removed", code: 501, lines: ["port 4433 was not unmapped"] }
  ])("$what", ({ code, lines }) => {
    const log = recordingLogger()
    return Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("DeletePortMapping", FakeGateway.fault(code, ""))
      yield* Effect.scoped(mapAt(gateway.location))
      assert.include(names(gateway), "DeletePortMapping")
      assert.deepStrictEqual(log.lines, lines)
    }).pipe(Effect.provide(log.layer))
  })

  it.effect("closes its scope although the router hangs", () => {
    const log = recordingLogger()
    return Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("DeletePortMapping", "hang")
      const fiber = yield* Effect.forkChild(
        Effect.scoped(mapAt(gateway.location, { mapper: { requestTimeout: Duration.hours(1) } }))
      )
      yield* gateway.received("DeletePortMapping")
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(log.lines, ["port 4433 was not unmapped"])
      yield* gateway.idle
    }).pipe(Effect.provide(log.layer))
  })

  it.effect("does not remove a mapping that another host took over", () => {
    const log = recordingLogger()
    return Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", ok, conflict)
      const scope = yield* Scope.make()
      yield* Scope.provide(mapAt(gateway.location), scope)
      yield* TestClock.adjust("60 seconds")
      yield* log.logged(1)
      yield* Scope.close(scope, Exit.void)
      assert.notInclude(names(gateway), "DeletePortMapping")
    }).pipe(Effect.provide(log.layer))
  })

  it.effect("removes a mapping that was granted, although its renewal was refused", () => {
    const log = recordingLogger()
    return Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", ok, FakeGateway.fault(606, "Action not authorized"))
      const scope = yield* Scope.make()
      yield* Scope.provide(mapAt(gateway.location), scope)
      yield* TestClock.adjust("60 seconds")
      yield* log.logged(1)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(portsAsked(gateway, "DeletePortMapping"), ["4433"])
    }).pipe(Effect.provide(log.layer))
  })

  it.effect("removes a mapping whose add got no answer", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", "hang")
      const fiber = yield* Effect.forkChild(failure(mapAt(gateway.location)))
      yield* gateway.received("AddPortMapping")
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "PortMapperTimedOut")
      yield* gateway.received("DeletePortMapping")
    })
  )
})
