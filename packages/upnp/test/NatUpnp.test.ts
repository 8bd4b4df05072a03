import { PortMapper } from "@qp2p/core/PortMapper"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as Logger from "effect/Logger"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { createServer } from "node:net"
import * as NatUpnp from "../src/NatUpnp.ts"
import * as http from "../src/internal/http.ts"
import * as mapper from "../src/internal/mapper.ts"
import * as FakeGateway from "./FakeGateway.ts"

const address = NetAddress.inetAddressFromStringUnsafe
const internal = address("192.168.1.20:4433")
const lease = Duration.seconds(120)
const hour = Duration.hours(1)

interface TestOptions extends Partial<PortMapperOptions> {
  readonly mapper?: mapper.InternalOptions
  readonly client?: HttpClient.HttpClient
}

/** Maps through the gateway at `location`, without a search. */
const mapAt = Effect.fnUntraced(function* (location: string, options?: TestOptions) {
  const client = options?.client ?? (yield* http.makeClient)
  const discover = () => Effect.succeed({ location, localAddress: "192.168.1.21" })
  const service = yield* Effect.provideService(
    mapper.make({ ...options?.mapper, discover }),
    HttpClient.HttpClient,
    client
  )
  return yield* service.map({ internal, lease, ...options })
})

type PortMapperOptions = Parameters<PortMapper["Service"]["map"]>[0]

/** The arguments of an action, in the order in which they were sent. */
const argumentsOf = (request: FakeGateway.Request): ReadonlyArray<readonly [string, string]> =>
  [...request.body.matchAll(/<(New\w+)>([^<]*)<\/\1>/g)].map((match) => [match[1]!, match[2]!])

const argument = (request: FakeGateway.Request, name: string): string | undefined =>
  argumentsOf(request).find((pair) => pair[0] === name)?.[1]

const names = (gateway: FakeGateway.FakeGateway) => gateway.requests.map((request) => request.name)

const failure = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flip(Effect.scoped(effect as Effect.Effect<A, E, R | Scope.Scope>))

const protocolCode = (error: { readonly _tag: string }): number | undefined =>
  "code" in error ? Option.getOrUndefined(error.code as Option.Option<number>) : undefined

/** Lets fibers that have just been woken by real input go on to their next timer. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))).pipe(
  Effect.repeat({ times: 20 })
)

/** Records when, on Effect's clock, each request was sent. */
const recordingClient = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const times: Array<number> = []
  const client = HttpClient.tapRequest(yield* http.makeClient, () =>
    Effect.sync(() => times.push(clock.currentTimeMillisUnsafe()))
  )
  return { times, client }
})

/** Keeps warnings and hands them over one by one. */
const recordingLogger = Effect.sync(() => {
  const messages: Array<string> = []
  const waiting: Array<() => void> = []
  const logger = Logger.make((log) => {
    messages.push(String(Array.isArray(log.message) ? log.message[0] : log.message))
    waiting.splice(0).forEach((wake) => wake())
  })
  const logged = (count: number) =>
    Effect.promise(async () => {
      while (messages.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
    })
  return { messages, logged, layer: Logger.layer([logger]) }
})

describe("NatUpnp.map", () => {
  it.effect("maps a UDP port and tells the address that the router states", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const mapping = yield* mapAt(gateway.location, { external: 5555, mapper: { description: 'a <b> & "c"' } })
      assert.strictEqual(NetAddress.formatInet(mapping.internal), "192.168.1.20:4433")
      assert.strictEqual(NetAddress.formatInet(mapping.external), "203.0.113.7:5555")
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

  it.effect("maps the address that the gateway was found from when the internal one is unspecified", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const mapping = yield* mapAt(gateway.location, { internal: address("0.0.0.0:4433") })
      assert.strictEqual(NetAddress.formatInet(mapping.internal), "192.168.1.21:4433")
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

describe("NatUpnp.map, for as long as its scope lives", () => {
  it.effect("renews at half the lease", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const sent = yield* recordingClient
      yield* mapAt(gateway.location, { client: sent.client })
      const before = sent.times.length
      yield* TestClock.adjust("60 seconds")
      yield* gateway.received("AddPortMapping", 2)
      yield* gateway.idle
      yield* settle
      yield* TestClock.adjust("60 seconds")
      const third = yield* gateway.received("AddPortMapping", 3)
      assert.deepStrictEqual(sent.times.slice(before), [60_000, 120_000])
      assert.strictEqual(argument(third, "NewLeaseDuration"), "120")
    })
  )

  it.effect("warns when a renewal fails, and tries again before the lease ends", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const sent = yield* recordingClient
      const log = yield* recordingLogger
      gateway.answer(
        "AddPortMapping",
        FakeGateway.response("AddPortMapping"),
        FakeGateway.fault(501, "Action Failed"),
        FakeGateway.response("AddPortMapping")
      )
      yield* Effect.provide(mapAt(gateway.location, { client: sent.client }), log.layer)
      const before = sent.times.length
      yield* TestClock.adjust("60 seconds")
      yield* log.logged(1)
      assert.deepStrictEqual(log.messages, ["the mapping of port 4433 was not renewed"])
      yield* settle
      yield* TestClock.adjust("15 seconds")
      yield* gateway.received("AddPortMapping", 3)
      assert.deepStrictEqual(sent.times.slice(before), [60_000, 75_000])
    })
  )

  it.effect("removes the mapping when the scope closes", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      yield* Effect.scoped(mapAt(gateway.location, { external: 5555 }))
      assert.deepStrictEqual(names(gateway), [
        "description",
        "GetExternalIPAddress",
        "AddPortMapping",
        "DeletePortMapping"
      ])
      assert.deepStrictEqual(argumentsOf(yield* gateway.received("DeletePortMapping")), [
        ["NewRemoteHost", ""],
        ["NewExternalPort", "5555"],
        ["NewProtocol", "UDP"]
      ])
      yield* gateway.idle
    })
  )

  it.effect("closes its scope although the router hangs", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const log = yield* recordingLogger
      gateway.answer("DeletePortMapping", "hang")
      const fiber = yield* Effect.forkChild(
        Effect.provide(Effect.scoped(mapAt(gateway.location, { mapper: { requestTimeout: hour } })), log.layer)
      )
      yield* gateway.received("DeletePortMapping")
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(log.messages, ["port 4433 was not unmapped"])
      yield* gateway.idle
    })
  )

  it.effect("does not remove a mapping that another host took over", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      const log = yield* recordingLogger
      gateway.answer("AddPortMapping", FakeGateway.response("AddPortMapping"), FakeGateway.fault(718, "Conflict"))
      const scope = yield* Scope.make()
      yield* Effect.provide(Scope.provide(mapAt(gateway.location), scope), log.layer)
      yield* TestClock.adjust("60 seconds")
      yield* log.logged(1)
      yield* Scope.close(scope, Exit.void)
      assert.notInclude(names(gateway), "DeletePortMapping")
    })
  )

  it.effect("removes a mapping whose add got no answer", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", "hang")
      const fiber = yield* Effect.forkChild(failure(mapAt(gateway.location)))
      yield* gateway.received("AddPortMapping")
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "PortMapperTimedOut")
      yield* gateway.received("DeletePortMapping")
    })
  )
})

