// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ApplicationClosed, IdleTimedOut, LocallyClosed } from "@qp2p/core/Close"
import * as Endpoint from "@qp2p/core/Endpoint"
import { StreamLost } from "@qp2p/core/SendError"
import { StreamClosed, StreamReset, StreamStopped } from "@qp2p/core/StreamError"
import { bytes, summary, textOf } from "../../core/test/support/values.ts"
import { gate } from "./support/replyGate.ts"
import {
  endpoint,
  endpointBehind,
  eventually,
  joined,
  nothing,
  onLoopback,
  pair,
  type Service,
  standstill
} from "./support/quicEndpoints.ts"
import { blocked, Network } from "./support/impairedNetwork.ts"
import { until } from "./support/quicSockets.ts"

/** An endpoint with room for one connection, behind a gate; a dial that is not given up keeps the place. */
const narrow = Effect.gen(function* () {
  const behind = yield* endpoint({ maxConnections: 1, handshakeTimeout: "1 minute" })
  return { behind, front: yield* gate(behind.localAddress) }
})

/** The one place of `acceptor` is free, and whoever takes it is the first that it reports. */
const hasItsPlace = Effect.fnUntraced(function* (acceptor: Service) {
  const other = yield* endpoint({ retryDuration: "5 seconds" })
  yield* other.sendMessage(bytes("is it free?"), acceptor.localAddress)
  assert.strictEqual(textOf((yield* acceptor.nextMessage).payload), "is it free?")
  assert.strictEqual(String((yield* acceptor.nextConnection).remoteAddress), String(other.localAddress))
  assert.isTrue(yield* nothing(acceptor.nextConnection))
  yield* other.close
})

describe("connectToAny", () => {
  it.live("interrupts the losers, and closes what they had half open", () =>
    Effect.gen(function* () {
      const one = yield* endpoint()
      const winner = yield* narrow
      const losers = yield* Effect.all([narrow, narrow, narrow])
      const all = [...losers, winner]
      const dialling = yield* Effect.forkChild(one.connectToAny(all.map(({ front }) => front.address)))
      yield* until("every acceptor has answered", () => all.every(({ front }) => front.held() > 0))
      winner.front.open()
      const connection = yield* Fiber.join(dialling)
      assert.strictEqual(String(connection.remoteAddress), String(winner.front.address))
      for (const { behind } of losers) yield* hasItsPlace(behind)
      // The answers that come now are to nobody.
      for (const { front } of losers) front.open()
      yield* one.sendMessage(bytes("x"), winner.front.address)
      assert.strictEqual(textOf((yield* winner.behind.nextMessage).payload), "x")
      for (const { behind, front } of losers) {
        assert.isTrue(Option.isNone(yield* one.connectionId(front.address)))
        assert.isTrue(yield* nothing(behind.nextConnection))
      }
      assert.isTrue(yield* nothing(one.nextDisconnection))
    }).pipe(onLoopback)
  )

  it.live("keeps one connection when all dials succeed at the same moment, and both sides count the same", () =>
    Effect.gen(function* () {
      const one = yield* endpoint()
      const all = yield* Effect.all(Array.from({ length: 8 }, () => narrow))
      const dialling = yield* Effect.forkChild(one.connectToAny(all.map(({ front }) => front.address)))
      yield* until("every acceptor has answered", () => all.every(({ front }) => front.held() > 0))
      for (const { front } of all) front.open()
      const connection = yield* Fiber.join(dialling)
      const [winner, ...others] = all.filter(({ front }) => String(front.address) === String(connection.remoteAddress))
      assert.deepStrictEqual(others, [])
      for (const { behind, front } of all) {
        if (front === winner!.front) continue
        assert.isTrue(Option.isNone(yield* one.connectionId(front.address)))
        yield* eventually("the loser is told", Effect.map(behind.connectionId(front.seen), Option.isNone))
      }
      yield* one.sendMessage(bytes("x"), winner!.front.address)
      assert.strictEqual(textOf((yield* winner!.behind.nextMessage).payload), "x")
      assert.isTrue(Option.isSome(yield* winner!.behind.connectionId(winner!.front.seen)))
      const other = yield* endpoint({ retryDuration: "5 seconds" })
      for (const { behind } of all) {
        if (behind !== winner!.behind) yield* other.connectTo(behind.localAddress)
      }
    }).pipe(onLoopback)
  )
})

