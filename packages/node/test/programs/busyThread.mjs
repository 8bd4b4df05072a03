/* oxlint-disable unicorn/require-post-message-target-origin -- threads have no origins */
// Threads whose endpoints are busy are asked to end, one after the other: each closes its scope and ends by itself.
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { isMainThread, parentPort, Worker } from "node:worker_threads"

const rounds = 4
const provide = Effect.provide(Layer.merge(QuicheTransport.layer(), PortMapper.layerNone))
const make = Endpoint.make({ localAddress: "127.0.0.1:0" })

const thread = Effect.gen(function* () {
  const endpoint = yield* make
  parentPort.postMessage(String(endpoint.localAddress))
  for (let count = 0; ; count++) {
    yield* endpoint.nextMessage
    if (count === 200) parentPort.postMessage("busy")
  }
}).pipe(Effect.scoped, provide)

const parent = Effect.gen(function* () {
  const endpoint = yield* make
  const payload = new Uint8Array(1_000)
  for (let round = 0; round < rounds; round++) {
    const made = new Worker(fileURLToPath(import.meta.url))
    const next = Effect.promise(() => once(made, "message").then(([message]) => message))
    const exit = once(made, "exit")
    const peer = yield* next
    const sending = Effect.forever(Effect.ignore(endpoint.sendMessage(payload, peer, { retryDuration: 0 })))
    const senders = yield* Effect.forkChild(
      Effect.forEach(Array.from({ length: 32 }), () => sending, { concurrency: "unbounded" })
    )
    yield* next
    made.postMessage("end")
    const [code] = yield* Effect.promise(() => exit)
    yield* Fiber.interrupt(senders)
    console.log(`ended with ${code}`)
  }
}).pipe(Effect.scoped, provide)

if (isMainThread) await Effect.runPromise(parent)
else {
  const fiber = Effect.runFork(thread)
  // Nothing of the endpoint is left then, so the thread has nothing to wait for.
  parentPort.once("message", () => Effect.runFork(Fiber.interrupt(fiber)))
}
