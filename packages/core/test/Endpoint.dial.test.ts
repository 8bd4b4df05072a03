import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as TestClock from "effect/testing/TestClock"
import type { ConnectionError } from "../src/ConnectionError.ts"
import { RetrySchedule } from "../src/RetrySchedule.ts"
import { address, bytes } from "./support/values.ts"
import {
  blackhole,
  client,
  countingDials,
  endpoint,
  onNetwork,
  pair,
  refuse,
  setLatency,
  settle
} from "./support/memoryEndpoints.ts"
import * as Scheduler from "effect/Scheduler"
import { IdleTimedOut } from "../src/Close.ts"
import { Transport } from "../src/Transport.ts"
import type { BackingConnection } from "../src/Transport.ts"

describe("connectTo", () => {
  it.effect("dials once, and then finds the connection again, from either side", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const first = yield* one.connectTo("10.0.0.2:2")
        assert.strictEqual(yield* one.connectTo(address("10.0.0.2:2")), first)
        const back = yield* two.nextConnection
        assert.strictEqual(String(back.remoteAddress), "10.0.0.1:1")
        assert.strictEqual(yield* two.connectTo("10.0.0.1:1"), back)
        assert.deepStrictEqual(dials.peers, ["10.0.0.2:2"])
      })
    ).pipe(onNetwork)
  )

  it.effect("takes an IPv4 address in IPv6 form for the IPv4 address", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one] = yield* pair()
        const connection = yield* one.connectTo("[::ffff:10.0.0.2]:2")
        assert.strictEqual(String(connection.remoteAddress), "10.0.0.2:2")
        assert.strictEqual(yield* one.connectTo(address("10.0.0.2:2")), connection)
        assert.strictEqual(dials.peers.length, 1)
      })
    ).pipe(onNetwork)
  )

  it.effect("dials anew after the connection has ended", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one] = yield* pair()
        const first = yield* one.connectTo("10.0.0.2:2")
        yield* first.close()
        assert.isTrue((yield* one.connectTo("10.0.0.2:2")) !== first)
        assert.strictEqual(dials.peers.length, 2)
      })
    ).pipe(onNetwork)
  )

  it.effect("shares one dial among concurrent callers", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        yield* setLatency("50 millis")
        const [one, two] = yield* pair()
        const callers = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 100 }, () => one.connectTo("10.0.0.2:2")),
            { concurrency: "unbounded" }
          )
        )
        yield* TestClock.adjust("1 second")
        const connections = new Set(yield* Fiber.join(callers))
        assert.strictEqual(connections.size, 1)
        assert.strictEqual(dials.peers.length, 1)
        yield* two.nextConnection
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(two.nextConnection, 0)))
      })
    ).pipe(onNetwork)
  )

  it.effect("lets the other callers have the dial when one of them is interrupted", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        yield* setLatency("50 millis")
        const [one] = yield* pair()
        const [first, second, third] = yield* Effect.all([
          Effect.forkChild(one.connectTo("10.0.0.2:2")),
          Effect.forkChild(one.connectTo("10.0.0.2:2")),
          Effect.forkChild(one.connectTo("10.0.0.2:2"))
        ])
        yield* TestClock.adjust("50 millis")
        yield* Fiber.interrupt(first)
        yield* Fiber.interrupt(third)
        assert.strictEqual(dials.givenUp, 0)
        // The handshake takes a round trip, and the acceptance another one.
        yield* TestClock.adjust("150 millis")
        yield* Fiber.join(second)
        assert.strictEqual(dials.peers.length, 1)
      })
    ).pipe(onNetwork)
  )

  it.effect("gives the dial up when the last caller is interrupted, and starts anew for the next one", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        yield* setLatency("50 millis")
        const [one, two] = yield* pair()
        const callers = yield* Effect.all([
          Effect.forkChild(one.connectTo("10.0.0.2:2")),
          Effect.forkChild(one.connectTo("10.0.0.2:2"))
        ])
        yield* TestClock.adjust("50 millis")
        yield* Fiber.interruptAll(callers)
        assert.strictEqual(dials.givenUp, 1)
        yield* TestClock.adjust("1 minute")
        assert.isTrue(Option.isNone(yield* one.connectionId("10.0.0.2:2")))
        assert.isTrue(Option.isNone(yield* two.connectionId("10.0.0.1:1")))

        const next = yield* Effect.forkChild(one.connectTo("10.0.0.2:2"))
        yield* TestClock.adjust("200 millis")
        yield* Fiber.join(next)
        assert.strictEqual(dials.peers.length, 2)
      })
    ).pipe(onNetwork)
  )

  it.effect("leaves no connection behind, or one in the pool, whenever it is interrupted", () =>
    Effect.gen(function* () {
      yield* setLatency("50 millis")
      const [one, two] = yield* pair()
      for (const time of [0, 49, 50, 99, 100, 101, 149, 150, 151]) {
        const caller = yield* Effect.forkChild(Effect.timeoutOption(one.connectTo("10.0.0.2:2"), Duration.millis(time)))
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(caller)
        const here = yield* one.connectionId("10.0.0.2:2")
        const there = yield* two.connectionId("10.0.0.1:1")
        assert.strictEqual(Option.isSome(here), Option.isSome(there), `interrupted after ${time} ms`)
        yield* Effect.all([one.disconnectFrom("10.0.0.2:2"), two.disconnectFrom("10.0.0.1:1")])
        yield* TestClock.adjust("1 second")
      }
    }).pipe(onNetwork)
  )
})

