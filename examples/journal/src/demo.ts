/** Runs two devices of one owner in this process, over QUIC. They are cut off from each other for a while, and both go on. */
import { NodeRuntime } from "@effect/platform-node"
import { Endpoint, Identity, PeerPolicy } from "@qp2p/core"
import { NodeEndpoint } from "@qp2p/node"
import { Console, Context, Effect, Layer, Logger } from "effect"
import { EventLog, EventLogEncryption } from "effect/eventlog"
import { createSocket } from "node:dgram"
import * as Device from "./Device.ts"
import { List } from "./List.ts"

/** A port of this machine that is free. */
const freePort = Effect.callback<number>((resume) => {
  const socket = createSocket("udp4")
  socket.bind(0, "127.0.0.1", () => {
    const { port } = socket.address()
    socket.close(() => resume(Effect.succeed(port)))
  })
})

const demo = Effect.gen(function* () {
  const owner = yield* EventLog.makeIdentity
  const keys = yield* Effect.all([Identity.generate, Identity.generate])
  const ports = yield* Effect.all([freePort, freePort])
  let isCut = false
  // The cable between the devices: while it is cut, neither takes the other in.
  const policy = Layer.succeed(PeerPolicy.PeerPolicy, () => Effect.sync(() => !isCut))

  const start = Effect.fnUntraced(function* (self: 0 | 1) {
    const other = (1 - self) as 0 | 1
    const endpoint = NodeEndpoint.layer({
      localAddress: `127.0.0.1:${ports[self]}`,
      identity: keys[self],
      config: { retryDuration: 0 }
    })
    const others = [`${keys[other].peerId}@127.0.0.1:${ports[other]}`]
    const services = yield* Layer.build(
      Layer.fresh(Device.layer({ owner, others }).pipe(Layer.provideMerge(endpoint), Layer.provide(policy)))
    )
    return { ...Context.get(services, List), endpoint: Context.get(services, Endpoint.Endpoint) }
  })
  const phone = yield* start(0)
  const laptop = yield* start(1)

  const show = Effect.gen(function* () {
    yield* Console.log(`  phone:  ${(yield* phone.items).join(", ")}`)
    yield* Console.log(`  laptop: ${(yield* laptop.items).join(", ")}`)
  })
  const until = (items: string) =>
    Effect.repeat(Effect.delay(Effect.all([phone.items, laptop.items]), "50 millis"), {
      until: (each) => each.every((seen) => seen.join(", ") === items)
    })

  yield* Console.log("Together:")
  yield* phone.add("milk")
  yield* laptop.add("tea")
  yield* until("milk, tea")
  yield* show

  yield* Console.log("Apart:")
  isCut = true
  yield* phone.endpoint.disconnectFrom(laptop.endpoint.peerId)
  yield* phone.buy("milk")
  yield* phone.add("bread")
  yield* laptop.add("eggs")
  yield* show

  yield* Console.log("Together again:")
  isCut = false
  yield* until("bread, eggs, tea")
  yield* show
})

demo.pipe(
  Effect.scoped,
  Effect.timeout("1 minute"),
  Effect.provide([EventLogEncryption.layerSubtle, Logger.layer([])]),
  NodeRuntime.runMain
)
