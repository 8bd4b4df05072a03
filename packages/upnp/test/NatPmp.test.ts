import { PortMapper } from "@qp2p/core/PortMapper"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import * as TestClock from "effect/testing/TestClock"
import * as NatPmp from "../src/NatPmp.ts"
import * as fake from "./support/fakePmpGateway.ts"
import {
  address,
  failure,
  internal,
  lease,
  makeMapper,
  mapAt,
  nth,
  protocols,
  speakNatPmp
} from "./support/natPmpMapper.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe.each(protocols)("NatPmp.map over $protocol", ({ before, kind, reply, speak }) => {
  const make = Effect.tap(fake.make, (gateway) => Effect.sync(() => speak(gateway)))

  it.effect("maps a UDP port and tells the address that the gateway states", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      const mapping = yield* mapAt(gateway, { external: 5555 })
      assert.strictEqual(NetAddress.formatInet(mapping.internal), "192.168.1.20:4433")
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.6:5555")
      assert.deepStrictEqual(gateway.kinds(), [...before, kind])
      assert.deepInclude(nth(gateway, kind), { internalPort: 4433, externalPort: 5555, lifetime: 120 })
      assert.strictEqual(gateway.open, 0)
    })
  )

  it.effect("asks for the internal port outside when no other is wished for", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      assert.strictEqual((yield* mapAt(gateway)).external.port, 4433)
      assert.strictEqual(nth(gateway, kind).externalPort, 4433)
    })
  )

  it.effect("takes the port that the gateway grants instead", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      gateway.answer(kind, reply({ externalPort: 6000 }))
      assert.strictEqual(NetAddress.formatInet((yield* mapAt(gateway)).external), "9.8.7.6:6000")
    })
  )

  it.effect("maps the address on the way to the gateway when the internal one is unspecified", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      const mapping = yield* mapAt(gateway, { internal: address("0.0.0.0:4433") })
      assert.strictEqual(NetAddress.formatInet(mapping.internal), "192.168.1.50:4433")
      assert.strictEqual(nth(gateway, "PcpMap").client, "192.168.1.50")
    })
  )

  it.effect.each([
    { asked: Duration.millis(1), sent: 1 },
    { asked: Duration.millis(1500), sent: 2 },
    { asked: Duration.infinity, sent: 604_800 }
  ])("asks for a lease of $sent s", ({ asked, sent }) =>
    Effect.gen(function* () {
      const gateway = yield* make
      yield* mapAt(gateway, { lease: asked })
      assert.strictEqual(nth(gateway, kind).lifetime, sent)
    })
  )

  it.effect("does not take an answer to another port for its own", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      gateway.answer(kind, fake.all(reply({ internalPort: 4434, externalPort: 7000 }), reply({ externalPort: 7001 })))
      assert.strictEqual((yield* mapAt(gateway)).external.port, 7001)
    })
  )
})