describe("retries", () => {
  it.effect(
    "come after 500 ms, half as long again each time, up to half longer or shorter, for the retry duration",
    () =>
      countingDials((dials) =>
        Effect.gen(function* () {
          yield* refuse("10.0.0.9:9")
          const one = yield* endpoint("10.0.0.1:1", { retryDuration: "10 minutes" })
          const caller = yield* Effect.forkChild(Effect.flip(one.connectTo("10.0.0.9:9")))
          yield* settle
          yield* TestClock.adjust("1 hour")
          const error = yield* Fiber.join(caller)
          assert.strictEqual(error._tag, "TransportError")
          const { times } = dials
          assert.isAbove(times.length, 10)
          for (let i = 1; i < times.length; i++) {
            const wait = times[i]! - times[i - 1]!
            const planned = 500 * 1.5 ** (i - 1)
            assert.isAtLeast(wait, Math.min(planned * 0.5, 60_000) - 1)
            assert.isAtMost(wait, Math.min(planned * 1.5, 60_000) + 1)
          }
          const spent = times.at(-1)! - times[0]!
          assert.isAtLeast(spent, 10 * 60_000 - 60_000)
          assert.isAtMost(spent, 10 * 60_000 + 60_000)
        })
      ).pipe(onNetwork)
  )

  it.effect("end with the first dial that gets through", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1", { handshakeTimeout: "1 second" })
        const caller = yield* Effect.forkChild(one.connectTo("10.0.0.2:2"))
        yield* TestClock.adjust("4 seconds")
        const before = dials.peers.length
        assert.isAbove(before, 1)
        const two = yield* endpoint("10.0.0.2:2")
        yield* TestClock.adjust("20 seconds")
        yield* Fiber.join(caller)
        assert.isAtMost(dials.peers.length, before + 1)
        assert.isTrue(Option.isSome(yield* two.connectionId("10.0.0.1:1")))
      })
    ).pipe(onNetwork)
  )

  it.effect("are none when the retry duration is 0", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        yield* refuse("10.0.0.9:9")
        const one = yield* endpoint("10.0.0.1:1", { retryDuration: 0 })
        const error = yield* Effect.flip(one.connectTo("10.0.0.9:9"))
        assert.deepInclude(error, { _tag: "TransportError", code: 2 })
        assert.strictEqual(dials.peers.length, 1)
      })
    ).pipe(onNetwork)
  )

  const hopeless: ReadonlyArray<readonly [name: string, peer: string, expected: Partial<ConnectionError>]> = [
    ["an address that does not parse", "nowhere", { _tag: "InvalidAddress", input: "nowhere" }],
    ["an address without a port", "10.0.0.2", { _tag: "InvalidAddress", input: "10.0.0.2" }],
    ["port 0", "10.0.0.2:0", { _tag: "InvalidAddress", input: "10.0.0.2:0" }],
    ["a multicast address", "224.0.0.1:2", { _tag: "InvalidAddress", input: "224.0.0.1:2" }],
    ["a multicast address in IPv6 form", "[::ffff:224.0.0.1]:2", { _tag: "InvalidAddress", input: "224.0.0.1:2" }],
    ["the broadcast address", "255.255.255.255:2", { _tag: "InvalidAddress", input: "255.255.255.255:2" }],
    ["the unspecified address", "0.0.0.0:2", { _tag: "InvalidAddress", input: "0.0.0.0:2" }],
    ["another family", "[::1]:1", { _tag: "InvalidAddress", input: "[::1]:1" }],
    ["a full endpoint", "10.0.0.3:3", { _tag: "TooManyConnections", limit: 1 }]
  ]
  for (const [name, peer, expected] of hopeless) {
    it.effect(`are not made for ${name}`, () =>
      countingDials((dials) =>
        Effect.gen(function* () {
          const [one] = yield* pair({ maxConnections: 1 })
          yield* one.connectTo("10.0.0.2:2")
          assert.deepInclude(yield* Effect.flip(one.connectTo(peer)), expected)
          assert.isAtMost(dials.peers.length, 2)
        })
      ).pipe(onNetwork)
    )
  }

  it.effect("follow the schedule that is provided, which is given the retry duration", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        yield* refuse("10.0.0.9:9")
        const asked: Array<number> = []
        const one = yield* Effect.provideService(
          endpoint("10.0.0.1:1", { retryDuration: "7 seconds" }),
          RetrySchedule,
          (duration) => {
            asked.push(Duration.toMillis(duration))
            return Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 3 }))
          }
        )
        const connecting = yield* Effect.forkChild(Effect.flip(one.connectTo("10.0.0.9:9")))
        yield* settle
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(connecting)
        assert.deepStrictEqual(dials.times, [0, 1_000, 2_000, 3_000])

        const sending = yield* Effect.forkChild(
          Effect.flip(one.sendMessage(bytes("x"), "10.0.0.9:9", { retryDuration: "3 seconds" }))
        )
        yield* TestClock.adjust("1 minute")
        const error = yield* Fiber.join(sending)
        assert.strictEqual(error._tag, "ConnectionLost")
        assert.strictEqual(dials.peers.length, 8)
        assert.deepStrictEqual(asked, [7_000, 3_000])
      })
    ).pipe(onNetwork)
  )
})

