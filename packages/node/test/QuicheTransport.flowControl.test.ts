// @module-tag slow
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import {
  assertSame,
  at,
  bind,
  connect,
  connected,
  pattern,
  type Peer,
  Received,
  type Sent,
  text,
  until
} from "./support/quicSockets.ts"
import { rawServer } from "./support/nativePeers.ts"

describe("credit", () => {
  it.live("for streams is waited for: 10,000 messages at once all arrive, and none fails", () =>
    Effect.gen(function* () {
      const count = 10_000
      const { far, near } = yield* connect()
      const sent: Array<Sent> = []
      for (let i = 0; i < count; i++) sent.push(near.send(text(`message ${i}`)))
      yield* until("all confirmations", () => sent.every(({ results }) => results.length === 1), "25 seconds")
      assert.isTrue(sent.every(({ results }) => results[0] === "done"))
      yield* until("all ends", () => far.streams.length === count && far.streams.every(({ ends }) => ends.length === 1))
      const texts = new Set(far.streams.map(({ text }) => text))
      for (let i = 0; i < count; i++) assert.isTrue(texts.has(`message ${i}`))
    })
  )

  it.live("for bidirectional streams is waited for, with an answer on each", () =>
    Effect.gen(function* () {
      const count = 3_000
      const { far, near } = yield* connect()
      far.heed = (stream) => {
        stream.heed = (chunk) => stream.send!.write(chunk.slice(), true, () => {})
      }
      const answers = Array.from({ length: count }, () => new Received())
      for (const [i, answer] of answers.entries())
        near.connection.openBi(0, answer).send.write(text(`${i}`), true, () => {})
      yield* until("all answers", () => answers.every(({ ends }) => ends.length === 1))
      assert.isTrue(answers.every(({ text }, i) => text === `${i}`))
    })
  )

  it.live("of a peer that grants only three streams at a time is enough for a hundred", () =>
    Effect.gen(function* () {
      const scratch = new Uint8Array(65_536)
      const server = yield* rawServer((config) => config.setInitialMaxStreamsUni(3))
      const client = yield* bind()
      const near = yield* connected(client.dial(at(server.port)))
      const raw = server.peers[0]!
      const texts: Array<string> = []
      raw.onPacket = () => {
        if (!raw.native.isReadable()) return
        for (const id of raw.native.readable()) {
          const [length] = raw.native.streamRecv(id, scratch)!
          texts.push(Buffer.from(scratch.subarray(0, length)).toString())
        }
      }
      const sent = Array.from({ length: 100 }, (_, i) => near.send(text(`${i}`)))
      yield* until("all confirmations", () => sent.every(({ results }) => results.length === 1))
      assert.isTrue(sent.every(({ results }) => results[0] === "done"))
      assert.deepStrictEqual(new Set(texts), new Set(Array.from({ length: 100 }, (_, i) => `${i}`)))
    })
  )
})

const pausing = (peer: Peer) => {
  peer.heed = (stream) => {
    stream.pausing = true
  }
}

describe("a receiver that pauses", () => {
  it.live("holds the sender back, and loses nothing when it goes on", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      pausing(far)
      const bytes = pattern(20 << 20)
      const { results } = near.send(bytes)
      yield* until("some of it", () => (far.streams[0]?.length ?? 0) > 0)
      const { bytesSent } = near.connection.stats()
      yield* Effect.sleep("200 millis")
      // A chunk, and what the windows hold.
      assert.isBelow(near.connection.stats().bytesSent, bytesSent + (4 << 20))
      assert.isBelow(near.connection.stats().bytesSent, 8 << 20)
      assert.strictEqual(far.streams[0]!.chunks.length, 1)
      assert.deepStrictEqual(results, [])
      far.streams[0]!.resume()
      yield* until("the confirmation", () => results.length === 1)
      yield* until("the end", () => far.streams[0]!.ends.length === 1)
      assertSame(far.streams[0]!.bytes, bytes)
    })
  )

  it.live("pauses that stream alone: others of the same connection, and other connections, go on", () =>
    Effect.gen(function* () {
      const { client, far, near, server } = yield* connect()
      const second = yield* connected(client.dial(server.socket.address))
      pausing(far)
      const held = near.send(pattern(8 << 20))
      yield* until("some of it", () => (far.streams[0]?.length ?? 0) > 0)
      far.heed = undefined
      for (const peer of [near, second]) {
        const { results } = peer.send(pattern(200_000))
        yield* until("the confirmation", () => results.length === 1)
        assert.deepStrictEqual(results, ["done"])
        for (let i = 0; i < 50; i++) {
          const small = peer.send(text("small"), i % 2)
          yield* until("the confirmation", () => small.results.length === 1)
        }
      }
      assert.deepStrictEqual(held.results, [])
      far.streams[0]!.resume()
      yield* until("the confirmation", () => held.results.length === 1)
      yield* until("the end", () => far.streams[0]!.ends.length === 1)
      assert.strictEqual(far.streams[0]!.length, 8 << 20)
    })
  )

  it.live("of streams of a high priority leaves those of a lower one their turn", () =>
    Effect.gen(function* () {
      // Tiny windows for streams and a wide one for the connection; the first ten streams are never read.
      const scratch = new Uint8Array(65_536)
      const server = yield* rawServer((config) => {
        config.setInitialMaxStreamDataUni(1_000)
        config.setInitialMaxData(1 << 30)
      })
      const client = yield* bind()
      const near = yield* connected(client.dial(at(server.port)))
      const raw = server.peers[0]!
      let read = ""
      raw.onPacket = () => {
        if (!raw.native.isReadable()) return
        for (const id of raw.native.readable()) {
          if (id < 2 + 4 * 10) continue
          const [length] = raw.native.streamRecv(id, scratch)!
          read += Buffer.from(scratch.subarray(0, length)).toString()
        }
      }
      const held = Array.from({ length: 10 }, () => near.send(pattern(100_000), 5))
      yield* until("the held streams", () => near.connection.stats().bytesSent > 5_000)
      yield* Effect.sleep("50 millis")
      const { results } = near.send(text("my turn"), 0)
      yield* until("the confirmation", () => results.length === 1, "5 seconds")
      assert.strictEqual(read, "my turn")
      assert.isTrue(held.every(({ results }) => results.length === 0))
    })
  )

  it.live("may pause and resume at every chunk", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.heed = (stream) => {
        stream.pausing = true
        stream.heed = () => setImmediate(() => stream.receive!.resume())
      }
      const bytes = pattern(3 << 20)
      const { results } = near.send(bytes)
      yield* until("the confirmation", () => results.length === 1)
      yield* until("the end", () => far.streams[0]!.ends.length === 1)
      assertSame(far.streams[0]!.bytes, bytes)
    })
  )
})

