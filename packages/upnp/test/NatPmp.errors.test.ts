import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import * as TestClock from "effect/testing/TestClock"
import * as fake from "./support/fakePmpGateway.ts"
import { address, failure, mapAt, protocols, speakNatPmp } from "./support/natPmpMapper.ts"

describe.each(protocols)("NatPmp.map over $protocol", ({ before, kind, reply, speak }) => {
  const make = Effect.tap(fake.make, (gateway) => Effect.sync(() => speak(gateway)))

  it.effect("has nothing to remove after a refusal", () =>
    Effect.gen(function* () {
      const gateway = yield* make
      gateway.answer(kind, reply({ code: 2 }))
      const error = yield* failure(mapAt(gateway))
      assert.strictEqual(error._tag, "MappingNotAuthorized")
      assert.deepStrictEqual(gateway.kinds(), [...before, kind])
    })
  )

  it.effect.each([
    { name: "for no time", make: reply({ lifetime: 0 }) },
    { name: "at port 0", make: reply({ externalPort: 0 }) }
  ])("refuses to believe in a mapping $name", ({ make: behaviour }) =>
    Effect.gen(function* () {
      const gateway = yield* make
      gateway.answer(kind, behaviour)
      assert.strictEqual((yield* failure(mapAt(gateway)))._tag, "GatewayProtocolError")
    })
  )
})

describe("NatPmp.map", () => {
  it.effect.each([
    { name: "bytes", behaviour: fake.bytes(1, 2, 3) },
    { name: "an answer that is cut off", behaviour: fake.pcpReply({ length: 56 }) },
    { name: "an answer to another opcode", behaviour: fake.pcpReply({ opcode: 0x82 }) },
    { name: "its own request", behaviour: ((request) => [request.bytes]) satisfies fake.Behaviour }
  ])("says so when nothing but $name comes", ({ behaviour }) =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      gateway.answer("PcpMap", behaviour)
      gateway.answer("ExternalAddress", fake.silent)
      const fiber = yield* Effect.forkChild(failure(mapAt(gateway)))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "GatewayProtocolError")
    })
  )

  it.effect.each([
    { code: 1, length: 24, version: 1, tag: "PortMapperUnsupported" },
    { code: 2, length: 60, version: 2, tag: "MappingNotAuthorized" },
    { code: 3, length: 24, version: 2, tag: "GatewayProtocolError" },
    { code: 4, length: 24, version: 2, tag: "PortMapperUnsupported" },
    { code: 7, length: 60, version: 2, tag: "GatewayProtocolError" },
    { code: 8, length: 60, version: 2, tag: "GatewayProtocolError" },
    { code: 9, length: 60, version: 2, tag: "PortMapperUnsupported" },
    { code: 10, length: 60, version: 2, tag: "GatewayProtocolError" },
    { code: 11, length: 60, version: 2, tag: "MappingConflict" },
    { code: 12, length: 60, version: 2, tag: "GatewayProtocolError" },
    { code: 200, length: 60, version: 2, tag: "GatewayProtocolError" }
  ])("fails with $tag when PCP's result is $code", ({ code, length, tag, version }) =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      gateway.answer("PcpMap", fake.pcpReply({ code, length, version }))
      const error = yield* failure(mapAt(gateway, { external: 5555 }))
      assert.strictEqual(error._tag, tag)
      if (error._tag === "GatewayProtocolError") assert.deepInclude(error.code, { value: code })
      if (error._tag === "MappingConflict") assert.strictEqual(error.externalPort, 5555)
    })
  )

  it.effect.each([
    { kind: "ExternalAddress", code: 2, tag: "MappingNotAuthorized" },
    { kind: "ExternalAddress", code: 3, tag: "GatewayProtocolError" },
    { kind: "ExternalAddress", code: 5, tag: "PortMapperUnsupported" },
    { kind: "PmpMap", code: 3, tag: "GatewayProtocolError" },
    { kind: "PmpMap", code: 4, tag: "GatewayProtocolError" },
    { kind: "PmpMap", code: 5, tag: "PortMapperUnsupported" },
    { kind: "PmpMap", code: 999, tag: "GatewayProtocolError" }
  ] as const)("fails with $tag when NAT-PMP's result of $kind is $code", ({ code, kind, tag }) =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      speakNatPmp(gateway)
      gateway.answer(kind, kind === "PmpMap" ? fake.pmpReply({ code }) : fake.addressReply({ code }))
      const error = yield* failure(mapAt(gateway))
      assert.strictEqual(error._tag, tag)
      if (error._tag === "GatewayProtocolError") assert.deepInclude(error.code, { value: code })
    })
  )

  it.effect.each([
    { name: "0.0.0.0 in PCP", speak: () => {}, external: "0.0.0.0" },
    { name: "IPv6 in PCP", speak: () => {}, external: "2001:db8::1" },
    { name: "0.0.0.0 in NAT-PMP", speak: speakNatPmp, external: "0.0.0.0" }
  ])("refuses to believe in an external address of $name", ({ external, speak }) =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      gateway.externalAddress = external
      speak(gateway)
      assert.strictEqual((yield* failure(mapAt(gateway)))._tag, "GatewayProtocolError")
    })
  )

  it.effect.each([
    { name: "an IPv6 address", request: { internal: address("[::1]:4433") }, options: {} },
    { name: "port 0", request: { internal: address("192.168.1.20:0") }, options: {} },
    { name: "to port 0", request: { external: 0 }, options: {} },
    { name: "to a port over 65535", request: { external: 65_536 }, options: {} },
    { name: "to a broken port", request: { external: 1.5 }, options: {} },
    { name: "on a gateway that is no address", request: {}, options: { gateway: "router.local" } }
  ])("does not map $name", ({ options, request }) =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      const error = yield* failure(mapAt(gateway, request, options))
      assert.strictEqual(error._tag, "PortMapperUnsupported")
      assert.deepStrictEqual(gateway.requests, [])
    })
  )

  it.effect("fails when the socket does not open", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      const reason = new DatagramSocket.DatagramSocketOpenError({ kind: "AddressNotAvailable", cause: new Error("no") })
      gateway.openFailure = new DatagramSocket.DatagramSocketError({ reason })
      assert.strictEqual((yield* failure(mapAt(gateway)))._tag, "GatewayUnreachable")
    })
  )

  it.effect("fails at once when the network reports a closed port", () =>
    Effect.gen(function* () {
      const gateway = yield* fake.make
      const reason = new DatagramSocket.DatagramSocketReadError({ kind: "ConnectionRefused", cause: new Error("no") })
      gateway.report = new DatagramSocket.DatagramSocketError({ reason })
      assert.strictEqual((yield* failure(mapAt(gateway)))._tag, "GatewayUnreachable")
    })
  )
})
