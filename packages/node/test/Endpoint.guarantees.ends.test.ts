/**
 * What docs/guarantees.md says of ends, silences and full queues, where no other test shows it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { Endpoint } from "@qp2p/core/Endpoint"
import type { BackingConnection, StreamFailure } from "@qp2p/core/Transport"
import { bytes, textOf } from "../../core/test/support/values.ts"
import {
  apart,
  blackhole,
  countingDials,
  endpoint,
  heal,
  kill,
  lossOf,
  onNetwork,
  pair,
  peer,
  settle,
  sha256,
  taken,
  takenTexts
} from "../../core/test/support/memoryEndpoints.ts"
import { raw } from "../../core/test/support/bareSockets.ts"
import { pattern } from "./support/quicSockets.ts"

describe("the end of a connection", () => {
  const confirmed = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]

  /** Sends more than there is room for at the receiver; all of it is confirmed. */
  const lagging = Effect.gen(function* () {
    // Room for two messages of a peer: the rest is for others.
    const [one, two] = yield* pair({}, { messageBuffer: 4 })
    for (const text of confirmed) yield* one.sendMessage(bytes(text), peer)
    return { one, two }
  })

  const ends: ReadonlyArray<readonly [how: string, end: (one: Endpoint["Service"]) => ReturnType<typeof kill>]> = [
    ["by the peer", (one) => one.disconnectFrom(peer)],
    ["by the end of the peer's endpoint", (one) => one.close],
    ["by a failure", () => kill(peer, "10.0.0.1:1")],
    ["by silence", () => Effect.andThen(blackhole("10.0.0.1:1"), TestClock.adjust("2 minutes"))]
  ]
  for (const [how, end] of ends) {
    it.effect(`${how} leaves every confirmed message to be taken, with those that had found no room`, () =>
      Effect.gen(function* () {
        const { one, two } = yield* lagging
        yield* end(one)
        yield* two.nextDisconnection
        assert.deepStrictEqual((yield* takenTexts(two)).toSorted(), confirmed)
      }).pipe(onNetwork)
    )
  }

  it.effect("by this side drops what had found no room, though it was confirmed", () =>
    Effect.gen(function* () {
      const { two } = yield* lagging
      yield* two.disconnectFrom("10.0.0.1:1")
      assert.deepStrictEqual(yield* takenTexts(two), ["0", "1"])
    }).pipe(onNetwork)
  )

  it.effect("by the peer fails connection.send, and sends a sendMessage again over a new connection, at once", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const { connection, one, two } = yield* apart
        const sending = yield* Effect.forkChild(one.sendMessage(bytes("again"), peer))
        const once = yield* Effect.forkChild(Effect.flip(connection.send(bytes("once"))))
        yield* settle
        yield* two.disconnectFrom("10.0.0.1:1")
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(sending)
        assert.strictEqual(lossOf(yield* Fiber.join(once)), "ConnectionClosed")
        assert.deepStrictEqual(yield* takenTexts(two), ["again"])
        // Closed after 50 ms, when the news comes.
        assert.deepStrictEqual(dials.times, [0, 50])
      })
    ).pipe(onNetwork)
  )

  it.effect("by this side's disconnectFrom does so too: what is still being sent dials again", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const { connection, one, two } = yield* apart
        yield* blackhole(peer)
        const sending = yield* Effect.forkChild(one.sendMessage(bytes("again"), peer))
        const once = yield* Effect.forkChild(Effect.flip(connection.send(bytes("once"))))
        yield* settle
        yield* one.disconnectFrom(peer)
        yield* heal
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(sending)
        assert.strictEqual(lossOf(yield* Fiber.join(once)), "ConnectionClosed")
        assert.deepStrictEqual(yield* takenTexts(two), ["again"])
        assert.strictEqual(dials.peers.length, 2)
      })
    ).pipe(onNetwork)
  )

  it.effect("by close drops what is not acknowledged: every such send fails, and what arrives arrives whole", () =>
    Effect.gen(function* () {
      const { connection, one, two } = yield* apart
      const sends = yield* Effect.forEach(Array.from({ length: 20 }), (_, i) =>
        Effect.forkChild(i % 2 === 0 ? one.sendMessage(pattern(100_000), peer) : connection.send(pattern(100_000)))
      )
      yield* TestClock.adjust("110 millis")
      const done = sends.filter((send) => send.pollUnsafe() !== undefined).length
      yield* one.close
      for (const send of sends.slice(done)) {
        assert.strictEqual(lossOf(yield* Effect.flip(Fiber.join(send))), "EndpointStopped")
      }
      yield* TestClock.adjust("1 minute")
      const arrived = yield* taken(two)
      assert.isAbove(done, 0)
      assert.isAtLeast(arrived.length, done)
      assert.isBelow(arrived.length, 20)
      for (const payload of arrived) assert.strictEqual(sha256(payload), sha256(pattern(100_000)))
    }).pipe(onNetwork)
  )
})

