import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Host } from "../src/Gateway.ts"
import * as SimulatedNetwork from "../src/SimulatedNetwork.ts"
import * as TestPortMapper from "../src/TestPortMapper.ts"
import { ramp, sameBytes, text } from "./support/recordingSockets.ts"

const { SimulatedNetwork: Network } = SimulatedNetwork

const on = (options?: SimulatedNetwork.Options) =>
  Effect.provide(
    Layer.merge(
      Layer.provideMerge(SimulatedNetwork.layerTransport, SimulatedNetwork.layer(options)),
      PortMapper.layerNone
    )
  )

const endpoint = (localAddress: string, config: EndpointConfig.Input = {}) => Endpoint.make({ localAddress, config })

const endpointOn = Effect.fnUntraced(function* (host: Host, options: Endpoint.Options = {}) {
  const context = yield* Layer.build(SimulatedNetwork.layerHost(host))
  return yield* Effect.provide(Endpoint.make({ localAddress: "0.0.0.0:4433", ...options }), context)
})

const pair = Effect.gen(function* () {
  const [one, two] = [yield* endpoint("10.0.0.1:1"), yield* endpoint("10.0.0.2:2")]
  const near = yield* one.connectTo("10.0.0.2:2")
  const far = yield* two.nextConnection
  return { one, two, near, far }
})

