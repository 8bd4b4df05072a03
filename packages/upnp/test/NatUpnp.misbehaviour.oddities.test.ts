/**
 * What `NatUpnp` makes of routers that do what they should and say it oddly: they map, and their refusals are told apart.
 */
import { assert, describe, it } from "@effect/vitest"
import * as FakeRouter from "@qp2p/testkit/FakeRouter"
import * as Misbehaviour from "@qp2p/testkit/Misbehaviour"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import { endsEarly, mapped, protocolError, unreadable } from "./support/misbehaviourOutcomes.ts"
import {
  cases,
  closedPort,
  internal,
  lease,
  makeRouters,
  makeTable,
  quiet,
  searchOnLoopback,
  type Told,
  upnp,
  watchProcess
} from "./support/misbehavingRouters.ts"

const {
  After,
  BareAmpersand,
  Before,
  BrokenFault,
  ConflictCode,
  ControlUrl,
  DescriptionLimit,
  EmptyBody,
  Fault,
  Framed,
  GarbageXml,
  Hang,
  Head,
  HttpStatus,
  IdleService,
  Latin1,
  LeaseRefused,
  OneSegment,
  OtherCase,
  OtherNamespace,
  Prefixes,
  Reset,
  SearchLocation,
  SearchStyle,
  SearchTargets,
  SearchType,
  ServiceAtRoot,
  ServiceType,
  SilentSearch,
  UrlBase,
  WrongAnswer,
  WrongLength
} = Misbehaviour

watchProcess()
searchOnLoopback()
const run = cases(makeTable("UPnP: oddities"), upnp)
const odd = (name: string, misbehaviour: Misbehaviour.Misbehaviour, expected = mapped, times?: number) =>
  run(name, makeRouters([{ told: [misbehaviour], ...(times === undefined ? {} : { times }) }]), expected)
const several = (name: string, told: Told["told"], expected = mapped) => run(name, makeRouters([{ told }]), expected)

/** The first router, told what depends on where it serves. */
const told = (
  name: string,
  tell: (http: NetAddress.InetAddress, closed: number) => ReadonlyArray<Misbehaviour.Misbehaviour>,
  expected = mapped
) =>
  run(
    name,
    Effect.gen(function* () {
      const scene = yield* makeRouters([{ told: [] }])
      const router = scene.routers[0]!
      yield* Effect.forEach(tell(router.http, yield* closedPort), (each) => router.misbehave(each))
      return scene
    }),
    expected
  )

const headStyles = [
  "LineFeeds",
  "Spaces",
  "NoSpaces",
  "NoReason",
  "NoType",
  "Twice",
  "Junk",
  "BlankLines",
  "Continue"
] as const

const framings = ["Close", "Open", "Chunks", "LooseChunks", "UnendedChunks", "NoChunks"] as const

for (const at of ["Description", "GetExternalIPAddress", "AddPortMapping"] as const) {
  describe.concurrent(`NatUpnp, at ${at}, in HTTP`, () => {
    for (const style of headStyles) odd(`${at}: head: ${style}`, Head({ at, style }))
    for (const as of framings) odd(`${at}: body: ${as}`, Framed({ at, as }))
    for (const by of [2, 1_000, -2, -20, -100_000]) {
      odd(`${at}: a length that is wrong by ${by}, then it closes`, WrongLength({ at, by }))
    }
    odd(`${at}: a connection that stays open`, Hang({ at, after: "Body" }))
    odd(`${at}: a connection that is reset after the answer`, Reset({ at, after: "Body" }))
  })

  describe.concurrent(`NatUpnp, at ${at}, in XML`, () => {
    odd(`${at}: NUL bytes after the document`, After({ at, text: "\0\0\0" }))
    odd(`${at}: something else after the document`, After({ at, text: "</html>\r\n0\r\n<!--" }))
    odd(`${at}: a byte order mark`, Before({ at, text: "\ufeff" }))
    odd(`${at}: blank lines before the document`, Before({ at, text: "\r\n \r\n" }))
    odd(`${at}: something else before the document`, Before({ at, text: "6ec\r\n" }))
    odd(`${at}: an ampersand that is not escaped`, BareAmpersand({ at }))
    odd(`${at}: in ISO 8859-1, without saying so`, Latin1({ at }))
    odd(`${at}: names in lower case`, OtherCase({ at }))
    odd(`${at}: prefixes that nobody declares`, Prefixes({ at }))
  })
}

describe.concurrent("NatUpnp, sending", () => {
  odd("a request in one segment", OneSegment())
})

describe.concurrent("NatUpnp, searching for odd routers", () => {
  for (const target of [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
    "upnp:rootdevice",
    "ssdp:all"
  ]) {
    odd(`answers to searches for ${target} only`, SearchTargets({ targets: [target] }))
  }
  odd("the first five questions are lost", SilentSearch(), mapped, 5)
  for (const style of ["LineFeeds", "Spaces", "NoSpaces"] as const) odd(`search: ${style}`, SearchStyle({ style }))
  for (const type of [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:device:internetgatewaydevice:1",
    "urn:schemas-upnp-org:device:WANConnectionDevice:1",
    "uuid:00000000-0000-0000-0000-000000000000",
    undefined
  ]) {
    odd(`claims to be ${type}`, SearchType({ type }))
  }
  const at = (host: string) =>
    told(`a location at ${host}`, ({ port }) => [SearchLocation({ url: `http://${host}:${port}/rootDesc.xml` })])
  at("127.0.0.2")
  at("[::1]")
  told("a location without a scheme", ({ port }) => [SearchLocation({ url: `127.0.0.1:${port}/rootDesc.xml` })])
})

