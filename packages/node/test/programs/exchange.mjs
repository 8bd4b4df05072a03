// Two endpoints exchange a message and are closed; then nothing keeps this process alive.
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"

const endpoint = Endpoint.make({ localAddress: "127.0.0.1:0" })

const exchange = Effect.gen(function* () {
  const one = yield* endpoint
  const two = yield* endpoint
  yield* one.sendMessage(new TextEncoder().encode("hello"), two.localAddress)
  const { payload } = yield* two.nextMessage
  console.log(new TextDecoder().decode(payload))
})

/** Leaves in the middle of a dial, of a send and of a question, and with streams half open. */
const interrupted = Effect.gen(function* () {
  const one = yield* endpoint
  const two = yield* endpoint
  const { send } = yield* one.openBidirectionalStream(two.localAddress)
  yield* send.sendMessage(new Uint8Array(100))
  const waiting = yield* Effect.all(
    [
      one.connectTo("127.0.0.1:9"),
      one.isReachable("127.0.0.1:9"),
      one.connectToAny(["127.0.0.1:9", "127.0.0.1:10"]),
      one.sendMessage(new Uint8Array(1), "127.0.0.1:9"),
      one.sendMessage(new Uint8Array(60_000_000), two.localAddress),
      two.sendMessage(new Uint8Array(60_000_000), one.localAddress),
      one.nextDisconnection
    ].map((effect) => Effect.forkChild(effect))
  )
  yield* Effect.sleep("50 millis")
  if (process.argv[2] === "interrupted") yield* Fiber.interruptAll(waiting)
  console.log("left")
})

for (const event of ["unhandledRejection", "uncaughtException", "warning"]) {
  process.on(event, (reason) => {
    // Node 20 has this warning until 20.19.
    if (event === "warning" && reason.message.startsWith("The Ed25519 Web Crypto API algorithm")) return
    console.log(event, reason)
    process.exitCode = 70
  })
}
await Effect.runPromise(
  (process.argv[2] === "exchange" ? exchange : interrupted).pipe(
    Effect.scoped,
    Effect.provide(Layer.merge(QuicheTransport.layer(), PortMapper.layerNone))
  )
)
