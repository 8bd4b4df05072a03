import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import { PortMapper } from "@qp2p/core/PortMapper"
import { GatewayNotFound, MappingConflict } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryTransport from "../src/MemoryTransport.ts"
import * as TestPortMapper from "../src/TestPortMapper.ts"
import { behind, bindOn, gateway, mappedEndpointOn, open, reaches } from "./support/hosts.ts"
import { address, provide, settle } from "./support/recordingSockets.ts"

const { TestPortMapper: Service } = TestPortMapper

const lease = Duration.seconds(120)

/** Maps a port in the scope at hand, and yields where it was granted. */
const map = (internal: string, external?: number) =>
  Effect.flatMap(PortMapper, (mapper) =>
    Effect.map(mapper.map({ internal: address(internal), external, lease }), (mapping) =>
      NetAddress.formatInet(mapping.external)
    )
  )

/** What was asked, when, and what came of it. */
const calls = Effect.flatMap(Service, (mapper) =>
  Effect.map(mapper.calls, (all) =>
    all.map(({ action, internal, result, time }) => {
      const outcome = Result.isSuccess(result) ? NetAddress.formatInet(result.success) : result.failure._tag
      return `${time / 1_000} ${action} ${NetAddress.formatInet(internal)} ${outcome}`
    })
  )
)

const mappings = Effect.flatMap(Service, (mapper) =>
  Effect.map(mapper.mappings, (all) =>
    all.map(({ external, internal }) => `${NetAddress.formatInet(internal)} ${NetAddress.formatInet(external)}`)
  )
)

const onMapper = Effect.provide(TestPortMapper.layer())

