/**
 * That a router told to misbehave does so: what comes is looked at byte by byte.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as FakeRouter from "../src/FakeRouter.ts"
import * as Misbehaviour from "../src/Misbehaviour.ts"
import {
  ask,
  complete,
  gatewayDevice,
  get,
  mapping,
  mSearch,
  natPmpAddress,
  natPmpMap,
  pcpMap,
  ports,
  request,
  search,
  soap,
  told,
  udp,
  until,
  type Exchange
} from "./support/routerClients.ts"

/** The control URL of a router that was not restarted. */
const control = "/ctl/1/IPConn"

const add = (given?: Readonly<Record<string, string | number>>) => soap(control, "AddPortMapping", mapping(given))
const description = get("/rootDesc.xml")

const bodyOf = ({ text }: { readonly text: string }) => text.slice(text.indexOf("\r\n\r\n") + 4)

/** What the description says when nothing is wrong. */
const rightDescription = Effect.gen(function* () {
  const router = yield* FakeRouter.make()
  return bodyOf(yield* complete(router, description))
})

describe("Misbehaviour at the search", () => {
  it.effect("is silent, until it behaves", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.SilentSearch())
      const socket = yield* udp
      socket.send(mSearch("ssdp:all"), router.segment.address)
      yield* router.received("Search")
      yield* router.behave
      socket.send(mSearch(gatewayDevice(1)), router.segment.address)
      yield* until("an answer", () => socket.received.length > 0)
      assert.include(socket.received[0]!.text, gatewayDevice(1))
    })
  )

  it.effect("answers garbage, without a location, or with another", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      const answer = (misbehaviour: Misbehaviour.Misbehaviour) =>
        Effect.andThen(
          router.misbehave(misbehaviour, 1),
          Effect.map(search(router, gatewayDevice(1)), ([text = ""]) => text)
        )
      assert.notInclude(yield* answer(Misbehaviour.GarbageSearch()), "HTTP")
      const without = yield* answer(Misbehaviour.SearchWithoutLocation())
      assert.include(without, `ST: ${gatewayDevice(1)}`)
      assert.notInclude(without, "LOCATION")
      assert.include(yield* answer(Misbehaviour.SearchLocation({ url: "ftp://x/" })), "LOCATION: ftp://x/\r\n")
    })
  )

  it.effect("names devices that do not exist before the one that does", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.ManyDevices({ count: 3 }))
      const answers = yield* search(router, gatewayDevice(1), 4)
      const paths = answers.map((text) => new URL(/LOCATION: (.*)\r/u.exec(text)![1]!).pathname)
      assert.deepStrictEqual(paths, ["/none/1.xml", "/none/2.xml", "/none/3.xml", "/rootDesc.xml"])
      assert.include((yield* complete(router, get(paths[0]!))).text, "HTTP/1.1 404")
    })
  )
})

describe("Misbehaviour of connections", () => {
  it.effect("takes a connection and does nothing with it", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.DeafConnection())
      const exchange = yield* request(router, description)
      yield* router.received("Connection")
      yield* router.behave
      yield* complete(router, description)
      assert.deepStrictEqual(exchange, { text: "", end: "open" })
    })
  )

  it.effect("resets a connection", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.ResetConnection())
      assert.deepStrictEqual(yield* complete(router, description), { text: "", end: "reset" })
    })
  )

  it.effect("resets one that asks for more than any mapper", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      const { end, text } = yield* complete(router, `GET / HTTP/1.1\r\nX: ${"x".repeat(128 * 1024)}`)
      assert.deepStrictEqual([end, text], ["reset", ""])
    })
  )
})

