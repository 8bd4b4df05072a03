/**
 * The connections that an application is told of: which there are, who made them, and which was the last with a peer.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { ApplicationClosed } from "../src/Close.ts"
import type { Endpoint } from "../src/Endpoint.ts"
import type * as EndpointConfig from "../src/EndpointConfig.ts"
import { overloaded } from "../src/ErrorCode.ts"
import { encode } from "../src/WireMessage.ts"
import { bytes, textOf } from "./support/values.ts"
import { client, countingDials, endpoint, onNetwork, pair, setLatency, settle } from "./support/memoryEndpoints.ts"
import { raw } from "./support/bareSockets.ts"
import { follow } from "./support/roster.ts"

const here = "10.0.0.1:1"
const there = "10.0.0.2:2"

const listed = (from: Endpoint["Service"]) =>
  Effect.map(from.connections, (all) => all.map(({ direction, remoteAddress }) => `${direction} ${remoteAddress}`))

const ignored = { onData: () => true, onEnd: () => {} }

describe("the list of connections", () => {
  it.effect("has those of both directions for as long as they can be used", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const three = yield* client("10.0.0.3:3")
      assert.deepStrictEqual(yield* listed(one), [])
      const dialled = yield* one.connectTo(there)
      yield* three.connectTo(here)
      yield* settle
      assert.deepStrictEqual(yield* listed(one), [`Outbound ${there}`, "Inbound 10.0.0.3:3"])
      assert.deepStrictEqual(yield* listed(two), [`Inbound ${here}`])
      assert.isTrue((yield* one.connections)[0] === dialled)
      assert.isTrue((yield* one.connections)[1] === (yield* one.nextConnection))
      yield* three.close
      yield* settle
      assert.deepStrictEqual(yield* listed(one), [`Outbound ${there}`])
      yield* dialled.close()
      yield* settle
      assert.deepStrictEqual([yield* listed(one), yield* listed(two)], [[], []])
      yield* one.close
      assert.deepStrictEqual(yield* listed(one), [])
    }).pipe(onNetwork)
  )

  it.effect("has several with one peer, each once", () =>
    Effect.gen(function* () {
      const two = yield* endpoint(there)
      const stranger = yield* raw(here)
      for (let i = 0; i < 3; i++) yield* stranger.dial(there)
      yield* settle
      const all = yield* two.connections
      assert.strictEqual(all.length, 3)
      assert.strictEqual(new Set(all).size, 3)
    }).pipe(onNetwork)
  )
})

describe("a connection that is made for verification", () => {
  for (const latency of ["0 millis", "50 millis"] as const) {
    it.effect(`appears on neither side, ${latency} away, while the application takes all that comes`, () =>
      countingDials((dials) =>
        Effect.gen(function* () {
          const [one, two] = yield* pair()
          const rosters = yield* Effect.all([follow(one), follow(two)])
          yield* setLatency(latency)
          const asking = yield* Effect.forkChild(
            Effect.gen(function* () {
              for (let i = 0; i < 3; i++) yield* one.isReachable(there)
              yield* one.connectTo(there)
              for (let i = 0; i < 3; i++) yield* two.isReachable(here)
              for (let i = 0; i < 3; i++) yield* one.isReachable(there)
            })
          )
          const seen = new Set<number>()
          for (let i = 0; i < 400 && asking.pollUnsafe() === undefined; i++) {
            for (const each of [one, two]) seen.add((yield* each.connections).length)
            yield* TestClock.adjust("10 millis")
            yield* settle
          }
          yield* TestClock.adjust("1 second")
          yield* settle
          assert.isDefined(asking.pollUnsafe())
          assert.strictEqual(dials.peers.length, 10)
          // The one that was meant to be, and no other.
          assert.isAtMost(Math.max(...seen), 1)
          assert.deepStrictEqual(
            rosters.map(({ came, went }) => [came.map(({ remoteAddress }) => `${remoteAddress}`), went]),
            [
              [[], []],
              [[here], []]
            ]
          )
        })
      ).pipe(onNetwork)
    )
  }

  it.effect("is closed again each time", () =>
    Effect.gen(function* () {
      const one = yield* endpoint(here, { maxConnections: 1 })
      const two = yield* endpoint(there, { maxConnections: 1 })
      for (let i = 0; i < 3; i++) {
        yield* one.isReachable(there)
        yield* two.isReachable(here)
        yield* settle
      }
    }).pipe(onNetwork)
  )

  it.effect("does not drop a live contact from a roster that is kept by disconnections", () =>
    Effect.gen(function* () {
      const two = yield* endpoint(there)
      const one = yield* endpoint(here, {}, [there])
      const contact = Option.map(one.bootstrapContact, String)
      assert.deepStrictEqual(contact, Option.some(there))
      const roster = yield* follow(one)
      roster.peers.add(there)
      yield* one.bootstrap()
      yield* two.isReachable(here)
      yield* settle
      assert.deepStrictEqual([...roster.peers], [there])
      assert.deepStrictEqual([roster.came, roster.went], [[], []])
      assert.deepStrictEqual(yield* listed(one), [`Outbound ${there}`])
      yield* one.sendMessage(bytes("still there"), there)
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "still there")
    }).pipe(onNetwork)
  )

  const ask = encode({ _tag: "EndpointEchoReq" })

  /** Dials and asks for an echo with the handshake. */
  const dialWithEcho = (stranger: Effect.Success<ReturnType<typeof raw>>) =>
    stranger.dial(there, (made) => made.openBi(0, ignored).send.write(ask, true, () => {}))

  /** A stranger that asks for an echo: in the turn that completes its handshake, or later. */
  const echoing = Effect.fnUntraced(function* (when: "at once" | "later", config: EndpointConfig.Input = {}) {
    const two = yield* endpoint(there, config)
    const roster = yield* follow(two)
    const stranger = yield* raw(here)
    const connection = yield* when === "at once" ? dialWithEcho(stranger) : stranger.dial(there)
    yield* settle
    if (when === "later") connection.openBi(0, ignored).send.write(ask, true, () => {})
    yield* settle
    return { two, roster, stranger, connection }
  })

  it.effect("is told of when anything else comes on it, before that is handed over", () =>
    Effect.gen(function* () {
      const { connection, roster, two } = yield* echoing("at once")
      assert.deepStrictEqual([roster.came, yield* listed(two)], [[], []])
      connection.openUni(0).write(encode({ _tag: "UserMessage", payload: bytes("more") }), true, () => {})
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "more")
      assert.deepStrictEqual([roster.came.length, yield* listed(two)], [1, [`Inbound ${here}`]])
      assert.isTrue(Option.isSome(yield* two.connectionId(here)))
      connection.close(0, "")
      yield* settle
      assert.deepStrictEqual(
        roster.went.map(({ last, peer }) => [`${peer}`, last]),
        [[here, true]]
      )
    }).pipe(onNetwork)
  )

  it.effect("is told of when it asks to have an address verified: that is what who joins a network does", () =>
    Effect.gen(function* () {
      const { connection, roster, stranger } = yield* echoing("at once")
      const question = encode({ _tag: "EndpointVerificationReq", address: stranger.address })
      connection.openBi(0, ignored).send.write(question, true, () => {})
      yield* settle
      assert.strictEqual(roster.came.length, 1)
    }).pipe(onNetwork)
  )

  it.effect("that asks later than in its handshake is told of like any other, and so is its end", () =>
    Effect.gen(function* () {
      const { connection, roster, two } = yield* echoing("later")
      assert.deepStrictEqual([roster.came.length, yield* listed(two)], [1, [`Inbound ${here}`]])
      connection.close(0, "")
      yield* settle
      assert.strictEqual(roster.went.length, 1)
    }).pipe(onNetwork)
  )

  it.effect("is forgotten with its end if it was not announced and nothing else came on it", () =>
    Effect.gen(function* () {
      const two = yield* endpoint(there)
      const stranger = yield* raw(here)
      const live = yield* stranger.dial(there)
      live.openUni(0).write(encode({ _tag: "UserMessage", payload: bytes("live") }), true, () => {})
      const visitor = yield* stranger.dial(there)
      yield* settle
      visitor.openBi(0, ignored).send.write(encode({ _tag: "EndpointEchoReq" }), true, () => {})
      yield* settle
      visitor.close(0, "")
      yield* settle
      // What an application has not been told of it is not told the end of.
      const roster = yield* follow(two)
      yield* settle
      assert.deepStrictEqual([roster.came.length, roster.went], [1, []])
      live.close(0, "")
      yield* settle
      assert.deepStrictEqual(
        roster.went.map(({ last }) => last),
        [true]
      )
    }).pipe(onNetwork)
  )

  it.effect("is closed after rpcTimeout if its peer does not close it, and its end is not reported", () =>
    Effect.gen(function* () {
      const { roster, stranger, two } = yield* echoing("at once", { rpcTimeout: "3 seconds" })
      yield* TestClock.adjust("2999 millis")
      yield* settle
      assert.deepStrictEqual(stranger.closes, [])
      yield* TestClock.adjust("1 millis")
      yield* settle
      assert.deepStrictEqual(stranger.closes, [new ApplicationClosed({ code: 0, detail: "" })])
      assert.deepStrictEqual([roster.came, roster.went, yield* listed(two)], [[], [], []])
    }).pipe(onNetwork)
  )

  it.effect("stays open after rpcTimeout when anything else came on it before", () =>
    Effect.gen(function* () {
      const { connection, roster, stranger } = yield* echoing("at once", { rpcTimeout: "3 seconds" })
      connection.openUni(0).write(encode({ _tag: "UserMessage", payload: bytes("more") }), true, () => {})
      yield* settle
      yield* TestClock.adjust("10 seconds")
      yield* settle
      assert.deepStrictEqual(stranger.closes, [])
      assert.strictEqual(roster.came.length, 1)
    }).pipe(onNetwork)
  )

  it.effect("is closed by disconnectFrom and by the end of the endpoint, and its end is not reported", () =>
    Effect.gen(function* () {
      for (const end of ["disconnectFrom", "close"] as const) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { roster, stranger, two } = yield* echoing("at once")
            yield* two.disconnectFrom("10.0.0.9:9")
            yield* settle
            assert.deepStrictEqual(stranger.closes, [])
            yield* end === "close" ? two.close : two.disconnectFrom(here)
            yield* settle
            assert.deepStrictEqual(
              stranger.closes.map(({ _tag }) => _tag),
              ["ApplicationClosed"]
            )
            assert.deepStrictEqual([roster.came, roster.went], [[], []])
          })
        )
      }
    }).pipe(onNetwork)
  )

  it.effect("takes a place in the queue of inbound connections, since it may still be announced", () =>
    Effect.gen(function* () {
      const two = yield* endpoint(there, { messageBuffer: 3 })
      // An application that has taken a connection once and then stops.
      const first = yield* raw("10.0.0.3:3")
      yield* first.dial(there)
      yield* two.nextConnection
      const stranger = yield* raw(here)
      const held = yield* Effect.forEach([1, 2, 3], () => dialWithEcho(stranger))
      yield* settle
      assert.deepStrictEqual(first.closes, [])
      const later = yield* raw("10.0.0.4:4")
      yield* later.dial(there)
      yield* settle
      assert.deepStrictEqual(
        later.closes.map((close) => (close._tag === "ApplicationClosed" ? close.code : close._tag)),
        [overloaded]
      )
      for (const connection of held) {
        connection.openUni(0).write(encode({ _tag: "UserMessage", payload: bytes("more") }), true, () => {})
      }
      // One peer may fill only a part of the queue of messages.
      for (let i = 0; i < 3; i++) assert.strictEqual(textOf((yield* two.nextMessage).payload), "more")
      yield* settle
      assert.deepStrictEqual(stranger.closes, [])
      // A place is free again when a verification ends.
      for (let i = 0; i < 3; i++) yield* two.nextConnection
      const [one] = yield* Effect.forEach([1, 2, 3], () => dialWithEcho(stranger))
      yield* settle
      one!.close(0, "")
      yield* settle
      yield* first.dial(there)
      yield* settle
      assert.deepStrictEqual(first.closes, [])
      assert.strictEqual((yield* two.nextConnection).remoteAddress.toString(), "10.0.0.3:3")
    }).pipe(onNetwork)
  )

  it.effect("is none if nothing at all came on it: its end is told", () =>
    Effect.gen(function* () {
      const two = yield* endpoint(there)
      const stranger = yield* raw(here)
      const visitor = yield* stranger.dial(there)
      visitor.close(0, "")
      yield* settle
      assert.strictEqual((yield* two.nextDisconnection).last, true)
    }).pipe(onNetwork)
  )
})