/** The order in which streams ended, by their first byte. */
const order = (peer: Peer): Array<number> => {
  const ended: Array<number> = []
  peer.heed = (stream) => {
    const { onEnd } = stream
    Object.assign(stream, {
      onEnd: (failure?: undefined) => {
        onEnd(failure)
        ended.push(stream.chunks[0]![0]!)
      }
    })
  }
  return ended
}

const marked = (mark: number, length: number): Uint8Array => new Uint8Array(length).fill(mark)

describe("priority", () => {
  it.live("an urgent message overtakes tens of MiB of bulk on the same connection", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const bulk = Array.from({ length: 4 }, () => near.send(marked(1, 10 << 20)))
      yield* until("the bulk", () => far.streams.some(({ length }) => length > 1 << 20))
      const before = far.streams.reduce((sum, { length }) => sum + length, 0)
      let meanwhile = -1
      far.heed = (stream) => {
        stream.heed = (chunk) => {
          if (chunk[0] === 2) meanwhile = far.streams.reduce((sum, { length }) => sum + length, 0) - before
        }
      }
      near.send(marked(2, 1_000), 1)
      yield* until("the urgent message", () => meanwhile >= 0)
      // No more than what was in flight, of 40 MiB.
      assert.isBelow(meanwhile, 16 << 20)
      assert.isTrue(bulk.some(({ results }) => results.length === 0))
      yield* until("the bulk", () => bulk.every(({ results }) => results.length === 1))
    })
  )

  it.live("higher goes first among messages that wait together", () =>
    Effect.gen(function* () {
      // So slow that the windows are never what holds a message back.
      const { far, near } = yield* connect({ client: { maxSendRate: 4 << 20 } })
      const ended = order(far)
      const priorities = [0, -5, 5, 1_000, 0, 5, -1_000]
      const sent = priorities.map((priority, i) => near.send(marked(i, 300_000), priority))
      yield* until("all confirmations", () => sent.every(({ results }) => results.length === 1))
      assert.deepStrictEqual(
        ended.map((i) => priorities[i]),
        [1_000, 5, 5, 0, 0, -5, -1_000]
      )
    })
  )

  it.live("may change while a message waits", () =>
    Effect.gen(function* () {
      // So slow that the windows are never what holds a message back.
      const { far, near } = yield* connect({ client: { maxSendRate: 4 << 20 } })
      const ended = order(far)
      // So long that no two of them end in the same turn of the receiver.
      const sent = [0, 1, 2].map((i) => near.send(marked(i, 500_000)))
      sent[2]!.stream.setPriority(1)
      sent[0]!.stream.setPriority(-1)
      yield* until("all confirmations", () => sent.every(({ results }) => results.length === 1))
      assert.deepStrictEqual(ended, [2, 1, 0])
    })
  )

  it.live("short messages of the same priority do not wait for long ones to end", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const long = near.send(marked(1, 30 << 20))
      yield* until("some of it", () => (far.streams[0]?.length ?? 0) > 0)
      const short = Array.from({ length: 20 }, () => near.send(marked(2, 100)))
      yield* until("the short ones", () => short.every(({ results }) => results.length === 1))
      assert.deepStrictEqual(long.results, [])
      yield* until("the long one", () => long.results.length === 1)
    })
  )
})

describe("rate", () => {
  it.live("a send rate below the data's size delays it and loses nothing", () =>
    Effect.gen(function* () {
      // Both ends of the range: a rate so low that the bucket is empty most of the time.
      const { far, near } = yield* connect({ client: { maxSendRate: 200_000, stallTimeout: Duration.seconds(30) } })
      const bytes = pattern(200_000)
      const { results } = near.send(bytes)
      yield* until("some of it", () => (far.streams[0]?.length ?? 0) > 0)
      assert.deepStrictEqual(results, [])
      yield* until("the confirmation", () => results.length === 1)
      yield* until("the end", () => far.streams[0]!.ends.length === 1)
      assertSame(far.streams[0]!.bytes, bytes)
      assert.deepStrictEqual([...near.closes, ...far.closes], [])
    })
  )
})
