import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as FakeGateway from "./support/fakeUpnpGateway.ts"
import { failure, foundAt, mapThrough, names } from "./support/natUpnpMapper.ts"

/** Two that state different addresses. */
const two = Effect.gen(function* () {
  const first = yield* FakeGateway.make
  const second = yield* FakeGateway.make
  second.answer("GetExternalIPAddress", FakeGateway.externalIp("9.8.7.7"))
  return { first, second, found: foundAt(first.location, second.location) }
})

describe("NatUpnp.map, when several gateways answer", () => {
  it.effect("asks the first and no other when it can", () =>
    Effect.gen(function* () {
      const { first, found, second } = yield* two
      const mapping = yield* mapThrough(() => found)
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.6:4433")
      assert.include(names(first), "AddPortMapping")
      assert.deepStrictEqual(names(second), [])
    })
  )

  it.effect("does not wait for the end of the search", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      yield* mapThrough(() => Stream.concat(foundAt(gateway.location), Stream.never))
      assert.include(names(gateway), "AddPortMapping")
    })
  )

  it.effect.each([
    { what: "cannot be read", name: "description", answer: { body: "no" } },
    { what: "has no address", name: "GetExternalIPAddress", answer: FakeGateway.externalIp("0.0.0.0") },
    { what: "has no port left", name: "AddPortMapping", answer: FakeGateway.fault(718, "") },
    { what: "does not want to", name: "AddPortMapping", answer: FakeGateway.fault(606, "") }
  ])("asks the next when the first $what", ({ answer, name }) =>
    Effect.gen(function* () {
      const { first, found, second } = yield* two
      first.answer(name, answer)
      const mapping = yield* Effect.scoped(mapThrough(() => found))
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.7:4433")
      assert.include(names(first), name)
      assert.notInclude(names(first), "DeletePortMapping")
      assert.strictEqual(names(second).at(-1), "DeletePortMapping")
    })
  )

  it.effect("asks one that answers late, as long as the search lasts", () =>
    Effect.gen(function* () {
      const { first, second } = yield* two
      first.answer("AddPortMapping", FakeGateway.fault(606, ""))
      const late = yield* Deferred.make<void>()
      const found = foundAt(first.location).pipe(
        Stream.concat(Stream.drain(Stream.fromEffect(Deferred.await(late)))),
        Stream.concat(foundAt(second.location))
      )
      const fiber = yield* Effect.forkChild(Effect.scoped(mapThrough(() => found)))
      yield* first.received("AddPortMapping")
      yield* first.idle
      assert.deepStrictEqual(names(second), [])
      yield* Deferred.succeed(late, undefined)
      assert.strictEqual(NetAddress.formatInet((yield* Fiber.join(fiber)).external), "9.8.7.7:4433")
    })
  )

  it.effect("tells what each of them said when none could", () =>
    Effect.gen(function* () {
      const { first, found, second } = yield* two
      first.answer("AddPortMapping", FakeGateway.fault(606, ""))
      second.answer("AddPortMapping", FakeGateway.fault(718, ""))
      const error = yield* failure(mapThrough(() => found))
      if (error._tag !== "NoneMapped") return assert.fail(error._tag)
      assert.deepStrictEqual(
        error.attempts.map((attempt) => [attempt.by, attempt.error._tag]),
        [
          [first.host, "MappingNotAuthorized"],
          [second.host, "MappingConflict"]
        ]
      )
    })
  )

  it.effect("removes what one may have kept to itself that did not answer", () =>
    Effect.gen(function* () {
      const { first, found, second } = yield* two
      first.answer("AddPortMapping", "hang")
      const scope = yield* Scope.make()
      const fiber = yield* Effect.forkChild(
        Scope.provide(
          mapThrough(() => found),
          scope
        )
      )
      yield* first.received("AddPortMapping")
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.join(fiber)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(names(first).at(-1), "DeletePortMapping")
      assert.strictEqual(names(second).at(-1), "DeletePortMapping")
    })
  )

  it.effect("passes over those who never said that they are gateways, and are none", () =>
    Effect.gen(function* () {
      const { first, found, second } = yield* two
      const unsure = found.pipe(Stream.map((each) => ({ ...each, isUnidentified: true })))
      first.answer("description", { body: "<root><device><serviceList/></device></root>" })
      const mapping = yield* Effect.scoped(mapThrough(() => unsure))
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.7:4433")
      second.answer("description", { status: 404 })
      assert.strictEqual((yield* failure(mapThrough(() => unsure)))._tag, "GatewayNotFound")
      second.answer("description", { body: FakeGateway.description() })
      second.answer("AddPortMapping", FakeGateway.fault(606, ""))
      assert.strictEqual((yield* failure(mapThrough(() => unsure)))._tag, "MappingNotAuthorized")
    })
  )

  it.effect(
    "does not wait long for one who never said that it is a gateway, and waits as long as ever if it is one",
    () =>
      Effect.gen(function* () {
        const { first, found, second } = yield* two
        first.answer("description", "hang")
        second.answer("AddPortMapping", "hang")
        const unsure = found.pipe(Stream.map((each) => ({ ...each, isUnidentified: true })))
        const fiber = yield* Effect.forkChild(failure(mapThrough(() => unsure)))
        yield* first.received("description")
        yield* TestClock.adjust("1 second")
        yield* second.received("AddPortMapping")
        yield* TestClock.adjust("1499 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        const error = yield* Fiber.join(fiber)
        assert.deepInclude(error, { _tag: "PortMapperTimedOut", gateway: second.host })
      })
  )

  it.effect("says that there is none when none answers", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* failure(mapThrough(() => foundAt())))._tag, "GatewayNotFound")
    })
  )
})
