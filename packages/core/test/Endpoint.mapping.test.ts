import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Bootstrap from "../src/Bootstrap.ts"
import * as ConnectionPool from "../src/ConnectionPool.ts"
import * as Endpoint from "../src/Endpoint.ts"
import type * as EndpointConfig from "../src/EndpointConfig.ts"
import { Lost, Mapped, Remapped, Renewing, Failed, type MappingStatus } from "../src/MappingStatus.ts"
import { granted, layerFirstOf, PortMapper } from "../src/PortMapper.ts"
import { GatewayNotFound, MappingConflict, NoneMapped, PortMapperTimedOut } from "../src/PortMapperError.ts"
import { address, bytes } from "./support/values.ts"
import { logged } from "./support/logs.ts"
import { endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"

const here = address("10.0.0.1:1")
const first = address("203.0.113.1:7777")
const second = address("203.0.113.2:8888")
const late = new PortMapperTimedOut({ gateway: "192.168.1.1" })

/** A mapper that grants `first`; what it says of it later is up to the test. */
const steered = Effect.gen(function* () {
  const mapping = yield* granted(here, first)
  return {
    say: (status: MappingStatus) => Effect.andThen(SubscriptionRef.set(mapping.status, status), settle),
    start: (config: EndpointConfig.Input = {}) =>
      Effect.provideService(endpoint("10.0.0.1:1", { forwardPort: true, ...config }), PortMapper, {
        map: () => Effect.succeed(mapping)
      })
  }
})

describe("what becomes of the mapping", () => {
  it.effect("is there to be followed, now and as a stream", () =>
    Effect.gen(function* () {
      const { say, start } = yield* steered
      const one = yield* start()
      const { status } = Option.getOrThrow(one.portMapping)
      const seen: Array<MappingStatus> = []
      yield* Effect.forkScoped(
        Stream.runForEach(SubscriptionRef.changes(status), (each) => Effect.sync(() => seen.push(each)))
      )
      yield* settle
      const happened = [
        Renewing({ external: first }),
        Failed({ external: first, error: late }),
        Mapped({ external: first })
      ]
      for (const each of happened) yield* say(each)
      assert.deepStrictEqual(seen, [Mapped({ external: first }), ...happened])
      assert.deepStrictEqual(SubscriptionRef.getUnsafe(status), happened[2])
    }).pipe(onNetwork)
  )

  it.effect("is a line of the log when it is lost, and when it is back, and not the end of the endpoint", () =>
    Effect.gen(function* () {
      const { say, start } = yield* steered
      const { lines, outcome: one } = yield* logged(
        Effect.tap(start(), () =>
          Effect.gen(function* () {
            yield* say(Renewing({ external: first }))
            yield* say(Failed({ external: first, error: late }))
            yield* say(Lost({ external: first, error: late }))
            yield* say(Renewing({ external: first }))
            yield* say(Mapped({ external: first }))
            yield* say(Renewing({ external: first }))
            yield* say(Mapped({ external: first }))
          })
        )
      )
      assert.deepStrictEqual(lines, [
        "Warn: the gateway no longer maps 203.0.113.1:7777 to 10.0.0.1:1: the gateway at 192.168.1.1 did not answer in time",
        "Info: the gateway maps 203.0.113.1:7777 to 10.0.0.1:1 again"
      ])
      const two = yield* endpoint("10.0.0.2:2")
      yield* two.sendMessage(bytes("still there"), "10.0.0.1:1")
      assert.strictEqual((yield* one.nextMessage).payload.length, 11)
    }).pipe(onNetwork)
  )

  const moves: ReadonlyArray<readonly [EndpointConfig.Input, string, string]> = [
    [{}, "203.0.113.1:7777", "203.0.113.2:8888"],
    [{ externalPort: 5 }, "203.0.113.1:5", "203.0.113.2:5"],
    [{ externalIp: "192.0.2.1", externalPort: 5 }, "192.0.2.1:5", "192.0.2.1:5"]
  ]
  it.effect.each(moves)(
    "moves the public address, as far as the operator does not know better: %j",
    ([config, before, after]) =>
      Effect.gen(function* () {
        const { say, start } = yield* steered
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const one = yield* start(config)
            assert.strictEqual(String(one.publicAddress), before)
            yield* say(Remapped({ external: second, before: first }))
            assert.strictEqual(String(one.publicAddress), after)
            // Bootstrapping again goes by what is granted now.
            assert.strictEqual(String((yield* one.bootstrap()).publicAddress), after)
            assert.strictEqual(String(one.publicAddress), after)
          })
        )
        assert.deepStrictEqual(lines, [
          "Warn: the gateway maps 203.0.113.2:8888 to 10.0.0.1:1 now, and no longer 203.0.113.1:7777"
        ])
      }).pipe(onNetwork)
  )

  it.effect("keeps a public address that the program's own bootstrap found", () =>
    Effect.gen(function* () {
      const mapping = yield* granted(here, first)
      const elsewhere = address("192.0.2.77:77")
      const bootstrap = Layer.effect(
        Bootstrap.Bootstrap,
        Effect.map(Bootstrap.make, (service) => ({
          ...service,
          run: () => Effect.succeed({ publicAddress: elsewhere, contact: Option.none() })
        }))
      )
      const services = yield* Layer.build(
        Endpoint.layerWithoutDependencies({ localAddress: "10.0.0.1:1", config: { forwardPort: true } }).pipe(
          Layer.provide([
            bootstrap,
            ConnectionPool.layer,
            Layer.succeed(PortMapper, { map: () => Effect.succeed(mapping) })
          ])
        )
      )
      yield* settle
      yield* SubscriptionRef.set(mapping.status, Remapped({ external: second, before: first }))
      yield* settle
      assert.strictEqual(Context.get(services, Endpoint.Endpoint).publicAddress, elsewhere)
    }).pipe(onNetwork)
  )
})