describe("Misbehaviour in answers over HTTP", () => {
  /** What there is when no more will come. */
  const moments = [
    { after: "Request", holds: (text: string) => text === "" },
    { after: "Head", holds: (text: string) => text.endsWith("\r\n\r\n") && text.includes("Content-Length") },
    { after: "HalfBody", holds: (text: string) => text.includes("<deviceType>") && !text.includes("</root>") }
  ] as const

  for (const { after, holds } of moments) {
    it.effect(`hangs after ${after}`, () =>
      Effect.gen(function* () {
        const router = yield* told(Misbehaviour.Hang({ at: "Description", after }))
        const exchange = yield* request(router, description)
        yield* router.received("Description")
        yield* until("it hangs", () => holds(exchange.text))
        // Another whole exchange: what was to come would have come.
        yield* complete(router, get("/nothing"))
        assert.isTrue(holds(exchange.text))
        assert.strictEqual(exchange.end, "open")
      })
    )

    it.effect(`resets after ${after}`, () =>
      Effect.gen(function* () {
        const router = yield* told(Misbehaviour.Reset({ at: "Description", after }))
        const exchange = yield* complete(router, description)
        assert.strictEqual(exchange.end, "reset")
        assert.notInclude(exchange.text, "</root>")
      })
    )
  }

  it.effect("sends a byte for each interval of the clock, to the end", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.Slow({ at: "Description", interval: "1 second" }))
      const exchange = yield* request(router, description)
      yield* router.received("Description")
      yield* TestClock.adjust("7 seconds")
      yield* until("7 bytes", () => exchange.text.length === 7)
      assert.strictEqual(exchange.text, "HTTP/1.")
      yield* TestClock.adjust("2 hours")
      yield* until("the end", () => exchange.end === "closed")
      assert.strictEqual(bodyOf(exchange), yield* rightDescription)
    })
  )

  it.effect("has nothing more to do for a client that is gone", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.Slow({ at: "Description", interval: "1 second" }))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* request(router, description)
          yield* router.received("Description")
          yield* TestClock.adjust("3 seconds")
        })
      )
      yield* router.idle
      yield* TestClock.adjust("2 hours")
    })
  )

  interface Case {
    readonly misbehaviour: Misbehaviour.Misbehaviour
    readonly end?: Exchange["end"]
    readonly holds: (text: string, right: string) => boolean
  }
  const at = "Description"
  const cases: Readonly<Record<string, Case>> = {
    "cuts the body short": {
      misbehaviour: Misbehaviour.CutShort({ at }),
      holds: (text, right) => text.includes(`Content-Length: ${right.length}`) && text.length < right.length
    },
    "says what is no HTTP": {
      misbehaviour: Misbehaviour.NoHttp({ at }),
      holds: (text) => !text.includes("HTTP") && text.length > 0
    },
    "has another status": {
      misbehaviour: Misbehaviour.HttpStatus({ at, status: 503 }),
      holds: (text) => text.startsWith("HTTP/1.1 503 ") && text.includes("<html>")
    },
    "says nothing": {
      misbehaviour: Misbehaviour.EmptyBody({ at }),
      holds: (text) => text.startsWith("HTTP/1.1 200 ") && text.endsWith("Content-Length: 0\r\n\r\n")
    },
    "is no XML": {
      misbehaviour: Misbehaviour.GarbageXml({ at }),
      holds: (text) => text.startsWith("HTTP/1.1 200 ") && text.includes("<device></root>")
    },
    "has entities that grow": {
      misbehaviour: Misbehaviour.EntityBomb({ at }),
      holds: (text) => /\?><!DOCTYPE bomb \[.*<!ENTITY e9 "(&e8;){10}">\]>\s*<root .*?><bomb>&e9;</u.test(text)
    },
    "is huge": {
      misbehaviour: Misbehaviour.HugeBody({ at, bytes: 300_000 }),
      holds: (text, right) => text.includes(right) && text.length > 300_000
    },
    "leads elsewhere": {
      misbehaviour: Misbehaviour.Redirect({ at, url: "http://elsewhere/" }),
      holds: (text) => text.startsWith("HTTP/1.1 302 ") && text.includes("\r\nLocation: http://elsewhere/\r\n")
    },
    "has no service that maps ports": {
      misbehaviour: Misbehaviour.NoService(),
      holds: (text) => text.includes("WANConnectionDevice") && !text.includes("WANIPConnection")
    },
    "is deep": {
      misbehaviour: Misbehaviour.DeepDevices({ depth: 50 }),
      holds: (text, right) => text.split("<deviceList>").length === right.split("<deviceList>").length + 50
    },
    "is controlled elsewhere": {
      misbehaviour: Misbehaviour.ControlUrl({ url: "http://elsewhere/?a&b" }),
      holds: (text) => text.includes("<controlURL>http://elsewhere/?a&amp;b</controlURL>")
    },
    "has another base": {
      misbehaviour: Misbehaviour.UrlBase({ url: "http://elsewhere/" }),
      holds: (text) => text.includes("<URLBase>http://elsewhere/</URLBase>")
    }
  }

  for (const [name, { end = "closed", holds, misbehaviour }] of Object.entries(cases)) {
    it.effect(`${name}, as often as told`, () =>
      Effect.gen(function* () {
        const right = yield* rightDescription
        const router = yield* FakeRouter.make()
        yield* router.misbehave(misbehaviour, 1)
        const exchange = yield* complete(router, description)
        assert.isTrue(holds(exchange.text, right), exchange.text.slice(0, 500))
        assert.strictEqual(exchange.end, end)
        assert.strictEqual(bodyOf(yield* complete(router, description)), right)
      })
    )
  }

  it.effect("never ends, as long as somebody reads", () =>
    Effect.gen(function* () {
      for (const [text, filler] of [
        [description, "urn:schemas-upnp-org:device:Printer:1"],
        [add(), "<x>y</x>"]
      ] as const) {
        const router = yield* told(
          Misbehaviour.EndlessBody({ at: "Description" }),
          Misbehaviour.EndlessBody({ at: "AddPortMapping" })
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            const exchange = yield* request(router, text)
            yield* until("a lot", () => exchange.text.length > 500_000)
            assert.include(exchange.text, "Transfer-Encoding: chunked")
            assert.include(exchange.text.slice(-5_000), filler)
            assert.strictEqual(exchange.end, "open")
          })
        )
        yield* router.idle
      }
    })
  )

  it.effect("does so at that page only, and the latest that it was told of several", () =>
    Effect.gen(function* () {
      const router = yield* told(
        Misbehaviour.HttpStatus({ at: "Description", status: 500 }),
        Misbehaviour.HttpStatus({ at: "Description", status: 404 }),
        Misbehaviour.NoHttp({ at: "AddPortMapping" })
      )
      assert.include((yield* complete(router, description)).text, "HTTP/1.1 404")
      assert.include((yield* complete(router, soap(control, "GetExternalIPAddress"))).text, "HTTP/1.1 200")
    })
  )
})

