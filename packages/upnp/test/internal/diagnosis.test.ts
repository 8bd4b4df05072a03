import { GatewayNotFound } from "@qp2p/core/PortMapperError"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { Diagnosis } from "../../src/HomeRouter.ts"
import * as diagnosis from "../../src/internal/diagnosis.ts"
import * as FakeGateway from "../support/fakeUpnpGateway.ts"
import * as fake from "../support/fakePmpGateway.ts"
import { nth, speakNatPmp } from "../support/natPmpMapper.ts"
import { foundAt } from "../support/natUpnpMapper.ts"

/** What it says of a protocol, in a line. */
const lines = ({ protocols }: Diagnosis) =>
  Object.fromEntries(
    protocols.map(({ by, outcome, protocol, version }) => [
      protocol,
      [
        Result.match(outcome, {
          onFailure: (error) => error._tag,
          onSuccess: ({ external, reach }) => `${NetAddress.formatIp(external)} ${reach}`
        }),
        ...Option.toArray(by),
        ...Option.toArray(version)
      ].join(", ")
    ])
  )

/** A gateway chooses the external port when it is asked for none. */
const assigned = (reply?: fake.PcpReply) => fake.pcpReply({ externalPort: 40_000, ...reply })

const router = Effect.gen(function* () {
  const udp = yield* fake.make
  udp.answer("PcpMap", assigned())
  const upnp = yield* FakeGateway.make
  return { udp, upnp, options: optionsFor(udp, () => foundAt(upnp.location)) }
})

const optionsFor = (
  udp: fake.FakePmpGateway,
  discover: NonNullable<diagnosis.InternalOptions["natUpnp"]>["discover"]
): diagnosis.InternalOptions => ({
  natPmp: { gateway: "192.168.1.1", openSocket: udp.openSocket },
  natUpnp: { discover }
})

const natGateway = "192.168.1.1:5351"
const igd = "urn:schemas-upnp-org:service:WANIPConnection:1"