describe("TestPortMapper", () => {
  it.effect("grants the port wished for, or the internal one, or the next that is free", () =>
    Effect.gen(function* () {
      const granted = [
        yield* map("192.168.1.2:4433", 5000),
        yield* map("192.168.1.3:4433"),
        yield* map("192.168.1.4:4433"),
        yield* map("192.168.1.5:4433", 5000),
        yield* map("192.168.1.6:65535"),
        yield* map("192.168.1.7:65535")
      ]
      const ports = [5000, 4433, 4434, 5001, 65535, 1024]
      assert.deepStrictEqual(
        granted,
        ports.map((port) => `203.0.113.1:${port}`)
      )
      assert.deepStrictEqual((yield* mappings)[3], "192.168.1.5:4433 203.0.113.1:5001")
      assert.deepStrictEqual((yield* calls)[3], "0 map 192.168.1.5:4433 203.0.113.1:5001")
    }).pipe(onMapper)
  )

  it.effect("renews at each half of the lease, and unmaps when the scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* TestClock.adjust("5 seconds")
      yield* Scope.provide(map("192.168.1.2:4433"), scope)
      yield* TestClock.adjust("59999 millis")
      assert.strictEqual((yield* calls).length, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* calls).length, 2)
      yield* TestClock.adjust("70 seconds")
      assert.deepStrictEqual(yield* mappings, ["192.168.1.2:4433 203.0.113.1:4433"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* mappings, [])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* calls, [
        "5 map 192.168.1.2:4433 203.0.113.1:4433",
        "65 renew 192.168.1.2:4433 203.0.113.1:4433",
        "125 renew 192.168.1.2:4433 203.0.113.1:4433",
        "135 unmap 192.168.1.2:4433 203.0.113.1:4433"
      ])
    }).pipe(onMapper)
  )

  it.effect("tries a renewal that failed again at the next half, when the lease has ended", () =>
    Effect.gen(function* () {
      const mapper = yield* Service
      yield* map("192.168.1.2:4433")
      yield* TestClock.adjust("59 seconds")
      yield* mapper.failNext(new GatewayNotFound())
      yield* TestClock.adjust("60999 millis")
      assert.strictEqual((yield* mappings).length, 1)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual((yield* calls).slice(1), [
        "60 renew 192.168.1.2:4433 GatewayNotFound",
        "120 renew 192.168.1.2:4433 203.0.113.1:4433"
      ])
      // The lease is counted anew from there.
      yield* TestClock.adjust("59 seconds")
      yield* mapper.failNext(new GatewayNotFound(), 3)
      yield* TestClock.adjust("60999 millis")
      assert.strictEqual((yield* mappings).length, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* mappings).length, 0)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual((yield* calls).slice(3), [
        "180 renew 192.168.1.2:4433 GatewayNotFound",
        "240 renew 192.168.1.2:4433 GatewayNotFound",
        "300 renew 192.168.1.2:4433 GatewayNotFound",
        "360 renew 192.168.1.2:4433 203.0.113.1:4433"
      ])
      assert.strictEqual((yield* mappings).length, 1)
    }).pipe(onMapper)
  )

  it.effect("gives a port whose lease has ended to the next host that asks, and does not take it from that host", () =>
    Effect.gen(function* () {
      const mapper = yield* Service
      const scope = yield* Scope.make()
      yield* Scope.provide(map("192.168.1.2:4433"), scope)
      yield* mapper.failNext(new GatewayNotFound(), 2)
      yield* TestClock.adjust("130 seconds")
      assert.strictEqual(yield* map("192.168.1.3:4433"), "203.0.113.1:4433")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* mappings, ["192.168.1.3:4433 203.0.113.1:4433"])
    }).pipe(onMapper)
  )

  it.effect("forgets, and grants it again at the next renewal", () =>
    Effect.gen(function* () {
      const mapper = yield* Service
      yield* map("192.168.1.2:4433", 5000)
      yield* mapper.forget
      assert.deepStrictEqual(yield* mappings, [])
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(yield* mappings, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* mappings, ["192.168.1.2:4433 203.0.113.1:5000"])
    }).pipe(onMapper)
  )

  it.effect("fails as told, as often as told", () =>
    Effect.gen(function* () {
      const mapper = yield* Service
      const conflict = new MappingConflict({ gateway: "192.168.1.1", externalPort: 4433 })
      yield* mapper.failNext(conflict)
      yield* mapper.failNext(new GatewayNotFound(), 2)
      const outcomes = yield* Effect.forEach([1, 2, 3, 4], () => Effect.result(map("192.168.1.2:4433")))
      assert.deepStrictEqual(outcomes[0], Result.fail(conflict))
      assert.deepStrictEqual(outcomes[1], Result.fail(new GatewayNotFound()))
      assert.deepStrictEqual(outcomes[2], Result.fail(new GatewayNotFound()))
      assert.deepStrictEqual(outcomes[3], Result.succeed("203.0.113.1:4433"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* calls).length, 5)
    }).pipe(onMapper)
  )

  it.effect("answers late when told to, and leaves nothing when no caller waits for it any more", () =>
    Effect.gen(function* () {
      const mapper = yield* Service
      yield* mapper.setDelay("3 seconds")
      const fiber = yield* Effect.forkChild(map("192.168.1.2:4433"))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "203.0.113.1:4433")
      const scope = yield* Scope.make()
      const impatient = yield* Effect.forkChild(Scope.provide(map("192.168.1.3:4433"), scope))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(impatient)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* mappings, ["192.168.1.2:4433 203.0.113.1:4433"])
      assert.deepStrictEqual(yield* calls, ["3 map 192.168.1.2:4433 203.0.113.1:4433"])
      // Renewals wait for their answers too.
      yield* TestClock.adjust("53 seconds")
      assert.deepStrictEqual((yield* calls).slice(1), ["66 renew 192.168.1.2:4433 203.0.113.1:4433"])
    }).pipe(onMapper)
  )

  it.effect("maps no ports of another address family than its own", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(map("[2001:db8::1]:4433")))._tag, "PortMapperUnsupported")
      const six = yield* map("[2001:db8::1]:4433").pipe(
        Effect.provide(TestPortMapper.layer({ external: "2001:db8::9" }))
      )
      assert.strictEqual(six, "[2001:db8::9]:4433")
      const wrong = TestPortMapper.layer({ external: "nowhere" })
      assert.strictEqual((yield* Effect.flip(Layer.build(wrong)))._tag, "NetAddressError")
    }).pipe(onMapper)
  )

  it.effect("keeps the latest 10,000 calls", () =>
    Effect.gen(function* () {
      yield* map("192.168.1.2:4433")
      yield* TestClock.adjust(Duration.minutes(10_000))
      const all = yield* calls
      assert.strictEqual(all.length, 10_000)
      assert.strictEqual(all[0], "60 renew 192.168.1.2:4433 203.0.113.1:4433")
      assert.strictEqual(all.at(-1), "600000 renew 192.168.1.2:4433 203.0.113.1:4433")
    }).pipe(onMapper)
  )
})

