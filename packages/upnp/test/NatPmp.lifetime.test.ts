import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as fake from "./support/fakePmpGateway.ts"
import { address, internal, lease, makeMapper, mapAt, nth, protocols } from "./support/natPmpMapper.ts"
import { longestWaits, recordingLogger, recordStatus } from "./support/leases.ts"

describe.each(protocols)("A mapping over $protocol", ({ before, kind, reply, speak }) => {
  const make = Effect.tap(fake.make, (gateway) => Effect.sync(() => speak(gateway)))

  it.effect("renews when half of what was granted has passed, in the same protocol", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      gateway.answer(kind, reply({ lifetime: 60, externalPort: 6000 }), reply({ lifetime: 30 }))
      yield* mapAt(gateway)
      const sent = gateway.requests.length
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual(gateway.requests.length, sent)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(gateway.kinds().slice(sent), kind === "PcpMap" ? [kind] : ["ExternalAddress", kind])
      const [first, second] = [nth(gateway, kind), nth(gateway, kind, 1)]
      assert.deepInclude(second, { lifetime: 120, externalPort: 6000, nonce: first.nonce, at: 30_000 })
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(nth(gateway, kind, 2).at, 45_000)
    })
  )

  it.effect("removes the mapping when the scope closes, and then renews no more", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      yield* Effect.scoped(mapAt(gateway, { external: 5555 }))
      const last = gateway.requests.at(-1)
      assert.deepInclude(last, { kind, lifetime: 0, internalPort: 4433, nonce: nth(gateway, kind).nonce })
      // RFC 6886, section 3.4.
      assert.strictEqual(last?.externalPort, kind === "PmpMap" ? 0 : 5555)
      const sent = gateway.requests.length
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(gateway.requests.length, sent)
      assert.strictEqual(gateway.open, 0)
    })
  )

  it.effect("waits three seconds for the removal and no longer", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      const scope = yield* Scope.make()
      yield* Scope.provide(mapAt(gateway), scope)
      gateway.answer(kind, fake.silent)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
      assert.strictEqual(gateway.open, 0)
    })
  )

  it.effect("tries a renewal again that failed, and starts over with the newer protocol", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      yield* longestWaits(mapAt(gateway))
      gateway.answer(kind, reply({ code: 3 }), reply())
      yield* TestClock.adjust("60 seconds")
      const sent = gateway.requests.length
      yield* TestClock.adjust("3749 millis")
      assert.strictEqual(gateway.requests.length, sent)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(gateway.kinds().slice(sent), [...before, kind])
      // A renewal that went well is followed by another half a lease later.
      const renewed = gateway.requests.length
      yield* TestClock.adjust("60 seconds")
      assert.isAbove(gateway.requests.length, renewed)
      assert.strictEqual(gateway.requests.at(-1)?.at, 123_750)
    })
  )

  it.effect("makes every other mapping again at once when one hears that the gateway has lost them", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      const service = makeMapper(gateway)
      yield* service.map({ internal, lease })
      yield* TestClock.adjust("30 seconds")
      yield* service.map({ internal: address("192.168.1.20:4434"), lease })
      gateway.restart()
      const sent = gateway.requests.length
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual(gateway.requests.length, sent)
      yield* TestClock.adjust("1 millis")
      const maps = gateway.requests.slice(sent).filter((request) => request.kind === kind)
      assert.deepStrictEqual(
        maps.map((request) => [request.internalPort, request.at]).toSorted(([a], [b]) => a! - b!),
        [
          [4433, 60_000],
          [4434, 60_000]
        ]
      )
      // It has not lost them again since.
      const again = gateway.requests.length
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(gateway.requests.length, again)
    })
  )

  it.effect("is not made again and again on a gateway that counts at random", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      const service = makeMapper(gateway)
      yield* service.map({ internal, lease })
      yield* service.map({ internal: address("192.168.1.20:4434"), lease })
      let epoch = 1_000_000
      gateway.epoch = () => (epoch -= 1_000)
      yield* TestClock.adjust("59 seconds")
      const sent = gateway.requests.length
      yield* TestClock.adjust("5 seconds")
      const maps = gateway.requests.slice(sent).filter((request) => request.kind === kind)
      assert.isAtLeast(maps.length, 2)
      assert.isAtMost(maps.length, 4)
    })
  )

  it.effect("is renewed after half a week when it is granted for longer than a week", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      gateway.answer(kind, reply({ lifetime: 0xffff_ffff }))
      yield* mapAt(gateway)
      const sent = gateway.requests.length
      yield* TestClock.adjust("302399 seconds")
      assert.strictEqual(gateway.requests.length, sent)
      yield* TestClock.adjust("1 second")
      assert.isAbove(gateway.requests.length, sent)
    })
  )

  it.effect("warns of each renewal that failed; that the mapping has moved is for its status to say", () => {
    const { layer, lines } = recordingLogger()
    return Effect.gen(function* () {
      const gateway = yield* make
      yield* longestWaits(mapAt(gateway))
      gateway.answer(kind, reply({ code: 3 }), reply({ code: 3 }), reply({ externalPort: 6000 }), reply())
      yield* TestClock.adjust("64 seconds")
      assert.deepStrictEqual(lines, Array(2).fill("the mapping of port 4433 was not renewed"))
      yield* TestClock.adjust("68 seconds")
      assert.strictEqual(lines.length, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("warns when the gateway has lost its mappings, and when one was not removed", () => {
    const { layer, lines } = recordingLogger()
    return Effect.gen(function* () {
      const gateway = yield* make
      const scope = yield* Scope.make()
      yield* Scope.provide(mapAt(gateway), scope)
      gateway.restart()
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(lines.splice(0), ["the gateway at 192.168.1.1:5351 has lost its port mappings"])
      gateway.answer(kind, reply({ code: 2 }))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(lines, ["port 4433 was not unmapped"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is lost when the gateway has lost its mappings, and mapped again at once", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      const service = makeMapper(gateway)
      const first = yield* recordStatus(yield* service.map({ internal, lease }))
      yield* TestClock.adjust("30 seconds")
      const second = yield* recordStatus(yield* service.map({ internal: address("192.168.1.20:4434"), lease }))
      gateway.restart()
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(first.seen, [
        "Mapped 9.8.7.6:4433",
        "Renewing 9.8.7.6:4433",
        "Lost 9.8.7.6:4433 GatewayProtocolError",
        "Mapped 9.8.7.6:4433"
      ])
      assert.deepStrictEqual(second.seen, [
        "Mapped 9.8.7.6:4434",
        "Lost 9.8.7.6:4434 GatewayProtocolError",
        "Mapped 9.8.7.6:4434"
      ])
    })
  )

  it.effect("tells that the gateway's external address has changed", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      const { seen } = yield* recordStatus(yield* mapAt(gateway))
      gateway.externalAddress = "9.8.7.7"
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(seen.slice(1), ["Renewing 9.8.7.6:4433", "Remapped 9.8.7.7:4433 before 9.8.7.6:4433"])
    })
  )

  it.effect("removes what was granted when a renewal was refused", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      const scope = yield* Scope.make()
      yield* Scope.provide(mapAt(gateway), scope)
      gateway.answer(kind, reply({ code: 2 }))
      yield* TestClock.adjust("60 seconds")
      gateway.answer(kind, reply())
      yield* Scope.close(scope, Exit.void)
      assert.deepInclude(gateway.requests.at(-1), { kind, lifetime: 0 })
    })
  )

  it.effect("removes the mapping that an interrupted request may have made", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      gateway.answer(kind, fake.silent)
      const fiber = yield* Effect.forkChild(Effect.scoped(mapAt(gateway)))
      yield* Effect.yieldNow
      assert.strictEqual(nth(gateway, kind).lifetime, 120)
      gateway.answer(kind, reply())
      yield* Fiber.interrupt(fiber)
      assert.deepInclude(gateway.requests.at(-1), { kind, lifetime: 0, nonce: nth(gateway, kind).nonce })
      assert.strictEqual(gateway.open, 0)
    })
  )
})

describe("A mapping", () => {
  it.effect("looks for the gateway again when a renewal has failed, and removes the mapping where it is", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      const gateways = ["192.168.1.1", "192.168.9.1"]
      const asked: Array<string> = []
      const find = Effect.sync(() => NetAddress.ipFromStringUnsafe(gateways.shift()!) as NetAddress.Ipv4Address)
      const scope = yield* Scope.make()
      yield* Scope.provide(
        mapAt(
          gateway,
          {},
          {
            gateway: undefined,
            find,
            openSocket: (options) => {
              asked.push(NetAddress.formatInet(options.gateway))
              return gateway.openSocket(options)
            }
          }
        ),
        scope
      )
      gateway.answer("PcpMap", fake.pcpReply({ code: 7 }), fake.pcpReply())
      yield* TestClock.adjust("75 seconds")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(asked, ["192.168.1.1:5351", "192.168.1.1:5351", "192.168.9.1:5351", "192.168.9.1:5351"])
    })
  )
})