describe("connectTo", () => {
  it.live("shares one dial among concurrent callers, whichever of them leaves", () =>
    Effect.gen(function* () {
      const one = yield* endpoint()
      const { behind, front } = yield* narrow
      const dial = Effect.forkChild(one.connectTo(front.address))
      const callers = yield* Effect.all(Array.from({ length: 50 }, () => dial))
      yield* until("the acceptor has answered", () => front.held() > 0)
      yield* Fiber.interruptAll(callers.slice(0, 20))
      front.open()
      const connections = new Set(yield* Effect.forEach(callers.slice(20), Fiber.join))
      assert.strictEqual(connections.size, 1)
      yield* one.sendMessage(bytes("x"), front.address)
      yield* behind.nextMessage
      yield* behind.nextConnection
      assert.isTrue(yield* nothing(behind.nextConnection))
      assert.isTrue(yield* nothing(behind.nextDisconnection))
    }).pipe(onLoopback)
  )

  it.live("gives the dial up when the last caller leaves", () =>
    Effect.gen(function* () {
      const one = yield* endpoint()
      const { behind, front } = yield* narrow
      const callers = yield* Effect.all(Array.from({ length: 3 }, () => Effect.forkChild(one.connectTo(front.address))))
      yield* until("the acceptor has answered", () => front.held() > 0)
      yield* Fiber.interruptAll(callers)
      yield* hasItsPlace(behind)
      front.open()
      const connection = yield* one.connectTo(front.address)
      assert.strictEqual(String((yield* behind.nextConnection).remoteAddress), String(front.seen))
      assert.isTrue(Option.isSome(yield* one.addressOf(connection.id)))
    }).pipe(onLoopback)
  )
})

describe("the pool", () => {
  it.live("redials within the same sendMessage when the peer was killed and is there again", () =>
    Effect.gen(function* () {
      const one = yield* endpoint({ idleTimeout: "1 second", keepAliveInterval: Infinity })
      const network = new Network()
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(endpointBehind(network), scope)
      yield* one.sendMessage(bytes("before"), first.localAddress)
      const old = yield* one.connectTo(first.localAddress)
      network.outgoing = blocked
      network.incoming = blocked
      yield* Scope.close(scope, Exit.void)
      const again = yield* endpoint({}, [], first.localAddress)
      assert.isTrue((yield* one.connectTo(first.localAddress)) === old)
      yield* one.sendMessage(bytes("after"), first.localAddress)
      assert.deepStrictEqual(summary(yield* again.nextMessage), {
        peer: String(one.localAddress),
        text: "after",
        reply: false
      })
      assert.isTrue(yield* nothing(again.nextMessage))
      assert.deepStrictEqual((yield* one.nextDisconnection).reason, new IdleTimedOut())
      assert.isTrue((yield* one.connectTo(first.localAddress)) !== old)
    }).pipe(onLoopback)
  )

  it.live("forgets every connection with a peer after disconnectFrom, by address and by id, on both sides", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      // Dials that cross make two connections.
      yield* Effect.all([one.connectTo(two.localAddress), two.connectTo(one.localAddress)], {
        concurrency: "unbounded"
      })
      const ids = [(yield* one.nextConnection).id, (yield* two.nextConnection).id]
      assert.isTrue(Option.isSome(yield* one.addressOf(ids[0]!)))
      assert.isTrue(Option.isSome(yield* two.addressOf(ids[1]!)))
      yield* one.disconnectFrom(two.localAddress)
      for (const [self, peer, id, reason] of [
        [one, two, ids[0]!, new LocallyClosed()],
        [two, one, ids[1]!, new ApplicationClosed({ code: 0, detail: "" })]
      ] as const) {
        const ends = [yield* self.nextDisconnection, yield* self.nextDisconnection]
        assert.deepStrictEqual(
          ends.map((end) => [String(end.peer), end.connectionId, end.reason]),
          Array.from(ends, () => [String(peer.localAddress), id, reason])
        )
        assert.isTrue(Option.isNone(yield* self.connectionId(peer.localAddress)))
        assert.isTrue(Option.isNone(yield* self.addressOf(id)))
      }
    }).pipe(onLoopback)
  )
})

const gone = new StreamLost({ reason: new StreamClosed() })
const wasReset = (code: number) => new StreamLost({ reason: new StreamReset({ code }) })
const stopped = (code: number) => new StreamLost({ reason: new StreamStopped({ code }) })

/** The next messages of an endpoint, as text. */
const texts = (self: Service, count: number) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.map(self.nextMessage, ({ payload }) => textOf(payload)))

