// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as FakeRouter from "../src/FakeRouter.ts"
import * as Misbehaviour from "../src/Misbehaviour.ts"
import {
  ask,
  complete,
  gatewayDevice,
  get,
  mapping,
  mappings,
  mSearch,
  names,
  natPmp,
  natPmpAddress,
  natPmpMap,
  pcpMap,
  search,
  soap,
  udp,
  until,
  type Router
} from "./support/routerClients.ts"

/** The control URL that its description states now. */
const controlOf = Effect.fnUntraced(function* (router: Router) {
  const { text } = yield* complete(router, get("/rootDesc.xml"))
  return /WANIPConnection:\d<\/serviceType>.*?<controlURL>(.*?)<\/controlURL>/u.exec(text)?.[1] ?? ""
})

/** What an action gives: the values of its response, or the code of its fault. */
const act = Effect.fnUntraced(function* (
  router: Router,
  action: string,
  given?: Readonly<Record<string, string | number>>,
  version = 1
) {
  const service = `urn:schemas-upnp-org:service:WANIPConnection:${version}`
  const { text } = yield* complete(router, soap(yield* controlOf(router), action, given, service))
  const status = Number(text.split(" ")[1])
  if (status !== 200) return [status, Number(/<errorCode>(\d+)</u.exec(text)?.[1])]
  assert.include(text, `<u:${action}Response xmlns:u="${service}">`)
  return [...text.matchAll(/<(New\w+)>(.*?)<\/\1>/gu)].map(([, name, value]) => `${name} ${value}`)
})

describe("FakeRouter, searched for", () => {
  it.effect("answers searches for its version and for the one before, and for anything", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make({ version: 2 })
      for (const target of [gatewayDevice(1), gatewayDevice(2), "ssdp:all", "upnp:rootdevice"]) {
        const [answer = ""] = yield* search(router, target)
        assert.include(answer, "HTTP/1.1 200 OK\r\n")
        assert.include(answer, `\r\nST: ${target}\r\n`)
        assert.include(answer, `\r\nLOCATION: ${router.location}\r\n`)
      }
      assert.deepStrictEqual((yield* router.received("Search", 4)).details, { target: "upnp:rootdevice" })
    })
  )

  it.effect("does not answer searches for what it is not, nor what is no search", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      const socket = yield* udp
      for (const target of [gatewayDevice(2), "urn:schemas-upnp-org:device:MediaServer:1"]) {
        socket.send(mSearch(target), router.segment.address)
      }
      socket.send("NOTIFY * HTTP/1.1\r\n\r\n", router.segment.address)
      socket.send(mSearch(gatewayDevice(1)), router.segment.address)
      yield* until("an answer", () => socket.received.length > 0)
      assert.strictEqual(socket.received.length, 1)
      assert.include(socket.received[0]!.text, gatewayDevice(1))
    })
  )

  it.effect("shares a segment, where each answers in its turn", () =>
    Effect.gen(function* () {
      const segment = yield* FakeRouter.makeSegment
      const one = yield* FakeRouter.make({ segment })
      const scope = yield* Scope.make()
      const two = yield* Scope.provide(FakeRouter.make({ segment }), scope)
      const locations = (answers: ReadonlyArray<string>) => answers.map((text) => /LOCATION: (.*)\r/u.exec(text)?.[1])
      assert.deepStrictEqual(locations(yield* search(one, gatewayDevice(1), 2)), [one.location, two.location])
      yield* Scope.close(scope, Exit.void)
      yield* two.misbehave(Misbehaviour.ManyDevices({ count: 1 }))
      assert.deepStrictEqual(locations(yield* search(one, gatewayDevice(1))), [one.location])
    })
  )
})

