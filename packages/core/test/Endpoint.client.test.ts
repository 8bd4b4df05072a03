import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Endpoint from "../src/Endpoint.ts"
import { bytes, summary } from "./support/values.ts"
import { endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"

describe("a client as a layer", () => {
  it.effect("sends, and cannot be dialled", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1", { retryDuration: 0, handshakeTimeout: 1 })
      const client = Endpoint.layerClient({ localAddress: "10.0.0.9:9" })
      yield* Effect.gen(function* () {
        const { localAddress, sendMessage } = yield* Endpoint.Endpoint
        yield* sendMessage(bytes("hello"), "10.0.0.1:1")
        const dial = yield* Effect.forkChild(one.isReachable(localAddress))
        yield* settle
        assert.isUndefined(dial.pollUnsafe())
        yield* Fiber.interrupt(dial)
      }).pipe(Effect.provide(client))
      assert.deepStrictEqual(summary(yield* one.nextMessage), { peer: "10.0.0.9:9", text: "hello", reply: false })
      // The layer's scope is closed, and the client with it.
      assert.strictEqual((yield* one.nextDisconnection).reason._tag, "ApplicationClosed")
    }).pipe(onNetwork)
  )
})
