/**
 * Runs a node in the terminal: it publishes each typed line, and prints each rumour.
 *
 * The settings are environment variables: GOSSIP_LOCAL_ADDRESS, GOSSIP_CONTACTS with commas between addresses,
 * GOSSIP_FORWARD_PORT and every other field of EndpointConfig, and GOSSIP_INTERVAL.
 */
import { NodeRuntime, NodeStdio } from "@effect/platform-node"
import { Endpoint } from "@qp2p/core"
import { QuicheTransport } from "@qp2p/node"
import { NatUpnp } from "@qp2p/upnp"
import { Config, Console, Effect, Layer, Stdio, Stream } from "effect"
import { Gossip } from "./Gossip.ts"

const settings = Config.all({
  options: Endpoint.config("gossip", { others: ["interval"] }),
  interval: Config.Duration("GOSSIP_INTERVAL").pipe(Config.withDefault("5 seconds"))
})

/** The node. It maps a port on the router only with GOSSIP_FORWARD_PORT=true. */
const node = Layer.unwrap(
  Effect.map(settings, ({ interval, options }) => Gossip.layerNode({ ...options, interval }))
).pipe(Layer.provide([QuicheTransport.layer(), NatUpnp.layer()]))

const terminal = Effect.gen(function* () {
  const gossip = yield* Gossip
  const { publicAddress } = yield* Endpoint.Endpoint
  const { stdin } = yield* Stdio.Stdio
  yield* Console.log(`listening on ${publicAddress}`)
  const typed = stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line.trim() !== ""),
    Stream.runForEach((line) => Effect.catch(gossip.publish(line), ({ message }) => Console.error(message)))
  )
  const heard = Stream.runForEach(gossip.heard, ({ text }) => Console.log(`heard: ${text}`))
  // The node keeps running after the end of standard input.
  yield* Effect.all([typed, heard], { concurrency: "unbounded" })
})

terminal.pipe(Effect.provide([node, NodeStdio.layer]), NodeRuntime.runMain)