describe("FakeRouter, in UPnP", () => {
  for (const version of [1, 2] as const) {
    it.effect(`describes itself and maps a port, in version ${version}`, () =>
      Effect.gen(function* () {
        const router = yield* FakeRouter.make({ version, external: "198.51.100.7" })
        const { text } = yield* complete(router, get("/rootDesc.xml"))
        assert.include(text, `<deviceType>${gatewayDevice(version)}</deviceType>`)
        assert.deepStrictEqual(yield* act(router, "GetExternalIPAddress", {}, version), [
          "NewExternalIPAddress 198.51.100.7"
        ])
        assert.deepStrictEqual(yield* act(router, "AddPortMapping", mapping(), version), [])
        assert.deepStrictEqual(yield* mappings(router), ["UPnP UDP 127.0.0.1:4433 198.51.100.7:5000 120"])
        assert.strictEqual((yield* router.mappings)[0]?.description, "a <test>")
        const key = { NewRemoteHost: "", NewExternalPort: 5000, NewProtocol: "UDP" }
        yield* TestClock.adjust("20 seconds")
        assert.deepStrictEqual(yield* act(router, "GetSpecificPortMappingEntry", key, version), [
          "NewInternalPort 4433",
          "NewInternalClient 127.0.0.1",
          "NewEnabled 1",
          "NewPortMappingDescription a &lt;test&gt;",
          "NewLeaseDuration 100"
        ])
        assert.deepStrictEqual(yield* act(router, "DeletePortMapping", key, version), [])
        assert.deepStrictEqual(yield* mappings(router), [])
        assert.deepStrictEqual(yield* act(router, "DeletePortMapping", key, version), [500, 714])
        assert.deepStrictEqual(yield* act(router, "GetSpecificPortMappingEntry", key, version), [500, 714])
        const { details } = yield* router.received("AddPortMapping")
        assert.deepInclude(details, { NewExternalPort: "5000", NewPortMappingDescription: "a <test>" })
      })
    )
  }

  it.effect("keeps a mapping for its lease, which asking again begins anew", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      yield* act(router, "AddPortMapping", mapping())
      yield* TestClock.adjust("119 seconds")
      yield* act(router, "AddPortMapping", mapping())
      yield* TestClock.adjust("119999 millis")
      assert.strictEqual((yield* mappings(router)).length, 1)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* mappings(router), [])
    })
  )

  it.effect("keeps one without a lease for ever in version 1, and for a week in version 2", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* FakeRouter.make(), yield* FakeRouter.make({ version: 2 })]
      yield* act(one, "AddPortMapping", mapping({ NewLeaseDuration: 0 }))
      yield* act(two, "AddPortMapping", mapping({ NewLeaseDuration: 0 }), 2)
      assert.deepStrictEqual(yield* mappings(one), ["UPnP UDP 127.0.0.1:4433 203.0.113.1:5000 Infinity"])
      assert.deepStrictEqual(yield* mappings(two), ["UPnP UDP 127.0.0.1:4433 203.0.113.1:5000 604800"])
      const key = { NewRemoteHost: "", NewExternalPort: 5000, NewProtocol: "UDP" }
      assert.strictEqual((yield* act(one, "GetSpecificPortMappingEntry", key)).at(-1), "NewLeaseDuration 0")
    })
  )

  it.effect("refuses a port of another host, and in secure mode to do anything for another host", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      yield* router.occupy(5000)
      assert.deepStrictEqual(yield* act(router, "AddPortMapping", mapping()), [500, 718])
      const key = { NewRemoteHost: "", NewExternalPort: 5000, NewProtocol: "UDP" }
      assert.deepStrictEqual(yield* act(router, "DeletePortMapping", key), [500, 606])
      const other = mapping({ NewExternalPort: 5001, NewInternalClient: "192.168.1.2" })
      assert.deepStrictEqual(yield* act(router, "AddPortMapping", other), [500, 606])
      assert.strictEqual((yield* mappings(router)).length, 1)
      const careless = yield* FakeRouter.make({ secure: false })
      assert.deepStrictEqual(yield* act(careless, "AddPortMapping", other), [])
      assert.deepStrictEqual(yield* act(careless, "DeletePortMapping", { ...key, NewExternalPort: 5001 }), [])
    })
  )

  it.effect.each<readonly [string, Readonly<Record<string, string | number>>]>([
    ["no port", { NewExternalPort: "" }],
    ["a port that is none", { NewInternalPort: 65_536 }],
    ["no protocol", { NewProtocol: "ICMP" }],
    ["no host", { NewInternalClient: "a name" }],
    ["no lease", { NewLeaseDuration: "" }]
  ])("refuses arguments with %s", ([, wrong]) =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      assert.deepStrictEqual(yield* act(router, "AddPortMapping", mapping(wrong)), [500, 402])
      assert.deepStrictEqual(yield* mappings(router), [])
    })
  )

  it.effect("refuses actions that it does not know, and those of another version", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      assert.deepStrictEqual(yield* act(router, "RequestConnection"), [500, 401])
      assert.deepStrictEqual(yield* act(router, "GetExternalIPAddress", {}, 2), [500, 401])
      const { text } = yield* complete(router, get("/nothing"))
      assert.include(text, "HTTP/1.1 404")
      assert.include(yield* names(router), "HTTP /nothing")
    })
  )

  it.effect("is not reached in a protocol that it does not speak", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make({ protocols: ["NAT-PMP"] })
      const { text } = yield* complete(router, get("/rootDesc.xml"))
      assert.include(text, "HTTP/1.1 404")
    })
  )
})

