/**
 * What peers leave in the queues of an endpoint whose application falls behind, when they close their connections.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { encodeUser } from "../src/WireMessage.ts"
import { raw } from "./support/bareSockets.ts"
import { endpoint, onNetwork, settle, taken } from "./support/memoryEndpoints.ts"
import { bytes } from "./support/values.ts"

const here = "10.0.0.2:2"

/** A peer that writes each of `contents` on a stream of its own, and closes its connection. */
const visit = Effect.fnUntraced(function* (local: string, contents: ReadonlyArray<Uint8Array>) {
  const { closes, dial } = yield* raw(local)
  const connection = yield* dial(here)
  yield* settle
  for (const content of contents) connection.openUni(0).write(content, false, () => {})
  yield* settle
  // The endpoint has not refused the peer.
  assert.deepStrictEqual(closes, [])
  connection.close(0, "")
  yield* settle
})

/** Whether the endpoint takes a new connection. */
const isWelcome = Effect.fnUntraced(function* (local: string) {
  const { closes, dial } = yield* raw(local)
  yield* dial(here)
  yield* settle
  return closes.length === 0
})

describe("while the application falls behind, connections that have ended", () => {
  it.effect("keep no others out with parts of messages", () =>
    Effect.gen(function* () {
      const node = yield* endpoint(here, { messageBuffer: 1 })
      yield* visit("10.0.0.3:3", [encodeUser(bytes("kept"))])
      const part = encodeUser(bytes("a message")).subarray(0, 12)
      for (let i = 0; i < 5; i++) yield* visit(`10.0.1.${i}:1`, [part, part, part])
      assert.isTrue(yield* isWelcome("10.0.0.4:4"))
      assert.deepStrictEqual(yield* taken(node), [bytes("kept")])
    }).pipe(onNetwork)
  )

  it.effect(
    "leave no more bytes of messages than twice messageBufferBytes before new ones are closed, until it catches up",
    () =>
      Effect.gen(function* () {
        const node = yield* endpoint(here, { messageBuffer: 1_000, messageBufferBytes: 10_000 })
        const message = new Uint8Array(4_000)
        const content = new Uint8Array(Buffer.concat(Array.from({ length: 5 }, () => encodeUser(message))))
        // The queue has room for one of the five messages. The other four are more than messageBufferBytes.
        yield* visit("10.0.0.3:3", [content])
        assert.isFalse(yield* isWelcome("10.0.0.3:4"))
        yield* visit("10.0.0.4:4", [content])
        assert.isFalse(yield* isWelcome("10.0.0.5:5"))
        assert.lengthOf(yield* taken(node), 10)
        assert.isTrue(yield* isWelcome("10.0.0.6:6"))
      }).pipe(onNetwork)
  )
})
