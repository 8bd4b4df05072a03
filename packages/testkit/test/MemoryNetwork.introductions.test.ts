/**
 * Endpoints on networks as they are in life: most behind gateways, few in the open.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Endpoint from "@qp2p/core/Endpoint"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import type { NatKind } from "../src/Gateway.ts"
import { MemoryNetwork } from "../src/MemoryNetwork.ts"
import * as TestPortMapper from "../src/TestPortMapper.ts"
import { behind, endpointOn, gateway, mappedEndpointOn, open } from "./support/hosts.ts"
import { provide, text } from "./support/recordingSockets.ts"

type Service = Endpoint.Endpoint["Service"]

const kinds: ReadonlyArray<NatKind> = ["FullCone", "AddressRestricted", "PortRestricted", "Symmetric"]
const contacts = ["198.51.100.1:4433"]

/** What becomes of something that takes its time, with some time gone by. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.result(effect))
    yield* TestClock.adjust("20 seconds")
    return yield* Fiber.join(fiber)
  })

/** What something that takes its time answers. */
const answer = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.map(inTime(effect), Result.getOrThrow)

const reachable = (from: Service, to: string) =>
  Effect.map(inTime(from.isReachable(to)), (result) => Result.isSuccess(result))

const config = { retryDuration: 0 }

describe.each(kinds)("behind a %s gateway an endpoint", (kind) => {
  const symmetric = kind === "Symmetric"

  const scene = Effect.gen(function* () {
    const network = yield* MemoryNetwork
    yield* network.setLatency("10 millis")
    const home = yield* gateway({ address: "203.0.113.1", kind })
    const contact = yield* endpointOn(open("198.51.100.1"), { config })
    const stranger = yield* endpointOn(open("198.51.100.2"), { config })
    return { home, host: behind(home, "192.168.1.2"), contact, stranger }
  })

  it.effect("learns from its contact where it is seen, and is reached there by those who may", () =>
    Effect.gen(function* () {
      const { contact, host, stranger } = yield* scene
      const inside = yield* answer(endpointOn(host, { contacts }))
      const address = symmetric ? "203.0.113.1:1024" : "203.0.113.1:4433"
      assert.strictEqual(String(inside.localAddress), "0.0.0.0:4433")
      assert.strictEqual(String(inside.publicAddress), address)
      // The contact's word is worth as much as the contact's way in: the gateway knows its socket by now.
      assert.deepStrictEqual(Option.map(inside.bootstrapContact, String), Option.some("198.51.100.1:4433"))
      assert.isTrue(yield* reachable(contact, address))
      assert.strictEqual(yield* reachable(stranger, address), kind === "FullCone")
      // Whom it has sent to may come in, unless it was seen at another port there.
      yield* answer(inside.connectTo("198.51.100.2:4433"))
      assert.strictEqual(yield* reachable(stranger, address), !symmetric)
    }).pipe(provide)
  )

  it.effect("is reached by everybody at a port that it has mapped", () =>
    Effect.gen(function* () {
      const { contact, host, stranger } = yield* scene
      const inside = yield* mappedEndpointOn(host, {
        contacts,
        config: { forwardPort: true, externalPort: 5000 }
      }).pipe(Effect.provide(TestPortMapper.layerHost(host)), answer)
      assert.strictEqual(String(inside.publicAddress), "203.0.113.1:5000")
      const connection = yield* answer(stranger.connectTo(inside.publicAddress))
      assert.strictEqual(String(connection.remoteAddress), "203.0.113.1:5000")
      yield* answer(connection.send(text("hello")))
      const message = yield* inside.nextMessage
      assert.strictEqual(String(message.peer), "198.51.100.2:4433")
      // And back over the same connection.
      yield* answer(inside.trySendMessage(text("hello yourself"), message.peer))
      assert.strictEqual(String((yield* stranger.nextMessage).peer), "203.0.113.1:5000")
      assert.isTrue(yield* reachable(contact, "203.0.113.1:5000"))
    }).pipe(provide)
  )

  it.effect("keeps its port open for as long as it lives, by keeping its connection with the contact alive", () =>
    Effect.gen(function* () {
      const { contact, host } = yield* scene
      const inside = yield* answer(endpointOn(host, { contacts }))
      yield* TestClock.adjust("1 hour")
      yield* answer(contact.trySendMessage(text("still there?"), inside.publicAddress))
      assert.strictEqual(String((yield* inside.nextMessage).peer), "198.51.100.1:4433")
    }).pipe(provide)
  )

  it.effect("goes on with its connections when the gateway has lost its power, and is known by its new address", () =>
    Effect.gen(function* () {
      const { contact, home, host } = yield* scene
      const inside = yield* answer(endpointOn(host, { contacts }))
      const { id } = yield* contact.nextConnection
      yield* home.restart("203.0.113.99")
      const sent = yield* Effect.forkChild(contact.trySendMessage(text("into the dark"), inside.publicAddress))
      yield* TestClock.adjust("40 seconds")
      yield* Fiber.join(sent)
      assert.deepStrictEqual((yield* inside.nextMessage).payload, text("into the dark"))
      const moved = symmetric ? "203.0.113.99:1025" : "203.0.113.99:4433"
      assert.deepStrictEqual(Option.map(yield* contact.addressOf(id), String), Option.some(moved))
      yield* answer(contact.trySendMessage(text("to the new address"), moved))
      assert.deepStrictEqual((yield* inside.nextMessage).payload, text("to the new address"))
      yield* answer(inside.trySendMessage(text("and back"), "198.51.100.1:4433"))
      assert.strictEqual(String((yield* contact.nextMessage).peer), moved)
      // It is the same connection as before.
      assert.deepStrictEqual(yield* contact.connectionId(moved), Option.some(id))
    }).pipe(provide)
  )
})

