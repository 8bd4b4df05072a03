/**
 * Small messages that are sent together share a stream, and so packets.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { bytes, textOf } from "../../core/test/support/values.ts"
import { onLoopback, pair } from "./support/quicEndpoints.ts"

/** Sends all at once. */
const sendAll = (send: (i: number) => Effect.Effect<void, unknown>, count: number) =>
  Effect.forEach(Array.from({ length: count }), (_, i) => Effect.exit(send(i)), { concurrency: "unbounded" })

describe("messages that are sent together", () => {
  it.live("share packets, and each is done", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const connection = yield* one.connectTo(two.localAddress)
      const before = yield* connection.stats
      const exits = yield* sendAll(() => connection.send(new Uint8Array(64)), 1_000)
      assert.isTrue(exits.every(Exit.isSuccess))
      const after = yield* connection.stats
      // 73,000 bytes, in packets of 1,200 at least.
      assert.isBelow(after.packetsSent - before.packetsSent, 100)
      for (let i = 0; i < 1_000; i++) assert.strictEqual((yield* two.nextMessage).payload.length, 64)
    }).pipe(onLoopback)
  )

  it.live("do not, when they are interrupted before they have left", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const connection = yield* one.connectTo(two.localAddress)
      const sending = yield* Effect.forEach(Array.from({ length: 100 }), (_, i) =>
        Effect.forkChild(connection.send(bytes(`${i}`)), { startImmediately: true })
      )
      for (let i = 0; i < 100; i += 2) sending[i]!.interruptUnsafe()
      yield* Effect.forEach(
        sending.filter((_, i) => i % 2 === 1),
        Fiber.join
      )
      yield* connection.send(bytes("last"))
      const arrived: Array<string> = []
      while (arrived.at(-1) !== "last") arrived.push(textOf((yield* two.nextMessage).payload))
      assert.deepStrictEqual(
        arrived.slice(0, -1),
        Array.from({ length: 50 }, (_, i) => `${2 * i + 1}`)
      )
    }).pipe(onLoopback)
  )

  it.live("all arrive with sendMessage, but one that the receiver refuses", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({}, { maxMessageSize: 1_000 })
      yield* one.connectTo(two.localAddress)
      for (let round = 0; round < 10; round++) {
        const exits = yield* sendAll(
          (i) => one.sendMessage(i === 50 ? new Uint8Array(10_000) : bytes(`${round} ${i}`), two.localAddress),
          100
        )
        assert.isTrue(exits.every((exit, i) => i === 50 || Exit.isSuccess(exit)))
        const missing = new Set(Array.from({ length: 100 }, (_, i) => `${round} ${i}`))
        missing.delete(`${round} 50`)
        while (missing.size > 0) missing.delete(textOf((yield* two.nextMessage).payload))
      }
    }).pipe(onLoopback)
  )
})
