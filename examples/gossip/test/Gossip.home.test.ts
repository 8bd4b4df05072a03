import { assert, it } from "@effect/vitest"
import { Endpoint, PortMapperError } from "@qp2p/core"
import { MemoryTransport, TestPortMapper } from "@qp2p/testkit"
import { Context, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Gossip } from "../src/Gossip.ts"
import { hears, network, node, onNetwork } from "./support.ts"

/** Ann at home: a router between her and everybody else, and a port that it keeps open for her. */
const atHome = Effect.gen(function* () {
  const gateway = yield* (yield* network).gateway({ address: "1.2.3.4" })
  const host = { address: "192.168.0.2", gateway }
  const services = yield* Gossip.layerNode({
    localAddress: "192.168.0.2:4433",
    config: { forwardPort: true, upnpLeaseDuration: "2 minutes" }
  }).pipe(Layer.provideMerge([MemoryTransport.layerHost(host), TestPortMapper.layerHost(host)]), Layer.build)
  const endpoint = Context.get(services, Endpoint.Endpoint)
  assert.strictEqual(String(endpoint.publicAddress), "1.2.3.4:4433")
  return {
    ...Context.get(services, Gossip),
    endpoint,
    router: Context.get(services, TestPortMapper.TestPortMapper)
  }
})

it.effect("a node at home is found by strangers for as long as its lease is renewed", () =>
  Effect.gen(function* () {
    const ann = yield* atHome
    yield* TestClock.adjust("1 hour")
    // At half of the lease, each time.
    const calls = yield* ann.router.calls
    assert.deepStrictEqual(
      calls.map(({ action, time }) => [action, time]),
      [["map", 0], ...Array.from({ length: 60 }, (_, minute) => ["renew", (minute + 1) * 60_000])]
    )
    const bob = yield* node({ localAddress: "5.6.7.8:4433", contacts: [ann.endpoint.publicAddress] })
    yield* bob.publish("good morning")
    yield* hears(ann, "good morning")
  }).pipe(onNetwork)
)

it.effect("a node at home is lost to strangers when its lease ends, until the router has mended", () =>
  Effect.gen(function* () {
    const ann = yield* atHome
    yield* (yield* network).setLatency("50 millis")
    // A stranger each time: whoever she has answered, her router lets in for a while.
    const isReachable = Effect.gen(function* () {
      const stranger = yield* Endpoint.make({ localAddress: "5.6.7.8:0" })
      const question = yield* Effect.forkChild(Effect.isSuccess(stranger.isReachable(ann.endpoint.publicAddress)))
      yield* TestClock.adjust("10 seconds")
      return yield* Fiber.join(question)
    })

    yield* ann.router.failNext(new PortMapperError.PortMapperTimedOut({ gateway: "http://192.168.0.1/" }), 2)
    yield* TestClock.adjust("110 seconds")
    assert.isTrue(yield* isReachable)
    assert.isFalse(yield* isReachable)
    yield* TestClock.adjust("1 minute")
    assert.isTrue(yield* isReachable)

    yield* ann.endpoint.close
    assert.deepStrictEqual(yield* ann.router.mappings, [])
  }).pipe(onNetwork)
)
