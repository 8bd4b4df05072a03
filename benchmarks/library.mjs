/** The library's side: two endpoints in this process, messages sent with `sendMessage` and taken from `incomingMessages`. */
import { core, effect } from "./dependencies.mjs"
import { payloadOf } from "./workloads.mjs"

const [Context, Effect, Layer, ManagedRuntime, Stream] = await Promise.all(
  ["Context", "Effect", "Layer", "ManagedRuntime", "Stream"].map(effect)
)
const [Endpoint, PortMapper, QuicheTransport] = await Promise.all(
  ["Endpoint", "PortMapper", "QuicheTransport"].map(core)
)

class Pair extends Context.Service()("benchmarks/Pair") {}

const open = Effect.gen(function* () {
  const server = yield* Endpoint.make({ localAddress: "127.0.0.1:0" })
  const client = yield* Endpoint.make({ localAddress: "127.0.0.1:0" })
  yield* client.connectTo(server.localAddress)
  return { server, client }
})

const layer = Layer.effect(Pair, open).pipe(Layer.provide(QuicheTransport.layer), Layer.provide(PortMapper.layerNone))

/**
 * Opens two endpoints and connects them. `run` carries `count` messages of `size` bytes, `inFlight` at a time, and
 * resolves to the seconds it took until the last one was confirmed to its sender and taken by the receiver.
 */
export const openLibrary = async () => {
  const runtime = ManagedRuntime.make(layer)
  await runtime.runPromise(Pair)

  const run = (workload, count) => {
    const body = payloadOf(workload.size)
    const program = Effect.gen(function* () {
      const { server, client } = yield* Pair
      const peer = server.localAddress
      const send = () => client.sendMessage(body, peer)
      const receiving = server.incomingMessages.pipe(
        Stream.take(count),
        Stream.runForEach(({ payload }) =>
          payload.length === workload.size
            ? Effect.void
            : Effect.die(`${payload.length} bytes came of ${workload.size}`)
        )
      )
      const sending = Effect.forEach(Array.from({ length: count }), send, {
        concurrency: workload.inFlight,
        discard: true
      })
      const begin = performance.now()
      yield* Effect.all([receiving, sending], { concurrency: 2, discard: true })
      return (performance.now() - begin) / 1000
    })
    return runtime.runPromise(program)
  }

  return { run, close: () => runtime.dispose() }
}
