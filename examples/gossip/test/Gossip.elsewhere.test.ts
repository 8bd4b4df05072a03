import { assert, it } from "@effect/vitest"
import { Transport } from "@qp2p/core"
import { Effect, Option } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { hears, network, node, onNetwork, texts } from "./support.ts"

it.effect(
  "a contact that answers from another address than it is dialled at is one peer, by the name that was given",
  () =>
    Effect.gen(function* () {
      yield* (yield* network).addAddress("10.0.0.1", "10.0.0.3")
      const ann = yield* node({ localAddress: "10.0.0.1:4433" })
      const bob = yield* node({ localAddress: "10.0.0.2:4433", contacts: ["10.0.0.3:4433"] })
      yield* bob.publish("from bob")
      yield* hears(ann, "from bob")
      yield* ann.publish("from ann")
      yield* hears(bob, "from ann")
      // That she dials him does not make two of her.
      yield* ann.endpoint.isReachable("10.0.0.2:4433")
      // Many exchanges later there is still one connection.
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* bob.peers, ["10.0.0.3:4433"])
      assert.deepStrictEqual(yield* ann.peers, ["10.0.0.2:4433"])
      yield* bob.endpoint.disconnectFrom("10.0.0.3:4433")
      yield* ann.endpoint.nextDisconnection
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(ann.endpoint.nextDisconnection, 0)))
      // And when that is gone, the next is made where the first one was.
      yield* bob.publish("again")
      yield* hears(ann, "again")
      assert.strictEqual((yield* texts(ann)).length, 3)
    }).pipe(onNetwork)
)

it.effect("a node that listens on every address does not talk to itself", () =>
  Effect.gen(function* () {
    const transport = yield* Transport.Transport
    const interfaces = ["203.0.113.7", "192.168.0.2"].map((own) => ({
      name: "eth0",
      address: NetAddress.ipFromStringUnsafe(own),
      prefixLength: 24,
      scopeId: 0
    }))
    yield* (yield* network).refuse("10.0.0.9")
    const contacts = ["192.168.0.2:4433", "203.0.113.7:4433", "10.0.0.9:4433"]
    const ann = yield* node({ localAddress: "0.0.0.0:4433", contacts }).pipe(
      Effect.provideService(Transport.Transport, { ...transport, interfaces: () => interfaces })
    )
    assert.deepStrictEqual(yield* ann.peers, ["10.0.0.9:4433"])
  }).pipe(onNetwork)
)
