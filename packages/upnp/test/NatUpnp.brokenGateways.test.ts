// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { createServer } from "node:net"
import * as FakeGateway from "./support/fakeUpnpGateway.ts"
import { failure, mapAt, names } from "./support/natUpnpMapper.ts"

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
      answer: { body: FakeGateway.description({ controlUrl: "http://192.0.2.1/control", isAlone: true }) },
      reason: /another host/
    },
    {
      what: "a control URL that is not http",
      name: "description",
      answer: { body: FakeGateway.description({ controlUrl: "https://127.0.0.1/control", isAlone: true }) },
      reason: /not an http URL/
    },
    { what: "garbage", name: "AddPortMapping", answer: { body: "\u0000<<<" }, reason: /AddPortMapping.*HTTP 200/ },
    {
      what: "the response element of another action",
      name: "AddPortMapping",
      answer: FakeGateway.response("DeletePortMapping"),
      reason: /no answer to AddPortMapping/
    },
    ...["", "x", "7.18", "--718"].map((code) => ({
      what: `a fault whose code is "${code}"`,
      name: "AddPortMapping",
      answer: { status: 500, body: FakeGateway.fault(718, "").body!.replace("718", code) },
      reason: /no answer to AddPortMapping.*HTTP 500/
    })),
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
    { what: "a name", name: "GetExternalIPAddress", answer: FakeGateway.externalIp("example"), reason: /"example"/ },
    { what: "IPv6", name: "GetExternalIPAddress", answer: FakeGateway.externalIp("2001:db8::1"), reason: /2001:db8/ },
    { what: "224.0.0.1", name: "GetExternalIPAddress", answer: FakeGateway.externalIp("224.0.0.1"), reason: /224\.0/ },
    {
      what: "255.255.255.255",
      name: "GetExternalIPAddress",
      answer: FakeGateway.externalIp("255.255.255.255"),
      reason: /255\.255/
    }
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
