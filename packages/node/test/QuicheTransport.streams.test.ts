// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertSame, connect, outcomes, pattern, Received, text, until } from "./support/quicSockets.ts"

const nothing = new Uint8Array(0)

describe("data", () => {
  it.live("goes both ways on unidirectional streams that either side opens", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const sent = [near.send(text("from the dialler")), far.send(text("from the acceptor"))]
      yield* until("both", () => far.streams[0]?.ends.length === 1 && near.streams[0]?.ends.length === 1)
      yield* until("both confirmations", () => sent.every(({ results }) => results.length === 1))
      assert.strictEqual(far.streams[0]!.text, "from the dialler")
      assert.strictEqual(near.streams[0]!.text, "from the acceptor")
      for (const peer of [near, far]) {
        assert.strictEqual(peer.streams.length, 1)
        assert.strictEqual(peer.streams[0]!.send, undefined)
        assert.deepStrictEqual(peer.streams[0]!.ends, [undefined])
      }
      for (const { results } of sent) assert.deepStrictEqual(results, ["done"])
    })
  )

  for (const opener of ["dialler", "acceptor"] as const) {
    it.live(`goes both ways on a bidirectional stream that the ${opener} opens, each half ending on its own`, () =>
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const [from, to] = opener === "dialler" ? [near, far] : [far, near]
        const answer = new Received()
        const asked = outcomes()
        const answered = outcomes()
        const stream = from.connection.openBi(0, answer)
        stream.send.write(text("question"), true, asked.done)
        yield* until("the question", () => to.streams[0]?.ends.length === 1)
        assert.deepStrictEqual(answer.ends, [])
        const received = to.streams[0]!
        assert.strictEqual(received.text, "question")
        received.send!.write(text("ans"), false, () => {})
        received.send!.write(text("wer"), true, answered.done)
        yield* until("the answer", () => answer.ends.length === 1)
        yield* until("confirmations", () => asked.results.length + answered.results.length === 2)
        assert.strictEqual(answer.text, "answer")
        assert.deepStrictEqual([...answer.ends, ...received.ends], [undefined, undefined])
        assert.deepStrictEqual([...asked.results, ...answered.results], ["done", "done"])
        assert.strictEqual(to.filled.length, 1)
      })
    )
  }

  for (const size of [1, 1_162, 65_535, 65_536, 65_537, 200_000, 5 << 20]) {
    it.live(`of ${size} bytes arrives as it was sent`, () =>
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const bytes = pattern(size, size)
        const { results } = near.send(bytes)
        yield* until("the end", () => far.streams[0]?.ends.length === 1)
        assertSame(far.streams[0]!.bytes, bytes)
        yield* until("the confirmation", () => results.length > 0)
        assert.deepStrictEqual(results, ["done"])
      })
    )
  }

  it.live("in many small writes stays in order, and every write is called back once", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const stream = near.connection.openUni(0)
      const { done, results } = outcomes()
      const all = pattern(20_000)
      for (let i = 0; i < all.length; i++) stream.write(all.subarray(i, i + 1), i === all.length - 1, done)
      yield* until("the end", () => far.streams[0]?.ends.length === 1)
      assertSame(far.streams[0]!.bytes, all)
      yield* until("all answers", () => results.length === all.length)
      assert.isTrue(results.every((result) => result === "done"))
    })
  )

  it.live("of a write above the high-water mark is called back only when there is room", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.heed = (stream) => {
        stream.pausing = true
      }
      const stream = near.connection.openUni(0)
      const { done, results } = outcomes()
      // More than the receiver's window takes.
      const bytes = pattern(12 << 20)
      stream.write(bytes, false, done)
      yield* until("some of it", () => (far.streams[0]?.length ?? 0) > 0)
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual(results, [])
      far.streams[0]!.resume()
      yield* until("room", () => results.length === 1)
      yield* until("all of it", () => far.streams[0]!.length === bytes.length)
      assertSame(far.streams[0]!.bytes, bytes)
    })
  )

  it.live("of a stream that ends with a fin alone, long after the last bytes, ends at the peer", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const stream = near.connection.openUni(0)
      stream.write(text("early"), false, () => {})
      yield* until("the bytes", () => far.streams[0]?.length === 5)
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual(far.streams[0]!.ends, [])
      const { done, results } = outcomes()
      stream.write(nothing, true, done)
      yield* until("the end", () => far.streams[0]!.ends.length === 1)
      yield* until("the confirmation", () => results.length === 1)
      assert.deepStrictEqual([...results, ...far.streams[0]!.ends], ["done", undefined])
      assert.strictEqual(far.streams[0]!.text, "early")
    })
  )

  it.live("of a fin alone right behind other bytes ends at the peer too", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const results: Array<unknown> = []
      for (let i = 0; i < 200; i++) {
        const stream = near.connection.openUni(0)
        stream.write(text(`${i}`), false, () => {})
        // Past the turn that sends the bytes, before they are acknowledged.
        yield* Effect.promise(() => new Promise(setImmediate))
        stream.write(nothing, true, (failure) => results.push(failure ?? "done"))
      }
      yield* until("all confirmations", () => results.length === 200)
      yield* until("all ends", () => far.filled.filter(({ ends }) => ends.length === 1).length === 200)
      assert.isTrue(results.every((result) => result === "done"))
      assert.deepStrictEqual(
        far.filled.map(({ text }) => Number(text)).toSorted((a, b) => a - b),
        Array.from({ length: 200 }, (_, i) => i)
      )
    })
  )

  it.live("of a stream that carries nothing at all still ends at the peer", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const { results } = near.send(nothing)
      yield* until("the end", () => far.streams[0]?.ends.length === 1)
      yield* until("the confirmation", () => results.length === 1)
      assert.strictEqual(far.streams[0]!.length, 0)
      assert.deepStrictEqual(results, ["done"])
    })
  )

  it.live("of a bidirectional stream is confirmed before the peer's half is read, and when there never is one", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const answer = new Received()
      const asked = outcomes()
      near.connection.openBi(0, answer).send.write(text("no answer, please"), true, asked.done)
      yield* until("the confirmation", () => asked.results.length === 1)
      assert.deepStrictEqual(asked.results, ["done"])
      assert.strictEqual(far.streams[0]!.text, "no answer, please")
      assert.deepStrictEqual(answer.ends, [])
    })
  )
})