describe("a mapping that cannot be had", () => {
  const conflict = new MappingConflict({ gateway: "192.168.1.1", externalPort: 1 })
  const left = { count: 0 }
  const refuses = PortMapper.of({
    map: () =>
      Effect.acquireRelease(
        Effect.sync(() => (left.count += 1)),
        () => Effect.sync(() => (left.count -= 1))
      ).pipe(Effect.andThen(Effect.fail(conflict)))
  })

  it.effect("ends an endpoint that requires it, and is a warning to one that does not", () =>
    Effect.gen(function* () {
      const required = endpoint("10.0.0.1:1", { forwardPort: true })
      assert.deepStrictEqual(yield* Effect.flip(Effect.provideService(required, PortMapper, refuses)), conflict)
      const optional = endpoint("10.0.0.1:1", { forwardPort: true, forwardPortRequired: false })
      const { lines, outcome: one } = yield* logged(Effect.provideService(optional, PortMapper, refuses))
      assert.deepStrictEqual(lines, [`Warn: no port is forwarded: ${conflict.message}`])
      assert.isTrue(Option.isNone(one.portMapping))
      assert.strictEqual(String(one.publicAddress), "10.0.0.1:1")
      // What the attempt made is gone, although the endpoint lives.
      assert.strictEqual(left.count, 0)
    }).pipe(onNetwork)
  )

  it.effect("is none of an endpoint that asks for none", () =>
    Effect.gen(function* () {
      const one = yield* Effect.provideService(endpoint("10.0.0.1:1"), PortMapper, refuses)
      assert.isTrue(Option.isNone(one.portMapping))
    }).pipe(onNetwork)
  )
})

describe("the first of several mappers", () => {
  const steps: Array<string> = []
  const mapper = (
    name: string,
    outcome: Effect.Effect<typeof first, PortMapperTimedOut | MappingConflict | NoneMapped | GatewayNotFound>
  ) =>
    Layer.succeed(PortMapper, {
      map: ({ internal }) =>
        Effect.acquireRelease(
          Effect.sync(() => steps.push(`${name} is asked`)),
          () => Effect.sync(() => steps.push(`${name} is cleaned up`))
        ).pipe(
          Effect.andThen(outcome),
          Effect.flatMap((external) => granted(internal, external))
        )
    })
  const map = (mappers: Parameters<typeof layerFirstOf<never, never>>[0]) =>
    Effect.gen(function* () {
      steps.length = 0
      const services = yield* Layer.build(layerFirstOf(mappers))
      return yield* Context.get(services, PortMapper).map({ internal: here, lease: Duration.minutes(2) })
    })
  const lost = Effect.fail(late)

  it.effect("that can do it maps the port, after those before it have been cleaned up, and no other is asked", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const mapping = yield* Scope.provide(
        map({ one: mapper("one", lost), two: mapper("two", Effect.succeed(second)), three: mapper("three", lost) }),
        scope
      )
      assert.strictEqual(mapping.external, second)
      assert.deepStrictEqual(steps, ["one is asked", "one is cleaned up", "two is asked"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(steps.slice(3), ["two is cleaned up"])
    })
  )

  it.effect("is cleaned up when it is interrupted, and no other is asked", () =>
    Effect.gen(function* () {
      const asking = yield* Effect.forkChild(
        Effect.scoped(map({ one: mapper("one", Effect.never), two: mapper("two", lost) }))
      )
      yield* Effect.yieldNow
      yield* Fiber.interrupt(asking)
      assert.deepStrictEqual(steps, ["one is asked", "one is cleaned up"])
    })
  )

  it.effect("when none can, fails with the errors of all, or with that of the only one", () =>
    Effect.gen(function* () {
      const fails = (mappers: Parameters<typeof map>[0]) => Effect.flip(Effect.scoped(map(mappers)))
      assert.deepStrictEqual(yield* fails({ one: mapper("one", lost) }), late)
      const expected = new NoneMapped({
        attempts: [
          { by: "NAT-PMP", error: new GatewayNotFound() },
          { by: "UPnP", error: late }
        ]
      })
      const both = yield* fails({
        "NAT-PMP": mapper("one", Effect.fail(new GatewayNotFound())),
        UPnP: mapper("two", lost)
      })
      assert.deepStrictEqual(both, expected)
      assert.strictEqual(
        both.message,
        "no port was mapped: NAT-PMP: no gateway that maps ports was found; UPnP: the gateway at 192.168.1.1 did not answer in time"
      )
      const nested = yield* fails({ all: mapper("all", Effect.fail(expected)), UPnP: mapper("two", lost) })
      assert.deepStrictEqual(nested._tag === "NoneMapped" ? nested.attempts.map(({ by }) => by) : [], [
        "all, NAT-PMP",
        "all, UPnP",
        "UPnP"
      ])
      assert.strictEqual((yield* fails({})).message, "no port was mapped: there was no port mapper to ask")
    })
  )
})