describe("streams", () => {
  for (const side of ["dialled", "was dialled"] as const) {
    /** Both ends of a connection, seen from the side in question. */
    const ends = Effect.map(joined(), ({ far, near, one, two }) =>
      side === "dialled" ? { here: near, self: one, there: two } : { here: far, self: two, there: one }
    )

    it.live(`a unidirectional one of the side that ${side} carries messages in order, up to finish`, () =>
      Effect.gen(function* () {
        const { here, self, there } = yield* ends
        const stream = yield* here.openUni()
        for (const text of ["a", "b", "c"]) yield* stream.sendMessage(bytes(text))
        yield* stream.finish
        for (const text of ["a", "b", "c"]) {
          assert.deepStrictEqual(summary(yield* there.nextMessage), {
            peer: String(self.localAddress),
            text,
            reply: false
          })
        }
        assert.deepStrictEqual(yield* Effect.flip(stream.sendMessage(bytes("late"))), gone)
        assert.deepStrictEqual(yield* Effect.flip(stream.finish), gone)
      }).pipe(onLoopback)
    )

    it.live(`a bidirectional one of the side that ${side} is answered where the message came from`, () =>
      Effect.gen(function* () {
        const { here, there } = yield* ends
        const streams = [yield* here.openBi(), yield* here.openBi()]
        for (const [i, { send }] of streams.entries()) {
          for (const text of ["a", "b"]) yield* send.sendMessage(bytes(`${i}${text}`))
          yield* send.finish
        }
        const messages = yield* Effect.all(Array.from({ length: 4 }, () => there.nextMessage))
        // The way back is open after the way there is finished.
        for (const { payload, reply } of messages.toReversed()) {
          yield* Option.getOrThrow(reply).sendMessage(bytes(`to ${textOf(payload)}`))
        }
        for (const reply of new Set(messages.map(({ reply }) => Option.getOrThrow(reply)))) yield* reply.finish
        for (const [i, { receive }] of streams.entries()) {
          const answers = yield* Stream.runCollect(receive.messages)
          assert.deepStrictEqual(answers.map(textOf), [`to ${i}b`, `to ${i}a`])
          assert.deepStrictEqual(yield* Effect.flip(receive.next), gone)
        }
      }).pipe(onLoopback)
    )
  }

  /** A bidirectional stream with its first message, from the side that dialled. */
  const asked = Effect.gen(function* () {
    const ends = yield* joined()
    const stream = yield* ends.near.openBi()
    yield* stream.send.sendMessage(bytes("hello"))
    const message = yield* ends.two.nextMessage
    return { ...ends, stream, reply: Option.getOrThrow(message.reply) }
  })

  it.live("go on one way after the other is finished", () =>
    Effect.gen(function* () {
      const { reply, stream, two } = yield* asked
      yield* reply.sendMessage(bytes("that is all"))
      const finishing = yield* Effect.forkChild(reply.finish)
      const answers = yield* Stream.runCollect(stream.receive.messages)
      assert.deepStrictEqual(answers.map(textOf), ["that is all"])
      yield* Fiber.join(finishing)
      for (const text of ["still", "here"]) yield* stream.send.sendMessage(bytes(text))
      yield* stream.send.finish
      assert.deepStrictEqual(yield* texts(two, 2), ["still", "here"])
    }).pipe(onLoopback)
  )

  it.live("that are reset fail at the reader with the code, and deliver no part of a message", () =>
    Effect.gen(function* () {
      const { near, one, reply, stream, two } = yield* asked
      const reading = yield* Effect.forkChild(Effect.flip(stream.receive.next))
      yield* reply.reset(77)
      assert.deepStrictEqual(yield* Fiber.join(reading), wasReset(77))
      assert.deepStrictEqual(yield* Effect.flip(reply.sendMessage(bytes("late"))), gone)

      const before = (yield* near.stats).bytesSent
      const sending = yield* Effect.forkChild(Effect.flip(stream.send.sendMessage(new Uint8Array(60_000_000))))
      while ((yield* near.stats).bytesSent < before + 1_000_000) yield* Effect.sleep(1)
      yield* stream.send.reset(78)
      assert.deepStrictEqual(yield* Fiber.join(sending), gone)
      yield* one.sendMessage(bytes("next"), two.localAddress)
      assert.deepStrictEqual(yield* texts(two, 1), ["next"])
    }).pipe(onLoopback)
  )

  it.live("that are stopped fail at the writer with the code, and the other half goes on", () =>
    Effect.gen(function* () {
      const { reply, stream, two } = yield* asked
      const writing = yield* Effect.forkChild(Effect.flip(reply.sendMessage(new Uint8Array(60_000_000))))
      yield* stream.receive.stop(79)
      assert.deepStrictEqual(yield* Fiber.join(writing), stopped(79))
      assert.deepStrictEqual(yield* Effect.flip(reply.finish), stopped(79))
      assert.deepStrictEqual(yield* Effect.flip(stream.receive.next), gone)
      yield* stream.send.sendMessage(bytes("still"))
      assert.deepStrictEqual(yield* texts(two, 1), ["still"])
    }).pipe(onLoopback)
  )

  it.live("of which one gets a higher priority and one a lower one arrive early and late", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined({ maxSendRate: 4 << 20 })
      const total = 40
      const streams = yield* Effect.all(Array.from({ length: total }, () => near.openUni()))
      // Short enough for the window that every stream begins with: one that waits for its own lets others pass.
      const sending = yield* Effect.all(
        streams.map((stream, i) => Effect.forkChild(stream.sendMessage(new Uint8Array(60_000).fill(i))))
      )
      while ((yield* near.stats).bytesSent < 100_000) yield* Effect.sleep(1)
      yield* streams[30]!.setPriority(-1)
      yield* streams[39]!.setPriority(1)
      const order = yield* Effect.forEach(streams, () => Effect.map(two.nextMessage, ({ payload }) => payload[0]!))
      assert.isBelow(order.indexOf(39), 20)
      assert.isAbove(order.indexOf(30), 34)
      yield* Effect.forEach(sending, Fiber.join)
    }).pipe(onLoopback)
  )

  it.live("take whole messages only: one whose sender was interrupted arrives, and the next ones too", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined()
      const stream = yield* near.openUni()
      const sending = yield* Effect.forkChild(stream.sendMessage(new Uint8Array(5_000_000)))
      while ((yield* near.stats).bytesSent < 1_000_000) yield* Effect.sleep(1)
      yield* Fiber.interrupt(sending)
      yield* stream.sendMessage(bytes("next"))
      yield* stream.finish
      assert.strictEqual((yield* two.nextMessage).payload.length, 5_000_000)
      assert.deepStrictEqual(yield* texts(two, 1), ["next"])
    }).pipe(onLoopback)
  )

  it.live("of messages whose sender was interrupted end, and the connection goes on", () =>
    Effect.gen(function* () {
      // Slow enough for the receiver to keep up: what it has not read when a reset comes costs window.
      const { far, near, one, two } = yield* joined({ maxSendRate: 8_000_000 })
      for (let i = 0; i < 5; i++) {
        const before = (yield* near.stats).bytesSent
        const sending = yield* Effect.forkChild(one.sendMessage(new Uint8Array(60_000_000), two.localAddress))
        while ((yield* near.stats).bytesSent < before + 300_000) yield* Effect.sleep(1)
        yield* Fiber.interrupt(sending)
        yield* one.sendMessage(bytes(`after ${i}`), two.localAddress)
        assert.deepStrictEqual(yield* texts(two, 1), [`after ${i}`])
      }
      // What was on its way; not one whole message.
      assert.isBelow(yield* standstill(far), 60_000_000)
      assert.isTrue(yield* nothing(two.nextMessage))
      assert.isTrue((yield* one.connectTo(two.localAddress)) === near)
    }).pipe(onLoopback)
  )
})

