import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { ApplicationClosed, IdleTimedOut } from "@qp2p/core/Close"
import { PeerMismatch, PeerRefused } from "@qp2p/core/ConnectionError"
import * as Endpoint from "@qp2p/core/Endpoint"
import { Lost } from "@qp2p/core/MappingStatus"
import * as PeerAddress from "@qp2p/core/PeerAddress"
import * as PeerId from "@qp2p/core/PeerId"
import { granted, type Mapping } from "@qp2p/core/PortMapper"
import { GatewayNotFound } from "@qp2p/core/PortMapperError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { TestClock, TestConsole } from "effect/testing"
import * as FileLog from "../../src/FileLog.ts"
import * as node from "../../src/commands/node.ts"
import { makeEndpoint, self, selfId } from "../support/fakeEndpoint.ts"
import { alice, bob, idAt, makeStream } from "../support/fakeStream.ts"

/** Lets everything happen that does not wait for the clock: a line goes through half a dozen fibers. */
const settle = Effect.yieldNow.pipe(Effect.repeat({ times: 200 }), Effect.andThen(TestClock.adjust(0)))

/** A node on an endpoint without a network, and a keyboard. */
const startNode = Effect.fnUntraced(function* (
  options: {
    /** By their addresses, unless they are given in full. */
    readonly contacts?: ReadonlyArray<NetAddress.InetAddress | string>
    readonly joined?: NetAddress.InetAddress
    readonly mapping?: Mapping
    readonly places?: ReadonlyMap<string, NetAddress.InetAddress>
    readonly listen?: NetAddress.InetAddress
    readonly interfaces?: ReadonlyArray<NetAddress.InetAddress>
  } = {}
) {
  const endpoint = yield* makeEndpoint({
    ...(options.joined === undefined ? {} : { bootstrapContact: options.joined }),
    ...(options.mapping === undefined ? {} : { portMapping: options.mapping }),
    ...(options.places === undefined ? {} : { places: options.places }),
    ...(options.listen === undefined ? {} : { listen: options.listen }),
    ...(options.interfaces === undefined ? {} : { interfaces: options.interfaces })
  })
  const keyboard = yield* Queue.unbounded<string>()
  const contacts = (options.contacts ?? []).map((contact) => Result.getOrThrow(PeerAddress.fromInput(contact)))
  yield* Effect.flatMap(FileLog.make(), (log) => node.run({ contacts, external: false, out: Option.none() }, log)).pipe(
    Effect.provideService(Endpoint.Endpoint, endpoint.service),
    Effect.provide(Stdio.layerTest({ stdin: Stream.encodeText(Stream.fromQueue(keyboard)) })),
    Effect.forkScoped
  )
  yield* settle
  return {
    ...endpoint,
    type: (text: string) => Queue.offer(keyboard, text),
    out: Effect.map(TestConsole.logLines, (lines) => lines.map(String)),
    errors: Effect.map(TestConsole.errorLines, (lines) => lines.map(String))
  }
})

/** A peer as its arrival tells it, and as its messages do. */
const full = (peer: NetAddress.InetAddress, place = peer) => `${idAt(peer)}@${place}`
const short = (peer: NetAddress.InetAddress) => PeerId.short(idAt(peer))

const platform = Layer.merge(NodeServices.layer, TestConsole.layer)

