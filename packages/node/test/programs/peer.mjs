// An endpoint in a process of its own, to be killed: it listens on a port, dials an address if it is given one, has the key
// in a file if it is given one, and writes down what arrives.
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as NodeIdentity from "@qp2p/node/NodeIdentity"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const [port, dialled, file] = process.argv.slice(2)

await Effect.runPromise(
  Effect.gen(function* () {
    const self = yield* Endpoint.make({
      localAddress: `127.0.0.1:${port}`,
      identity: file === undefined ? undefined : NodeIdentity.fromFile(file),
      config: { idleTimeout: "1 hour" }
    })
    if (dialled) yield* self.connectTo(dialled)
    console.log("ready")
    while (true) {
      const { payload } = yield* self.nextMessage
      console.log(new TextDecoder().decode(payload))
    }
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(QuicheTransport.layer(), PortMapper.layerNone)))
)
