import assert from "node:assert/strict"
import { test } from "node:test"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as WireMessage from "@qp2p/core/WireMessage"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Nowhere } from "../src/isolated/nowhere.ts"
import { spentBy } from "../src/isolated/spent.ts"

void test("what is spent is told for each time: fibers, and no less time than it took", async () => {
  const forks = (times: number) =>
    Effect.runPromise(Effect.forEach(Array.from({ length: 2 * times }), () => Effect.forkChild(Effect.void)))
  const { fibers, nanoseconds } = await spentBy(100, async (times) => {
    await forks(times)
    await new Promise((resolve) => setTimeout(resolve, 20))
  })
  assert.ok(fibers >= 2 && fibers < 2.1, `${fibers} fibers`)
  assert.ok(nanoseconds >= 100_000, `${nanoseconds} ns`)
})

void test("a transport that leads nowhere confirms what it is given, and hands over what it is told to", async () => {
  const nowhere = new Nowhere()
  const payload = Uint8Array.of(1, 2, 3)
  const program = Effect.gen(function* () {
    const endpoint = yield* Endpoint.make({ localAddress: "127.0.0.1:1" })
    yield* endpoint.sendMessage(payload, "127.0.0.1:2")
    nowhere.deliver(WireMessage.encodeUser(payload))
    return yield* Stream.runCollect(Stream.take(endpoint.incomingMessages, 1))
  })
  const layer = Layer.merge(nowhere.layer, PortMapper.layerNone)
  const [message] = await Effect.runPromise(Effect.scoped(Effect.provide(program, layer)))
  assert.deepEqual(message?.payload, payload)
})