describe("a send", () => {
  it.effect("waits as long as the peer lives and takes nothing: there is no deadline", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({ retryDuration: "1 second" }, { messageBuffer: 1 })
      yield* one.sendMessage(bytes("takes the room"), peer)
      const sending = yield* Effect.forkChild(one.sendMessage(pattern(1_000_000), peer))
      yield* settle
      yield* TestClock.adjust("6 hours")
      assert.isUndefined(sending.pollUnsafe())
      yield* two.nextMessage
      assert.strictEqual((yield* two.nextMessage).payload.length, 1_000_000)
      yield* Fiber.join(sending)
    }).pipe(onNetwork)
  )
})

describe("a silence", () => {
  it.effect("that is shorter than the idle timeout costs time only", () =>
    Effect.gen(function* () {
      const { connection, one, two } = yield* apart
      const back = yield* two.nextConnection
      yield* blackhole(peer)
      const sends = yield* Effect.all([
        Effect.forkChild(connection.send(pattern(500_000))),
        Effect.forkChild(back.send(pattern(500_000)))
      ])
      yield* TestClock.adjust("55 seconds")
      for (const send of sends) assert.isUndefined(send.pollUnsafe())
      yield* heal
      yield* TestClock.adjust("1 minute")
      yield* Fiber.joinAll(sends)
      for (const node of [one, two])
        assert.deepStrictEqual((yield* taken(node)).map(sha256), [sha256(pattern(500_000))])
    }).pipe(onNetwork)
  )
})

describe("a stream of messages that is left early", () => {
  it.effect("takes a batch, and what is left of it is lost with the stream", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      for (const text of ["a", "b", "c"]) yield* one.sendMessage(bytes(text), peer)
      const first = yield* Stream.runCollect(Stream.take(two.incomingMessages, 1))
      assert.deepStrictEqual(
        first.map(({ payload }) => textOf(payload)),
        ["a"]
      )
      assert.deepStrictEqual(yield* takenTexts(two), [])
    }).pipe(onNetwork)
  )
})