describe("NatUpnp.map, refused", () => {
  it.effect("fails with MappingConflict, and leaves the other host's mapping alone", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(718, "ConflictInMappingEntry"))
      const error = yield* failure(mapAt(gateway.location, { external: 5555 }))
      assert.strictEqual(error._tag, "MappingConflict")
      assert.deepInclude(error, { gateway: gateway.host, externalPort: 5555 })
      assert.notInclude(names(gateway), "DeletePortMapping")
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

  it.effect("gives up when permanent mappings are refused with the same code", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(725, "OnlyPermanentLeasesSupported"))
      const error = yield* failure(mapAt(gateway.location))
      assert.strictEqual(protocolCode(error), 725)
      assert.lengthOf(
        names(gateway).filter((name) => name === "AddPortMapping"),
        2
      )
    })
  )

  it.effect("tells the code of any other fault", () =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer("AddPortMapping", FakeGateway.fault(899, "the vendor's own"))
      const error = yield* failure(mapAt(gateway.location))
      assert.strictEqual(error._tag, "GatewayProtocolError")
      assert.strictEqual(protocolCode(error), 899)
      assert.deepInclude(error, { gateway: gateway.host, reason: "the vendor's own" })
    })
  )
})

describe("NatUpnp.map, at a broken gateway", () => {
  it.effect.each(["description", "GetExternalIPAddress", "AddPortMapping"])("times out when %s hangs", (name) =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer(name, "hang")
      const fiber = yield* Effect.forkChild(failure(mapAt(gateway.location)))
      yield* gateway.received(name)
      yield* TestClock.adjust("1500 millis")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "PortMapperTimedOut")
      assert.deepInclude(error, { gateway: gateway.host })
      yield* gateway.idle
    })
  )

  it.effect("fails with GatewayUnreachable when nothing listens", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(
        () =>
          new Promise<number>((resolve) => {
            const server = createServer().listen(0, "127.0.0.1", () => {
              const bound = server.address()
              server.close(() => resolve(typeof bound === "object" && bound !== null ? bound.port : 0))
            })
          })
      )
      const error = yield* failure(mapAt(`http://127.0.0.1:${port}/description.xml`))
      assert.strictEqual(error._tag, "GatewayUnreachable")
      assert.deepInclude(error, { gateway: `127.0.0.1:${port}` })
    })
  )

  it.effect("fails with GatewayProtocolError when what answers does not speak HTTP", () =>
    Effect.gen(function* () {
      const server = createServer((socket) => socket.resume().end("220 hello\r\n"))
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
        () => Effect.promise(() => new Promise<void>((resolve) => server.close(() => resolve())))
      )
      const bound = server.address()
      const port = typeof bound === "object" && bound !== null ? bound.port : 0
      const error = yield* failure(mapAt(`http://127.0.0.1:${port}/description.xml`))
      assert.strictEqual(error._tag, "GatewayProtocolError")
    })
  )

  const tooLarge = "x".repeat(256 * 1024 + 1)
  const entities = `<!DOCTYPE a [<!ENTITY b "c">]>`
  it.effect.each<{
    readonly what: string
    readonly name: string
    readonly answer: FakeGateway.Reply
    readonly reason: RegExp
  }>([
    { what: "garbage", name: "description", answer: { body: "<root><device></root>" }, reason: /cannot be read/ },
    { what: "an empty body", name: "description", answer: {}, reason: /cannot be read/ },
    { what: "404", name: "description", answer: { status: 404, body: FakeGateway.description() }, reason: /HTTP 404/ },
    {
      what: "a document type",
      name: "description",
      answer: { body: FakeGateway.description().replace("<root", `${entities}<root`) },
      reason: /cannot be read/
    },
    {
      what: "a body over the cap",
      name: "description",
      answer: { body: FakeGateway.description().replace("</root>", `<!--${tooLarge}--></root>`) },
      reason: /too large/
    },
    {
      what: "a redirect",
      name: "description",
      answer: { status: 302, headers: { location: "/elsewhere" }, body: "moved" },
      reason: /redirect/
    },
    {
      what: "no service that maps ports",
      name: "description",
      answer: { body: "<root><device><serviceList/></device></root>" },
      reason: /no service/
    },
    {
      what: "a control URL on another host",
      name: "description",
      answer: { body: FakeGateway.description({ controlUrl: "http://192.0.2.1/control" }) },
      reason: /another host/
    },
    {
      what: "a base URL on another host",
      name: "description",
      answer: { body: FakeGateway.description({ base: "http://192.0.2.1/" }) },
      reason: /another host/
    },
    {
      what: "a control URL that is not http",
      name: "description",
      answer: { body: FakeGateway.description({ controlUrl: "https://127.0.0.1/control" }) },
      reason: /not an http URL/
    },
    { what: "garbage", name: "AddPortMapping", answer: { body: "\u0000<<<" }, reason: /AddPortMapping.*HTTP 200/ },
    {
      what: "the response element of another action",
      name: "AddPortMapping",
      answer: FakeGateway.response("DeletePortMapping"),
      reason: /no answer to AddPortMapping/
    },
    {
      what: "a fault without a code",
      name: "AddPortMapping",
      answer: { ...FakeGateway.fault(718, ""), body: FakeGateway.fault(718, "").body!.replace("718", "x") },
      reason: /HTTP 500/
    },
    {
      what: "an answer with the status of a failure",
      name: "AddPortMapping",
      answer: { ...FakeGateway.response("AddPortMapping"), status: 503 },
      reason: /HTTP 503/
    },
    { what: "a body over the cap", name: "AddPortMapping", answer: { body: tooLarge }, reason: /too large/ },
    {
      what: "a redirect",
      name: "AddPortMapping",
      answer: { status: 307, headers: { location: "/elsewhere" }, body: "moved" },
      reason: /redirect/
    },
    { what: "no address", name: "GetExternalIPAddress", answer: FakeGateway.externalIp(""), reason: /address is ""/ },
    { what: "0.0.0.0", name: "GetExternalIPAddress", answer: FakeGateway.externalIp("0.0.0.0"), reason: /0\.0\.0\.0/ },
    { what: "a name", name: "GetExternalIPAddress", answer: FakeGateway.externalIp("example"), reason: /"example"/ }
  ])("fails with GatewayProtocolError when $name gives $what", ({ answer, name, reason }) =>
    Effect.gen(function* () {
      const gateway = yield* FakeGateway.make
      gateway.answer(name, answer)
      const error = yield* failure(mapAt(gateway.location))
      assert.strictEqual(error._tag, "GatewayProtocolError")
      assert.match(error.message, reason)
      assert.notInclude(names(gateway), "/elsewhere")
      yield* gateway.idle
    })
  )

  it.effect("refuses a description that is not at an http address", () =>
    Effect.gen(function* () {
      for (const location of ["https://127.0.0.1/", "file:///etc/hosts", "rubbish"]) {
        assert.strictEqual((yield* failure(mapAt(location)))._tag, "GatewayProtocolError")
      }
    })
  )
})

describe("NatUpnp.map, interrupted", () => {
  // No timer runs here, for the test clock stands still: the interruption itself has to end the request.
  it.effect.each(["description", "GetExternalIPAddress", "AddPortMapping"])(
    "while %s hangs, leaves no open socket",
    (name) =>
      Effect.gen(function* () {
        const gateway = yield* FakeGateway.make
        gateway.answer(name, "hang")
        const fiber = yield* Effect.forkChild(Effect.scoped(mapAt(gateway.location)))
        yield* gateway.received(name)
        yield* Fiber.interrupt(fiber)
        yield* gateway.idle
        // The add may have been carried out; the other requests changed nothing.
        assert.strictEqual(names(gateway).includes("DeletePortMapping"), name === "AddPortMapping")
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
