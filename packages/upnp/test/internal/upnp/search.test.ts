// @module-tag platform
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import dgram from "node:dgram"
import { once } from "node:events"
import os from "node:os"
import * as client from "../../../src/internal/upnp/client.ts"
import * as search from "../../../src/internal/upnp/search.ts"
import type { Found } from "../../../src/internal/upnp/ssdp.ts"
import { settle } from "../../support/natUpnpMapper.ts"

interface Sockets {
  readonly opened: ReadonlyArray<dgram.Socket>
  /** How often `close` was called on each socket, in the order in which they were opened. */
  readonly closes: ReadonlyArray<number>
}

/** Makes nat-upnp see one external interface, the loopback one, and counts its sockets. */
const loopbackOnly = (addresses: ReadonlyArray<string> = ["127.0.0.1"]) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const opened: Array<dgram.Socket> = []
      const closes: Array<number> = []
      const create = dgram.createSocket.bind(dgram)
      const interfaces = vi.spyOn(os, "networkInterfaces").mockReturnValue({
        test0: addresses.map((address) => ({
          address,
          family: "IPv4",
          internal: false,
          netmask: "255.0.0.0",
          mac: "00:00:00:00:00:00",
          cidr: `${address}/8`
        }))
      })
      const createSocket = vi.spyOn(dgram, "createSocket").mockImplementation((options) => {
        const socket = create(options)
        const index = opened.push(socket) - 1
        closes[index] = 0
        const close = socket.close.bind(socket)
        socket.close = (callback) => {
          closes[index]!++
          return close(callback)
        }
        return socket
      })
      const sockets: Sockets = { opened, closes }
      return { sockets, restore: () => [interfaces, createSocket].forEach((spy) => spy.mockRestore()) }
    }),
    ({ restore }) => Effect.sync(restore)
  ).pipe(Effect.map(({ sockets }) => sockets))

/** Answers each search with what `answer(target)` gives, on 127.0.0.1. */
const responder = (answer: (target: string) => string | ReadonlyArray<string> | undefined) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly socket: dgram.Socket; readonly port: number; readonly asked: Promise<void> }>(
          (resolve) => {
            const socket = dgram.createSocket("udp4")
            const asked = new Promise<void>((heard) =>
              socket.on("message", (message, remote) => {
                heard()
                const texts = answer(/^ST: (.*)$/m.exec(message.toString())![1]!) ?? []
                for (const text of [texts].flat()) socket.send(text, remote.port, remote.address)
              })
            )
            socket.bind(0, "127.0.0.1", () => resolve({ socket, port: socket.address().port, asked }))
          }
        )
    ),
    ({ socket }) => Effect.promise(() => new Promise<void>((resolve) => void socket.close(() => resolve())))
  )

const reply = (target: string, location: string): string =>
  `HTTP/1.1 200 OK\r\nST: ${target}\r\nLOCATION: ${location}\r\n\r\n`

/** The search as it is, sent to the responder instead of the multicast group. */
const searchAt = <A, E>(port: number, use: (found: Stream.Stream<Found>) => Effect.Effect<A, E>) =>
  client.withClient((natUpnp) => {
    natUpnp.ssdp.multicast = "127.0.0.1"
    natUpnp.ssdp.port = port
    return use(search.search("3 seconds")(natUpnp))
  })

/** The first gateway to answer. */
const first = (port: number) => searchAt(port, (found) => Effect.flatMap(Stream.runHead(found), Effect.fromOption))

