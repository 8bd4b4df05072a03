/**
 * What a peer that floods an endpoint leaves to the others.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { encodeUser } from "../src/WireMessage.ts"
import type { PeerId } from "../src/PeerId.ts"
import { raw } from "./support/bareSockets.ts"
import { endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"
import { bytes, textOf } from "./support/values.ts"

const here = "10.0.0.2:2"
const flooderAt = (port: number) => `10.0.0.66:${port}`

/** Floods the endpoint with `count` messages, on a stream each, from one connection. */
const flood = Effect.fnUntraced(function* (local: string, count: number) {
  const { closes, dial } = yield* raw(local)
  const connection = yield* dial(here)
  yield* settle
  const content = encodeUser(bytes("flood"))
  for (let i = 0; i < count; i++) connection.openUni(0).write(content, true, () => {})
  for (let i = 0; i < 5; i++) yield* settle
  assert.deepStrictEqual(closes, [])
  return connection
})

describe("beside a peer that floods the queue", () => {
  it.effect("another peer's message is taken within 16 of the flooder's, and its messages keep their order", () =>
    Effect.gen(function* () {
      const node = yield* endpoint(here, { messageBuffer: 1_000 })
      yield* flood(flooderAt(1), 900)
      const honest = yield* endpoint("10.0.0.3:3")
      for (let round = 0; round < 10; round++) {
        const sent = Array.from({ length: 4 }, (_, i) => `honest ${round} ${i}`)
        for (const text of sent) yield* honest.sendMessage(bytes(text), here)
        const received: Array<string> = []
        let others = 0
        while (received.length < sent.length) {
          const text = textOf((yield* node.nextMessage).payload)
          if (text === "flood") others += 1
          else received.push(text)
        }
        assert.deepStrictEqual(received, sent)
        assert.isAtMost(others, 16)
      }
    }).pipe(onNetwork)
  )

  it.effect("the same holds for a stream of messages, and for a flooder with many keys at its address", () =>
    Effect.gen(function* () {
      const node = yield* endpoint(here, { messageBuffer: 1_000 })
      for (let port = 1; port <= 20; port++) yield* flood(flooderAt(port), 40)
      const honest = yield* endpoint("10.0.0.3:3")
      yield* honest.sendMessage(bytes("honest"), here)
      const before = yield* node.incomingMessages.pipe(
        Stream.map(({ payload }) => textOf(payload)),
        Stream.takeUntil((text) => text === "honest"),
        Stream.runCount
      )
      assert.isAtMost(before, 17)
    }).pipe(onNetwork)
  )

  it.effect("there is room for other peers' messages although the application takes none", () =>
    Effect.gen(function* () {
      const node = yield* endpoint(here, { messageBuffer: 100 })
      for (let port = 1; port <= 5; port++) yield* flood(flooderAt(port), 25)
      // Each is confirmed when the endpoint has it.
      const others = yield* Effect.forEach([3, 4, 5], (i) => endpoint(`10.0.0.${i}:1`, { retryDuration: 0 }))
      for (const other of others) yield* other.sendMessage(bytes(`from ${other.peerId}`), here)
      const seen = new Set<PeerId>()
      for (let i = 0; i < 64; i++) {
        const { payload, peerId } = yield* node.nextMessage
        if (textOf(payload) === `from ${peerId}`) seen.add(peerId)
      }
      assert.deepStrictEqual([...seen].toSorted(), others.map(({ peerId }) => peerId).toSorted())
    }).pipe(onNetwork)
  )

  it.effect("loses nothing: all that it has sent is taken in the end", () =>
    Effect.gen(function* () {
      const node = yield* endpoint(here, { messageBuffer: 10 })
      yield* flood(flooderAt(1), 500)
      for (let i = 0; i < 500; i++) assert.strictEqual(textOf((yield* node.nextMessage).payload), "flood")
      assert.isUndefined((yield* Effect.forkChild(node.nextMessage)).pollUnsafe())
    }).pipe(onNetwork)
  )
})
