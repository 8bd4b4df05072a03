/**
 * What a message costs, counted: packets, and fibers started. No times: those are for the benchmarks.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { onLoopback, pair } from "./support/quicEndpoints.ts"

/** Fibers are numbered as they start. */
const fibersStarted = Effect.map(Effect.forkChild(Effect.void, { startImmediately: true }), ({ id }) => id)

/** Carries `count` messages of `size` bytes, `inFlight` at a time, and says what one of them cost on the average. */
const carry = Effect.fnUntraced(function* (size: number, count: number, inFlight: number) {
  const [one, two] = yield* pair()
  const connection = yield* one.connectTo(two.localAddress)
  const receiving = yield* Effect.forkChild(Stream.runDrain(Stream.take(two.incomingMessages, count)), {
    startImmediately: true
  })
  const payload = new Uint8Array(size)
  const send = Effect.forEach(
    Array.from({ length: count / inFlight }),
    () => one.sendMessage(payload, two.localAddress),
    { discard: true }
  )
  const before = yield* connection.stats
  const fibersBefore = yield* fibersStarted
  yield* Effect.all(
    Array.from({ length: inFlight }, () => send),
    { concurrency: inFlight, discard: true }
  )
  yield* Fiber.join(receiving)
  const fibers = (yield* fibersStarted) - fibersBefore
  const after = yield* connection.stats
  return {
    packets: (after.packetsSent - before.packetsSent) / count,
    answers: (after.packetsReceived - before.packetsReceived) / count,
    fibers: fibers / count
  }
})

describe("a message", () => {
  it.live("of 1 KiB, 32 in flight, costs a part of a packet within a machine, and of a fiber", () =>
    Effect.gen(function* () {
      const { answers, fibers, packets } = yield* carry(1_024, 6_400, 32)
      assert.isBelow(packets, 0.15)
      assert.isBelow(answers, 0.1)
      assert.isBelow(fibers, 0.25)
    }).pipe(onLoopback)
  )

  it.live("that nothing is sent along with costs a packet and its acknowledgement", () =>
    Effect.gen(function* () {
      const { answers, fibers, packets } = yield* carry(64, 500, 1)
      assert.isBelow(packets, 1.1)
      assert.isBelow(answers, 1.1)
      assert.isBelow(fibers, 3)
    }).pipe(onLoopback)
  )

  it.live("of 64 bytes, 256 in flight, costs a small part of a packet and of a fiber", () =>
    Effect.gen(function* () {
      const { answers, fibers, packets } = yield* carry(64, 25_600, 256)
      assert.isBelow(packets, 0.04)
      assert.isBelow(answers, 0.02)
      assert.isBelow(fibers, 0.03)
    }).pipe(onLoopback)
  )

  it.live("of 1 MiB, 4 in flight, costs few turns once bursts have grown", () =>
    Effect.gen(function* () {
      const { answers, packets } = yield* carry(1 << 20, 160, 4)
      // 64 packets carry its bytes. A turn sends one burst, and what arrives in a turn is acknowledged at once.
      assert.isBelow(packets, 85)
      assert.isBelow(answers, 7)
    }).pipe(onLoopback)
  )
})
