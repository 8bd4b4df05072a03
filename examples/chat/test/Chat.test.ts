import { assert, describe, it } from "@effect/vitest"
import { Endpoint, Messages } from "@qp2p/core"
import { Effect, Exit, Fiber, Latch, Queue, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { network, next, onNetwork, participant, text, until } from "./support.ts"

const [annAt, bobAt, cidAt] = ["10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3"] as const

describe("a chat", () => {
  it.effect("carries each line to everybody who is connected, with the name of its peer", () =>
    Effect.gen(function* () {
      const ann = yield* participant("Ann", annAt)
      const bob = yield* participant("Bob", bobAt, { contacts: [ann.endpoint.peerAddress] })
      const cid = yield* participant("Cid", cidAt, { contacts: [annAt] })
      assert.sameMembers(yield* next(ann, 2), ["Bob came", "Cid came"])
      assert.deepStrictEqual(yield* next(bob, 1), ["Ann came"])
      assert.deepStrictEqual(yield* next(cid, 1), ["Ann came"])

      assert.deepStrictEqual(yield* ann.say("hello all"), [])
      assert.deepStrictEqual(yield* next(bob, 1), ["Ann: hello all"])
      assert.deepStrictEqual(yield* next(cid, 1), ["Ann: hello all"])
      yield* bob.say("hello Ann")
      assert.deepStrictEqual(yield* next(ann, 1), ["Bob: hello Ann"])

      const members = yield* ann.roster
      assert.deepStrictEqual(members.map(({ name }) => name).toSorted(), ["Bob", "Cid"])
      assert.includeMembers(
        members.map(({ peerId }) => peerId),
        [bob.endpoint.peerId, cid.endpoint.peerId]
      )
    }).pipe(onNetwork)
  )

  it.effect("sees a peer that restarts with its key leave, and come back as the same one", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(participant("Ann", annAt), scope)
      const bob = yield* participant("Bob", bobAt, { contacts: [first.endpoint.peerAddress] })
      assert.deepStrictEqual(yield* next(bob, 1), ["Ann came"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* next(bob, 1), ["Ann went"])
      assert.deepStrictEqual(yield* bob.roster, [])

      const ann = yield* participant("Ann", annAt)
      const coming = yield* Effect.forkChild(next(bob, 1))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(coming), ["Ann is back"])
      assert.deepStrictEqual(yield* next(ann, 1), ["Bob came"])
      assert.strictEqual((yield* bob.roster)[0]?.peerId, first.endpoint.peerId)
      yield* bob.say("welcome back")
      assert.deepStrictEqual(yield* next(ann, 1), ["Bob: welcome back"])
    }).pipe(onNetwork)
  )

  it.effect("meets a peer again that leaves and comes back, also when it hears of the coming before the leaving", () =>
    Effect.gen(function* () {
      const told = yield* Queue.unbounded<Endpoint.Disconnection>()
      const late = yield* Latch.make(false)
      const ann = yield* participant("Ann", annAt, {}, (endpoint) =>
        Object.assign(Object.create(endpoint) as Endpoint.Endpoint["Service"], {
          disconnections: Stream.mapEffect(endpoint.disconnections, (each) =>
            Effect.as(Effect.andThen(Queue.offer(told, each), late.await), each)
          )
        })
      )
      const bob = yield* participant("Bob", bobAt)
      yield* bob.endpoint.connectTo(annAt)
      assert.deepStrictEqual(yield* next(ann, 1), ["Bob came"])
      yield* bob.endpoint.disconnectFrom(annAt)
      assert.isTrue((yield* Queue.take(told)).last)
      yield* bob.endpoint.connectTo(annAt)
      // The new connection is there, and the end of the old one is still to come.
      assert.lengthOf(yield* ann.endpoint.connections, 1)
      yield* late.open
      assert.deepStrictEqual(yield* next(ann, 2), ["Bob went", "Bob is back"])
      assert.lengthOf(yield* ann.roster, 1)
      assert.deepStrictEqual(yield* ann.say("welcome back"), [])
      assert.match((yield* next(bob, 1))[0]!, /: welcome back$/u)
      // And once more, in order.
      yield* bob.endpoint.disconnectFrom(annAt)
      assert.deepStrictEqual(yield* next(ann, 1), ["Bob went"])
      assert.deepStrictEqual(yield* ann.roster, [])
      yield* bob.endpoint.connectTo(annAt)
      assert.deepStrictEqual(yield* next(ann, 1), ["Bob is back"])
    }).pipe(onNetwork)
  )

  it.effect("tells of no peer that leaves before it has told its name, and of one that comes back once", () =>
    Effect.gen(function* () {
      const ann = yield* participant("Ann", annAt)
      const shy = yield* Endpoint.make({ localAddress: cidAt })
      const schemas = { message: Schema.Unknown, answer: Schema.Struct({ name: Schema.String }) }
      const messages = yield* Effect.provideService(Messages.make("example-chat/1", schemas), Endpoint.Endpoint, shy)
      yield* shy.connectTo(annAt)
      const first = yield* messages.next
      assert.lengthOf(yield* ann.roster, 1)
      yield* shy.disconnectFrom(annAt)
      yield* until(Effect.map(ann.roster, ({ length }) => length === 0))
      yield* shy.connectTo(annAt)
      const second = yield* messages.next
      yield* first.reply({ name: "too late" })
      yield* second.reply({ name: "Shy" })
      assert.deepStrictEqual(yield* next(ann, 1), ["Shy came"])
      yield* shy.disconnectFrom(annAt)
      assert.deepStrictEqual(yield* next(ann, 1), ["Shy went"])
    }).pipe(onNetwork)
  )

  it.effect("takes no other peer at the address of one that it knows by its key", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const ann = yield* Scope.provide(participant("Ann", annAt), scope)
      const bob = yield* participant("Bob", bobAt, { contacts: [ann.endpoint.peerAddress] })
      assert.deepStrictEqual(yield* next(bob, 1), ["Ann came"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* next(bob, 1), ["Ann went"])
      const eve = yield* participant("Eve", annAt)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* bob.roster, [])
      assert.deepStrictEqual(yield* eve.roster, [])
    }).pipe(onNetwork)
  )

  it.effect(
    "tells why a contact is not reached: once, as long as the reason is the same and until it was reached",
    () =>
      Effect.gen(function* () {
        const bob = yield* participant("Bob", bobAt, { contacts: [annAt] })
        const seen: Array<string> = []
        yield* Effect.forkScoped(Stream.runForEach(bob.events, (event) => Effect.sync(() => seen.push(text(event)))))
        const missed = `no ${annAt}: ${annAt} did not answer`
        yield* TestClock.adjust("5 minutes")
        assert.deepStrictEqual(seen, [missed])

        const scope = yield* Scope.make()
        yield* Scope.provide(participant("Ann", annAt), scope)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(seen, [missed, "Ann came"])
        yield* Scope.close(scope, Exit.void)
        yield* TestClock.adjust("5 minutes")
        assert.deepStrictEqual(seen, [missed, "Ann came", "Ann went", missed])
      }).pipe(onNetwork)
  )

  it.effect("names those that do not get a line, and goes on for the others", () =>
    Effect.gen(function* () {
      const ann = yield* participant("Ann", annAt)
      const bob = yield* participant("Bob", bobAt, { contacts: [annAt] })
      const cid = yield* participant("Cid", cidAt, { contacts: [annAt] })
      yield* next(ann, 2)
      yield* next(cid, 1)
      yield* (yield* network).partition("10.0.0.1", "10.0.0.2")
      const saying = yield* Effect.forkChild(ann.say("anybody?"), { startImmediately: true })
      assert.deepStrictEqual(yield* next(cid, 1), ["Ann: anybody?"])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        (yield* Fiber.join(saying)).map(({ name }) => name),
        ["Bob"]
      )
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* next(ann, 1), ["Bob went"])
      assert.deepStrictEqual(yield* next(bob, 2), ["Ann came", "Ann went"])
    }).pipe(onNetwork)
  )

  it.effect("refuses lines and names that are not allowed, on both sides", () =>
    Effect.gen(function* () {
      const ann = yield* participant("Ann", annAt)
      assert.strictEqual((yield* Effect.flip(ann.say("")))._tag, "SchemaError")
      assert.strictEqual((yield* Effect.flip(ann.say("two\nlines")))._tag, "SchemaError")
      // A peer with other schemas, and a name that moves the cursor.
      const rude = yield* Endpoint.make({ localAddress: cidAt })
      const schemas = { message: Schema.Unknown, answer: Schema.Struct({ name: Schema.String }) }
      const messages = yield* Effect.provideService(Messages.make("example-chat/1", schemas), Endpoint.Endpoint, rude)
      for (const message of [{ _tag: "Line", text: "\u001b[2J" }, { _tag: "Shout" }, 5, null]) {
        assert.deepInclude(yield* Effect.flip(messages.send(annAt, message)), { kind: "Malformed" })
      }
      const asked = yield* messages.next
      yield* asked.reply({ name: "\u001b[2J" })
      const [came] = yield* next(ann, 1)
      assert.strictEqual(came, `${rude.peerId.slice(0, 10)} came`)
      yield* messages.send(annAt, { _tag: "Line", text: "fine" })
      assert.deepStrictEqual(yield* next(ann, 1), [`${rude.peerId.slice(0, 10)}: fine`])
    }).pipe(onNetwork)
  )
})
