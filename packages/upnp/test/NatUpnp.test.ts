// @module-tag platform
import { PortMapper } from "@qp2p/core/PortMapper"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as NatUpnp from "../src/NatUpnp.ts"
import * as FakeGateway from "./support/fakeUpnpGateway.ts"
import {
  address,
  argument,
  argumentsOf,
  failure,
  lease,
  mapAt,
  names,
  portsAsked,
  protocolCode
} from "./support/natUpnpMapper.ts"

describe("NatUpnp.map", () => {
  it.effect("maps a UDP port and tells the address that the router states", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const mapping = yield* mapAt(gateway.location, { external: 5555, mapper: { description: 'a <b> & "c"' } })
      assert.strictEqual(NetAddress.formatInet(mapping.internal), "192.168.1.20:4433")
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.6:5555")
      const add = yield* gateway.received("AddPortMapping")
      assert.deepStrictEqual(argumentsOf(add), [
        ["NewRemoteHost", ""],
        ["NewExternalPort", "5555"],
        ["NewProtocol", "UDP"],
        ["NewInternalPort", "4433"],
        ["NewInternalClient", "192.168.1.20"],
        ["NewEnabled", "1"],
        ["NewPortMappingDescription", "a &lt;b&gt; &amp; &quot;c&quot;"],
        ["NewLeaseDuration", "120"]
      ])
      assert.strictEqual(add.headers["soapaction"], '"urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping"')
      assert.strictEqual(add.headers["content-type"], 'text/xml; charset="utf-8"')
      assert.strictEqual(add.headers["content-length"], String(add.body.length))
      assert.isUndefined(add.headers["traceparent"])
    })
  )

  it.effect("asks for the internal port outside when no other is wished for", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const mapping = yield* mapAt(gateway.location)
      assert.strictEqual(mapping.external.port, 4433)
      assert.strictEqual(argument(yield* gateway.received("AddPortMapping"), "NewExternalPort"), "4433")
    })
  )

  it.effect("maps the address on the way to the gateway when the internal one is unspecified", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const mapping = yield* mapAt(gateway.location, { internal: address("0.0.0.0:4433") })
      assert.strictEqual(NetAddress.formatInet(mapping.internal), "127.0.0.1:4433")
      assert.strictEqual(argument(yield* gateway.received("AddPortMapping"), "NewInternalClient"), "127.0.0.1")
    })
  )

  it.effect("maps the address that the answer came to when the gateway goes by a name", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      yield* mapAt(gateway.location.replace("127.0.0.1", "localhost"), { internal: address("0.0.0.0:4433") })
      assert.strictEqual(argument(yield* gateway.received("AddPortMapping"), "NewInternalClient"), "192.168.1.21")
    })
  )

  it.effect.each([
    { asked: Duration.millis(1), sent: "1" },
    { asked: Duration.millis(1500), sent: "2" },
    { asked: Duration.infinity, sent: "604800" }
  ])("asks for a lease of $sent s", ({ asked, sent }) =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      yield* mapAt(gateway.location, { lease: asked })
      assert.strictEqual(argument(yield* gateway.received("AddPortMapping"), "NewLeaseDuration"), sent)
    })
  )

  it.effect.each([
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1"
  ])("speaks to %s", (service) =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("description", { body: FakeGateway.description({ service }) })
      yield* mapAt(gateway.location)
      const add = yield* gateway.received("AddPortMapping")
      assert.strictEqual(add.headers["soapaction"], `"${service}#AddPortMapping"`)
      assert.include(add.body, `xmlns:u="${service}"`)
    })
  )

  it.effect.each(["[::1]:4433", "[::]:4433", "192.168.1.20:0"])("does not map %s", (input) =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const error = yield* failure(mapAt(gateway.location, { internal: address(input) }))
      assert.strictEqual(error._tag, "PortMapperUnsupported")
      assert.lengthOf(gateway.requests, 0)
    })
  )
})