describe("a disconnection", () => {
  it.effect("says whether it was the last one with its peer", () =>
    Effect.gen(function* () {
      const two = yield* endpoint(there)
      const [stranger, other] = yield* Effect.all([raw(here), raw("10.0.0.3:3")])
      const [first, second] = [yield* stranger.dial(there), yield* stranger.dial(there)]
      yield* other.dial(there)
      yield* settle
      first.close(0, "")
      yield* settle
      second.close(0, "")
      yield* settle
      const ends = [yield* two.nextDisconnection, yield* two.nextDisconnection]
      assert.deepStrictEqual(
        ends.map(({ last, peer }) => [`${peer}`, last]),
        [
          [here, false],
          [here, true]
        ]
      )
    }).pipe(onNetwork)
  )

  it.effect("is the last for one of several that end together, and for no more", () =>
    Effect.gen(function* () {
      const two = yield* endpoint(there)
      const stranger = yield* raw(here)
      for (let i = 0; i < 3; i++) yield* stranger.dial(there)
      yield* settle
      yield* setLatency("1 second")
      // Sends that fail with their connections tell of the loss of each before its end comes.
      for (const connection of yield* two.connections) yield* Effect.forkChild(connection.send(bytes("lost")))
      yield* settle
      yield* two.disconnectFrom(here)
      const ends = [yield* two.nextDisconnection, yield* two.nextDisconnection, yield* two.nextDisconnection]
      assert.deepStrictEqual(
        ends.map(({ last }) => last),
        [false, false, true]
      )
    }).pipe(onNetwork)
  )
})
