import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import { ApplicationClosed, LocallyClosed } from "../src/Close.ts"
import {
  ConnectionClosed,
  type ConnectionError,
  ConnectionReset,
  ConnectionTimedOut,
  DatagramRefused,
  EndpointStopped,
  InvalidAddress,
  TooManyConnections,
  TransportError,
  VersionMismatch
} from "../src/ConnectionError.ts"
import { exponential, isTransient, isTransientLoss, RetrySchedule } from "../src/RetrySchedule.ts"
import { ConnectionLost, SerializationError, StreamLost } from "../src/SendError.ts"
import { StreamClosed, StreamReset, StreamStopped } from "../src/StreamError.ts"
import { address } from "./support/values.ts"

/** A source of chance that always says the same: 0 for the shortest waits, almost 1 for the longest. */
const chance = (value: number): Random.Random => ({
  nextDoubleUnsafe: () => value,
  nextIntUnsafe: () => Math.floor(value * Number.MAX_SAFE_INTEGER)
})

/** The waits between the tries of something that always fails, when each try takes `tryTakes`. */
const waits = (retryDuration: Duration.Input, value: number, tryTakes: Duration.Input = 0) =>
  Effect.gen(function* () {
    const started: Array<number> = []
    const failing = Effect.gen(function* () {
      started.push(yield* Clock.currentTimeMillis)
      yield* Effect.sleep(tryTakes)
      return yield* Effect.fail("no")
    })
    const fiber = yield* Effect.forkChild(
      Effect.retry(failing, exponential(Duration.fromInputUnsafe(retryDuration))).pipe(
        Effect.provideService(Random.Random, chance(value)),
        Effect.flip
      )
    )
    yield* TestClock.adjust("1 day")
    yield* Fiber.join(fiber)
    const spent = Duration.toMillis(Duration.fromInputUnsafe(tryTakes))
    return started.slice(1).map((time, i) => Math.round(time - started[i]! - spent))
  })

const planned = (factor: number, count: number) =>
  Array.from({ length: count }, (_, i) => Math.round(Math.min(500 * 1.5 ** i * factor, 60_000)))

const almostOne = 1 - Number.EPSILON

describe("exponential", () => {
  for (const [name, value, factor] of [
    ["half as long", 0, 0.5],
    ["as planned", 0.5, 1],
    ["half longer", almostOne, 1.5]
  ] as const) {
    it.effect(`waits 500 ms, then 1.5 times as long each time; by chance ${name}; never over 60 s`, () =>
      Effect.gen(function* () {
        const seen = yield* waits("20 minutes", value)
        assert.isAbove(seen.length, 15)
        assert.strictEqual(Math.max(...seen), 60_000)
        assert.deepStrictEqual(seen, planned(factor, seen.length))
      })
    )
  }

  it.effect("goes on for at least the retry duration, and at most one wait longer", () =>
    Effect.gen(function* () {
      for (const value of [0, 0.3, 0.5, 0.8, almostOne]) {
        for (const seconds of [1, 5, 30, 300]) {
          const seen = yield* waits(Duration.seconds(seconds), value)
          const sum = seen.reduce((a, b) => a + b, 0)
          assert.isAtLeast(sum, seconds * 1_000)
          assert.isAtMost(sum - seen.at(-1)!, seconds * 1_000 + 1)
        }
      }
    })
  )

  it.effect("counts the time that the tries themselves take", () =>
    Effect.gen(function* () {
      const seen = yield* waits("30 seconds", 0.5, "10 seconds")
      assert.isAtLeast(seen.length, 2)
      assert.isAtMost(seen.length, 4)
    })
  )

  it.effect("is what endpoints follow by default", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* RetrySchedule, exponential)
    })
  )
})

describe("what is tried again", () => {
  const peer = address("192.0.2.1:1")
  const transient: ReadonlyArray<ConnectionError> = [
    // NO_ERROR, INTERNAL_ERROR, CONNECTION_REFUSED, PROTOCOL_VIOLATION, INVALID_TOKEN, NO_VIABLE_PATH.
    ...[0x0, 0x1, 0x2, 0xa, 0xb, 0x10].map((code) => new TransportError({ peer, code, detail: "" })),
    // CRYPTO_ERROR + the alerts internal_error and user_canceled.
    ...[0x150, 0x15a].map((code) => new TransportError({ peer, code, detail: "" })),
    // Beyond the alerts.
    ...[0xff, 0x200].map((code) => new TransportError({ peer, code, detail: "" })),
    ...["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL", "ENODEV"].map(
      (code) => new DatagramRefused({ peer, systemCode: code, detail: "" })
    ),
    new ConnectionReset({ peer }),
    new ConnectionTimedOut({ peer }),
    new ConnectionClosed({ peer, close: new ApplicationClosed({ code: 0, detail: "" }) }),
    new ConnectionClosed({ peer, close: new LocallyClosed() })
  ]
  const lasting: ReadonlyArray<ConnectionError> = [
    new EndpointStopped(),
    new TooManyConnections({ limit: 1 }),
    new InvalidAddress({ input: "nowhere", detail: "" }),
    new VersionMismatch({ peer }),
    // TRANSPORT_PARAMETER_ERROR, VERSION_NEGOTIATION_ERROR.
    ...[0x8, 0x11].map((code) => new TransportError({ peer, code, detail: "" })),
    // CRYPTO_ERROR + handshake_failure, bad_certificate, unknown_ca, access_denied, certificate_required,
    // no_application_protocol, and the first and last there can be.
    ...[0x128, 0x12a, 0x130, 0x131, 0x174, 0x178, 0x100, 0x1ff].map(
      (code) => new TransportError({ peer, code, detail: "" })
    ),
    ...["EINVAL", "EACCES", "EPERM", "EMSGSIZE", "EAFNOSUPPORT", "UNKNOWN"].map(
      (code) => new DatagramRefused({ peer, systemCode: code, detail: "" })
    )
  ]

  it("is what may pass", () => {
    for (const error of transient) {
      assert.isTrue(isTransient(error), error.message)
      assert.isTrue(isTransientLoss(new ConnectionLost({ reason: error })), error.message)
    }
  })

  it("is not what stays so", () => {
    for (const error of lasting) {
      assert.isFalse(isTransient(error), error.message)
      assert.isFalse(isTransientLoss(new ConnectionLost({ reason: error })), error.message)
    }
  })

  it("is not what is wrong with the message or its stream", () => {
    assert.isFalse(isTransientLoss(new SerializationError({ detail: "" })))
    assert.isFalse(isTransientLoss(new StreamLost({ reason: new StreamClosed() })))
    assert.isFalse(isTransientLoss(new StreamLost({ reason: new StreamStopped({ code: 0 }) })))
    assert.isFalse(isTransientLoss(new StreamLost({ reason: new StreamReset({ code: 0 }) })))
  })
})
