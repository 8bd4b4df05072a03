// A program that is built and disposed of again and again in one process, on one port, while a peer of another runtime
// goes on sending to it; then nothing keeps this process alive.
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"

const rounds = 24
const warmUp = 4

for (const event of ["unhandledRejection", "uncaughtException", "warning"]) {
  process.on(event, (reason) => {
    // Node 20 has this warning until 20.19.
    if (event === "warning" && reason.message.startsWith("The Ed25519 Web Crypto API algorithm")) return
    console.log(event, reason)
    process.exitCode = 70
  })
}

const runtime = (localAddress) =>
  ManagedRuntime.make(
    Endpoint.layer({ localAddress }).pipe(Layer.provide(Layer.merge(QuicheTransport.layer(), PortMapper.layerNone)))
  )

const handles = () => process.getActiveResourcesInfo().filter((name) => name === "UDPWrap").length

const peer = runtime("127.0.0.1:0")
const sendTo = (address) =>
  peer.runPromise(
    Effect.gen(function* () {
      const { sendMessage } = yield* Endpoint.Endpoint
      yield* sendMessage(new Uint8Array(10_000), address)
    })
  )

/** Node lets go of a closed handle at the end of the turn. */
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

let address = "127.0.0.1:0"
const open = []
const heap = []
for (let round = 0; round < rounds; round++) {
  const program = runtime(address)
  const received = program.runPromise(
    Effect.gen(function* () {
      const endpoint = yield* Endpoint.Endpoint
      return (yield* endpoint.nextMessage).payload.length
    })
  )
  const own = await program.runPromise(Effect.map(Endpoint.Endpoint, ({ localAddress }) => String(localAddress)))
  if (round > 0 && own !== address) console.log("another port", own)
  address = own
  await sendTo(address)
  if ((await received) !== 10_000) console.log("another message")
  await program.dispose()
  await turn()
  open.push(handles())
  globalThis.gc()
  heap.push(process.memoryUsage().heapUsed)
}
await peer.dispose()
await turn()
console.log(open.every((count) => count === 1) ? "one socket is left each time" : open.join(" "))
const growth = heap.at(-1) - heap[warmUp]
console.log(growth < (rounds - warmUp) * 100_000 ? "memory is flat" : `memory has grown by ${growth} bytes`)
console.log(handles() === 0 ? "left" : "left with a socket")