describe("connectToAny", () => {
  it.effect("takes the first connection and gives the other dials up", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        yield* setLatency("50 millis")
        yield* blackhole("10.0.0.8:8")
        yield* refuse("10.0.0.9:9")
        const [one, two] = yield* pair()
        const caller = yield* Effect.forkChild(one.connectToAny(["10.0.0.9:9", "10.0.0.8:8", "10.0.0.2:2", "nowhere"]))
        yield* TestClock.adjust("1 second")
        const connection = yield* Fiber.join(caller)
        assert.strictEqual(String(connection.remoteAddress), "10.0.0.2:2")
        assert.deepStrictEqual(dials.peers, ["10.0.0.9:9", "10.0.0.8:8", "10.0.0.2:2"])
        assert.isAbove(dials.givenUp, 0)
        yield* two.sendMessage(bytes("x"), "10.0.0.1:1").pipe(Effect.forkChild)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* one.nextMessage).payload.length, 1)
      })
    ).pipe(onNetwork)
  )

  it.effect("leaves one connection when all dials succeed at the same moment", () =>
    Effect.gen(function* () {
      yield* setLatency("50 millis")
      const one = yield* endpoint("10.0.0.1:1")
      const peers = yield* Effect.forEach([2, 3, 4, 5], (i) => endpoint(`10.0.0.${i}:${i}`))
      const addresses = peers.map((peer) => peer.localAddress)
      const caller = yield* Effect.forkChild(one.connectToAny(addresses))
      yield* TestClock.adjust("1 second")
      const connection = yield* Fiber.join(caller)
      assert.strictEqual(String(connection.remoteAddress), "10.0.0.2:2")
      const here = yield* Effect.forEach(addresses, one.connectionId)
      assert.deepStrictEqual(here.map(Option.isSome), [true, false, false, false])
      const there = yield* Effect.forEach(peers, (peer) => peer.connectionId("10.0.0.1:1"))
      assert.deepStrictEqual(there.map(Option.isSome), [true, false, false, false])
    }).pipe(onNetwork)
  )

  it.effect("takes a connection that is there without a dial", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one] = yield* pair()
        const connection = yield* one.connectTo("10.0.0.2:2")
        assert.strictEqual(yield* one.connectToAny(["10.0.0.2:2", "10.0.0.9:9"]), connection)
        assert.deepStrictEqual(dials.peers, ["10.0.0.2:2"])
      })
    ).pipe(onNetwork)
  )

  it.effect("fails with each peer's own error, in the order given, after one dial each", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        yield* refuse("10.0.0.9:9")
        const one = yield* endpoint("10.0.0.1:1")
        const peers = ["10.0.0.8:8", "nowhere", address("10.0.0.9:9"), "10.0.0.7:0"]
        const caller = yield* Effect.forkChild(Effect.flip(one.connectToAny(peers)))
        yield* TestClock.adjust("1 minute")
        const error = yield* Fiber.join(caller)
        assert.strictEqual(error._tag, "NoneReachable")
        assert.deepStrictEqual(
          error.attempts.map(({ peer, error }) => [peer, error._tag]),
          [
            [peers[0], "ConnectionTimedOut"],
            [peers[1], "InvalidAddress"],
            [peers[2], "TransportError"],
            [peers[3], "InvalidAddress"]
          ]
        )
        // What nobody can be dialled at is not handed to the transport.
        assert.deepStrictEqual(dials.peers, ["10.0.0.8:8", "10.0.0.9:9"])
      })
    ).pipe(onNetwork)
  )

  it.effect("fails at once for an empty list of peers", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1")
      const error = yield* Effect.flip(one.connectToAny([]))
      assert.deepStrictEqual(error.attempts, [])
    }).pipe(onNetwork)
  )

  it.effect("gives every dial up when it is interrupted", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        const caller = yield* Effect.forkChild(one.connectToAny(["10.0.0.8:8", "10.0.0.9:9"]))
        yield* settle
        yield* Fiber.interrupt(caller)
        assert.strictEqual(dials.givenUp, 2)
      })
    ).pipe(onNetwork)
  )
})

