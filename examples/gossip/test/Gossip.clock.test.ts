import { assert, describe, it } from "@effect/vitest"
import { RetrySchedule } from "@qp2p/core"
import { Expect } from "@qp2p/testkit"
import { Effect, Fiber, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { hears, network, node, onNetwork, texts } from "./support.ts"

const annAt = "10.0.0.1:4433"
const bobAt = "10.0.0.2:4433"
const cidAt = "10.0.0.3:4433"

/** So rarely that it does not matter. */
const never = { interval: "1 day" } as const

describe("telling is tried again", () => {
  /** After 1 second, 2 more, 4 more and so on, without chance. */
  const doubling = Layer.succeed(RetrySchedule.RetrySchedule, (retryDuration) =>
    Schedule.exponential("1 second").pipe(Schedule.upTo({ duration: retryDuration }))
  )

  it.effect("as the schedule says, while the peer refuses", () =>
    Effect.gen(function* () {
      const { heal, refuse, setLatency } = yield* network
      const bob = yield* node({ localAddress: bobAt, ...never })
      yield* refuse(bobAt)
      const ann = yield* node({ localAddress: annAt, contacts: [bobAt], ...never })
      yield* setLatency("50 millis")
      // Each refusal takes 100 ms, so she dials after 0, 1.1 and 3.2 seconds, and then after 7.3.
      yield* ann.publish("news")
      yield* TestClock.adjust("5 seconds")
      yield* heal
      // Two ways for the handshake, and one for the message.
      yield* TestClock.adjust("2449 millis")
      assert.deepStrictEqual(yield* texts(bob), [])
      yield* TestClock.adjust("1 milli")
      assert.deepStrictEqual(yield* texts(bob), ["news"])
    }).pipe(Effect.provide(doubling), onNetwork)
  )

  it.effect("as the schedule says, after dials that nobody answered", () =>
    Effect.gen(function* () {
      const { blackhole, heal, setLatency } = yield* network
      const config = { handshakeTimeout: "4 seconds" } as const
      const bob = yield* node({ localAddress: bobAt, ...never })
      yield* blackhole(bobAt)
      const starting = yield* Effect.forkChild(node({ localAddress: annAt, contacts: [bobAt], config, ...never }))
      yield* TestClock.adjust("4 seconds")
      const ann = yield* Fiber.join(starting)
      yield* setLatency("50 millis")
      // She gives up after 4 seconds, dials after 5, gives up after 9, and dials after 11.
      yield* ann.publish("news")
      yield* TestClock.adjust("10 seconds")
      yield* heal
      yield* TestClock.adjust("1149 millis")
      assert.deepStrictEqual(yield* texts(bob), [])
      yield* TestClock.adjust("1 milli")
      assert.deepStrictEqual(yield* texts(bob), ["news"])
    }).pipe(Effect.provide(doubling), onNetwork)
  )

  it.effect("for retryDuration; after that it comes with an exchange", () =>
    Effect.gen(function* () {
      const { heal, refuse, setLatency } = yield* network
      const bob = yield* node({ localAddress: bobAt, ...never })
      yield* refuse(bobAt)
      const config = { retryDuration: "30 seconds" } as const
      const ann = yield* node({ localAddress: annAt, contacts: [bobAt], interval: "10 minutes", config })
      yield* setLatency("50 millis")
      yield* ann.publish("news")
      yield* TestClock.adjust("1 minute")
      yield* heal
      yield* TestClock.adjust("9 minutes")
      assert.deepStrictEqual(yield* texts(bob), [])
      // Handshake, its acceptance, digest, answer, and what Bob wants.
      yield* TestClock.adjust("349 millis")
      assert.deepStrictEqual(yield* texts(bob), [])
      yield* TestClock.adjust("1 milli")
      assert.deepStrictEqual(yield* texts(bob), ["news"])
    }).pipe(Effect.provide(doubling), onNetwork)
  )
})

describe("a partition", () => {
  it.effect("divides what is known, and is made up for when it is over", () =>
    Effect.gen(function* () {
      const { heal, partition, setLatency } = yield* network
      const interval = "1 minute"
      const ann = yield* node({ localAddress: annAt, interval })
      const bob = yield* node({ localAddress: bobAt, contacts: [annAt], interval })
      const cid = yield* node({ localAddress: cidAt, contacts: [bobAt], interval })
      yield* setLatency("50 millis")

      yield* partition(annAt, [bobAt, cidAt])
      yield* ann.publish("here")
      yield* cid.publish("there")
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(yield* texts(ann), ["here"])
      assert.deepStrictEqual([yield* texts(bob), yield* texts(cid)], [["there"], ["there"]])
      yield* Expect.disconnection(bob.endpoint, { from: annAt, reason: "IdleTimedOut", skipOthers: true })

      yield* heal
      yield* TestClock.adjust("2 minutes")
      for (const each of [ann, bob, cid]) assert.sameMembers([...(yield* texts(each))], ["here", "there"])
    }).pipe(onNetwork)
  )

  it.effect("that is short is outlived by the connections", () =>
    Effect.gen(function* () {
      const { heal, partition } = yield* network
      const ann = yield* node({ localAddress: annAt, ...never })
      const bob = yield* node({ localAddress: bobAt, contacts: [annAt], ...never })
      yield* partition(annAt, bobAt)
      yield* ann.publish("news")
      yield* TestClock.adjust("50 seconds")
      assert.deepStrictEqual(yield* texts(bob), [])
      yield* heal
      yield* hears(bob, "news")
    }).pipe(onNetwork)
  )
})

it.effect("a connection that is lost at one end is replaced, and what went into it comes with an exchange", () =>
  Effect.gen(function* () {
    const { kill } = yield* network
    const ann = yield* node({ localAddress: annAt, interval: "5 seconds" })
    const bob = yield* node({ localAddress: bobAt, contacts: [annAt], ...never })
    yield* kill(annAt, bobAt)
    yield* Expect.disconnection(ann.endpoint, { from: bobAt, reason: "TransportClosed", skipOthers: true })
    // Ann knows that it is lost, and Bob does not.
    yield* ann.publish("from Ann")
    yield* hears(bob, "from Ann")
    yield* bob.publish("from Bob")
    yield* TestClock.adjust("5 seconds")
    yield* hears(ann, "from Bob")
  }).pipe(onNetwork)
)

it.effect("a peer that does not come back is forgotten, a contact is not", () =>
  Effect.gen(function* () {
    const ann = yield* node({ localAddress: annAt })
    const bob = yield* node({ localAddress: bobAt, contacts: [annAt] })
    const [annId, bobId] = [ann.endpoint.peerId, bob.endpoint.peerId]
    assert.deepStrictEqual([yield* ann.peers, yield* bob.peers], [[bobId], [annId]])
    yield* (yield* network).partition(annAt, bobAt)
    yield* TestClock.adjust("10 minutes")
    assert.deepStrictEqual([yield* ann.peers, yield* bob.peers], [[], [annId]])
  }).pipe(onNetwork)
)