/** Polls until `check` holds; the test's timeout is the limit. */
const eventually = <E, R>(check: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(Effect.andThen(Effect.sleep("5 millis"), check), { until: (holds) => holds })

/** Takes as many messages as `sent` has, and finds each of them there once; they may come in any order. */
const receive = Effect.fnUntraced(function* (to: Endpoint.Endpoint["Service"], sent: ReadonlyArray<Uint8Array>) {
  const received = yield* Stream.runCollect(Stream.take(to.incomingMessages, sent.length))
  const left = new Set(received.map(({ payload }) => payload))
  for (const message of sent) {
    const found = [...left].find((payload) => sameBytes(payload, message))
    assert.isDefined(found, `the one of ${message.length} bytes`)
    left.delete(found)
  }
})

/** Of no two sizes, and some of many packets. */
const messages = Array.from({ length: 30 }, (_, i) => ramp(1 + i * (i % 10 === 9 ? 1_000 : 40)))

const bad: ReadonlyArray<readonly [name: keyof SimulatedNetwork.Counts, faults: SimulatedNetwork.Faults]> = [
  ["lost", { loss: 0.1 }],
  ["duplicated", { duplication: 0.5 }],
  ["reordered", { reordering: 0.5 }],
  ["corrupted", { corruption: 0.1 }]
]

describe("the QUIC driver on it", () => {
  it.live("carries messages, and closes", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { one, two } = yield* pair
      yield* one.sendMessage(text("hello"), "10.0.0.2:2")
      const message = yield* two.nextMessage
      assert.deepStrictEqual([String(message.peer), message.payload], ["10.0.0.1:1", text("hello")])
      yield* one.close
      assert.strictEqual((yield* two.nextDisconnection).reason._tag, "ApplicationClosed")
      const { corrupted, delivered, duplicated, lost, reordered, sent } = yield* network.counts
      assert.isAbove(delivered, 5)
      assert.deepStrictEqual([corrupted, duplicated, reordered], [0, 0, 0])
      // What a socket sends that is about to close may come when nobody listens any more.
      assert.isAtMost(delivered + lost, sent)
    }).pipe(on())
  )

  const trial = (
    seed: string,
    faults: SimulatedNetwork.Faults,
    expected: ReadonlyArray<keyof SimulatedNetwork.Counts>
  ) =>
    Effect.gen(function* () {
      const network = yield* Network
      const { far, near, one, two } = yield* pair
      const send = Effect.forEach(messages, (message) => Effect.all([near.send(message), far.send(message)]), {
        concurrency: 10
      })
      yield* Effect.all([send, receive(one, messages), receive(two, messages)], { concurrency: "unbounded" })
      const counts = yield* network.counts
      for (const count of expected) assert.isAbove(counts[count], 3, count)
      const unexpected = bad.filter(([count]) => count !== "lost" && !expected.includes(count))
      for (const [count] of unexpected) assert.strictEqual(counts[count], 0, count)
    }).pipe(on({ seed, latency: "2 millis", ...faults }))

  for (const [count, faults] of bad) {
    it.live(
      `gets everything through where datagrams are ${count}`,
      () => trial(`seed of those ${count}`, faults, [count]),
      60_000
    )
  }

  it.live(
    "gets everything through where all of it happens",
    () =>
      trial(
        "seed of all",
        { loss: 0.05, duplication: 0.2, reordering: 0.2, reorderingDelay: "30 millis", corruption: 0.05 },
        ["lost", "duplicated", "reordered", "corrupted"]
      ),
    60_000
  )

  it.live("gets a long message through a narrow way, whose queue is full at times", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { near, two } = yield* pair
      yield* network.setBandwidth(30_000, { from: "10.0.0.1" })
      // QUIC begins with ten packets at once (RFC 9002, section 7.2), and there is room for five.
      const message = ramp(30_000)
      yield* Effect.all([near.send(message), receive(two, [message])], { concurrency: "unbounded" })
      assert.isAbove((yield* network.counts).lost, 0)
    }).pipe(on({ latency: "10 millis" }))
  )

  it.live("does not get a handshake through where packets of 1,200 bytes do not fit", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const one = yield* endpoint("10.0.0.1:1", { handshakeTimeout: "300 millis", retryDuration: 0 })
      yield* endpoint("10.0.0.2:2")
      assert.strictEqual((yield* Effect.flip(one.connectTo("10.0.0.2:2")))._tag, "ConnectionTimedOut")
      yield* network.setFaults({ mtu: 1_200 })
      yield* one.connectTo("10.0.0.2:2")
    }).pipe(on({ mtu: 1_199 }))
  )

  it.live("finds out how large packets may be, and when it is less from now on", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { near, two } = yield* pair
      const message = ramp(50_000)
      /** Bytes of the packets that carry a message, on the average. */
      const carry = Effect.gen(function* () {
        const before = yield* near.stats
        yield* near.send(message)
        assert.isTrue(sameBytes((yield* two.nextMessage).payload, message))
        const after = yield* near.stats
        return (after.bytesSent - before.bytesSent) / (after.packetsSent - before.packetsSent)
      })
      assert.isBelow(yield* carry, 1_200)
      yield* eventually(Effect.map(carry, (size) => size > 1_250))
      const before = yield* network.counts
      yield* network.setFaults({ mtu: 1_250 })
      assert.isBelow(yield* Effect.andThen(carry, carry), 1_200)
      yield* network.setFaults({ mtu: 1_452 })
      yield* eventually(Effect.map(carry, (size) => size > 1_375))
      assert.isAbove((yield* network.counts).lost, before.lost)
    }).pipe(on({ mtu: 1_350 }))
  )

  it.live("goes on when a partition has healed, and not before", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { near, two } = yield* pair
      yield* network.partition("10.0.0.1", "10.0.0.2:2")
      const before = yield* network.counts
      const sending = yield* Effect.forkChild(near.send(text("late")))
      yield* eventually(Effect.map(network.counts, ({ lost }) => lost > before.lost + 1))
      assert.strictEqual((yield* network.counts).delivered, before.delivered)
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(two.nextMessage, 0)))
      yield* network.heal
      assert.deepStrictEqual((yield* two.nextMessage).payload, text("late"))
      yield* Fiber.join(sending)
    }).pipe(on())
  )

  it.live("goes on where its peer is seen when that was rebound, with the streams that are open", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { far, near, one, two } = yield* pair
      const { receive, send } = yield* near.openBi()
      yield* send.sendMessage(text("before"))
      const { reply } = yield* two.nextMessage
      yield* network.rebind("10.0.0.1:1")
      yield* send.sendMessage(text("after"))
      const message = yield* two.nextMessage
      assert.deepStrictEqual(message.payload, text("after"))
      yield* eventually(Effect.sync(() => String(far.remoteAddress) !== "10.0.0.1:1"))
      const seen = String(far.remoteAddress)
      assert.isTrue(seen.startsWith("10.0.0.1:"))
      // Back over the stream of before, and by the address of now.
      yield* Option.getOrThrow(reply).sendMessage(text("answer"))
      assert.deepStrictEqual(yield* receive.next, text("answer"))
      yield* two.trySendMessage(text("to where it is"), seen)
      assert.deepStrictEqual((yield* one.nextMessage).payload, text("to where it is"))
      assert.strictEqual(String(near.remoteAddress), "10.0.0.2:2")
    }).pipe(on())
  )

  it.live("fails to bind what is in use, and what is another host's", () =>
    Effect.gen(function* () {
      yield* endpoint("10.0.0.1:1")
      const inUse = yield* Effect.flip(endpoint("10.0.0.1:1"))
      assert.deepInclude(inUse, { _tag: "BindError", detail: "the address is in use" })
      const host = { address: "10.0.0.9" }
      const foreign = yield* Effect.flip(endpointOn(host, { localAddress: "10.0.0.1:2" }))
      assert.deepInclude(foreign, { _tag: "BindError", detail: "the address is not one of this machine" })
      // A port is free again when its endpoint is closed.
      yield* Effect.scoped(endpointOn(host))
      const again = yield* endpointOn(host, { localAddress: "10.0.0.9:4433" })
      assert.strictEqual(String(again.localAddress), "10.0.0.9:4433")
    }).pipe(on())
  )
})

