import assert from "node:assert/strict"
import { test } from "node:test"
import { Counter } from "../src/contenders/counting.ts"
import { type ByteStream, FrameReader, linkOver, serve } from "../src/contenders/orderedStream.ts"

const nothing = () => {}

/** Two ends in memory: what is written at one is read at the other, cut as `cut` says, one turn later. */
const pair = (cut: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>) => {
  const receivers = [nothing, nothing] as Array<(chunk: Uint8Array) => void>
  const written = [0, 0]
  let ended = nothing as (error: Error) => void
  const end = (here: 0 | 1): ByteStream => ({
    write: (bytes) => {
      written[here] = (written[here] ?? 0) + bytes.length
      setImmediate(() => {
        for (const chunk of cut(bytes)) receivers[1 - here]?.(chunk)
      })
      return true
    },
    onData: (receive) => void (receivers[here] = receive),
    onDrain: nothing,
    onEnd: (tell) => void (here === 0 && (ended = tell)),
    close: async () => {}
  })
  return { near: end(0), far: end(1), written, fail: (error: Error) => ended(error) }
}

const inPieces = (length: number) => (bytes: Uint8Array) =>
  Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) => bytes.subarray(i * length, (i + 1) * length))

for (const length of [1, 3, 7, 4096, 1 << 20]) {
  test(`every message arrives once and whole in pieces of ${length} bytes`, async () => {
    const { far, near } = pair(inPieces(length))
    const counter = new Counter()
    serve(far, counter)
    const link = linkOver(near)
    await link.messages({ size: 5, count: 1000, inFlight: 32 })
    assert.deepEqual(counter.counts(), { messages: 1000, bytes: 5000 })
    await link.messages({ size: 20_000, count: 3, inFlight: 2 })
    assert.deepEqual(counter.counts(), { messages: 1003, bytes: 65_000 })
  })
}

test("a message is the same bytes, whether it came whole or in parts", () => {
  const frame = Buffer.from([3, 0, 0, 0x10, 7, 8, 9])
  for (let at = 0; at <= frame.length; at++) {
    const frames: Array<[number, ReadonlyArray<number>]> = []
    const reader = new FrameReader((kind, body) => frames.push([kind, [...body]]))
    reader.push(frame.subarray(0, at))
    reader.push(frame.subarray(at))
    assert.deepEqual(frames, [[1, [7, 8, 9]]])
  }
})

test("no more are in flight than were asked for", async () => {
  const { far, near, written } = pair(inPieces(1 << 20))
  const link = linkOver(near)
  const sent = link.messages({ size: 100, count: 50, inFlight: 8 })
  assert.equal(written[0], 8 * 104)
  serve(far, new Counter())
  await sent
  assert.equal(written[0], 50 * 104)
})

test("a message is not confirmed before the application has it", async () => {
  const { near } = pair(inPieces(1 << 20))
  let confirmed = false
  void linkOver(near)
    .messages({ size: 1, count: 1, inFlight: 1 })
    .then(() => (confirmed = true))
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(confirmed, false)
})

test("questions are answered with the same bytes, and counted", async () => {
  const { far, near } = pair(inPieces(10))
  const counter = new Counter()
  serve(far, counter)
  const times = await linkOver(near).requests({ size: 64, count: 5 })
  assert.equal(times.length, 5)
  assert.ok(times.every((time) => time > 0))
  assert.deepEqual(counter.counts(), { messages: 5, bytes: 320 })
})

test("the end of the stream fails what waits for it", async () => {
  const { fail, near } = pair(inPieces(10))
  const link = linkOver(near)
  const sent = link.messages({ size: 1, count: 1, inFlight: 1 })
  fail(new Error("gone"))
  await assert.rejects(sent, /gone/)
  await assert.rejects(link.requests({ size: 1, count: 1 }), /gone/)
})
