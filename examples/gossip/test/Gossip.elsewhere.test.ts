import { assert, describe, it } from "@effect/vitest"
import { type Identity, Transport } from "@qp2p/core"
import { TestIdentity } from "@qp2p/testkit"
import { Effect, Exit, Option, Scope } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { hears, network, node, onNetwork, texts } from "./support.ts"

it.effect("a contact that answers from another address than it is dialled at is one peer, by its key", () =>
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
    assert.deepStrictEqual(yield* bob.peers, [ann.endpoint.peerId])
    assert.deepStrictEqual(yield* ann.peers, [bob.endpoint.peerId])
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

describe("a contact", () => {
  const annAt = "10.0.0.1:4433"
  const bobAt = "10.0.0.2:4433"
  const at = (identity: Identity.Identity) => `${identity.peerId}@${annAt}`
  const [ann, bob, eve] = ["ann", "bob", "eve"].map((name) => TestIdentity.make(name)) as [
    Identity.Identity,
    Identity.Identity,
    Identity.Identity
  ]

  it.effect("with an id is told nothing when another peer is in its place, and is found when it comes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const impostor = yield* Scope.provide(node({ localAddress: annAt, identity: eve }), scope)
      const friend = yield* node({ localAddress: bobAt, contacts: [at(ann)], identity: bob })
      yield* friend.publish("secret")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* texts(impostor), [])
      assert.deepStrictEqual([yield* friend.peers, yield* impostor.peers], [[ann.peerId], []])
      yield* Scope.close(scope, Exit.void)
      const right = yield* node({ localAddress: annAt, identity: ann })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* texts(right), ["secret"])
    }).pipe(onNetwork)
  )

  it.effect("without an id is whoever answers there: it may come back with another key", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const before = yield* Scope.provide(node({ localAddress: annAt, identity: ann }), scope)
      const friend = yield* node({ localAddress: bobAt, contacts: [annAt], identity: bob })
      yield* friend.publish("first")
      yield* hears(before, "first")
      assert.deepStrictEqual(yield* friend.peers, [ann.peerId])
      yield* Scope.close(scope, Exit.void)
      const after = yield* node({ localAddress: annAt, identity: eve })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([yield* friend.peers, yield* texts(after)], [[eve.peerId], ["first"]])
    }).pipe(onNetwork)
  )

  it.effect("that dials first is one peer, and so is one that is listed twice", () =>
    Effect.gen(function* () {
      const { heal, refuse } = yield* network
      yield* refuse(annAt)
      const friend = yield* node({ localAddress: bobAt, contacts: [annAt, at(ann)], identity: bob })
      assert.deepStrictEqual(yield* friend.peers, [annAt, ann.peerId])
      yield* heal
      const scope = yield* Scope.make()
      const options = { localAddress: annAt, contacts: [`${bob.peerId}@${bobAt}`], identity: ann }
      const dialler = yield* Scope.provide(node(options), scope)
      yield* dialler.publish("hello")
      yield* hears(friend, "hello")
      assert.deepStrictEqual([yield* friend.peers, yield* dialler.peers], [[ann.peerId], [bob.peerId]])
      // The entry with the id is the one that stays.
      yield* Scope.close(scope, Exit.void)
      const impostor = yield* node({ localAddress: annAt, identity: eve })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([yield* friend.peers, yield* texts(impostor)], [[ann.peerId], []])
    }).pipe(onNetwork)
  )

  it.effect("that is this node by its key is left out", () =>
    Effect.gen(function* () {
      const self = yield* node({ localAddress: annAt, contacts: [`${ann.peerId}@10.0.0.9:1`], identity: ann })
      assert.deepStrictEqual(yield* self.peers, [])
    }).pipe(onNetwork)
  )
})