describe("Misbehaviour of actions", () => {
  it.effect("carries out what it does not answer", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.Reset({ at: "AddPortMapping", after: "Request" }))
      assert.strictEqual((yield* complete(router, add())).end, "reset")
      assert.deepStrictEqual(yield* ports(router), [5000])
    })
  )

  it.effect("answers another action", () =>
    Effect.gen(function* () {
      const router = yield* told(
        Misbehaviour.WrongAnswer({ at: "AddPortMapping" }),
        Misbehaviour.WrongAnswer({ at: "GetExternalIPAddress" })
      )
      assert.include((yield* complete(router, add())).text, "<u:DeletePortMappingResponse ")
      assert.include(
        (yield* complete(router, soap(control, "GetExternalIPAddress"))).text,
        "<u:AddPortMappingResponse "
      )
    })
  )

  it.effect("refuses with any code, for any port or for one, and carries out nothing", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.Fault({ at: "AddPortMapping", code: 718, port: 5000 }))
      const refused = yield* complete(router, add())
      assert.include(refused.text, "HTTP/1.1 500")
      assert.include(refused.text, "<errorCode>718</errorCode><errorDescription>ConflictInMappingEntry<")
      assert.include((yield* complete(router, add({ NewExternalPort: 5001 }))).text, "HTTP/1.1 200")
      yield* router.misbehave(Misbehaviour.Fault({ at: "AddPortMapping", code: 899 }))
      assert.include((yield* complete(router, add({ NewExternalPort: 5002 }))).text, "<errorCode>899</errorCode>")
      assert.deepStrictEqual(yield* ports(router), [5001])
      yield* router.misbehave(Misbehaviour.FaultWithoutCode({ at: "AddPortMapping" }))
      assert.include((yield* complete(router, add())).text, "HTTP/1.1 500")
    })
  )

  it.effect("says a fault without a code", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.FaultWithoutCode({ at: "AddPortMapping" }))
      assert.include((yield* complete(router, add())).text, "<errorCode></errorCode>")
      assert.deepStrictEqual(yield* ports(router), [])
    })
  )

  it.effect("knows only permanent leases", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.OnlyPermanentLeases())
      assert.include((yield* complete(router, add())).text, "<errorCode>725</errorCode>")
      assert.include((yield* complete(router, add({ NewLeaseDuration: 0 }))).text, "HTTP/1.1 200")
      assert.deepStrictEqual(yield* ports(router), [5000])
    })
  )

  it.effect("lies about its address, its leases and its mappings, in every protocol", () =>
    Effect.gen(function* () {
      const router = yield* told(
        Misbehaviour.ExternalAddress({ address: "no <address>" }),
        Misbehaviour.LyingLease({ granted: 1, told: 7 })
      )
      const address = yield* complete(router, soap(control, "GetExternalIPAddress"))
      assert.include(address.text, "<NewExternalIPAddress>no &lt;address&gt;</NewExternalIPAddress>")
      assert.deepStrictEqual([...(yield* ask(router, natPmpAddress)).bytes.subarray(8)], [0, 0, 0, 0])
      yield* complete(router, add({ NewInternalPort: 1 }))
      const key = { NewRemoteHost: "", NewExternalPort: 5000, NewProtocol: "UDP" }
      const entry = yield* complete(router, soap(control, "GetSpecificPortMappingEntry", key))
      assert.include(entry.text, "<NewLeaseDuration>7<")
      assert.strictEqual((yield* ask(router, natPmpMap({ external: 6000 }))).view.getUint32(12), 7)
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(yield* ports(router), [5000, 6000])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* ports(router), [])
      yield* router.misbehave(Misbehaviour.Forgetful())
      assert.strictEqual((yield* ask(router, pcpMap())).bytes[3], 0)
      assert.deepStrictEqual(yield* ports(router), [])
    })
  )
})