describe("qp2p node", () => {
  it.effect("says where it is, and who verified that", () =>
    Effect.gen(function* () {
      const { out } = yield* startNode({ contacts: [alice], joined: alice })
      assert.deepStrictEqual(yield* out, [
        "local 127.0.0.1:4433",
        "public 127.0.0.1:4433 (verified by 127.0.0.1:5001)",
        `peer ${selfId}@127.0.0.1:4433`,
        `${full(alice)} connected (contact)`
      ])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("says at which port of the router it is, and when that changes", () =>
    Effect.gen(function* () {
      const external = bob
      const mapping = yield* granted(self, external)
      const { out } = yield* startNode({ contacts: [alice], joined: alice, mapping })
      assert.deepStrictEqual(yield* out, [
        "local 127.0.0.1:4433",
        "mapped 127.0.0.1:5002 -> 127.0.0.1:4433",
        "public 127.0.0.1:4433 (mapped, verified by 127.0.0.1:5001)",
        `peer ${selfId}@127.0.0.1:4433`,
        `${full(alice)} connected (contact)`
      ])
      yield* SubscriptionRef.set(mapping.status, Lost({ external, error: new GatewayNotFound() }))
      yield* settle
      assert.strictEqual(
        (yield* out).at(-1),
        "mapping 127.0.0.1:5002 is lost: no gateway that maps ports was found; asking for it again"
      )
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("sends each line to everyone who is connected, in order", () =>
    Effect.gen(function* () {
      const { comes, errors, goes, sent, type } = yield* startNode({ contacts: [alice], joined: alice })
      yield* comes(bob)
      yield* settle
      yield* type("one\ntwo\n\n")
      yield* settle
      assert.deepStrictEqual(
        sent.filter((line) => line.startsWith(`${alice}`)),
        [`${alice} one`, `${alice} two`]
      )
      assert.deepStrictEqual(
        sent.filter((line) => line.startsWith(`${bob}`)),
        [`${bob} one`, `${bob} two`]
      )
      yield* goes(bob)
      yield* settle
      yield* type("three\n")
      yield* settle
      assert.strictEqual(sent.at(-1), `${alice} three`)
      assert.strictEqual(sent.length, 5)
      assert.deepStrictEqual(yield* errors, [])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("says when a line went to no peer", () =>
    Effect.gen(function* () {
      const { errors, type } = yield* startNode()
      yield* type("hello\n")
      yield* settle
      assert.deepStrictEqual(yield* errors, ["no peer is connected: not sent"])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("prints messages and answers marco, to that peer only", () =>
    Effect.gen(function* () {
      const { comes, out, sent, writes } = yield* startNode()
      yield* comes(alice)
      yield* comes(bob)
      yield* writes(alice, "polo")
      yield* writes(alice, "marco\n")
      yield* settle
      assert.sameMembers((yield* out).slice(3), [
        `${full(alice)} connected`,
        `${short(alice)}: marco\\n`,
        `${short(alice)}: polo`,
        `${full(bob)} connected`
      ])
      assert.deepStrictEqual(sent, [`${alice} polo`])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("answers on the stream that a question came on, and ends its half", () =>
    Effect.gen(function* () {
      const { comes, sent, writes } = yield* startNode()
      yield* comes(alice)
      const fake = yield* makeStream()
      yield* writes(alice, "marco", fake.reply)
      yield* settle
      assert.strictEqual(new TextDecoder().decode(yield* Queue.take(fake.back)), "polo")
      assert.strictEqual((yield* Effect.exit(Queue.take(fake.back)))._tag, "Failure")
      assert.deepStrictEqual(sent, [])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("says why a peer is gone, and keeps it while another connection is open", () =>
    Effect.gen(function* () {
      const { comes, goes, out, sent, type } = yield* startNode()
      yield* comes(alice)
      yield* goes(alice, { last: false })
      yield* settle
      yield* type("still there?\n")
      yield* settle
      assert.deepStrictEqual(sent, [`${alice} still there?`])
      yield* goes(alice)
      yield* settle
      assert.deepStrictEqual((yield* out).slice(-2), [
        `${short(alice)} disconnected: the peer went silent (another connection with it is open)`,
        `${short(alice)} disconnected: the peer went silent`
      ])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("sends a line again that met a dead connection, and says so when there is none left", () =>
    Effect.gen(function* () {
      const { comes, errors, goes, sent, stale, type } = yield* startNode()
      yield* comes(alice)
      yield* settle
      stale.add(`${alice}`)
      yield* type("again\n")
      yield* settle
      assert.deepStrictEqual(sent, [`${alice} again`])
      yield* goes(alice, { reported: false })
      yield* type("lost\n")
      yield* settle
      assert.deepStrictEqual(sent, [`${alice} again`])
      assert.deepStrictEqual(yield* errors, [
        `${short(alice)} did not get a message: not connected with ${idAt(alice)}`
      ])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("says how many lines a peer had not confirmed when it went", () =>
    Effect.gen(function* () {
      const { comes, errors, goes, silent, type } = yield* startNode()
      yield* comes(alice)
      yield* settle
      yield* type("confirmed\n")
      yield* settle
      silent.add(`${alice}`)
      yield* type("one\ntwo\n")
      yield* settle
      assert.deepStrictEqual(yield* errors, [])
      yield* goes(alice)
      yield* settle
      yield* comes(alice)
      yield* settle
      yield* type("three\n")
      yield* settle
      yield* goes(alice)
      yield* settle
      const why = "it disconnected before it confirmed"
      assert.deepStrictEqual(yield* errors, [
        `${short(alice)} did not get 2 messages: ${why}`,
        `${short(alice)} did not get a message: ${why}`
      ])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("does not take in a peer that was gone again before its arrival was noticed", () =>
    Effect.gen(function* () {
      const { comes, errors, goes, type } = yield* startNode()
      yield* comes(alice)
      // Its departure was told first: the two come out of different queues.
      yield* goes(alice, { reported: false })
      yield* settle
      yield* type("hello\n")
      yield* settle
      assert.deepStrictEqual(yield* errors, ["no peer is connected: not sent"])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("does not mention a connection that was opened and closed beside the one in use", () =>
    Effect.gen(function* () {
      const { goes, out } = yield* startNode({ contacts: [alice], joined: alice })
      const before = yield* out
      yield* goes(alice, { last: false, reason: new ApplicationClosed({ code: 0, detail: "" }) })
      yield* settle
      assert.deepStrictEqual(yield* out, before)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("tells once of a peer that opens and closes connections beside the one it holds, as a ping does", () =>
    Effect.gen(function* () {
      const { comes, goes, out } = yield* startNode()
      const orderly = new ApplicationClosed({ code: 0, detail: "" })
      yield* comes(alice)
      yield* settle
      for (let i = 0; i < 10; i++) {
        yield* comes(alice)
        yield* settle
        yield* goes(alice, { last: false, reason: orderly })
        yield* settle
      }
      yield* goes(alice, { reason: orderly })
      yield* settle
      yield* comes(alice)
      yield* settle
      assert.deepStrictEqual((yield* out).slice(3), [
        `${full(alice)} connected`,
        `${short(alice)} disconnected: ${orderly.message}`,
        `${full(alice)} connected`
      ])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("dials a contact that it lost until it is back", () =>
    Effect.gen(function* () {
      const { dialled, goes, out, reachable, sent, type } = yield* startNode({
        contacts: [alice],
        joined: alice
      })
      yield* goes(alice)
      yield* TestClock.adjust("1 minute")
      const attempts = dialled.length
      assert.isAtLeast(attempts, 5)
      // It waits longer and longer, but never more than 15 s (10 s and some jitter).
      assert.isAtMost(attempts, 20)
      reachable.add(`${alice}`)
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual((yield* out).at(-1), `${full(alice)} connected (contact)`)
      yield* type("welcome back\n")
      yield* settle
      assert.deepStrictEqual(sent, [`${alice} welcome back`])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("says at which addresses of its interfaces it is, and not that it is at every one", () =>
    Effect.gen(function* () {
      const interfaces = ["192.168.0.2:4433", "127.0.0.1:4433"].map(NetAddress.inetAddressFromStringUnsafe)
      const listen = NetAddress.inetAddressFromStringUnsafe("0.0.0.0:4433")
      const { out } = yield* startNode({ listen, interfaces })
      assert.deepStrictEqual((yield* out).slice(0, 2), ["local 192.168.0.2:4433", "local 127.0.0.1:4433"])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  describe("with a contact that answers from another address than it is dialled at", () => {
    const elsewhere = NetAddress.inetAddressFromStringUnsafe("127.0.0.9:5001")
    const start = startNode({ contacts: [alice], joined: alice, places: new Map([[`${alice}`, elsewhere]]) })

    it.effect("sends it a line once, where it is, and calls it by its key", () =>
      Effect.gen(function* () {
        const { out, sent, type, writes } = yield* start
        yield* writes(alice, "marco")
        yield* settle
        assert.strictEqual((yield* out).at(-1), `${short(alice)}: marco`)
        yield* type("hello\n")
        yield* settle
        assert.deepStrictEqual(sent, [`${elsewhere} polo`, `${elsewhere} hello`])
      }).pipe(Effect.scoped, Effect.provide(platform))
    )

    it.effect("sends it a line once when it has dialled as well, and still when one of the connections has ended", () =>
      Effect.gen(function* () {
        const { comes, goes, sent, type } = yield* start
        yield* comes(elsewhere)
        yield* settle
        yield* type("to one\n")
        yield* settle
        assert.deepStrictEqual(sent, [`${elsewhere} to one`])
        yield* goes(alice)
        yield* settle
        yield* type("to the other\n")
        yield* settle
        assert.deepStrictEqual(sent, [`${elsewhere} to one`, `${elsewhere} to the other`])
      }).pipe(Effect.scoped, Effect.provide(platform))
    )

    it.effect("dials it again where it was dialled", () =>
      Effect.gen(function* () {
        const { dialled, goes, out, reachable, sent, type } = yield* start
        yield* goes(alice)
        yield* settle
        assert.strictEqual((yield* out).at(-1), `${short(alice)} disconnected: ${new IdleTimedOut({}).message}`)
        assert.deepStrictEqual(dialled, [`${alice}`])
        reachable.add(`${alice}`)
        yield* TestClock.adjust("15 seconds")
        assert.strictEqual((yield* out).at(-1), `${full(alice, elsewhere)} connected (contact)`)
        yield* type("welcome back\n")
        yield* settle
        assert.deepStrictEqual(sent, [`${elsewhere} welcome back`])
      }).pipe(Effect.scoped, Effect.provide(platform))
    )
  })

  it.effect("stops dialling a contact that comes by itself", () =>
    Effect.gen(function* () {
      const { comes, dialled, goes } = yield* startNode({ contacts: [alice], joined: alice })
      yield* goes(alice)
      yield* TestClock.adjust("5 seconds")
      yield* comes(alice)
      yield* settle
      const attempts = dialled.length
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(dialled.length, attempts)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("does not dial a peer that is no contact", () =>
    Effect.gen(function* () {
      const { comes, dialled, goes } = yield* startNode({ contacts: [alice], joined: alice })
      yield* comes(bob)
      yield* settle
      yield* goes(bob)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(dialled, [])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("keeps trying when no contact answered at the start", () =>
    Effect.gen(function* () {
      const { out, reachable } = yield* startNode({ contacts: [alice, bob] })
      reachable.add(`${bob}`)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* out, [
        "local 127.0.0.1:4433",
        "public 127.0.0.1:4433 (not verified: no contact answered)",
        `peer ${selfId}@127.0.0.1:4433`,
        `${full(bob)} connected (contact)`
      ])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("prints its own text for others again when its addresses change, and only then", () =>
    Effect.gen(function* () {
      const { out, ownAddresses } = yield* startNode()
      const before = Result.getOrThrow(PeerAddress.fromString(`${selfId}@${self}`))
      const after = Result.getOrThrow(PeerAddress.fromString(`${selfId}@203.0.113.7:1,${self}`))
      for (const each of [before, after, after]) yield* Queue.offer(ownAddresses, each)
      yield* settle
      assert.deepStrictEqual((yield* out).slice(2), [`peer ${before}`, `peer ${after}`])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("goes on dialling a contact at whose address another peer answers, and says so once", () =>
    Effect.gen(function* () {
      const contact = full(alice)
      const { errors, dialled, out, problems, reachable } = yield* startNode({ contacts: [contact] })
      assert.deepStrictEqual(yield* errors, [])
      const [expected, actual] = [idAt(alice), idAt(bob)]
      problems.set(contact, new PeerMismatch({ expected, actual, address: alice }))
      yield* TestClock.adjust("1 minute")
      problems.set(contact, new PeerRefused({ peerId: expected, address: alice, by: "Remote" }))
      yield* TestClock.adjust("1 minute")
      const lines = yield* errors
      assert.strictEqual(lines.length, 2)
      assert.include(lines[0], `another peer answers at ${alice}: ${actual}, not ${expected}. Nothing was sent to it`)
      assert.include(lines[1], `${contact} refuses this peer, ${selfId}`)
      assert.isAtLeast(dialled.length, 10)
      problems.clear()
      reachable.add(`${alice}`)
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual((yield* out).at(-1), `${contact} connected (contact)`)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("finds a contact by its id, wherever that comes from, and dials it again when it goes", () =>
    Effect.gen(function* () {
      const elsewhere = NetAddress.inetAddressFromStringUnsafe("127.0.0.9:7777")
      const { comes, dialled, goes } = yield* startNode({
        contacts: [full(alice)],
        places: new Map([[`${alice}`, elsewhere]])
      })
      yield* TestClock.adjust("5 seconds")
      yield* comes(elsewhere)
      yield* settle
      const attempts = dialled.length
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(dialled.length, attempts)
      yield* goes(elsewhere)
      yield* TestClock.adjust("1 second")
      assert.isAbove(dialled.length, attempts)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("answers no more than its share of questions whose askers acknowledge nothing, and resets the others", () =>
    Effect.gen(function* () {
      const { comes, writes } = yield* startNode()
      yield* comes(alice)
      let begun = 0
      let resets = 0
      const { reply } = yield* makeStream()
      const deaf = {
        ...reply,
        sendMessage: () =>
          Effect.andThen(
            Effect.sync(() => void begun++),
            Effect.never
          ),
        finish: Effect.andThen(
          Effect.sync(() => void begun++),
          Effect.never
        ),
        reset: () => Effect.sync(() => void resets++)
      }
      for (let i = 0; i < 1_000; i++) yield* writes(alice, i % 2 === 0 ? "marco" : "hello", { ...deaf })
      for (let i = 0; i < 100; i++) yield* settle
      assert.deepStrictEqual([begun, resets], [96, 904])
      // Those that wait are given up, and others are answered again.
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(resets, 1_000)
      yield* writes(alice, "marco", { ...deaf })
      yield* settle
      assert.strictEqual(begun, 97)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})