describe("discovery", () => {
  for (const version of ["1", "2"]) {
    it.effect(`finds an InternetGatewayDevice:${version} and the local address that it answered to`, () =>
      Effect.gen(function* () {
        const { port } = yield* responder((target) =>
          target.endsWith(`InternetGatewayDevice:${version}`)
            ? reply(target, "http://127.0.0.1:1/rootDesc.xml")
            : undefined
        )
        const sockets = yield* loopbackOnly()
        const found = yield* first(port)
        assert.deepStrictEqual(found, {
          location: "http://127.0.0.1:1/rootDesc.xml",
          responder: "127.0.0.1",
          localAddress: "127.0.0.1",
          isUnidentified: false
        })
        assert.deepStrictEqual(sockets.closes, [1])
      })
    )
  }

  it.effect("is over after its time when no device answers, and closes its sockets once", () =>
    Effect.gen(function* () {
      const { asked, port } = yield* responder(() => undefined)
      const sockets = yield* loopbackOnly()
      const fiber = yield* Effect.forkChild(searchAt(port, Stream.runCollect))
      yield* Effect.promise(() => asked)
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [])
      assert.deepStrictEqual(sockets.closes, [1])
    })
  )

  it.effect("ignores answers without a description and answers of one endless line", () =>
    Effect.gen(function* () {
      const { port } = yield* responder((target) =>
        target.endsWith(":1")
          ? `HTTP/1.1 200 OK\r\nST: ${target}\r\n\r\n`
          : reply(target, "http://127.0.0.1:1/rootDesc.xml").replace("\r\n\r\n", `\r\n${" ".repeat(4096)}\r\n\r\n`)
      )
      const sockets = yield* loopbackOnly()
      const fiber = yield* Effect.forkChild(searchAt(port, Stream.runCollect))
      const answered = () =>
        new Promise<void>((resolve) => {
          let count = 0
          sockets.opened[0]!.on("message", () => void (++count === 2 && resolve()))
        })
      yield* Effect.yieldNow
      yield* Effect.promise(answered)
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [])
    })
  )

  it.effect.each([
    { what: "each gateway once, although it answers for both versions", count: 3, named: 3 },
    { what: "eight gateways at most", count: 10, named: 8 }
  ])("names $what", ({ count, named }) =>
    Effect.gen(function* () {
      const { asked, port } = yield* responder(() => undefined)
      const sockets = yield* loopbackOnly()
      const found: Array<string> = []
      const fiber = yield* Effect.forkChild(
        searchAt(
          port,
          Stream.runForEach(({ location }) => Effect.sync(() => found.push(location)))
        )
      )
      yield* Effect.promise(() => asked)
      const locations = Array.from({ length: count }, (_, i) => `http://127.0.0.1:${i + 1}/rootDesc.xml`)
      for (const version of [1, 2]) {
        for (const location of locations) {
          const answer = reply(`urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`, location)
          sockets.opened[0]!.emit("message", Buffer.from(answer), { address: "127.0.0.1", port })
          yield* settle
        }
      }
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(found, locations.slice(0, named))
    })
  )

  /** Real packets do not know of the test's clock. */
  const until = (condition: () => boolean): Effect.Effect<void> =>
    TestClock.withLive(
      Effect.gen(function* () {
        for (let tries = 0; tries < 2_000; tries++) {
          if (condition()) return
          yield* Effect.sleep("10 millis")
        }
        return yield* Effect.die(new Error("in vain"))
      })
    )

  it.effect("asks for what miniupnpc asks for, in its order, and asks everything more than once", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const { port } = yield* responder((target) => {
        heard.push(target)
        return undefined
      })
      yield* loopbackOnly()
      const fiber = yield* Effect.forkChild(searchAt(port, Stream.runCollect))
      const [igd, igd2] = [1, 2].map((version) => `urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`)
      const [ip, ppp] = ["IP", "PPP"].map((kind) => `urn:schemas-upnp-org:service:WAN${kind}Connection:1`)
      const first = [igd!, ip!, ppp!, igd2!]
      yield* until(() => heard.length === 4)
      assert.deepStrictEqual(heard, first)
      yield* TestClock.adjust("499 millis")
      yield* settle
      assert.lengthOf(heard, 4)
      yield* TestClock.adjust("1 millis")
      yield* until(() => heard.length === 10)
      const again = [igd!, ip!, ppp!, "upnp:rootdevice", igd2!, "ssdp:all"]
      assert.deepStrictEqual(heard, [...first, ...again])
      yield* TestClock.adjust("1 second")
      yield* until(() => heard.length === 16)
      assert.deepStrictEqual(heard, [...first, ...again, ...again])
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.join(fiber)
      assert.lengthOf(heard, 16)
    })
  )

  it.effect("does not ask everybody when a gateway has answered", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const { port } = yield* responder((target) => {
        heard.push(target)
        return reply(target, "http://127.0.0.1:1/rootDesc.xml")
      })
      yield* loopbackOnly()
      const found: Array<string> = []
      const fiber = yield* Effect.forkChild(
        searchAt(
          port,
          Stream.runForEach(({ location }) => Effect.sync(() => found.push(location)))
        )
      )
      yield* until(() => found.length === 1)
      yield* TestClock.adjust("1500 millis")
      yield* until(() => heard.length === 12)
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.join(fiber)
      assert.lengthOf(heard, 12)
      assert.notInclude(heard, "upnp:rootdevice")
      assert.notInclude(heard, "ssdp:all")
    })
  )

  it.effect("names those who do not say that they are gateways when there is time for them, and says so", () =>
    Effect.gen(function* () {
      const { asked, port } = yield* responder((target) =>
        target.endsWith("Device:1")
          ? [
              reply("upnp:rootdevice", "http://127.0.0.1:1/television.xml"),
              reply("uuid:1", "http://127.0.0.1:2/both.xml"),
              reply("urn:Schemas-UPnP-org:device:internetgatewaydevice:9", "http://127.0.0.1:2/both.xml")
            ]
          : undefined
      )
      yield* loopbackOnly()
      const found: Array<string> = []
      const fiber = yield* Effect.forkChild(
        searchAt(
          port,
          Stream.runForEach(({ isUnidentified, location }) =>
            Effect.sync(() => found.push(`${isUnidentified ? "unsure" : "sure"} ${location}`))
          )
        )
      )
      yield* Effect.promise(() => asked)
      const sure = "sure http://127.0.0.1:2/both.xml"
      yield* until(() => found.length === 1)
      yield* TestClock.adjust("1999 millis")
      yield* settle
      assert.deepStrictEqual(found, [sure])
      yield* TestClock.adjust("1 millis")
      yield* until(() => found.length === 2)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(found, [sure, "unsure http://127.0.0.1:1/television.xml"])
    })
  )

  it.effect("takes answers from any port, and neither farewells nor failures", () =>
    Effect.gen(function* () {
      const { asked, port } = yield* responder(() => undefined)
      const sockets = yield* loopbackOnly()
      const found: Array<string> = []
      const fiber = yield* Effect.forkChild(
        searchAt(
          port,
          Stream.runForEach(({ location, responder }) => Effect.sync(() => found.push(`${responder} ${location}`)))
        )
      )
      yield* Effect.promise(() => asked)
      const igd = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
      const say = (text: string) =>
        sockets.opened[0]!.emit("message", Buffer.from(text), { address: "192.0.2.1", port: 55_618 })
      say(reply(igd, "http://192.0.2.1/1.xml").replace("200 OK", "404 Not Found"))
      say(reply(igd, "http://192.0.2.1/2.xml").replace("\r\n\r\n", "\r\nNTS: ssdp:byebye\r\n\r\n"))
      say(reply(igd, "http://192.0.2.1/3.xml").replace("HTTP/1.1 200 OK", "M-SEARCH * HTTP/1.1"))
      say(reply(igd, "http://192.0.2.1/4.xml"))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(found, ["192.0.2.1 http://192.0.2.1/4.xml"])
    })
  )

  it.effect("closes its sockets once when interrupted before they are bound", () =>
    Effect.gen(function* () {
      const sockets = yield* loopbackOnly()
      yield* client.withClient(() => Effect.interrupt).pipe(Effect.exit)
      assert.deepStrictEqual(sockets.closes, [1])
    })
  )

  it.effect("closes a socket that could not be bound, and searches on the others", () =>
    Effect.gen(function* () {
      const { port } = yield* responder((target) => reply(target, "http://127.0.0.1:1/rootDesc.xml"))
      const sockets = yield* loopbackOnly(["192.0.2.200", "127.0.0.1"])
      const found = yield* first(port)
      assert.strictEqual(found.localAddress, "127.0.0.1")
      assert.deepStrictEqual(sockets.closes, [1, 1])
    })
  )

  it.effect("survives a socket that fails more than once", () =>
    Effect.gen(function* () {
      const sockets = yield* loopbackOnly()
      yield* client.withClient(() =>
        Effect.promise(() => once(sockets.opened[0]!, "listening")).pipe(
          Effect.andThen(
            Effect.sync(() => {
              for (const each of [1, 2]) sockets.opened[0]!.emit("error", new Error(`failure ${each}`))
            })
          )
        )
      )
      assert.deepStrictEqual(sockets.closes, [1])
    })
  )
})