describe("The diagnosis of a home router", () => {
  it.effect("tells for each protocol who answered, and the external address", () =>
    Effect.gen(function* () {
      const { options, udp, upnp } = yield* router
      const found = yield* diagnosis.diagnose(options)
      assert.deepStrictEqual(Option.map(found.gateway, NetAddress.formatIp), Option.some("192.168.1.1"))
      assert.deepStrictEqual(lines(found), {
        PCP: `9.8.7.6 Public, ${natGateway}`,
        "NAT-PMP": `9.8.7.6 Public, ${natGateway}`,
        UPnP: `9.8.7.6 Public, ${upnp.host}, ${igd}`
      })
      assert.deepStrictEqual(
        upnp.requests.map((request) => request.name),
        ["description", "GetExternalIPAddress"]
      )
      assert.strictEqual(udp.open, 0)
      yield* upnp.idle
    })
  )

  it.effect("leaves no mapping behind", () =>
    Effect.gen(function* () {
      const { options, udp } = yield* router
      yield* diagnosis.diagnose(options)
      const [made, removed] = [nth(udp, "PcpMap"), nth(udp, "PcpMap", 1)]
      assert.deepInclude(made, { lifetime: 30, internalPort: 50_000, externalPort: 0, externalAddress: "0.0.0.0" })
      assert.deepInclude(removed, { lifetime: 0, internalPort: 50_000, nonce: made.nonce })
      assert.notInclude(udp.kinds(), "PmpMap")
    })
  )

  it.effect.each([
    { what: "of IPv6", behaviour: assigned({ externalAddress: "2001:db8::1" }) },
    { what: "for no time", behaviour: assigned({ lifetime: 0 }) }
  ])("removes also a mapping $what, which is none", ({ behaviour }) =>
    Effect.gen(function* () {
      const { options, udp } = yield* router
      udp.answer("PcpMap", behaviour)
      assert.strictEqual(lines(yield* diagnosis.diagnose(options))["PCP"], `GatewayProtocolError, ${natGateway}`)
      assert.strictEqual(nth(udp, "PcpMap", 1).lifetime, 0)
    })
  )

  it.effect("removes what a gateway may have mapped when it is interrupted", () =>
    Effect.gen(function* () {
      const { options, udp } = yield* router
      udp.answer("PcpMap", fake.silent)
      const fiber = yield* Effect.forkChild(diagnosis.diagnose(options))
      yield* udp.until(() => udp.kinds().includes("PcpMap"))
      yield* Fiber.interrupt(fiber)
      const maps = udp.requests.filter((request) => request.kind === "PcpMap")
      assert.deepStrictEqual(
        maps.map((request) => request.lifetime),
        [30, 0]
      )
      assert.strictEqual(udp.open, 0)
    })
  )

  it.effect("tells that the gateway is older than PCP", () =>
    Effect.gen(function* () {
      const { options, udp } = yield* router
      speakNatPmp(udp)
      const found = lines(yield* diagnosis.diagnose(options))
      assert.strictEqual(found["PCP"], `PortMapperUnsupported, ${natGateway}`)
      assert.strictEqual(found["NAT-PMP"], `9.8.7.6 Public, ${natGateway}`)
    })
  )

  it.effect.each([
    { address: "10.1.2.3", reach: "Private" },
    { address: "100.64.1.2", reach: "Shared" },
    { address: "203.0.113.7", reach: "Special" }
  ])("tells that $address is $reach", ({ address, reach }) =>
    Effect.gen(function* () {
      const { options, udp, upnp } = yield* router
      udp.externalAddress = address
      upnp.answer("GetExternalIPAddress", FakeGateway.externalIp(address))
      assert.deepStrictEqual(lines(yield* diagnosis.diagnose(options)), {
        PCP: `${address} ${reach}, ${natGateway}`,
        "NAT-PMP": `${address} ${reach}, ${natGateway}`,
        UPnP: `${address} ${reach}, ${upnp.host}, ${igd}`
      })
    })
  )

  it.effect("tells what a gateway refuses", () =>
    Effect.gen(function* () {
      const { options, udp, upnp } = yield* router
      udp.answer("PcpMap", fake.pcpReply({ code: 2 }))
      udp.answer("ExternalAddress", fake.addressReply({ code: 3 }))
      upnp.answer("GetExternalIPAddress", FakeGateway.fault(606, ""))
      assert.deepStrictEqual(lines(yield* diagnosis.diagnose(options)), {
        PCP: `MappingNotAuthorized, ${natGateway}`,
        "NAT-PMP": `GatewayProtocolError, ${natGateway}`,
        UPnP: `MappingNotAuthorized, ${upnp.host}, ${igd}`
      })
      assert.lengthOf(
        udp.requests.filter((request) => request.kind === "PcpMap"),
        1
      )
    })
  )

  it.effect("does not accept an external address that no host can have", () =>
    Effect.gen(function* () {
      const { options, udp } = yield* router
      udp.externalAddress = "0.0.0.0"
      const found = lines(yield* diagnosis.diagnose(options))
      assert.strictEqual(found["PCP"], `GatewayProtocolError, ${natGateway}`)
      assert.strictEqual(found["NAT-PMP"], `GatewayProtocolError, ${natGateway}`)
    })
  )

  it.effect("takes the first UPnP gateway that knows its address", () =>
    Effect.gen(function* () {
      const broken = yield* FakeGateway.make
      broken.answer("description", { body: "no" })
      const { udp, upnp } = yield* router
      const options = optionsFor(udp, () => foundAt(broken.location, upnp.location))
      const found = yield* diagnosis.diagnose(options)
      assert.strictEqual(lines(found)["UPnP"], `9.8.7.6 Public, ${upnp.host}, ${igd}`)
    })
  )

  it.effect("tells that there is no gateway at all", () =>
    Effect.gen(function* () {
      const find = Effect.fail(new GatewayNotFound())
      const found = yield* diagnosis.diagnose({ natPmp: { find }, natUpnp: { discover: () => Stream.empty } })
      assert.isTrue(Option.isNone(found.gateway))
      assert.deepStrictEqual(lines(found), {
        PCP: "GatewayNotFound",
        "NAT-PMP": "GatewayNotFound",
        UPnP: "GatewayNotFound"
      })
    })
  )

  it.effect("takes four seconds at most when no gateway answers", () =>
    Effect.gen(function* () {
      const { udp } = yield* router
      udp.answer("PcpMap", fake.silent)
      udp.answer("ExternalAddress", fake.silent)
      const options = optionsFor(udp, () => Stream.never)
      const fiber = yield* Effect.forkChild(diagnosis.diagnose(options))
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(lines(yield* Fiber.join(fiber)), {
        PCP: "PortMapperTimedOut",
        "NAT-PMP": "PortMapperTimedOut",
        UPnP: "GatewayNotFound"
      })
      assert.strictEqual(udp.open, 0)
    })
  )

  it.effect("takes four seconds at most when the routes cannot be read, and a gateway hangs", () =>
    Effect.gen(function* () {
      const { upnp } = yield* router
      upnp.answer("GetExternalIPAddress", "hang")
      const fiber = yield* Effect.forkChild(
        diagnosis.diagnose({
          natPmp: { find: Effect.never },
          natUpnp: { discover: () => foundAt(upnp.location), requestTimeout: Duration.hours(1) }
        })
      )
      yield* upnp.received("GetExternalIPAddress")
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(lines(yield* Fiber.join(fiber)), {
        PCP: "GatewayNotFound",
        "NAT-PMP": "GatewayNotFound",
        UPnP: `PortMapperTimedOut, ${upnp.host}, ${igd}`
      })
      yield* upnp.idle
    })
  )
})