describe("a client endpoint", () => {
  it.live("cannot be dialled, and receives messages and streams on the connections that it made", () =>
    Effect.gen(function* () {
      const client = yield* Endpoint.makeClient({ localAddress: "127.0.0.1:0" })
      const two = yield* endpoint({ retryDuration: 0, handshakeTimeout: "300 millis" })
      const refused = yield* Effect.flip(two.connectTo(client.localAddress))
      assert.strictEqual(refused._tag, "ConnectionTimedOut")
      const unreachable = yield* Effect.flip(two.isReachable(client.localAddress))
      assert.strictEqual(
        unreachable._tag === "ConnectionLost" ? unreachable.reason._tag : unreachable._tag,
        refused._tag
      )

      const near = yield* client.connectTo(two.localAddress)
      const far = yield* two.nextConnection
      assert.strictEqual(String(far.remoteAddress), String(client.localAddress))
      // Now there is a connection, and no dial is needed.
      yield* two.sendMessage(bytes("a message"), client.localAddress)
      assert.deepInclude(yield* client.nextMessage, { payload: bytes("a message"), connectionId: near.id })
      const stream = yield* two.openBidirectionalStream(client.localAddress)
      yield* stream.send.sendMessage(bytes("on a stream"))
      const asked = yield* client.nextMessage
      assert.strictEqual(textOf(asked.payload), "on a stream")
      yield* Option.getOrThrow(asked.reply).sendMessage(bytes("an answer"))
      assert.strictEqual(textOf(yield* stream.receive.next), "an answer")
      // Still nobody gets in.
      yield* near.close()
      yield* far.closed
      assert.strictEqual((yield* Effect.flip(two.connectTo(client.localAddress)))._tag, "ConnectionTimedOut")
      assert.isTrue(yield* nothing(client.nextConnection))
    }).pipe(onLoopback)
  )
})
