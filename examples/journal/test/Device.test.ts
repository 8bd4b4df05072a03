/** Devices whose lists agree, over endpoints in memory, and over QUIC on a network that the test can cut. */
import { assert, describe, it } from "@effect/vitest"
import { Endpoint, PortMapper, type Transport } from "@qp2p/core"
import { MemoryNetwork, MemoryTransport, type NetworkControl, TestIdentity } from "@qp2p/testkit"
import * as SimulatedNetwork from "@qp2p/testkit/SimulatedNetwork"
import { Context, Effect, Layer, References, type Scope } from "effect"
import { EventLog, EventLogEncryption } from "effect/eventlog"
import * as Device from "../src/Device.ts"
import { List } from "../src/List.ts"

/** What a test may do to the way between devices. */
class Control extends Context.Service<Control, NetworkControl.NetworkControl>()(
  "@qp2p-examples/journal/test/Device.test/Control"
) {}

const inMemory = Layer.provideMerge(
  Layer.effect(Control, Effect.service(MemoryNetwork.MemoryNetwork)),
  MemoryTransport.layerNetwork()
)

const overQuic = Layer.merge(
  Layer.effect(Control, Effect.service(SimulatedNetwork.SimulatedNetwork)),
  SimulatedNetwork.layerTransport
).pipe(Layer.provide(SimulatedNetwork.layer()))

const networks: Record<string, Layer.Layer<Control | Transport.Transport>> = {
  "in memory": inMemory,
  "over QUIC": overQuic
}

const ann = { name: "Ann", address: "10.0.0.1:1" }
const bob = { name: "Bob", address: "10.0.0.2:1" }

/** Starts a device, which lives as long as the scope. */
const start = Effect.fnUntraced(function* (owner: EventLog.Identity["Service"], self: typeof ann, other: typeof ann) {
  const endpoint = Endpoint.layer({
    localAddress: self.address,
    identity: TestIdentity.make(self.name),
    // The test does not wait long for a connection that is cut.
    config: {
      idleTimeout: "2 seconds",
      keepAliveInterval: "500 millis",
      handshakeTimeout: "1 second",
      retryDuration: 0
    }
  })
  const others = [`${TestIdentity.make(other.name).peerId}@${other.address}`]
  const services = yield* Layer.build(
    Layer.fresh(Device.layer({ owner, others }).pipe(Layer.provideMerge(endpoint), Layer.provide(PortMapper.layerNone)))
  )
  const { entries } = Context.get(services, EventLog.EventLog)
  const { connections } = Context.get(services, Endpoint.Endpoint)
  return {
    ...Context.get(services, List),
    /** How many connections there are with the other device. */
    connections: Effect.map(
      connections,
      (all) => all.filter(({ peerId }) => peerId !== TestIdentity.make(self.name).peerId).length
    ),
    /** What is in the journal, in the order of the alphabet. */
    journal: Effect.map(Effect.orDie(entries), (all) =>
      all.map(({ event, primaryKey }) => `${event} ${primaryKey}`).toSorted()
    )
  }
})

const owner = Effect.provide(EventLog.makeIdentity, EventLogEncryption.layerSubtle)

/** Waits until the lists are as they should be, and the journals the same. */
const agree = (devices: ReadonlyArray<Effect.Success<ReturnType<typeof start>>>, items: ReadonlyArray<string>) =>
  Effect.repeat(
    Effect.delay(
      Effect.forEach(devices, (device) => Effect.all([device.items, device.journal])),
      "20 millis"
    ),
    {
      until: (each) =>
        each.every(([seen, journal]) => String(seen) === String(items) && String(journal) === String(each[0]![1]))
    }
  )

const onNetwork = <A, E>(
  network: Layer.Layer<Control | Transport.Transport>,
  test: Effect.Effect<A, E, Control | Transport.Transport | Scope.Scope>
) =>
  test.pipe(
    Effect.scoped,
    Effect.provide(Layer.fresh(network)),
    // What cannot be reached is logged, again and again.
    Effect.provideService(References.MinimumLogLevel, "None")
  )

for (const [where, network] of Object.entries(networks)) {
  describe(`devices ${where}`, () => {
    it.live("agree after a partition in which both went on", () =>
      onNetwork(
        network,
        Effect.gen(function* () {
          const control = yield* Control
          const key = yield* owner
          const [first, second] = [yield* start(key, ann, bob), yield* start(key, bob, ann)]
          yield* first.add("milk")
          yield* second.add("tea")
          yield* agree([first, second], ["milk", "tea"])

          yield* control.partition(["10.0.0.1"], ["10.0.0.2"])
          yield* first.add("bread")
          yield* first.buy("milk")
          yield* second.add("eggs")
          yield* second.buy("milk")
          assert.deepStrictEqual(yield* first.items, ["bread", "tea"])
          assert.deepStrictEqual(yield* second.items, ["eggs", "tea"])

          // Neither has a connection with the other any more.
          const cut = Effect.forEach([first, second], (device) => device.connections)
          yield* Effect.repeat(Effect.delay(cut, "20 millis"), { until: (each) => each.every((count) => count === 0) })

          yield* control.heal
          yield* agree([first, second], ["bread", "eggs", "tea"])
          assert.deepStrictEqual(yield* second.journal, [
            "Added bread",
            "Added eggs",
            "Added milk",
            "Added tea",
            "Bought milk",
            "Bought milk"
          ])
        })
      )
    )

    it.live("agree when one of them starts late, and has not been there while the other went on", () =>
      onNetwork(
        network,
        Effect.gen(function* () {
          const key = yield* owner
          const first = yield* start(key, ann, bob)
          yield* first.add("milk")
          yield* first.add("bread")
          yield* first.buy("milk")
          const second = yield* start(key, bob, ann)
          yield* second.add("eggs")
          yield* agree([first, second], ["bread", "eggs"])
        })
      )
    )
  })
}
