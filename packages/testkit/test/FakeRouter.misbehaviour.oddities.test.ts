/**
 * That a router told to write its answers oddly does so: what comes is looked at byte by byte.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FakeRouter from "../src/FakeRouter.ts"
import * as Misbehaviour from "../src/Misbehaviour.ts"
import {
  ask,
  complete,
  gatewayDevice,
  get,
  mapping,
  mSearch,
  natPmp,
  natPmpMap,
  pcpMap,
  ports,
  request,
  search,
  soap,
  told,
  udp,
  until
} from "./support/routerClients.ts"

const control = "/ctl/1/IPConn"
const description = get("/rootDesc.xml")
const wanIp = "urn:schemas-upnp-org:service:WANIPConnection:1"

const add = (given?: Readonly<Record<string, string | number>>) => soap(control, "AddPortMapping", mapping(given))
const externalAddress = (path = control, service = wanIp) => soap(path, "GetExternalIPAddress", {}, service)

const splitAt = (text: string, end: string) => {
  const index = text.indexOf(end)
  return [text.slice(0, index + end.length), text.slice(index + end.length)] as const
}

const bodyOf = (text: string) => splitAt(text, "\r\n\r\n")[1]

const lengthOf = (text: string) => Number(/Content-Length: (-?\d+)/u.exec(text)?.[1])

const rightAnswer = Effect.gen(function* () {
  const router = yield* FakeRouter.make()
  return (yield* complete(router, description)).text
})

describe("Misbehaviour at the search, oddly written", () => {
  it.effect("answers to some searches only", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.SearchTargets({ targets: ["upnp:rootdevice"] }))
      const socket = yield* udp
      socket.send(mSearch(gatewayDevice(1)), router.segment.address)
      yield* router.received("Search")
      socket.send(mSearch("upnp:rootdevice"), router.segment.address)
      yield* until("an answer", () => socket.received.length > 0)
      assert.include(socket.received[0]!.text, "ST: upnp:rootdevice\r\n")
      assert.lengthOf(socket.received, 1)
    })
  )

  it.effect("claims another type, or none", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.SearchType({ type: "urn:x:device:Y:9" }))
      assert.include((yield* search(router, gatewayDevice(1)))[0], "ST: urn:x:device:Y:9\r\n")
      yield* router.misbehave(Misbehaviour.SearchType({}))
      assert.notMatch((yield* search(router, gatewayDevice(1)))[0]!, /^ST:|InternetGatewayDevice/mu)
    })
  )

  it.effect("writes its headers in other ways", () =>
    Effect.gen(function* () {
      const written = (style: Misbehaviour.SearchStyle) =>
        Effect.gen(function* () {
          const router = yield* told(Misbehaviour.SearchStyle({ style }))
          return [(yield* search(router, gatewayDevice(1)))[0]!, router.location] as const
        })
      const [feeds] = yield* written("LineFeeds")
      assert.notInclude(feeds, "\r")
      assert.isTrue(feeds.endsWith("\n\n"))
      const [spaces, first] = yield* written("Spaces")
      assert.include(spaces, `LOCATION \t:  ${first} \t \r\n`)
      const [none, second] = yield* written("NoSpaces")
      assert.include(none, `\r\nlocation:${second}\r\n`)
    })
  )

  it.effect("answers to searches for its service, too", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make({ version: 2 })
      for (const version of [1, 2]) {
        const target = `urn:schemas-upnp-org:service:WANIPConnection:${version}`
        assert.include((yield* search(router, target))[0], `ST: ${target}\r\n`)
      }
    })
  )
})

describe("Misbehaviour in heads", () => {
  const at = "Description"
  const cases: Readonly<Record<Misbehaviour.HeadStyle, (text: string) => boolean>> = {
    LineFeeds: (text) =>
      splitAt(text, "\n\n")[0].startsWith("HTTP/1.1 200 OK\n") && !splitAt(text, "\n\n")[0].includes("\r"),
    Spaces: (text) => /^HTTP\/1.1 200 OK {2}\r\n.*\r\nContent-Length \t: {2}\d+ \t \r\n/su.test(text),
    NoSpaces: (text) => /\r\ncontent-length:\d+\r\n/u.test(text),
    NoReason: (text) => text.startsWith("HTTP/1.1 200\r\n"),
    NoType: (text) => !/content-type/iu.test(text),
    Twice: (text) => /Content-Length: (\d+)\r\nContent-Length: \1\r\n/u.test(text),
    Junk: (text) => text.includes("\r\nno header\r\n"),
    BlankLines: (text) => text.startsWith("\r\n\r\nHTTP/1.1 200"),
    Continue: (text) => text.startsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
  }
  for (const style of [
    "LineFeeds",
    "Spaces",
    "NoSpaces",
    "NoReason",
    "NoType",
    "Twice",
    "Junk",
    "BlankLines",
    "Continue"
  ] as const) {
    it.effect(`writes the head in another way, and the body not: ${style}`, () =>
      Effect.gen(function* () {
        const right = bodyOf(yield* rightAnswer)
        const router = yield* told(Misbehaviour.Head({ at, style }))
        const { end, text } = yield* complete(router, description)
        assert.isTrue(cases[style](text), text.slice(0, 400))
        assert.isTrue(text.endsWith(right))
        assert.strictEqual(end, "closed")
      })
    )
  }

  it.effect("answers no request whose body comes later", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.OneSegment())
      const [head] = splitAt(add(), "\r\n\r\n")
      assert.deepStrictEqual(yield* complete(router, head), { text: "", end: "closed" })
      assert.include((yield* complete(router, add())).text, "HTTP/1.1 200 OK")
    })
  )
})

describe("Misbehaviour in lengths", () => {
  const at = "Description"
  for (const by of [2, -2, -1_000]) {
    it.effect(`states a length that is wrong by ${by}`, () =>
      Effect.gen(function* () {
        const right = yield* rightAnswer
        const router = yield* told(Misbehaviour.WrongLength({ at, by }))
        const { end, text } = yield* complete(router, description)
        assert.strictEqual(lengthOf(text), lengthOf(right) + by)
        assert.strictEqual(bodyOf(text), bodyOf(right))
        assert.strictEqual(end, "closed")
      })
    )
  }

  const framings: Readonly<Record<Misbehaviour.Framing, (text: string) => boolean>> = {
    Close: (text) => text.startsWith("HTTP/1.0 200 OK"),
    Open: (text) => text.startsWith("HTTP/1.1 200 OK"),
    Chunks: (text) => /\r\n\r\n64\r\n[^]{100}\r\n64\r\n/u.test(text) && text.endsWith("\r\n0\r\n\r\n"),
    LooseChunks: (text) =>
      /\r\n\r\n00064 ; a=b\n[^]{100}\n00064 ; a=b\n/u.test(text) && text.endsWith("\n000 \nno: thing"),
    UnendedChunks: (text) => /\r\n\r\n64\r\n/u.test(text) && text.endsWith("\r\n") && !text.endsWith("0\r\n\r\n"),
    NoChunks: (text) => /chunked\r\n\r\n<\?xml/u.test(text)
  }
  for (const as of ["Close", "Open", "Chunks", "LooseChunks", "UnendedChunks", "NoChunks"] as const) {
    const stays = as === "Open" || as === "LooseChunks"
    it.effect(`delimits the body otherwise, and ${stays ? "stays" : "closes"}: ${as}`, () =>
      Effect.gen(function* () {
        const router = yield* told(Misbehaviour.Framed({ at, as }))
        const exchange = yield* request(router, description)
        yield* until("all of it", () =>
          stays ? framings[as](exchange.text) && /root>|thing$/u.test(exchange.text) : exchange.end === "closed"
        )
        assert.isTrue(framings[as](exchange.text), exchange.text)
        assert.notMatch(exchange.text, /Content-Length/u)
        // Another whole exchange: had it been closed, that would be known.
        yield* complete(router, get("/nothing"))
        assert.strictEqual(exchange.end, stays ? "open" : "closed")
      })
    )
  }

  it.effect("sends all and keeps the connection, or resets it", () =>
    Effect.gen(function* () {
      const right = bodyOf(yield* rightAnswer)
      const hangs = yield* told(Misbehaviour.Hang({ at, after: "Body" }))
      const exchange = yield* request(hangs, description)
      yield* until("all of it", () => exchange.text.endsWith(right))
      assert.strictEqual(exchange.end, "open")
      const resets = yield* told(Misbehaviour.Reset({ at, after: "Body" }))
      const { end, text } = yield* complete(resets, description)
      assert.deepStrictEqual([end, bodyOf(text)], ["reset", right])
    })
  )
})

describe("Misbehaviour in documents", () => {
  const at = "Description"
  const cases: Readonly<
    Record<string, readonly [Misbehaviour.Misbehaviour, (text: string, right: string) => boolean]>
  > = {
    "begins with something else": [
      Misbehaviour.Before({ at, text: "\ufeff\n" }),
      (text, right) => text === `ï»¿\n${right}`
    ],
    "ends with something else": [Misbehaviour.After({ at, text: "\0\0" }), (text, right) => text === `${right}\0\0`],
    "does not escape": [
      Misbehaviour.BareAmpersand({ at }),
      (text) => text.includes('-1-0"><note>AT&T & sons & a=1&b=2 &#12 &;</note>')
    ],
    "is in another encoding": [
      Misbehaviour.Latin1({ at }),
      (text) => text.includes("<note>Großer Router für André</note>")
    ],
    "has names in lower case": [
      Misbehaviour.OtherCase({ at }),
      (text) => text.includes("<controlurl>/ctl/1/IPConn</controlurl>") && !/<[^>?]*[A-Z][^>]*Type>/u.test(text)
    ],
    "has undeclared prefixes": [
      Misbehaviour.Prefixes({ at }),
      (text) => text.includes("<odd:root><odd:specVersion>") && text.endsWith("</odd:root>\r\n")
    ],
    "has an idle service first": [
      Misbehaviour.IdleService({}),
      (text) =>
        text.indexOf("<controlURL>/ctl/1/Idle<") < text.indexOf("<controlURL>/ctl/1/IPConn<") && text.includes("/Idle<")
    ],
    "has a service of another type": [
      Misbehaviour.ServiceType({ type: " a:b " }),
      (text) => text.includes("<serviceType> a:b </serviceType>") && !text.includes(wanIp)
    ],
    "has its service in the root device": [
      Misbehaviour.ServiceAtRoot(),
      (text) =>
        text.indexOf(wanIp) > 0 && text.indexOf(wanIp) < text.indexOf("<deviceList>") && text.split(wanIp).length === 2
    ]
  }
  for (const [name, [misbehaviour, holds]] of Object.entries(cases)) {
    it.effect(`${name}, and says how long it is`, () =>
      Effect.gen(function* () {
        const right = bodyOf(yield* rightAnswer)
        const router = yield* told(misbehaviour)
        const { text } = yield* complete(router, description)
        assert.isTrue(holds(bodyOf(text), right), text)
        assert.strictEqual(lengthOf(text), bodyOf(text).length)
      })
    )
  }

  it.effect("has the description in any directory", () =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make()
      assert.strictEqual((yield* complete(router, get("/a/b/rootDesc.xml"))).text, yield* rightAnswer)
    })
  )
})

describe("Misbehaviour of actions, oddly written", () => {
  it.effect("asks an idle service in vain", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.IdleService({}))
      const idle = yield* complete(router, externalAddress("/ctl/1/Idle"))
      assert.include(idle.text, "<NewExternalIPAddress>0.0.0.0<")
      const refused = yield* complete(router, soap("/ctl/1/Idle", "AddPortMapping", mapping()))
      assert.include(refused.text, "<errorCode>501<")
      assert.include((yield* complete(router, externalAddress())).text, ">203.0.113.1<")
      yield* router.misbehave(Misbehaviour.IdleService({ address: "10.0.0.1" }))
      assert.include((yield* complete(router, externalAddress("/ctl/1/Idle"))).text, ">10.0.0.1<")
      yield* router.behave
      assert.include((yield* complete(router, externalAddress("/ctl/1/Idle"))).text, "HTTP/1.1 404")
    })
  )

  it.effect("knows no other type of service than that which it is said to be", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.ServiceType({ type: " urn:a:service:B:3" }))
      assert.include((yield* complete(router, externalAddress(control, "urn:a:service:B:3"))).text, ">203.0.113.1<")
      assert.include((yield* complete(router, externalAddress())).text, "<errorCode>401<")
    })
  )

  it.effect("answers in another namespace, with undeclared prefixes, and with faults that break off", () =>
    Effect.gen(function* () {
      const at = "GetExternalIPAddress"
      const router = yield* told(Misbehaviour.OtherNamespace({ at }))
      assert.include((yield* complete(router, externalAddress())).text, `<u:${at}Response xmlns:u="${at}">`)
      yield* router.misbehave(Misbehaviour.Prefixes({ at }))
      assert.include((yield* complete(router, externalAddress())).text, `<odd:Body><odd:${at}Response><odd:NewExternal`)
      yield* router.behave
      yield* router.misbehave(Misbehaviour.BrokenFault({ at, code: 401 }))
      const { text } = yield* complete(router, externalAddress())
      assert.include(text, "HTTP/1.1 500")
      assert.include(text, "<errorCode>401</errorCode><errorDescription>Invalid Action<\0")
      assert.notInclude(text, "</errorDescription>")
    })
  )

  it.effect("refuses with another status", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.Fault({ at: "AddPortMapping", code: 718, status: 200 }))
      assert.match((yield* complete(router, add())).text, /^HTTP\/1.1 200 OK.*<errorCode>718</su)
    })
  )

  it.effect("refuses leases, long descriptions, and taken ports, with the code that it was told", () =>
    Effect.gen(function* () {
      const router = yield* told(
        Misbehaviour.LeaseRefused({ code: 402 }),
        Misbehaviour.DescriptionLimit({ length: 3, code: 605 }),
        Misbehaviour.ConflictCode({ code: 501 })
      )
      const forEver = { NewLeaseDuration: 0, NewPortMappingDescription: "abc" }
      assert.include((yield* complete(router, add())).text, "<errorCode>402<")
      assert.include(
        (yield* complete(router, add({ ...forEver, NewPortMappingDescription: "abcd" }))).text,
        "<errorCode>605<"
      )
      assert.include((yield* complete(router, add(forEver))).text, "HTTP/1.1 200")
      yield* router.occupy(6000)
      assert.include((yield* complete(router, add({ ...forEver, NewExternalPort: 6000 }))).text, "<errorCode>501<")
      assert.deepStrictEqual(yield* ports(router), [5000, 6000])
    })
  )
})

describe("Misbehaviour in NAT-PMP and PCP, oddly written", () => {
  it.effect("does not answer in a version, and does in the other", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.DeafToVersion({ version: 2 }))
      const socket = yield* udp
      socket.send(pcpMap(), router.natPmp)
      yield* router.received("UnknownVersion")
      socket.send(natPmpMap(), router.natPmp)
      yield* until("an answer", () => socket.received.length > 0)
      assert.deepStrictEqual(
        socket.received.map(({ bytes }) => bytes[0]),
        [0]
      )
    })
  )

  it.effect("cuts ports to eight bits, and maps the right ones", () =>
    Effect.gen(function* () {
      const router = yield* told(Misbehaviour.ShortPorts())
      const answer = yield* ask(router, natPmpMap())
      assert.strictEqual(natPmp(answer).code, 0)
      assert.deepStrictEqual([answer.view.getUint16(8), answer.view.getUint16(10)], [4433 & 0xff, 5000 & 0xff])
      assert.deepStrictEqual(yield* ports(router), [5000])
    })
  )
})