describe("NatUpnp.map, at a gateway with several services", () => {
  const servicesAsked = (gateway: FakeGateway.FakeGateway, name: string) =>
    gateway.requests
      .filter((request) => request.name === name)
      .map(({ headers }) => /service:(\w+):/.exec(String(headers["soapaction"]))?.[1])

  it.effect("asks the next for its address when the first has none, and maps there", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("GetExternalIPAddress", FakeGateway.externalIp("0.0.0.0"), FakeGateway.externalIp("9.8.7.7"))
      const mapping = yield* mapAt(gateway.location)
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.7:4433")
      assert.deepStrictEqual(servicesAsked(gateway, "AddPortMapping"), ["WANPPPConnection"])
    })
  )

  it.effect("prefers one with an address of the internet to one without", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("GetExternalIPAddress", FakeGateway.externalIp("10.0.0.1"), FakeGateway.externalIp("9.8.7.7"))
      const mapping = yield* mapAt(gateway.location)
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.7:4433")
      assert.deepStrictEqual(servicesAsked(gateway, "AddPortMapping"), ["WANPPPConnection"])
    })
  )

  it.effect("asks no other when the first maps the port", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      yield* mapAt(gateway.location)
      assert.deepStrictEqual(servicesAsked(gateway, "GetExternalIPAddress"), ["WANIPConnection"])
    })
  )

  it.effect("asks the next when the first does not know the action", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(401, "Invalid Action"), FakeGateway.response("AddPortMapping"))
      yield* mapAt(gateway.location)
      assert.deepStrictEqual(servicesAsked(gateway, "AddPortMapping"), ["WANIPConnection", "WANPPPConnection"])
    })
  )

  it.effect("asks no other when the first forbids it", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(606, ""))
      assert.strictEqual((yield* failure(mapAt(gateway.location)))._tag, "MappingNotAuthorized")
      assert.deepStrictEqual(servicesAsked(gateway, "AddPortMapping"), ["WANIPConnection"])
    })
  )

  it.effect("says why the first has no address when none has", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("GetExternalIPAddress", FakeGateway.externalIp("0.0.0.0"), FakeGateway.fault(501, ""))
      assert.match((yield* failure(mapAt(gateway.location))).message, /its external address is "0\.0\.0\.0"/)
    })
  )

  it.effect("leaves out one whose control URL is on another host", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("description", { body: FakeGateway.description({ controlUrl: "http://192.0.2.1/control" }) })
      yield* mapAt(gateway.location)
      assert.deepStrictEqual(servicesAsked(gateway, "AddPortMapping"), ["WANPPPConnection"])
    })
  )

  it.effect("finds the control URL in which ampersands are not escaped", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("description", { body: FakeGateway.description({ controlUrl: "/control?a=1&b=2&lt=3" }) })
      yield* mapAt(gateway.location)
      assert.strictEqual((yield* gateway.received("AddPortMapping")).url, "/control?a=1&b=2&lt=3")
    })
  )
})