describe("NatPmp.map", () => {
  it.effect("names the mapping with a nonce of its own", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      const service = makeMapper(gateway)
      yield* service.map({ internal, lease })
      yield* service.map({ internal: address("192.168.1.20:4434"), lease })
      assert.notStrictEqual(nth(gateway, "PcpMap").nonce, nth(gateway, "PcpMap", 1).nonce)
      assert.strictEqual(
        hex(nth(gateway, "PcpMap").bytes.subarray(0, 24)),
        "020100000000007800000000000000000000ffffc0a80114"
      )
    })
  )

  it.effect("takes no late answer in PCP's version for one to NAT-PMP", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      speakNatPmp(gateway)
      gateway.answer("ExternalAddress", fake.all(fake.onlyNatPmp, fake.addressReply()))
      gateway.answer("PmpMap", fake.all(fake.bytes(0, 0x81, 0, 1, 0, 0, 0, 9), fake.pmpReply()))
      assert.strictEqual((yield* mapAt(gateway)).external.port, 4433)
    })
  )

  it.effect("sends again after 250 ms, each time after twice the time, and gives up after 3 s", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      gateway.answer("PcpMap", fake.silent)
      gateway.answer("ExternalAddress", fake.silent)
      const fiber = yield* Effect.forkChild(failure(mapAt(gateway)))
      yield* TestClock.adjust("2999 millis")
      assert.deepStrictEqual(gateway.times("PcpMap"), [0, 250, 750, 1_750])
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      assert.deepInclude(error, { _tag: "PortMapperTimedOut", gateway: "192.168.1.1:5351" })
      // What may have been mapped is removed, but a gateway that has never said anything is not waited for.
      assert.deepStrictEqual(gateway.times("PcpMap"), [0, 250, 750, 1_750, 3_000])
      assert.strictEqual(gateway.requests.at(-1)?.lifetime, 0)
      assert.strictEqual(gateway.open, 0)
    })
  )

  it.effect("sends nine times at most", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      gateway.answer("PcpMap", fake.silent)
      gateway.answer("ExternalAddress", fake.silent)
      yield* Effect.forkChild(failure(mapAt(gateway, {}, { requestTimeout: "1 hour" })))
      yield* TestClock.adjust("30 minutes")
      assert.deepStrictEqual(gateway.times("PcpMap"), [0, 250, 750, 1_750, 3_750, 7_750, 15_750, 31_750, 63_750])
    })
  )

  it.effect("asks in NAT-PMP, too, a gateway that says nothing to the third packet of PCP", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      gateway.answer("PcpMap", fake.silent)
      const fiber = yield* Effect.forkChild(mapAt(gateway))
      yield* TestClock.adjust("749 millis")
      assert.deepStrictEqual(gateway.kinds(), ["PcpMap", "PcpMap"])
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).external.port, 4433)
      assert.deepStrictEqual(gateway.kinds(), [
        "PcpMap",
        "PcpMap",
        "PcpMap",
        "ExternalAddress",
        "ExternalAddress",
        "PmpMap"
      ])
    })
  )

  it.effect("takes what a gateway refuses in NAT-PMP for the answer of one that speaks it", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      gateway.answer("PcpMap", fake.silent)
      gateway.answer("ExternalAddress", fake.addressReply({ code: 3 }))
      const fiber = yield* Effect.forkChild(failure(mapAt(gateway)))
      yield* TestClock.adjust("750 millis")
      const error = yield* Fiber.join(fiber)
      assert.deepInclude(error, { _tag: "GatewayProtocolError", detail: "it has no connection to the network outside" })
    })
  )

  it.effect("takes an answer to a packet that was sent again", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      gateway.answer("PcpMap", fake.silent, fake.silent, fake.pcpReply())
      const fiber = yield* Effect.forkChild(mapAt(gateway, {}, { retryInterval: "100 millis" }))
      yield* TestClock.adjust("300 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).external.port, 4433)
      assert.deepStrictEqual(gateway.times(), [0, 100, 300])
    })
  )

  it.effect.each([
    { name: "another host", from: { from: "192.168.1.2" } },
    { name: "another port", from: { from: "192.168.1.1", port: 5350 } }
  ])("ignores packets from $name", ({ from }) =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      const forged: fake.Behaviour = (request, gateway) =>
        fake
          .pcpReply({ externalPort: 6666 })(request, gateway)
          .flatMap((reply) => (reply instanceof Uint8Array ? [{ ...from, payload: reply }] : []))
      gateway.answer("PcpMap", fake.all(forged, fake.pcpReply()))
      assert.strictEqual((yield* mapAt(gateway)).external.port, 4433)
    })
  )

  it.effect("ignores answers with another nonce", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      const other = fake.pcpReply({ nonce: "ff".repeat(12), externalPort: 6666 })
      gateway.answer("PcpMap", fake.all(other, fake.pcpReply()))
      assert.strictEqual((yield* mapAt(gateway)).external.port, 4433)
    })
  )

  it.effect("waits for a good answer after one that cannot be read", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      gateway.answer("PcpMap", fake.all(fake.bytes(1, 2, 3), fake.pcpReply()))
      assert.strictEqual((yield* mapAt(gateway)).external.port, 4433)
    })
  )
})

describe("NatPmp.layer", () => {
  it.effect("takes its options", () =>
    Effect.gen(function* () {
      const service = yield* PortMapper
      const error = yield* failure(service.map({ internal, lease }))
      assert.strictEqual(error.message, "not the IPv4 address of a gateway: 300.0.0.1")
    }).pipe(Effect.provide(NatPmp.layer({ gateway: "300.0.0.1" })))
  )
})
