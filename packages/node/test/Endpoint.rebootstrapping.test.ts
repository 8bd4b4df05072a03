import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as Bootstrap from "@qp2p/core/Bootstrap"
import * as ConnectionPool from "@qp2p/core/ConnectionPool"
import * as Endpoint from "@qp2p/core/Endpoint"
import { granted, PortMapper } from "@qp2p/core/PortMapper"
import type { WireMessage } from "@qp2p/core/WireMessage"
import { address, bytes, textOf } from "../../core/test/support/values.ts"
import * as live from "./support/quicEndpoints.ts"
import { logged } from "../../core/test/support/logs.ts"
import {
  blackhole,
  client,
  countingDials,
  endpoint,
  heal,
  onNetwork,
  refuse,
  settle
} from "../../core/test/support/memoryEndpoints.ts"
import { answering, silent } from "../../core/test/support/bareSockets.ts"

const contact = "10.0.0.2:2"

/** Where an endpoint takes itself to be, and who told. */
const place = ({ bootstrapContact, publicAddress }: Endpoint.Endpoint["Service"]) => [
  String(publicAddress),
  Option.getOrNull(Option.map(bootstrapContact, String))
]

/** Runs `effect` while ten minutes pass. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* settle
    yield* TestClock.adjust("10 minutes")
    return yield* Fiber.join(fiber)
  })

/** A contact that sees everybody at `state.seen`, and says what is reachable; it writes down what it was asked. */
const oracle = Effect.fnUntraced(function* (local: string, seen: string) {
  const state = { seen, reachable: true, asked: [] as Array<string> }
  yield* answering(local, (question): WireMessage | undefined => {
    state.asked.push("address" in question ? `${question._tag} ${question.address}` : question._tag)
    return question._tag === "EndpointEchoReq"
      ? { _tag: "EndpointEchoResp", address: address(state.seen) }
      : { _tag: "EndpointVerificationResp", reachable: state.reachable }
  })
  return state
})

