import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { ConnectionId } from "../../../src/ConnectionId.ts"
import { ConnectionImpl } from "../../../src/internal/connection/connection.ts"
import type { ConnectionOwner } from "../../../src/internal/connection/connectionOwner.ts"
import { sendOnce } from "../../../src/internal/endpoint/sending.ts"
import { StreamLost } from "../../../src/SendError.ts"
import { type StreamError, StreamClosed, StreamStopped } from "../../../src/StreamError.ts"
import { connection, payload } from "../../support/fakeSendStreams.ts"

describe("a connection", () => {
  const connected = () => {
    const { backing, streams } = connection(true)
    const owner = {
      config: { maxMessageSize: 1_000 },
      stopped: () => false
    } as unknown as ConnectionOwner<ConnectionImpl>
    return { connection: new ConnectionImpl("id" as ConnectionId, backing, owner), streams }
  }

  const refusal = new StreamStopped({ code: 1 })

  /** Starts, and lets what follows from the end of a stream happen. */
  const start = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })
  const settle = Effect.forEach(Array.from({ length: 10 }), () => Effect.yieldNow, { discard: true })

  it.effect("sends again, once and alone, what was refused along with others", () =>
    Effect.gen(function* () {
      const { connection, streams } = connected()
      const one = yield* start(sendOnce(connection, payload(1), { priority: 3 }))
      const two = yield* start(sendOnce(connection, payload(2), { priority: 3 }))
      streams[0]!.end(refusal)
      yield* settle
      assert.deepStrictEqual(
        streams.map(({ fin, messages, priority }) => [priority, messages, fin]),
        [
          [
            3,
            [
              [1, 1],
              [2, 1]
            ],
            false
          ],
          [3, [[1, 1]], true],
          [3, [[2, 1]], true]
        ]
      )
      streams[1]!.end()
      streams[2]!.end(refusal)
      yield* Fiber.join(one)
      assert.deepStrictEqual(yield* Effect.flip(Fiber.join(two)), new StreamLost({ reason: refusal }))
      assert.strictEqual(streams.length, 3)
    })
  )

  it.effect("does not send again what was refused alone, or failed otherwise", () =>
    Effect.gen(function* () {
      const { connection, streams } = connected()
      const failures: ReadonlyArray<readonly [count: number, failure: StreamError]> = [
        [1, refusal],
        [2, new StreamClosed()]
      ]
      for (const [i, [count, failure]] of failures.entries()) {
        const sending = yield* Effect.forEach(Array.from({ length: count }), () =>
          start(sendOnce(connection, payload(1), undefined))
        )
        streams[i]!.end(failure)
        for (const fiber of sending) {
          assert.deepStrictEqual(yield* Effect.flip(Fiber.join(fiber)), new StreamLost({ reason: failure }))
        }
        assert.strictEqual(streams.length, i + 1)
      }
    })
  )

  it.effect("sends nothing again with `send`", () =>
    Effect.gen(function* () {
      const { connection, streams } = connected()
      const one = yield* start(connection.send(payload(1)))
      const two = yield* start(sendOnce(connection, payload(2), undefined))
      streams[0]!.end(refusal)
      assert.deepStrictEqual(yield* Effect.flip(Fiber.join(one)), new StreamLost({ reason: refusal }))
      yield* settle
      assert.deepStrictEqual(
        streams.slice(1).map(({ messages }) => messages),
        [[[2, 1]]]
      )
      // Interrupted, it is given up like any other.
      yield* Fiber.interrupt(two)
      assert.deepStrictEqual(streams[1]!.resets, [0])
    })
  )

  it.effect("leaves out what is interrupted", () =>
    Effect.gen(function* () {
      const { connection, streams } = connected()
      const one = yield* start(connection.send(payload(1)))
      const two = yield* start(connection.send(payload(2)))
      yield* Fiber.interrupt(one)
      streams[0]!.end()
      yield* Fiber.join(two)
      assert.deepStrictEqual(streams[0]!.messages, [[2, 1]])
    })
  )
})