describe("behind a gateway", () => {
  it.live("is seen at the gateway's address, and reached there by those that it has sent to", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const home = yield* network.gateway({ address: "203.0.113.1" })
      const contact = yield* endpointOn({ address: "198.51.100.1" })
      const stranger = yield* endpointOn(
        { address: "198.51.100.2" },
        { config: { handshakeTimeout: "300 millis", retryDuration: 0 } }
      )
      const inside = yield* endpointOn({ address: "192.168.1.2", gateway: home }, { contacts: ["198.51.100.1:4433"] })
      assert.strictEqual(String(inside.publicAddress), "203.0.113.1:4433")
      yield* inside.sendMessage(text("hello"), "198.51.100.1:4433")
      assert.strictEqual(String((yield* contact.nextMessage).peer), "203.0.113.1:4433")
      yield* contact.isReachable("203.0.113.1:4433")
      yield* Effect.flip(stranger.connectTo("203.0.113.1:4433"))
    }).pipe(on())
  )

  it.live("is reached by everybody at a mapped port", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const home = yield* network.gateway({ address: "203.0.113.1", kind: "Symmetric" })
      const host = { address: "192.168.1.2", gateway: home }
      yield* endpointOn({ address: "198.51.100.1" })
      const stranger = yield* endpointOn({ address: "198.51.100.2" })
      const inside = yield* endpointOn(host, {
        contacts: ["198.51.100.1:4433"],
        config: { forwardPort: true, externalPort: 5000 }
      }).pipe(Effect.provide(TestPortMapper.layerHost(host)))
      assert.strictEqual(String(inside.publicAddress), "203.0.113.1:5000")
      yield* stranger.sendMessage(text("hello"), inside.publicAddress)
      assert.strictEqual(String((yield* inside.nextMessage).peer), "198.51.100.2:4433")
    }).pipe(on())
  )

  it.live("goes on when the gateway has lost its power, at its new address", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const home = yield* network.gateway({ address: "203.0.113.1", kind: "Symmetric" })
      const outside = yield* endpointOn({ address: "198.51.100.1" })
      const inside = yield* endpointOn({ address: "192.168.1.2", gateway: home })
      const near = yield* inside.connectTo("198.51.100.1:4433")
      const far = yield* outside.nextConnection
      assert.strictEqual(String(far.remoteAddress), "203.0.113.1:1024")
      yield* home.restart("203.0.113.99")
      yield* near.send(text("from elsewhere"))
      yield* outside.nextMessage
      yield* eventually(Effect.sync(() => String(far.remoteAddress) === "203.0.113.99:1025"))
      yield* far.send(text("back"))
      assert.deepStrictEqual((yield* inside.nextMessage).payload, text("back"))
    }).pipe(on())
  )
})