describe("bootstrapping again", () => {
  it.effect("finds the contact that did not answer at the start", () =>
    Effect.gen(function* () {
      yield* refuse(contact)
      const one = yield* endpoint("10.0.0.1:1", {}, [contact])
      assert.deepStrictEqual(place(one), ["10.0.0.1:1", null])
      yield* heal
      yield* endpoint(contact)
      const outcome = yield* one.bootstrap()
      assert.strictEqual(String(outcome.publicAddress), "10.0.0.1:1")
      assert.deepStrictEqual(Option.map(outcome.contact, String), Option.some(contact))
      assert.deepStrictEqual(place(one), ["10.0.0.1:1", contact])
    }).pipe(onNetwork)
  )

  it.effect("asks the contacts that are given instead, as text or as values", () =>
    Effect.gen(function* () {
      const two = yield* oracle(contact, "198.51.100.2:2")
      yield* oracle("10.0.0.3:3", "198.51.100.3:3")
      yield* oracle("10.0.0.4:4", "198.51.100.4:4")
      const one = yield* endpoint("10.0.0.1:1", {}, [contact])
      assert.deepStrictEqual(place(one), ["198.51.100.2:2", contact])
      yield* one.bootstrap(["10.0.0.3:3"])
      assert.deepStrictEqual(place(one), ["198.51.100.3:3", "10.0.0.3:3"])
      yield* one.bootstrap([address("10.0.0.4:4")])
      assert.deepStrictEqual(place(one), ["198.51.100.4:4", "10.0.0.4:4"])
      two.seen = "198.51.100.22:22"
      yield* one.bootstrap()
      assert.deepStrictEqual(place(one), ["198.51.100.22:22", contact])
    }).pipe(onNetwork)
  )

  it.effect("keeps the public address when no contact answers, and has no contact then", () =>
    Effect.gen(function* () {
      yield* oracle(contact, "198.51.100.2:2")
      const one = yield* endpoint("10.0.0.1:1", {}, [contact])
      yield* blackhole("10.0.0.8:8")
      yield* refuse("10.0.0.9:9")
      const { lines, outcome } = yield* logged(inTime(one.bootstrap(["10.0.0.8:8", "10.0.0.9:9"])))
      assert.deepStrictEqual(lines, ["Warn: no contact could be reached 10.0.0.8:8,10.0.0.9:9"])
      assert.strictEqual(String(outcome.publicAddress), "198.51.100.2:2")
      assert.deepStrictEqual(place(one), ["198.51.100.2:2", null])
      yield* one.bootstrap()
      assert.deepStrictEqual(place(one), ["198.51.100.2:2", contact])
      yield* one.bootstrap([])
      assert.deepStrictEqual(place(one), ["198.51.100.2:2", null])
      // The endpoint works on.
      const two = yield* endpoint("10.0.0.3:3")
      yield* two.sendMessage(bytes("x"), "10.0.0.1:1")
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "x")
    }).pipe(onNetwork)
  )

  it.effect("changes nothing when it fails", () =>
    Effect.gen(function* () {
      const two = yield* oracle(contact, "198.51.100.2:2")
      yield* silent("10.0.0.3:3")
      const one = yield* endpoint("10.0.0.1:1", { rpcTimeout: "2 seconds" }, [contact])
      const before = place(one)
      two.seen = "198.51.100.5:5"
      two.reachable = false
      const unreachable = yield* Effect.flip(one.bootstrap())
      assert.strictEqual(unreachable._tag === "Unreachable" ? String(unreachable.publicAddress) : "", two.seen)
      assert.deepStrictEqual(place(one), before)
      const mute = yield* Effect.flip(inTime(one.bootstrap(["10.0.0.3:3"])))
      assert.strictEqual(mute._tag === "EndpointEchoError" ? mute.reason._tag : mute._tag, "RpcTimedOut")
      assert.deepStrictEqual(place(one), before)
      const nonsense = yield* Effect.flip(one.bootstrap([contact, "nowhere"]))
      assert.deepInclude(nonsense, { _tag: "InvalidAddress", input: "nowhere" })
      assert.deepStrictEqual(place(one), before)
    }).pipe(onNetwork)
  )

  it.effect("may ask over the connection there is, and has the address verified over a new one each time", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        yield* endpoint(contact)
        const one = yield* endpoint("10.0.0.1:1", {}, [contact])
        assert.deepStrictEqual(dials.peers, [contact, "10.0.0.1:1"])
        yield* one.bootstrap()
        yield* one.bootstrap()
        assert.deepStrictEqual(dials.peers, [contact, "10.0.0.1:1", "10.0.0.1:1", "10.0.0.1:1"])
      })
    ).pipe(onNetwork)
  )

  it.effect("happens one at a time: the second waits", () =>
    Effect.gen(function* () {
      const mute = yield* silent("10.0.0.3:3")
      const two = yield* oracle(contact, "198.51.100.2:2")
      const one = yield* endpoint("10.0.0.1:1", { rpcTimeout: "2 seconds" })
      const first = yield* Effect.forkChild(Effect.flip(one.bootstrap(["10.0.0.3:3"])))
      yield* settle
      assert.strictEqual(mute.accepted.length, 1)
      const second = yield* Effect.forkChild(one.bootstrap([contact]))
      yield* settle
      assert.deepStrictEqual(two.asked, [])
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(first))._tag, "EndpointEchoError")
      yield* Fiber.join(second)
      assert.deepStrictEqual(two.asked, ["EndpointEchoReq", "EndpointVerificationReq 198.51.100.2:2"])
      assert.deepStrictEqual(place(one), ["198.51.100.2:2", contact])
    }).pipe(onNetwork)
  )

  it.effect("can be interrupted, asking or waiting for its turn, and then changes nothing and blocks no other", () =>
    Effect.gen(function* () {
      yield* silent("10.0.0.3:3")
      const two = yield* oracle(contact, "198.51.100.2:2")
      const one = yield* endpoint("10.0.0.1:1")
      const asking = yield* Effect.forkChild(one.bootstrap(["10.0.0.3:3"]))
      yield* settle
      const waiting = yield* Effect.forkChild(one.bootstrap([contact]))
      yield* settle
      yield* Fiber.interrupt(waiting)
      yield* Fiber.interrupt(asking)
      assert.deepStrictEqual(place(one), ["10.0.0.1:1", null])
      assert.deepStrictEqual(two.asked, [])
      yield* one.bootstrap([contact])
      assert.deepStrictEqual(place(one), ["198.51.100.2:2", contact])
    }).pipe(onNetwork)
  )

  it.effect("of a client reaches a contact and asks it nothing", () =>
    Effect.gen(function* () {
      const two = yield* oracle(contact, "198.51.100.2:2")
      const three = yield* oracle("10.0.0.3:3", "198.51.100.3:3")
      const one = yield* client("10.0.0.1:1", {}, [contact])
      assert.deepStrictEqual(place(one), ["10.0.0.1:1", contact])
      const outcome = yield* one.bootstrap(["10.0.0.3:3"])
      assert.deepStrictEqual(Option.map(outcome.contact, String), Option.some("10.0.0.3:3"))
      assert.deepStrictEqual(place(one), ["10.0.0.1:1", "10.0.0.3:3"])
      assert.isTrue(Option.isSome(yield* one.connectionId("10.0.0.3:3")))
      yield* refuse("10.0.0.9:9")
      yield* one.bootstrap(["10.0.0.9:9"])
      assert.deepStrictEqual(place(one), ["10.0.0.1:1", null])
      yield* one.bootstrap()
      assert.deepStrictEqual(place(one), ["10.0.0.1:1", contact])
      yield* settle
      assert.deepStrictEqual([two.asked, three.asked], [[], []])
      yield* one.close
      assert.strictEqual((yield* Effect.flip(one.bootstrap()))._tag, "EndpointStopped")
    }).pipe(onNetwork)
  )

  it.effect("is up to the Bootstrap service that is given, which learns what was known before", () =>
    Effect.gen(function* () {
      const known: Array<Option.Option<string>> = []
      const counting = Bootstrap.Bootstrap.of({
        run: (node, contacts) =>
          Effect.sync(() => {
            known.push(Option.map(node.known, String))
            return {
              publicAddress: address(`198.51.100.9:${known.length}`),
              contact: Option.fromUndefinedOr(contacts[0])
            }
          }),
        respond: () => Effect.succeedNone
      })
      const own = Layer.provide(Endpoint.layerWithoutDependencies({ localAddress: "10.0.0.1:1" }), [
        ConnectionPool.layer,
        Layer.succeed(Bootstrap.Bootstrap, counting)
      ])
      yield* Effect.gen(function* () {
        const one = yield* Endpoint.Endpoint
        yield* one.bootstrap([contact])
        assert.deepStrictEqual(place(one), ["198.51.100.9:2", contact])
      }).pipe(Effect.provide(own))
      assert.deepStrictEqual(known, [Option.none(), Option.some("198.51.100.9:1")])
    }).pipe(onNetwork)
  )
})