describe.concurrent("NatUpnp, at services that are described oddly", () => {
  for (const type of [
    "urn:schemas-upnp-org:service:WANIPConnection:1\n  ",
    "URN:Schemas-UPnP-Org:Service:wanipconnection:1",
    "urn:schemas-upnp-org:service:WANIPConnection:3",
    "urn:schemas-upnp-org:service:WANPPPConnection:2",
    "urn:dslforum-org:service:WANPPPConnection:1"
  ]) {
    odd(`a service of type ${JSON.stringify(type)}`, ServiceType({ type }))
  }
  odd("a service of the root device", ServiceAtRoot())
  odd("an idle service first: 0.0.0.0", IdleService({}))
  odd("an idle service first: no address", IdleService({ address: "" }))
  odd("an idle service first: a private address", IdleService({ address: "10.0.0.1" }))
  several(
    "an idle service, and the other is idle, too",
    [IdleService({}), Fault({ at: "GetExternalIPAddress", code: 501 })],
    protocolError("501 ActionFailed")
  )
  odd("a control URL without a slash", ControlUrl({ url: "ctl/1/IPConn" }))
  told("a control URL without a slash, a description in a directory", ({ port }) => [
    SearchLocation({ url: `http://127.0.0.1:${port}/igd/rootDesc.xml` }),
    ControlUrl({ url: "ctl/1/IPConn" })
  ])
  odd("a control URL between blanks", ControlUrl({ url: "\n  /ctl/1/IPConn\n  " }))
  odd("a base without a scheme", UrlBase({ url: "127.0.0.1" }))
  odd("an empty base", UrlBase({ url: "" }))
  odd("a base on another host", UrlBase({ url: "http://192.0.2.1:80/" }))
  told("a base at a port where nobody listens", (_, closed) => [UrlBase({ url: `http://127.0.0.1:${closed}/` })])
  told("a base of another protocol", ({ port }) => [UrlBase({ url: `https://127.0.0.1:${port}/` })])
})

describe.concurrent("NatUpnp, at routers that answer actions oddly", () => {
  const at = "AddPortMapping"
  odd("a response in another namespace", OtherNamespace({ at }))
  odd("an address in a response in another namespace", OtherNamespace({ at: "GetExternalIPAddress" }))
  odd("an address between blanks", Misbehaviour.ExternalAddress({ address: "  203.0.113.1\n" }))
  odd("leases refused with 402", LeaseRefused({ code: 402 }))
  odd("leases refused with 501", LeaseRefused({ code: 501 }))
  odd("descriptions refused with 605", DescriptionLimit({ length: 3, code: 605 }), protocolError("605 Error"))
  odd("ActionFailed, once", Fault({ at, code: 501 }), mapped, 1)
  odd("HTTP 400, once", HttpStatus({ at, status: 400 }), mapped, 1)
  odd(
    "a conflict with the status of a success",
    Fault({ at, code: 718, port: 4433, status: 200 }),
    "mapped 203.0.113.1:4434"
  )
  odd("a conflict in a fault that breaks off", BrokenFault({ at, code: 718 }), "MappingConflict router 4433")
  odd("a code below zero", Fault({ at, code: -911 }), protocolError("-911 Error"))
  odd("mapped, and an empty answer", EmptyBody({ at }))
  odd("mapped, and an answer that cannot be read", GarbageXml({ at }))
  odd("mapped, and the answer to another action", WrongAnswer({ at }))
})

describe.concurrent("NatUpnp, at routers that refuse with the wrong code", () => {
  it.live("tries the next port when one is another host's, and the router says only that it failed", () =>
    Effect.gen(function* () {
      // It would remove the mapping of another host if it were asked to.
      const router = yield* FakeRouter.make({ secure: false })
      yield* router.occupy(4433)
      yield* router.misbehave(ConflictCode({ code: 501 }))
      const others = yield* router.mappings
      const { map } = yield* upnp(router)
      const { external } = yield* Effect.scoped(map({ internal, lease }))
      assert.strictEqual(external.port, 4434)
      assert.deepStrictEqual(yield* router.mappings, others)
    }).pipe(quiet)
  )

  for (const code of [402, 501, 605]) {
    it.live(`says less of itself when its description is refused with ${code}`, () =>
      Effect.gen(function* () {
        const router = yield* FakeRouter.make()
        yield* router.misbehave(DescriptionLimit({ length: 11, code }))
        const { map } = yield* upnp(router, { description: 'My söcial "program", 3rd edition' })
        yield* Effect.gen(function* () {
          yield* map({ internal, lease })
          const [mapping] = yield* router.mappings
          assert.strictEqual(mapping?.description, "My scial pr")
          assert.isTrue(Duration.isFinite(mapping!.left))
        }).pipe(Effect.scoped)
      }).pipe(quiet)
    )
  }
})

describe.concurrent("NatUpnp, at lengths that lie, and documents that are cut", () => {
  const at = "Description"
  several("the description ends before its length, and in its middle", [Misbehaviour.CutShort({ at })], endsEarly)
  odd("the answer to the mapping ends in its middle", Misbehaviour.CutShort({ at: "AddPortMapping" }))
  odd("the address ends in its middle", Misbehaviour.CutShort({ at: "GetExternalIPAddress" }), endsEarly)
  odd("a description that is cut where nobody says so", After({ at, text: "" }), mapped)
  odd("no XML at all", HttpStatus({ at, status: 200 }), unreadable(200))
})