describe("NatUpnp.map, refused", () => {
  const conflicts = [
    { code: 718, text: "ConflictInMappingEntry" },
    { code: 729, text: "ConflictWithOtherMechanisms" }
  ]

  it.effect.each(conflicts)("tries the next ports when one is taken ($code)", ({ code, text }) =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const taken = FakeGateway.fault(code, text)
      gateway.answer("AddPortMapping", taken, taken, FakeGateway.response("AddPortMapping"))
      const mapping = yield* Effect.scoped(mapAt(gateway.location, { external: 5555 }))
      assert.strictEqual(NetAddress.formatInet(mapping.external), "9.8.7.6:5557")
      assert.deepStrictEqual(portsAsked(gateway), ["5555", "5556", "5557"])
      assert.deepStrictEqual(portsAsked(gateway, "DeletePortMapping"), ["5557"])
    })
  )

  it.effect.each(conflicts)(
    "fails when eight further ports are taken, and leaves them alone ($code)",
    ({ code, text }) =>
      Effect.gen(function* () {
        const gateway = yield* FakeGateway.make
        gateway.answer("AddPortMapping", FakeGateway.fault(code, text))
        const error = yield* failure(mapAt(gateway.location, { external: 65_533 }))
        assert.strictEqual(error._tag, "MappingConflict")
        assert.deepInclude(error, { gateway: gateway.host, externalPort: 65_533 })
        assert.deepStrictEqual(
          portsAsked(gateway),
          [65_533, 65_534, 65_535, 1024, 1025, 1026, 1027, 1028, 1029].map(String)
        )
        assert.notInclude(names(gateway), "DeletePortMapping")
      })
  )

  it.effect("goes on above the ports that belong to services", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(718, ""), FakeGateway.response("AddPortMapping"))
      assert.strictEqual((yield* mapAt(gateway.location, { external: 443 })).external.port, 1024)
    })
  )

  it.effect("tries no other port when it is told not to", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(718, "ConflictInMappingEntry"))
      const error = yield* failure(mapAt(gateway.location, { external: 5555, mapper: { onConflict: "fail" } }))
      assert.strictEqual(error._tag, "MappingConflict")
      assert.deepInclude(error, { gateway: gateway.host, externalPort: 5555 })
      assert.deepStrictEqual(portsAsked(gateway), ["5555"])
      assert.notInclude(names(gateway), "DeletePortMapping")
    })
  )

  it.effect("says that the port is taken when the gateway maps no other to it", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(718, ""), FakeGateway.fault(724, "SamePortValuesRequired"))
      const error = yield* failure(mapAt(gateway.location))
      assert.strictEqual(error._tag, "MappingConflict")
      assert.deepInclude(error, { externalPort: 4433 })
      assert.deepStrictEqual(portsAsked(gateway), ["4433", "4434"])
    })
  )

  it.effect("says what another port was refused for", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(718, ""), FakeGateway.fault(606, ""))
      assert.strictEqual((yield* failure(mapAt(gateway.location)))._tag, "MappingNotAuthorized")
      assert.deepStrictEqual(portsAsked(gateway), ["4433", "4434"])
    })
  )

  it.effect("fails with MappingNotAuthorized", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(606, "Action not authorized"))
      const error = yield* failure(mapAt(gateway.location))
      assert.strictEqual(error._tag, "MappingNotAuthorized")
      assert.notInclude(names(gateway), "DeletePortMapping")
    })
  )

  it.effect("asks for a permanent mapping when the router knows no others", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer(
        "AddPortMapping",
        FakeGateway.fault(725, "OnlyPermanentLeasesSupported"),
        FakeGateway.response("AddPortMapping")
      )
      yield* Effect.scoped(mapAt(gateway.location))
      const adds = gateway.requests.filter((request) => request.name === "AddPortMapping")
      assert.deepStrictEqual(
        adds.map((add) => argument(add, "NewLeaseDuration")),
        ["120", "0"]
      )
      assert.include(names(gateway), "DeletePortMapping")
    })
  )

  it.effect("asks for a permanent mapping when a lease is refused as an invalid argument", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const ok = FakeGateway.response("AddPortMapping")
      gateway.answer("AddPortMapping", FakeGateway.fault(402, "Invalid Args"), ok)
      yield* Effect.scoped(mapAt(gateway.location))
      const adds = gateway.requests.filter((request) => request.name === "AddPortMapping")
      assert.deepStrictEqual(
        adds.map((add) => argument(add, "NewLeaseDuration")),
        ["120", "0"]
      )
    })
  )

  it.effect("gives up when permanent mappings are refused with the same code", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("description", { body: FakeGateway.description({ isAlone: true }) })
      gateway.answer("AddPortMapping", FakeGateway.fault(725, "OnlyPermanentLeasesSupported"))
      const error = yield* failure(mapAt(gateway.location))
      assert.strictEqual(protocolCode(error), 725)
      assert.lengthOf(
        names(gateway).filter((name) => name === "AddPortMapping"),
        2
      )
    })
  )

  it.effect.each([
    { code: 402, text: "Invalid Args", detail: "Invalid Args" },
    { code: 501, text: "", detail: "fault 501" },
    { code: 724, text: "SamePortValuesRequired", detail: "SamePortValuesRequired" },
    { code: 899, text: "the vendor's own", detail: "the vendor's own" }
  ])("tells the code of any other fault: $code", ({ code, detail, text }) =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(code, text))
      const error = yield* failure(mapAt(gateway.location))
      assert.strictEqual(error._tag, "GatewayProtocolError")
      assert.strictEqual(protocolCode(error), code)
      assert.deepInclude(error, { gateway: gateway.host, detail })
    })
  )
})

describe("NatUpnp.layer", () => {
  it.effect("is a PortMapper", () =>
    Effect.gen(function* () {
      const service = yield* PortMapper
      const error = yield* failure(service.map({ internal: address("[::1]:1"), lease }))
      assert.strictEqual(error._tag, "PortMapperUnsupported")
    }).pipe(Effect.provide(NatUpnp.layer()))
  )
})