describe("an endpoint", () => {
  const config = { forwardPort: true, externalPort: 5000 }
  const make = (options: Endpoint.Options = {}) =>
    Endpoint.make({ localAddress: "192.168.1.2:4433", config, ...options })
  const onBoth = Effect.provide(Layer.merge(TestPortMapper.layer(), MemoryTransport.layerNetwork()))

  it.effect("is known by the mapped port, and gives it back when it closes", () =>
    Effect.gen(function* () {
      const endpoint = yield* make()
      assert.strictEqual(NetAddress.formatInet(endpoint.publicAddress), "203.0.113.1:5000")
      yield* endpoint.close
      assert.deepStrictEqual(yield* calls, [
        "0 map 192.168.1.2:4433 203.0.113.1:5000",
        "0 unmap 192.168.1.2:4433 203.0.113.1:5000"
      ])
    }).pipe(onBoth)
  )

  it.effect("fails with what the mapper fails with, and leaves nothing", () =>
    Effect.gen(function* () {
      const mapper = yield* Service
      yield* mapper.failNext(new GatewayNotFound())
      assert.deepStrictEqual(yield* Effect.flip(make()), new GatewayNotFound())
      assert.deepStrictEqual(yield* mappings, [])
      yield* make()
    }).pipe(onBoth)
  )

  it.effect("gives the port back when it fails to start for another reason, or is given up", () =>
    Effect.gen(function* () {
      // The contact sees it elsewhere: no gateway of this network forwards that port.
      const contact = yield* Endpoint.make({ localAddress: "198.51.100.1:1" })
      assert.strictEqual((yield* Effect.flip(make({ contacts: [contact.localAddress] })))._tag, "Unreachable")
      const givenUp = yield* Effect.forkChild(make({ contacts: ["198.51.100.9:9"] }))
      // To make its identity takes time that no clock of a test has.
      while ((yield* mappings).length === 0) yield* settle
      yield* Fiber.interrupt(givenUp)
      assert.deepStrictEqual(yield* mappings, [])
      const actions = (yield* Effect.flatMap(Service, (mapper) => mapper.calls)).map(({ action }) => action)
      assert.deepStrictEqual(actions, ["map", "unmap", "map", "unmap"])
    }).pipe(onBoth)
  )
})

describe("on a gateway", () => {
  it.effect("opens a port of it for as long as the lease, and closes it after that", () =>
    Effect.gen(function* () {
      const home = yield* gateway({ address: "203.0.113.7" })
      const host = behind(home, "192.168.1.2")
      const peer = yield* bindOn(open("198.51.100.1"), 1)
      yield* Effect.gen(function* () {
        const mapper = yield* Service
        const endpoint = yield* mappedEndpointOn(host, { config: { forwardPort: true, externalPort: 5000 } })
        assert.strictEqual(NetAddress.formatInet(endpoint.publicAddress), "203.0.113.7:5000")
        assert.deepStrictEqual(yield* mappings, ["192.168.1.2:4433 203.0.113.7:5000"])
        assert.deepStrictEqual(
          [yield* reaches(peer, "203.0.113.7:4433"), yield* reaches(peer, "203.0.113.7:5000")],
          [false, true]
        )
        peer.dialled[0]!.connection.close(0, "")
        yield* mapper.failNext(new GatewayNotFound(), 2)
        yield* TestClock.adjust("119999 millis")
        const stranger = yield* bindOn(open("198.51.100.2"), 1)
        assert.isTrue(yield* reaches(stranger, "203.0.113.7:5000"))
        yield* TestClock.adjust("1 millis")
        const another = yield* bindOn(open("198.51.100.3"), 1)
        assert.isFalse(yield* reaches(another, "203.0.113.7:5000"))
        yield* TestClock.adjust("1 minute")
        assert.isTrue(yield* reaches(another, "203.0.113.7:5000"))
      }).pipe(Effect.scoped, Effect.provide(TestPortMapper.layerHost(host)))
      // The endpoint and its mapping are gone.
      const late = yield* bindOn(open("198.51.100.4"), 1)
      assert.isFalse(yield* reaches(late, "203.0.113.7:5000"))
      assert.deepStrictEqual(home.nat.forwarded, [])
    }).pipe(provide)
  )

  it.effect("gives hosts behind it different ports", () =>
    Effect.gen(function* () {
      const home = yield* gateway({ address: "203.0.113.7" })
      const endpoints = yield* Effect.forEach(["192.168.1.2", "192.168.1.3"], (ip) => {
        const host = behind(home, ip)
        return mappedEndpointOn(host, { config: { forwardPort: true } }).pipe(
          Effect.provide(TestPortMapper.layerHost(host))
        )
      })
      const seen = endpoints.map(({ publicAddress }) => NetAddress.formatInet(publicAddress))
      assert.deepStrictEqual(seen, ["203.0.113.7:4433", "203.0.113.7:4434"])
      const peer = yield* bindOn(open("198.51.100.1"), 1)
      for (const to of seen) assert.isTrue(yield* reaches(peer, to))
      for (const endpoint of endpoints) {
        const { remoteAddress } = yield* endpoint.nextConnection
        assert.strictEqual(NetAddress.formatInet(remoteAddress), "198.51.100.1:1")
      }
    }).pipe(provide)
  )
})
