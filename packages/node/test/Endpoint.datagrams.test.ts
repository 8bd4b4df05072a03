/**
 * Datagrams over QUIC, between endpoints and with peers that are none.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Connection } from "@qp2p/core/Connection"
import { DatagramQueueFull, DatagramsUnsupported, DatagramTooLarge } from "@qp2p/core/DatagramError"
import { maxQueuedDatagrams } from "../src/internal/tunables/datagrams.ts"
import { unexplainedBytes } from "../src/internal/tunables/memory.ts"
import { rawServer } from "./support/nativePeers.ts"
import { endpoint, eventually, joined, onLoopback, type Service } from "./support/quicEndpoints.ts"
import { assertSame, at, pattern, text } from "./support/quicSockets.ts"

/** Sends until one arrives: a datagram may be lost. */
const arrives = Effect.fnUntraced(function* (from: Connection, payload: Uint8Array, to: Service) {
  const send = Effect.andThen(Effect.ignore(from.sendDatagram(payload)), Effect.sleep("50 millis"))
  return yield* Effect.raceFirst(Effect.orDie(to.nextDatagram), Effect.andThen(Effect.forever(send), Effect.never))
})

/** Sends datagrams as fast as the connection takes them, and counts those that it took. */
const flood = Effect.fnUntraced(function* (from: Connection, count: number, size: number) {
  let sent = 0
  while (sent < count) {
    const taken = yield* Effect.match(from.sendDatagram(new Uint8Array(size)), {
      onSuccess: () => true,
      onFailure: (error) => {
        assert.instanceOf(error, DatagramQueueFull)
        return false
      }
    })
    if (taken) sent += 1
    else yield* Effect.sleep("1 millis")
  }
})

describe("datagrams over QUIC", () => {
  it.live("arrive whole, both ways, from none to as many bytes as the connection says", () =>
    Effect.gen(function* () {
      const { far, near, one, two } = yield* joined()
      for (const [from, to, sender] of [
        [near, two, one],
        [far, one, two]
      ] as const) {
        const largest = from.maxDatagramSize
        assert.isAbove(largest, 1_100)
        for (const size of [0, 1, 600, largest]) {
          const { connection, payload, peerId } = yield* arrives(from, pattern(size, size), to)
          assertSame(payload, pattern(size, size))
          assert.deepStrictEqual([peerId, connection.peerId], [sender.peerId, sender.peerId])
        }
        const error = yield* Effect.flip(from.sendDatagram(new Uint8Array(largest + 1)))
        assert.deepStrictEqual(error, new DatagramTooLarge({ size: largest + 1, limit: largest }))
      }
    }).pipe(onLoopback)
  )

  it.live("arrive once each within a machine, in as many packets as they need, and beside messages", () =>
    Effect.gen(function* () {
      const { far, near, two } = yield* joined()
      const count = 1_000
      for (let i = 0; i < count; i++) {
        const payload = new Uint8Array(4)
        new DataView(payload.buffer).setUint32(0, i)
        yield* near.sendDatagram(payload)
        if (i % 100 === 0) yield* near.send(text(`message ${i}`))
      }
      yield* eventually(
        "they have arrived",
        Effect.map(far.stats, ({ datagramsReceived }) => datagramsReceived === count)
      )
      const received = yield* Stream.runCollect(Stream.take(two.datagrams, count))
      const numbers = received.map(({ payload }) => new DataView(payload.buffer, payload.byteOffset).getUint32(0))
      assert.strictEqual(new Set(numbers).size, count)
      yield* Stream.runDrain(Stream.take(two.incomingMessages, 10))
    }).pipe(onLoopback)
  )

  it.live("are refused by a full queue, which holds no message back and takes datagrams again", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined()
      let full = 0
      for (let i = 0; i < 2 * maxQueuedDatagrams; i++) {
        yield* Effect.catchTag(near.sendDatagram(new Uint8Array(10)), "DatagramQueueFull", () =>
          Effect.sync(() => (full += 1))
        )
      }
      assert.strictEqual(full, maxQueuedDatagrams)
      assert.strictEqual((yield* near.stats).datagramsUnsent, full)
      yield* near.send(text("a message"))
      yield* arrives(near, text("and a datagram"), two)
    }).pipe(onLoopback)
  )

  it.live("fail with DatagramsUnsupported when the peer has not announced that it takes any", () =>
    Effect.gen(function* () {
      const server = yield* rawServer((config) => config.enableDgram(false, 1, 1))
      const one = yield* endpoint()
      const near = yield* one.connectTo(at(server.port))
      assert.strictEqual(near.maxDatagramSize, 0)
      const error = yield* Effect.flip(near.sendDatagram(new Uint8Array(0)))
      assert.deepStrictEqual(error, new DatagramsUnsupported({ peerId: near.peerId }))
    }).pipe(onLoopback)
  )

  it.live("of a flood are bounded and counted where nobody reads, and their peer stays connected", () =>
    Effect.gen(function* () {
      const { far, near, one, two } = yield* joined({}, { messageBuffer: 300 })
      const size = near.maxDatagramSize
      // More than a connection may bring that is no data.
      const count = Math.ceil((3 * unexplainedBytes) / size)
      yield* flood(near, count, size)
      yield* one.sendMessage(text("still here"), two.localAddress)
      yield* eventually(
        "they have arrived, or were lost",
        Effect.map(far.stats, ({ datagramsDropped }) => datagramsDropped > 0)
      )
      const { datagramsDropped, datagramsReceived } = yield* far.stats
      assert.isAbove(datagramsReceived, 0)
      assert.isAtMost(datagramsReceived, 100)
      assert.isAtMost(datagramsDropped + datagramsReceived, count)
      assert.strictEqual((yield* near.stats).datagramsSent, count)
      assert.deepStrictEqual(yield* two.connections, [far])
    }).pipe(onLoopback)
  )
})
