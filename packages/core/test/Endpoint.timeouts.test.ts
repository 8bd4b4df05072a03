/**
 * The limits of time that an endpoint has, without sockets: nothing to one millisecond before each, and then the outcome.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import type * as EndpointConfig from "../src/EndpointConfig.ts"
import type { WireMessage } from "../src/WireMessage.ts"
import { address, bytes } from "./support/values.ts"
import { blackhole, countingDials, endpoint, onNetwork, refuse, settle } from "./support/memoryEndpoints.ts"
import { answering, silent } from "./support/bareSockets.ts"

/** Nothing of this happens in a test, except for what it sets itself. */
const never = {
  idleTimeout: Duration.days(1),
  keepAliveInterval: Duration.infinity,
  handshakeTimeout: Duration.days(1),
  rpcTimeout: Duration.days(1),
  retryDuration: 0
} satisfies EndpointConfig.Input

const limit = Duration.minutes(10)
const justBelow = Duration.subtract(limit, Duration.millis(1))

const one = (config: EndpointConfig.Input = {}, contacts: ReadonlyArray<string> = []) =>
  endpoint("10.0.0.1:1", { ...never, ...config }, contacts)

const two = (config: EndpointConfig.Input = {}) => endpoint("10.0.0.2:2", { ...never, ...config })

/** Nobody is there. */
const nobody = "10.0.0.9:9"

/** `effect` goes on for `span`, and ends then. */
const lasts = <A, E, R>(span: Duration.Duration, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* settle
    yield* TestClock.adjust(Duration.subtract(span, Duration.millis(1)))
    yield* settle
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust("1 millis")
    yield* settle
    assert.isDefined(fiber.pollUnsafe())
    return yield* Fiber.join(fiber)
  })

describe("handshakeTimeout", () => {
  it.effect("ends a dial", () =>
    Effect.gen(function* () {
      const { connectTo } = yield* one({ handshakeTimeout: limit })
      const error = yield* lasts(limit, Effect.flip(connectTo(nobody)))
      assert.deepInclude(error, { _tag: "ConnectionTimedOut" })
    }).pipe(onNetwork)
  )
})

describe("rpcTimeout", () => {
  it.effect("ends isReachable when there is no peer and when the peer sends no response", () =>
    Effect.gen(function* () {
      yield* silent("10.0.0.3:3")
      const { isReachable } = yield* one({ rpcTimeout: limit })
      for (const peer of [nobody, "10.0.0.3:3"]) {
        const error = yield* lasts(limit, Effect.flip(isReachable(peer)))
        assert.deepInclude(error, { _tag: "RpcTimedOut", peer: address(peer) })
      }
    }).pipe(onNetwork)
  )

  it.effect("ends a start whose contact does not answer the echo", () =>
    Effect.gen(function* () {
      yield* silent("10.0.0.3:3")
      const error = yield* lasts(limit, Effect.flip(one({ rpcTimeout: limit }, ["10.0.0.3:3"])))
      assert.strictEqual(error._tag === "EndpointEchoError" ? error.reason._tag : error._tag, "RpcTimedOut")
    }).pipe(onNetwork)
  )

  it.effect("ends a start whose contact does not answer the verification", () =>
    Effect.gen(function* () {
      yield* answering("10.0.0.3:3", (question): WireMessage | undefined =>
        question._tag === "EndpointEchoReq" ? { _tag: "EndpointEchoResp", address: address("10.0.0.1:1") } : undefined
      )
      const error = yield* lasts(limit, Effect.flip(one({ rpcTimeout: limit }, ["10.0.0.3:3"])))
      assert.strictEqual(error._tag === "EndpointVerificationError" ? error.reason._tag : error._tag, "RpcTimedOut")
    }).pipe(onNetwork)
  )

  for (const [given, taken, why] of [
    ["8 seconds", "4 seconds", "half of it"],
    [limit, "6300 millis", "less than half of it, for a newcomer that has sent little,"]
  ] as const) {
    it.effect(`leaves ${why} to the contact that verifies`, () =>
      Effect.gen(function* () {
        yield* two({ rpcTimeout: given })
        const error = yield* lasts(
          Duration.fromInputUnsafe(taken),
          Effect.flip(one({ externalPort: 9 }, ["10.0.0.2:2"]))
        )
        assert.deepInclude(error, { _tag: "Unreachable", publicAddress: address("10.0.0.1:9") })
      }).pipe(onNetwork)
    )
  }
})