describe("an endpoint whose application falls behind", () => {
  /** How the connection ended that a newcomer gets. */
  const welcome = Effect.fnUntraced(function* (local: string) {
    const newcomer = yield* endpoint(local)
    const connection = yield* newcomer.connectTo("10.0.0.1:1")
    yield* settle
    return yield* Effect.timeoutOption(connection.closed, 0)
  })
  const overloaded = { _tag: "ApplicationClosed", code: 3 } as const

  it.effect("with messages closes new connections with code 3, until it has caught up", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1", { messageBuffer: 1 })
      const two = yield* endpoint(peer)
      for (let i = 0; i < 3; i++) yield* two.sendMessage(bytes(String(i)), "10.0.0.1:1")
      // Those of other addresses have nothing to do with it.
      assert.deepInclude(Option.getOrThrow(yield* welcome("10.0.0.2:3")), overloaded)
      assert.isTrue(Option.isNone(yield* welcome("10.0.0.4:4")))
      assert.lengthOf(yield* taken(one), 3)
      assert.isTrue(Option.isNone(yield* welcome("10.0.0.2:4")))
    }).pipe(onNetwork)
  )

  it.effect("with disconnections that it follows closes new connections with code 3, until it has caught up", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1", { messageBuffer: 1 })
      const first = yield* Effect.forkChild(one.nextDisconnection)
      yield* settle
      for (const local of ["10.0.0.3:3", "10.0.0.4:4"]) {
        const node = yield* endpoint(local)
        yield* node.connectTo("10.0.0.1:1")
        yield* node.close
        yield* settle
      }
      yield* Fiber.join(first)
      assert.deepInclude(Option.getOrThrow(yield* welcome("10.0.0.5:5")), overloaded)
      yield* one.nextDisconnection
      assert.isTrue(Option.isNone(yield* welcome("10.0.0.6:6")))
    }).pipe(onNetwork)
  )

  /** Peers that dial, and close their connections again. */
  const visits = (count: number) =>
    Effect.forEach(
      Array.from({ length: count }, (_, i) => `10.0.0.${i + 10}:1`),
      Effect.fnUntraced(function* (local) {
        const node = yield* endpoint(local)
        yield* node.connectTo("10.0.0.1:1")
        yield* settle
        yield* node.close
        yield* settle
      }),
      { discard: true }
    )

  const takenConnections = Effect.fnUntraced(function* (from: Endpoint["Service"]) {
    const peers: Array<string> = []
    while (true) {
      const next = yield* Effect.timeoutOption(from.nextConnection, 0)
      if (Option.isNone(next)) return peers
      peers.push(String(next.value.remoteAddress))
    }
  })

  it.effect("with connections that it follows closes new ones with code 3 while messageBuffer of them live", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1", { messageBuffer: 3 })
      const first = yield* Effect.forkChild(one.nextConnection)
      yield* settle
      for (let i = 1; i <= 4; i++) assert.isTrue(Option.isNone(yield* welcome(`10.0.1.${i}:1`)))
      yield* Fiber.join(first)
      assert.deepInclude(Option.getOrThrow(yield* welcome("10.0.0.3:3")), overloaded)
      yield* one.nextConnection
      assert.isTrue(Option.isNone(yield* welcome("10.0.0.4:4")))
      assert.deepStrictEqual(yield* takenConnections(one), ["10.0.1.3:1", "10.0.1.4:1", "10.0.0.4:4"])
    }).pipe(onNetwork)
  )

  it.effect("with connections that it follows forgets those that have ended, over messageBuffer", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1", { messageBuffer: 3 })
      const first = yield* Effect.forkChild(one.nextConnection)
      yield* settle
      yield* visits(10)
      yield* Fiber.join(first)
      assert.isTrue(Option.isNone(yield* welcome("10.0.0.3:3")))
      assert.deepStrictEqual(yield* takenConnections(one), ["10.0.0.18:1", "10.0.0.19:1", "10.0.0.3:3"])
    }).pipe(onNetwork)
  )

  it.effect("with connections that it has never asked for keeps those that live", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1", { messageBuffer: 3 })
      yield* visits(10)
      assert.isTrue(Option.isNone(yield* welcome("10.0.0.3:3")))
      assert.deepStrictEqual(yield* takenConnections(one), ["10.0.0.3:3"])
    }).pipe(onNetwork)
  )
})

describe("a peer that goes on sending what is not the protocol", () => {
  it.effect("loses its connection with the seventeenth stream", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1")
      const attacker = yield* raw("10.0.0.6:6")
      const connection: BackingConnection = yield* attacker.dial("10.0.0.1:1")
      yield* settle
      const failures: Array<StreamFailure | undefined> = []
      const spoil = Effect.andThen(
        Effect.sync(() => connection.openUni(0).write(bytes("not the protocol"), true, (f) => failures.push(f))),
        settle
      )
      for (let i = 0; i < 16; i++) yield* spoil
      assert.deepStrictEqual([failures.length, attacker.closes], [16, []])
      yield* spoil
      assert.lengthOf(attacker.closes, 1)
      assert.deepInclude(attacker.closes[0], { _tag: "ApplicationClosed", code: 1, detail: "not the protocol" })
      assert.deepInclude((yield* one.nextDisconnection).reason, { _tag: "LocallyClosed" })
    }).pipe(onNetwork)
  )
})
