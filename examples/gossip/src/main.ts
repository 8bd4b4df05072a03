/**
 * Runs a node in the terminal: it publishes each typed line, and prints each rumour.
 *
 * The settings are environment variables: GOSSIP_LOCAL_ADDRESS, GOSSIP_CONTACTS with white space between peers, GOSSIP_IDENTITY
 * with the file that keeps the node's key, GOSSIP_FORWARD_PORT and every other field of EndpointConfig, and GOSSIP_INTERVAL.
 */
import { NodeRuntime, NodeStdio } from "@effect/platform-node"
import { Endpoint } from "@qp2p/core"
import { NodeIdentity, QuicheTransport } from "@qp2p/node"
import { NatUpnp } from "@qp2p/upnp"
import { Config, Console, Effect, Layer, Option, Stdio, Stream } from "effect"
import { Gossip } from "./Gossip.ts"

const settings = Config.all({
  options: Endpoint.config("gossip", { others: ["identity", "interval"] }),
  identity: Config.option(Config.String("GOSSIP_IDENTITY")),
  interval: Config.Duration("GOSSIP_INTERVAL").pipe(Config.withDefault("5 seconds"))
})

/** The node. It maps a port on the router only with GOSSIP_FORWARD_PORT=true. */
const node = Layer.unwrap(
  Effect.map(settings, ({ identity, interval, options }) =>
    Gossip.layerNode({
      ...options,
      identity: Option.getOrUndefined(Option.map(identity, NodeIdentity.fromFile)),
      interval
    })
  )
).pipe(Layer.provide([QuicheTransport.layer(), NatUpnp.layer()]))

const terminal = Effect.gen(function* () {
  const gossip = yield* Gossip
  const { peerAddress } = yield* Endpoint.Endpoint
  const { stdin } = yield* Stdio.Stdio
  yield* Console.log(`others find this node as ${peerAddress}`)
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