describe("closing the endpoint ends bootstrapping with EndpointStopped", () => {
  const closing = Effect.fnUntraced(function* (contacts: ReadonlyArray<string>) {
    const one = yield* endpoint("10.0.0.1:1")
    const ongoing = yield* Effect.forkChild(Effect.flip(one.bootstrap(contacts)))
    const waiting = yield* Effect.forkChild(Effect.flip(one.bootstrap([contact])))
    yield* settle
    assert.isUndefined(ongoing.pollUnsafe())
    const before = place(one)
    const { lines } = yield* logged(one.close)
    assert.strictEqual((yield* Fiber.join(ongoing))._tag, "EndpointStopped")
    assert.strictEqual((yield* Fiber.join(waiting))._tag, "EndpointStopped")
    assert.deepStrictEqual(place(one), before)
    for (const later of [[contact], []]) {
      assert.strictEqual((yield* Effect.flip(one.bootstrap(later)))._tag, "EndpointStopped")
    }
    assert.deepStrictEqual(lines, [])
  })

  it.effect("while it dials", () =>
    Effect.gen(function* () {
      yield* blackhole("10.0.0.8:8")
      yield* blackhole("10.0.0.9:9")
      yield* closing(["10.0.0.8:8", "10.0.0.9:9"])
    }).pipe(onNetwork)
  )

  it.effect("while it asks", () =>
    Effect.gen(function* () {
      yield* silent("10.0.0.8:8")
      yield* closing(["10.0.0.8:8"])
    }).pipe(onNetwork)
  )

  it.effect("while it dials, and does not take the closing of the dials for the contacts' silence", () =>
    Effect.gen(function* () {
      yield* blackhole("10.0.0.8:8")
      const unmapped = yield* Deferred.make<void>()
      const slow = PortMapper.of({
        map: ({ internal }) =>
          Effect.acquireRelease(granted(internal, address("10.0.0.1:7777")), () => Deferred.await(unmapped))
      })
      const one = yield* Effect.provideService(endpoint("10.0.0.1:1", { forwardPort: true }), PortMapper, slow)
      const { lines } = yield* logged(
        Effect.gen(function* () {
          const dialling = yield* Effect.forkChild(Effect.flip(one.bootstrap(["10.0.0.8:8"])))
          yield* settle
          const close = yield* Effect.forkChild(one.close)
          yield* settle
          yield* Deferred.succeed(unmapped, undefined)
          yield* Fiber.join(close)
          assert.strictEqual((yield* Fiber.join(dialling))._tag, "EndpointStopped")
        })
      )
      assert.deepStrictEqual(lines, [])
    }).pipe(onNetwork)
  )
})

describe("over QUIC", () => {
  it.live("an endpoint on every address is no contact of its own, and bootstraps again when another one is there", () =>
    Effect.gen(function* () {
      const one = yield* live.endpoint({}, [], "0.0.0.0:0")
      const self = `127.0.0.1:${one.localAddress.port}`
      assert.isTrue(Option.isNone((yield* one.bootstrap([self])).contact))
      const two = yield* live.endpoint()
      const outcome = yield* one.bootstrap([self, two.localAddress])
      assert.deepStrictEqual(Option.map(outcome.contact, String), Option.some(String(two.localAddress)))
      assert.deepStrictEqual(place(one), [self, String(two.localAddress)])
    }).pipe(live.onLoopback)
  )

  it.live("closing while a contact is dialled ends it with EndpointStopped", () =>
    Effect.gen(function* () {
      const one = yield* live.endpoint({}, [])
      const gone = yield* live.endpoint()
      yield* gone.close
      const dialling = yield* Effect.forkChild(Effect.flip(one.bootstrap([gone.localAddress])), {
        startImmediately: true
      })
      yield* one.close
      assert.strictEqual((yield* Fiber.join(dialling))._tag, "EndpointStopped")
    }).pipe(live.onLoopback)
  )
})
