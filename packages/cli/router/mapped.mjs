// An endpoint with a port mapper that has the options given, for those that the command has no flags for.
// node mapped.mjs '{ "onConflict": "fail" }'
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as NatUpnp from "@qp2p/upnp/NatUpnp"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

Effect.gen(function* () {
  const endpoint = yield* Endpoint.make({ localAddress: "0.0.0.0:4433", config: { forwardPort: true } })
  yield* Console.log(`public ${endpoint.publicAddress}`)
  return yield* Effect.never
}).pipe(
  Effect.scoped,
  Effect.tapError((error) => Console.log(`${error._tag}: ${error.message}`)),
  Effect.provide([QuicheTransport.layer(), NatUpnp.layer(JSON.parse(process.argv[2]))]),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