describe("retryDuration", () => {
  /** The waits are as planned. */
  const evenly: Random.Random = {
    nextDoubleUnsafe: () => 0.5,
    nextIntUnsafe: () => Math.floor(0.5 * Number.MAX_SAFE_INTEGER)
  }

  // Tries at 0, 500 and 1,250 ms; a second has passed with the last.
  const span = Duration.millis(1_250)

  it.effect("ends the tries of connectTo", () =>
    countingDials(({ times }) =>
      Effect.gen(function* () {
        yield* refuse(nobody)
        const { connectTo } = yield* one({ retryDuration: "1 second" })
        const error = yield* lasts(span, Effect.flip(Effect.provideService(connectTo(nobody), Random.Random, evenly)))
        assert.strictEqual(error._tag, "TransportError")
        assert.deepStrictEqual(times, [0, 500, 1_250])
      })
    ).pipe(onNetwork)
  )

  it.effect("ends the tries of sendMessage, whose own goes before the endpoint's", () =>
    countingDials(({ times }) =>
      Effect.gen(function* () {
        yield* refuse(nobody)
        const { sendMessage } = yield* one({ retryDuration: "1 hour" })
        const sending = sendMessage(bytes("x"), nobody, { retryDuration: "1 second" })
        const error = yield* lasts(span, Effect.flip(Effect.provideService(sending, Random.Random, evenly)))
        assert.strictEqual(error._tag === "ConnectionLost" ? error.reason._tag : error._tag, "TransportError")
        assert.deepStrictEqual(times, [0, 500, 1_250])
      })
    ).pipe(onNetwork)
  )
})

describe("idleTimeout", () => {
  it.effect("ends an unused connection, the smaller of both sides' at both", () =>
    Effect.gen(function* () {
      const dialler = yield* one({ idleTimeout: limit })
      const acceptor = yield* two({ idleTimeout: Duration.times(limit, 3) })
      yield* dialler.connectTo("10.0.0.2:2")
      yield* settle
      const ends = [dialler.nextDisconnection, acceptor.nextDisconnection]
      for (const { reason } of yield* lasts(limit, Effect.all(ends, { concurrency: "unbounded" }))) {
        assert.deepInclude(reason, { _tag: "IdleTimedOut" })
      }
    }).pipe(onNetwork)
  )

  it.effect("begins anew with each message", () =>
    Effect.gen(function* () {
      const dialler = yield* one({ idleTimeout: limit })
      yield* two()
      const connection = yield* dialler.connectTo("10.0.0.2:2")
      for (let i = 0; i < 3; i++) {
        yield* TestClock.adjust(justBelow)
        yield* connection.send(bytes("x"))
      }
      assert.deepInclude(yield* lasts(limit, connection.closed), { _tag: "IdleTimedOut" })
    }).pipe(onNetwork)
  )

  it.effect("ends a connection that falls silent although it is kept alive", () =>
    Effect.gen(function* () {
      const dialler = yield* one({ idleTimeout: limit, keepAliveInterval: Duration.times(limit, 0.1) })
      yield* two()
      const connection = yield* dialler.connectTo("10.0.0.2:2")
      yield* settle
      yield* blackhole("10.0.0.2:2")
      assert.deepInclude(yield* lasts(limit, connection.closed), { _tag: "IdleTimedOut" })
    }).pipe(onNetwork)
  )
})

describe("keepAliveInterval", () => {
  const connect = (config: EndpointConfig.Input) =>
    Effect.gen(function* () {
      const dialler = yield* one(config)
      yield* two()
      const connection = yield* dialler.connectTo("10.0.0.2:2")
      yield* settle
      return { heard: Effect.map(connection.stats, ({ packetsReceived }) => packetsReceived) }
    })

  it.effect("pings when nothing was heard for so long, each time", () =>
    Effect.gen(function* () {
      const { heard } = yield* connect({ keepAliveInterval: limit })
      for (let i = 0; i < 3; i++) {
        const before = yield* heard
        yield* TestClock.adjust(justBelow)
        yield* settle
        assert.strictEqual(yield* heard, before)
        yield* TestClock.adjust("1 millis")
        yield* settle
        assert.isAbove(yield* heard, before)
      }
    }).pipe(onNetwork)
  )

  it.effect("does not when it is infinite", () =>
    Effect.gen(function* () {
      const { heard } = yield* connect({})
      const before = yield* heard
      yield* TestClock.adjust("12 hours")
      yield* settle
      assert.strictEqual(yield* heard, before)
    }).pipe(onNetwork)
  )
})
