// @module-tag slow
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { randomFillSync } from "node:crypto"
import { maxBulkBytes } from "../src/internal/tunables/streams.ts"
import { bytes, textOf } from "../../core/test/support/values.ts"
import {
  endpoint,
  endpointBehind,
  eventually,
  joined,
  nothing,
  onLoopback,
  type Service,
  standstill
} from "./support/quicEndpoints.ts"
import { blocked, Network, open } from "./support/impairedNetwork.ts"
import { assertSame, until } from "./support/quicSockets.ts"

const MiB = 2 ** 20

describe("an urgent message", () => {
  for (const [name, count, size] of [
    ["one message of 50 MiB", 1, 50 * MiB],
    ["50 messages of 1 MiB", 50, MiB]
  ] as const) {
    it.live(`overtakes ${name} on the same connection`, () =>
      Effect.gen(function* () {
        const { far, one, two } = yield* joined()
        const bulk = new Uint8Array(size)
        const sending = yield* Effect.forEach(Array.from({ length: count }), () =>
          Effect.forkChild(one.sendMessage(bulk, two.localAddress))
        )
        while ((yield* far.stats).bytesReceived < MiB) yield* Effect.sleep(1)
        // As long as one of the others: a short one would not have to wait for them anyway.
        const urgent = new Uint8Array(MiB).fill(1)
        const before = (yield* far.stats).bytesReceived
        sending.push(yield* Effect.forkChild(one.sendMessage(urgent, two.localAddress, { priority: 1 })))
        let ahead = Infinity
        for (let i = 0; i <= count; i++) {
          const { payload } = yield* two.nextMessage
          if (payload[0] === 1) ahead = (yield* far.stats).bytesReceived - before - MiB
          else assert.strictEqual(payload.length, size)
        }
        // What was on its way already, which the windows bound; not the 50 MiB.
        assert.isBelow(ahead, 16 * MiB)
        yield* Effect.forEach(sending, Fiber.join)
      }).pipe(onLoopback)
    )
  }
})

describe("a receiver that reads nothing", () => {
  it.live(
    "holds a few messages of 1 GiB that it is offered, makes its sender wait, and gets all of it in the end [slow]",
    () =>
      Effect.gen(function* () {
        const messageBuffer = 16
        const total = 1_024
        const { far, one, two } = yield* joined({}, { messageBuffer, messageBufferBytes: messageBuffer * MiB })
        // One buffer for all of them: message `i` is the MiB from word `i` on, and word `i` says so.
        const words = randomFillSync(new Uint32Array(MiB / 4 + total))
        for (let i = 0; i < total; i++) words[i] = i
        const message = (i: number) => new Uint8Array(words.buffer, 4 * i, MiB)
        let confirmed = 0
        const rss = process.memoryUsage.rss()
        const sending = yield* Effect.forEach(Array.from({ length: total }), (_, i) =>
          Effect.forkChild(
            Effect.tap(one.sendMessage(message(i), two.localAddress), () => Effect.sync(() => (confirmed += 1)))
          )
        )
        yield* until("the queue is full", () => confirmed >= messageBuffer)
        const received = yield* standstill(far)
        // The queue and the windows; what is between the two, headers, and packets that were sent twice come on top.
        const most = 2 * (messageBuffer * MiB + maxBulkBytes)
        assert.isBelow(confirmed * MiB, most)
        assert.isBelow(received, most)
        assert.isBelow(process.memoryUsage.rss() - rss, 256 * MiB)

        const seen = new Set<number>()
        for (let i = 0; i < total; i++) {
          const { payload } = yield* two.nextMessage
          const index = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true)
          assertSame(payload, message(index))
          seen.add(index)
        }
        assert.strictEqual(seen.size, total)
        yield* Effect.forEach(sending, Fiber.join)
        assert.strictEqual(confirmed, total)
        assert.isTrue(yield* nothing(two.nextMessage))
      }).pipe(onLoopback),
    300_000
  )
})