describe("two endpoints that were introduced by a contact", () => {
  /** Both know where the contact sees the other. */
  const introduced = Effect.fnUntraced(function* (one: NatKind, two: NatKind) {
    const network = yield* MemoryNetwork
    yield* network.setLatency("50 millis")
    yield* endpointOn(open("198.51.100.1"))
    const homes = [
      yield* gateway({ address: "203.0.113.1", kind: one }),
      yield* gateway({ address: "203.0.113.2", kind: two })
    ]
    const endpoints: Array<Service> = []
    for (const home of homes) {
      endpoints.push(yield* answer(endpointOn(behind(home, "192.168.1.2"), { contacts, config })))
    }
    const [a, b] = endpoints as [Service, Service]
    return { a, b }
  })

  /** Whether each of the dials gets through. */
  const through = (...dials: ReadonlyArray<ReturnType<Service["connectTo"]>>) =>
    Effect.map(answer(Effect.forEach(dials, (dial) => Effect.result(dial), { concurrency: "unbounded" })), (results) =>
      results.map((result) => Result.isSuccess(result))
    )

  const talk = Effect.fnUntraced(function* (from: Service, to: Service, where: Endpoint.Address = to.publicAddress) {
    yield* answer(from.trySendMessage(text("through"), where))
    assert.deepStrictEqual((yield* to.nextMessage).payload, text("through"))
  })

  /** Whether dialling each other at once gets two of these kinds through. */
  const expected: ReadonlyArray<readonly [NatKind, NatKind, boolean]> = [
    ["PortRestricted", "PortRestricted", true],
    ["PortRestricted", "AddressRestricted", true],
    ["AddressRestricted", "AddressRestricted", true],
    ["FullCone", "Symmetric", true],
    ["AddressRestricted", "Symmetric", true],
    ["PortRestricted", "Symmetric", false],
    ["Symmetric", "Symmetric", false]
  ]

  it.effect.each(expected)("get through %s and %s gateways: %s", ([one, two, expected]) =>
    Effect.gen(function* () {
      const { a, b } = yield* introduced(one, two)
      const [there, back] = yield* through(a.connectTo(b.publicAddress), b.connectTo(a.publicAddress))
      // Never to behind a symmetric one: nobody but the contact knows its port.
      assert.deepStrictEqual([there, back], [expected && two !== "Symmetric", expected && one !== "Symmetric"])
      if (there === true) yield* talk(a, b)
      if (back === true) yield* talk(b, a)
    }).pipe(provide)
  )

  it.effect("get through also when one dials later: what was turned away is sent again", () =>
    Effect.gen(function* () {
      const { a, b } = yield* introduced("PortRestricted", "PortRestricted")
      const later = Effect.delay(b.connectTo(a.publicAddress), "2500 millis")
      assert.deepStrictEqual(yield* through(a.connectTo(b.publicAddress), later), [true, true])
      yield* talk(a, b)
      yield* talk(b, a)
    }).pipe(provide)
  )

  it.effect("do not when only one dials", () =>
    Effect.gen(function* () {
      const { a, b } = yield* introduced("PortRestricted", "PortRestricted")
      assert.deepStrictEqual(yield* through(a.connectTo(b.publicAddress)), [false])
    }).pipe(provide)
  )
})