describe("FakeRouter, steered", () => {
  it.effect("has one table for all of its protocols", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      yield* act(router, "AddPortMapping", mapping({ NewInternalPort: 1 }))
      assert.strictEqual((yield* ask(router, natPmpMap())).view.getUint16(10), 5001)
      assert.deepStrictEqual(yield* mappings(router), [
        "UPnP UDP 127.0.0.1:1 203.0.113.1:5000 120",
        "NAT-PMP UDP 127.0.0.1:4433 203.0.113.1:5001 120"
      ])
      const key = { NewRemoteHost: "", NewExternalPort: 5001, NewProtocol: "UDP" }
      assert.deepStrictEqual(yield* act(router, "DeletePortMapping", key), [])
      assert.strictEqual((yield* mappings(router)).length, 1)
    })
  )

  it.effect("forgets everything when it restarts, counts from 0, and is controlled elsewhere", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      const before = yield* controlOf(router)
      yield* act(router, "AddPortMapping", mapping())
      yield* router.restart
      assert.deepStrictEqual(yield* mappings(router), [])
      assert.strictEqual(natPmp(yield* ask(router, natPmpAddress)).epoch, 0)
      assert.include((yield* complete(router, soap(before, "GetExternalIPAddress"))).text, "HTTP/1.1 404")
      assert.notStrictEqual(yield* controlOf(router), before)
      assert.deepStrictEqual(yield* act(router, "GetExternalIPAddress"), ["NewExternalIPAddress 203.0.113.1"])
    })
  )

  it.effect("has another external address when it is given one, in every protocol", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      yield* ask(router, natPmpMap())
      yield* router.setExternal("198.51.100.9")
      assert.deepStrictEqual(yield* act(router, "GetExternalIPAddress"), ["NewExternalIPAddress 198.51.100.9"])
      assert.deepStrictEqual([...(yield* ask(router, natPmpAddress)).bytes.subarray(8)], [198, 51, 100, 9])
      assert.deepStrictEqual([...(yield* ask(router, pcpMap())).bytes.subarray(56)], [198, 51, 100, 9])
      assert.include((yield* mappings(router))[0], "198.51.100.9:5000")
      assert.strictEqual((yield* Effect.flip(router.setExternal("nowhere")))._tag, "NetAddressError")
      assert.strictEqual((yield* Effect.flip(FakeRouter.make({ external: "nowhere" })))._tag, "NetAddressError")
    })
  )

  it.effect("says when it was asked, and keeps the latest 10,000 requests", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      yield* ask(router, natPmpAddress)
      yield* TestClock.adjust("5 seconds")
      yield* ask(router, natPmpMap())
      assert.deepStrictEqual(
        (yield* router.requests).map(({ time }) => time),
        [0, 5_000]
      )
      const socket = yield* udp
      for (let sent = 0; sent < 10_000; sent += 50) {
        for (let i = 0; i < 50; i++) socket.send(natPmpAddress, router.natPmp)
        yield* until("the answers", () => socket.received.length === sent + 50)
      }
      const all = yield* router.requests
      assert.strictEqual(all.length, 10_000)
      assert.strictEqual(all[0]?.name, "ExternalAddress")
    })
  )

  it.effect("is gone with its scope: no port of it can be reached, and no connection is left", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const router = yield* Scope.provide(FakeRouter.make(), scope)
      yield* router.misbehave(Misbehaviour.DeafConnection(), 1)
      const socket = yield* udp
      yield* socket.connect(router.natPmp)
      socket.sendConnected(natPmpAddress)
      yield* until("an answer", () => socket.received.length === 1)
      yield* Scope.close(scope, Exit.void)
      yield* router.idle
      assert.strictEqual((yield* complete(router, get("/rootDesc.xml"))).end, "reset")
      socket.sendConnected(natPmpAddress)
      yield* until("the network reports that nobody listens", () => socket.errors.length > 0)
      assert.deepStrictEqual(socket.errors, ["ECONNREFUSED"])
      assert.strictEqual(NetAddress.formatIp(router.http.address), "127.0.0.1")
    })
  )

  it.effect("is a layer", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.FakeRouter
      assert.strictEqual((yield* search(router, gatewayDevice(2))).length, 1)
    }).pipe(Effect.provide(FakeRouter.layer({ version: 2 })))
  )
})