describe("a client endpoint", () => {
  it.effect("cannot be dialled, but receives on the connections that it made", () =>
    Effect.gen(function* () {
      const one = yield* client("10.0.0.1:1")
      const two = yield* endpoint("10.0.0.2:2", { retryDuration: 0 })
      const dial = yield* Effect.forkChild(Effect.flip(two.connectTo("10.0.0.1:1")))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(dial))._tag, "ConnectionTimedOut")

      const connection = yield* one.connectTo("10.0.0.2:2")
      yield* settle
      yield* two.sendMessage(bytes("to a client"), "10.0.0.1:1")
      const message = yield* one.nextMessage
      assert.strictEqual(message.payload.length, 11)
      assert.strictEqual(message.connectionId, connection.id)
      yield* one.close
      assert.deepStrictEqual(yield* Stream.runCollect(one.incomingConnections), [])
    }).pipe(onNetwork)
  )

  it.effect("starts when its contact cannot be reached, and says when it was", () =>
    Effect.gen(function* () {
      const two = yield* endpoint("10.0.0.2:2")
      const starting = yield* Effect.forkChild(client("10.0.0.1:1", {}, ["10.0.0.9:9"]))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Option.isNone((yield* Fiber.join(starting)).bootstrapContact))
      const reaching = yield* client("10.0.0.3:3", {}, ["10.0.0.9:9", "10.0.0.2:2"])
      assert.deepStrictEqual(Option.map(reaching.bootstrapContact, String), Option.some("10.0.0.2:2"))
      assert.strictEqual(String(reaching.publicAddress), "10.0.0.3:3")
      yield* settle
      assert.isTrue(Option.isSome(yield* two.connectionId("10.0.0.3:3")))
    }).pipe(onNetwork)
  )
})

describe("a connection that ends before its dialler had a turn", () => {
  it.effect("is handed over as one that has ended, and is not kept", () =>
    Effect.gen(function* () {
      const transport = Transport.of({
        bind: ({ localAddress }) =>
          Effect.succeed({
            address: localAddress,
            dial: (remoteAddress, events) => {
              queueMicrotask(() => {
                const { peerId } = TestIdentity.make("there")
                events
                  .onConnected({ remoteAddress, peerId, isAccepted: true } as BackingConnection)
                  .onClosed(new IdleTimedOut())
              })
              return () => {}
            }
          })
      })
      const one = yield* Effect.provideService(endpoint("10.0.0.1:1"), Transport, transport)
      // Fibers that yield to others after so many steps, so that some do between the dial's outcome and its use.
      for (const steps of [3, 4, 5, 6, 7, 8]) {
        const peer = `10.0.0.2:${steps}`
        const connection = yield* Effect.provideService(one.connectTo(peer), Scheduler.MaxOpsBeforeYield, steps)
        assert.deepStrictEqual(yield* connection.closed, new IdleTimedOut())
        assert.deepStrictEqual(yield* one.connectionId(peer), Option.none())
      }
    }).pipe(onNetwork)
  )
})