describe("messages that are not taken", () => {
  /** What one connection may have of them: see the promise in docs/guarantees.md. */
  const most = { messages: 32_768, bytes: 8 * MiB }
  const buffered = { messageBuffer: 10, messageBufferBytes: MiB }

  /** Sends on and on, by many fibers, until the peer takes no more; `confirmed` counts. */
  const flood = Effect.fnUntraced(function* (self: Service, peer: Service, size: number, fibers: number) {
    const state = { confirmed: 0, begun: 0, over: false }
    const sending = yield* Effect.forEach(Array.from({ length: fibers }), () =>
      Effect.forkChild(
        Effect.whileLoop({
          while: () => !state.over,
          body: () => {
            state.begun += 1
            return self.sendMessage(new Uint8Array(size).fill(state.begun), peer.localAddress)
          },
          step: () => {
            state.confirmed += 1
          }
        })
      )
    )
    let before = -1
    while (state.confirmed > before || state.confirmed === 0) {
      before = state.confirmed
      yield* Effect.sleep("700 millis")
    }
    return { state, sending }
  })

  /** Takes all of it: every message arrives, and the sender goes on. */
  const takeAll = Effect.fnUntraced(function* (
    { sending, state }: Effect.Success<ReturnType<typeof flood>>,
    peer: Service,
    size: number
  ) {
    state.over = true
    for (let i = 0; i < state.begun; i++) assert.strictEqual((yield* peer.nextMessage).payload.length, size)
    yield* Effect.forEach(sending, Fiber.join)
    assert.strictEqual(state.confirmed, state.begun)
    assert.isTrue(yield* nothing(peer.nextMessage))
  })

  for (const [size, fibers] of [
    [3, 2_000],
    [1_000, 500],
    [17_000, 200],
    [60_000, 200]
  ] as const) {
    it.live(
      `are confirmed up to a bound in messages and in bytes, ${size} bytes each, and all arrive when they are`,
      () =>
        Effect.gen(function* () {
          const { one, two } = yield* joined({}, buffered)
          const flooding = yield* flood(one, two, size, fibers)
          const { confirmed } = flooding.state
          assert.isBelow(confirmed, most.messages + buffered.messageBuffer)
          assert.isBelow(confirmed * size, most.bytes + buffered.messageBufferBytes + size)
          // It is the peer that they wait for, and not the network.
          assert.isAbove(confirmed * Math.max(size, 256), most.bytes / 2)
          yield* takeAll(flooding, two, size)
        }).pipe(onLoopback)
    )
  }

  it.live("are bounded one by one, too, and an answer does not wait for them", () =>
    Effect.gen(function* () {
      const { near, one, two } = yield* joined({}, buffered)
      const flooding = yield* flood(one, two, 1, 1)
      assert.isBelow(flooding.state.confirmed, 1_024 + buffered.messageBuffer)
      const question = yield* two.openBidirectionalStream(one.localAddress)
      yield* question.send.sendMessage(bytes("who?"))
      const reply = Option.getOrThrow((yield* one.nextMessage).reply)
      yield* reply.sendMessage(bytes("I"))
      assert.strictEqual(textOf(yield* question.receive.next), "I")
      yield* takeAll(flooding, two, 1)
      assert.isTrue((yield* one.connectTo(two.localAddress)) === near)
    }).pipe(onLoopback)
  )

  it.live(
    "are bounded on all connections together: of three peers some are held back, none is closed, and all get through later",
    () =>
      Effect.gen(function* () {
        const two = yield* endpoint({ ...buffered, unreadBuffer: 20 * MiB })
        const senders = yield* Effect.forEach([0, 1, 2], () => endpoint({ retryDuration: "1 minute" }))
        const payload = new Uint8Array(60_000)
        let confirmed = 0
        const sending = yield* Effect.forEach(senders, (one) =>
          Effect.forEach(Array.from({ length: 200 }), () =>
            Effect.forkChild(
              Effect.tap(one.sendMessage(payload, two.localAddress), () => Effect.sync(() => (confirmed += 1)))
            )
          )
        )
        // All three of them would have 24 MiB confirmed and unread.
        let before = -1
        while (confirmed > before || confirmed === 0) {
          before = confirmed
          yield* Effect.sleep("700 millis")
        }
        assert.isAbove(confirmed * payload.length, 5 * MiB)
        assert.isBelow(confirmed * payload.length, 20 * MiB)
        assert.isTrue(yield* nothing(two.nextDisconnection))
        // What is sent again may have arrived before.
        const taking = yield* Effect.forkChild(Effect.forever(two.nextMessage))
        yield* Effect.forEach(sending.flat(), Fiber.join)
        assert.strictEqual(confirmed, 600)
        yield* Fiber.interrupt(taking)
      }).pipe(onLoopback)
  )

  it.live("are waited for as long as that takes: that is no stall", () =>
    Effect.gen(function* () {
      const { near, one, two } = yield* joined({ stallTimeout: "1 second" }, buffered)
      const flooding = yield* flood(one, two, 1_000, 500)
      yield* Effect.sleep("2500 millis")
      yield* takeAll(flooding, two, 1_000)
      assert.isTrue((yield* one.connectTo(two.localAddress)) === near)
    }).pipe(onLoopback)
  )

  it.live("are followed by others though the credit for those was lost on the way", () =>
    Effect.gen(function* () {
      const network = new Network()
      const one = yield* endpoint()
      const two = yield* endpointBehind(network, buffered)
      const near = yield* one.connectTo(two.localAddress)
      const flooding = yield* flood(one, two, 1_000, 500)
      flooding.state.over = true
      // All that has come is taken, and no packet gets back that says so.
      network.outgoing = blocked
      const { confirmed } = flooding.state
      for (let i = 0; i < confirmed; i++) yield* two.nextMessage
      yield* Effect.sleep("300 millis")
      network.outgoing = open
      for (let i = confirmed; i < flooding.state.begun; i++) yield* two.nextMessage
      yield* Effect.forEach(flooding.sending, Fiber.join)
      assert.isTrue((yield* one.connectTo(two.localAddress)) === near)
    }).pipe(onLoopback)
  )
})

