// Asks and reads the answers, and never finishes a stream. Nothing else happens in this process, so nothing but the endpoint
// brings on a collection of garbage when there is no place for one more stream.
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

const count = Number(process.argv[2])

await Effect.runPromise(
  Effect.gen(function* () {
    const [one, two] = yield* Effect.all([1, 2].map(() => Endpoint.make({ localAddress: "127.0.0.1:0" })))
    yield* two.incomingMessages.pipe(
      Stream.runForEach(({ payload, reply }) =>
        Effect.ignore(Option.getOrThrow(reply).sendMessage(payload, { fin: true }))
      ),
      Effect.forkScoped
    )
    const ask = Effect.gen(function* () {
      const { receive, send } = yield* one.openBidirectionalStream(two.localAddress)
      yield* send.sendMessage(Uint8Array.of(1))
      return yield* receive.next
    })
    for (let i = 0; i < count; i++) yield* ask
    console.log(`${count} answers`)
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(QuicheTransport.layer(), PortMapper.layerNone)))
)