describe("what is not read", () => {
  /** 200 messages there and as many answers back, over a connection of their own. */
  const chat = Effect.fnUntraced(function* (self: Service) {
    const peer = yield* endpoint()
    for (let i = 0; i < 200; i++) {
      yield* self.sendMessage(bytes(`question ${i}`), peer.localAddress)
      assert.strictEqual(textOf((yield* peer.nextMessage).payload), `question ${i}`)
      yield* peer.sendMessage(bytes(`answer ${i}`), self.localAddress)
      assert.strictEqual(textOf((yield* self.nextMessage).payload), `answer ${i}`)
    }
  })

  it.live("makes its sender wait without a packet", () =>
    Effect.gen(function* () {
      const { far, near, one, two } = yield* joined({}, { messageBuffer: 1 })
      yield* one.sendMessage(bytes("first"), two.localAddress)
      const sending = yield* Effect.forEach(Array.from({ length: 100 }), () =>
        Effect.forkChild(one.sendMessage(new Uint8Array(400_000), two.localAddress))
      )
      // There and back: a sender that says that it is blocked, and is told that it was heard, would never rest.
      yield* standstill(far)
      yield* standstill(near)
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "first")
      for (let i = 0; i < 100; i++) assert.strictEqual((yield* two.nextMessage).payload.length, 400_000)
      yield* Effect.forEach(sending, Fiber.join)
    }).pipe(onLoopback)
  )

  it.live("by a peer does not keep its sender's other connections waiting", () =>
    Effect.gen(function* () {
      const { far, one, two } = yield* joined({}, { messageBuffer: 4 })
      const total = 60
      let confirmed = 0
      const sending = yield* Effect.forEach(Array.from({ length: total }), () =>
        Effect.forkChild(
          Effect.tap(one.sendMessage(new Uint8Array(MiB), two.localAddress), () => Effect.sync(() => (confirmed += 1)))
        )
      )
      yield* standstill(far)
      assert.isBelow(confirmed, total)
      yield* chat(one)
      assert.isBelow(confirmed, total)
      for (let i = 0; i < total; i++) assert.strictEqual((yield* two.nextMessage).payload.length, MiB)
      yield* Effect.forEach(sending, Fiber.join)
    }).pipe(onLoopback)
  )

  /** A stream whose answers nobody takes, and as much of them under way as there is room for. */
  const unreadAnswers = Effect.gen(function* () {
    const ends = yield* joined()
    const stream = yield* ends.near.openBi()
    yield* stream.send.sendMessage(bytes("all of it, please"))
    const reply = Option.getOrThrow((yield* ends.two.nextMessage).reply)
    const total = 30
    const progress = { sent: 0 }
    const answering = yield* Effect.forkChild(
      Effect.gen(function* () {
        for (; progress.sent < total; progress.sent++) {
          yield* reply.sendMessage(new Uint8Array(MiB).fill(progress.sent))
        }
        yield* reply.finish
      })
    )
    yield* standstill(ends.near)
    assert.isBelow(progress.sent, total)
    const readAll = Effect.gen(function* () {
      assert.isBelow(progress.sent, total)
      for (let i = 0; i < total; i++) assert.strictEqual((yield* stream.receive.next)[MiB - 1], i)
      yield* Fiber.join(answering)
    })
    return { ...ends, readAll }
  })

  it.live("on a stream keeps that stream waiting, and no other connection", () =>
    Effect.gen(function* () {
      const { one, readAll } = yield* unreadAnswers
      yield* chat(one)
      yield* readAll
    }).pipe(onLoopback)
  )

  /** A message of 1 MiB there and one back, 20 times. */
  const exchange = Effect.fnUntraced(function* (one: Service, two: Service) {
    for (let i = 0; i < 20; i++) {
      yield* two.sendMessage(new Uint8Array(MiB).fill(i), one.localAddress)
      assert.strictEqual((yield* one.nextMessage).payload[MiB - 1], i)
      yield* one.sendMessage(new Uint8Array(MiB).fill(i), two.localAddress)
      assert.strictEqual((yield* two.nextMessage).payload[MiB - 1], i)
    }
  })

  it.live("on a stream keeps that stream waiting, and not the rest of its connection", () =>
    Effect.gen(function* () {
      const { one, readAll, two } = yield* unreadAnswers
      yield* exchange(one, two)
      yield* readAll
    }).pipe(onLoopback)
  )

  it.live("in the queue of messages keeps no answer waiting, also after much has been sent", () =>
    Effect.gen(function* () {
      const { near, one, two } = yield* joined({ messageBuffer: 1 })
      yield* exchange(two, one)
      const messages = yield* Effect.forEach(Array.from({ length: 50 }), () =>
        Effect.forkChild(two.sendMessage(new Uint8Array(MiB), one.localAddress))
      )
      // A handler that asks its peer before it takes the next message.
      for (let i = 0; i < 50; i++) {
        assert.strictEqual((yield* one.nextMessage).payload.length, MiB)
        const stream = yield* near.openBi()
        yield* stream.send.sendMessage(bytes("a question"))
        const reply = Option.getOrThrow((yield* two.nextMessage).reply)
        yield* reply.sendMessage(new Uint8Array(100_000).fill(i))
        assert.strictEqual((yield* stream.receive.next)[99_999], i)
      }
      yield* Effect.forEach(messages, Fiber.join)
    }).pipe(onLoopback)
  )

  it.live("of sends that were interrupted while they waited leaves the connection as good as new", () =>
    Effect.gen(function* () {
      const { near, one, two } = yield* joined({}, { messageBuffer: 1 })
      yield* one.sendMessage(bytes("first"), two.localAddress)
      for (let i = 0; i < 40; i++) {
        const before = (yield* near.stats).bytesSent
        const sending = yield* Effect.forkChild(one.sendMessage(new Uint8Array(MiB), two.localAddress))
        while ((yield* near.stats).bytesSent < before + 50_000) yield* Effect.sleep(1)
        yield* Fiber.interrupt(sending)
      }
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "first")
      for (let i = 0; i < 3_000; i++) {
        yield* one.sendMessage(new Uint8Array(2_000), two.localAddress)
        assert.strictEqual((yield* two.nextMessage).payload.length, 2_000)
      }
      assert.isTrue((yield* one.connectTo(two.localAddress)) === near)
    }).pipe(onLoopback)
  )

  it.live("of small answers keeps nothing else waiting", () =>
    Effect.gen(function* () {
      const { near, one, two } = yield* joined()
      const unread = yield* Effect.forEach(
        Array.from({ length: 10 }),
        Effect.fnUntraced(function* () {
          const stream = yield* near.openBi()
          yield* stream.send.sendMessage(bytes("an answer, please"))
          const reply = Option.getOrThrow((yield* two.nextMessage).reply)
          yield* reply.sendMessage(new Uint8Array(200_000))
          yield* reply.finish
          return stream.receive
        })
      )
      yield* exchange(one, two)
      for (const receive of unread) assert.strictEqual((yield* receive.next).length, 200_000)
    }).pipe(onLoopback)
  )

  it.live("on hundreds of streams keeps no question of this endpoint's waiting, and no answer to one", () =>
    Effect.gen(function* () {
      const { near, one, two } = yield* joined({}, { messageBuffer: 1 })
      // More than a turn reads, each with something left.
      const sending = yield* Effect.forEach(Array.from({ length: 700 }), (_, i) =>
        Effect.gen(function* () {
          const stream = yield* near.openUni()
          yield* stream.sendMessage(new Uint8Array(100).fill(i))
          yield* stream.finish
        }).pipe(Effect.forkChild)
      )
      yield* eventually(
        "all are there",
        Effect.map(near.stats, ({ packetsSent }) => packetsSent >= 700)
      )
      // Not only the answer on the latest stream.
      const asked = yield* Effect.forEach(Array.from({ length: 8 }), (_, i) =>
        Effect.gen(function* () {
          const stream = yield* two.openBidirectionalStream(one.localAddress)
          yield* stream.send.sendMessage(new Uint8Array(10).fill(i))
          return { receive: stream.receive, reply: Option.getOrThrow((yield* one.nextMessage).reply) }
        })
      )
      for (const [i, { receive, reply }] of asked.entries()) {
        yield* reply.sendMessage(new Uint8Array(10).fill(i))
        assert.strictEqual((yield* receive.next)[0], i)
      }
      for (const _ of sending) assert.strictEqual((yield* two.nextMessage).payload.length, 100)
      yield* Effect.forEach(sending, Fiber.join)
    }).pipe(onLoopback)
  )
})
