/** Rules about what streams carry. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertSame, pattern, text } from "./content.ts"
import type { Outcome, Peer } from "./recording/peer.ts"
import { Received } from "./recording/received.ts"
import { type Group, rule } from "./rule.ts"
import { connect, until } from "./steps.ts"

const nothing = new Uint8Array(0)

/** Answers each request with its own bytes. */
const echo = (peer: Peer) => {
  peer.afterStream = (stream) => {
    stream.afterEnd = () => {
      if (stream.send !== undefined) peer.write(stream.send, stream.whole, true)
    }
  }
}

const sides = ["dialling", "accepting"] as const
const ordered = (side: (typeof sides)[number], { far, near }: { readonly far: Peer; readonly near: Peer }) =>
  side === "dialling" ? ([near, far] as const) : ([far, near] as const)

/** The rules about the bytes, the ends and the acknowledgements of streams of both kinds. */
export const streams: Group = {
  title: "streams",
  rules: [
    ...sides.map((side) =>
      rule(
        `the ${side} side sends on a unidirectional stream, which has no way back`,
        Effect.gen(function* () {
          const [from, to] = ordered(side, yield* connect())
          const { results } = from.send(text("one way"))
          yield* until("the stream ends", () => to.messages[0]?.ends.length === 1)
          yield* until("it is acknowledged", () => results.length > 0)
          const received = to.messages[0]!
          assert.deepStrictEqual([received.text, received.ends, results], ["one way", [undefined], ["done"]])
          assert.isUndefined(received.send)
          assert.deepStrictEqual(from.messages, [])
        })
      )
    ),
    ...sides.map((side) =>
      rule(
        `the ${side} side asks on a bidirectional stream, and each half ends on its own`,
        Effect.gen(function* () {
          const [from, to] = ordered(side, yield* connect())
          const { answer, results } = from.ask(text("question"))
          yield* until("the question ends", () => to.messages[0]?.ends.length === 1)
          yield* until("the question is acknowledged", () => results.length > 0)
          const received = to.messages[0]!
          assert.deepStrictEqual([received.text, received.ends, results], ["question", [undefined], ["done"]])
          assert.deepStrictEqual([answer.length, answer.ends], [0, []])
          to.write(received.send!, text("ans"), false)
          const answered = to.write(received.send!, text("wer"), true)
          yield* until("the answer ends", () => answer.ends.length === 1)
          yield* until("the answer is acknowledged", () => answered.length > 0)
          assert.deepStrictEqual([answer.text, answer.ends, answered], ["answer", [undefined], ["done"]])
          assert.strictEqual(from.filled.length, 0)
        })
      )
    ),
    rule(
      "an answer may begin before the question ends, and the question go on after the answer has ended",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const answer = new Received(near.record)
        const { send } = near.connection.openBi(0, answer)
        near.write(send, text("a question"), false)
        yield* until("it begins", () => far.messages[0]?.text === "a question")
        const received = far.messages[0]!
        far.write(received.send!, text("an answer"), true)
        yield* until("the answer ends", () => answer.ends.length === 1)
        assert.deepStrictEqual([answer.text, received.ends], ["an answer", []])
        near.write(send, text(", and more"), true)
        yield* until("the question ends", () => received.ends.length === 1)
        assert.deepStrictEqual([received.text, received.ends], ["a question, and more", [undefined]])
      })
    ),
    rule(
      "many small writes arrive in their order, and each is answered once",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const stream = near.connection.openUni(0)
        const bytes = pattern(5_000)
        const results: Array<ReadonlyArray<Outcome>> = []
        for (let i = 0; i < bytes.length; i++) {
          results.push(near.write(stream, bytes.subarray(i, i + 1), i === bytes.length - 1))
        }
        yield* until("the stream ends", () => far.messages[0]?.ends.length === 1)
        yield* until("every write is answered", () => results.every((outcomes) => outcomes.length > 0))
        assertSame(far.messages[0]!.whole, bytes)
        assert.isTrue(results.flat().every((outcome) => outcome === "done"))
      })
    ),
    rule(
      "a write of nothing is answered, and does not end the stream",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const stream = near.connection.openUni(0)
        for (const part of ["a", "", "b", ""]) {
          const results = near.write(stream, text(part), false)
          yield* until("the write is answered", () => results.length > 0)
          assert.deepStrictEqual(results, ["done"])
        }
        yield* until("the bytes arrive", () => far.messages[0]?.text === "ab")
        assert.deepStrictEqual(far.messages[0]!.ends, [])
        near.write(stream, text("c"), true)
        yield* until("the stream ends", () => far.messages[0]!.ends.length === 1)
        assert.strictEqual(far.messages[0]!.text, "abc")
      })
    ),
    rule(
      "a stream that carries nothing ends at the peer and is acknowledged",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const { results } = near.send(nothing)
        yield* until("the stream ends", () => far.streams[0]?.ends.length === 1)
        yield* until("it is acknowledged", () => results.length > 0)
        assert.deepStrictEqual([far.streams[0]!.chunks, far.streams[0]!.ends, results], [[], [undefined], ["done"]])
      })
    ),
    rule(
      "an end that comes alone, after all bytes have arrived, arrives as well",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const stream = near.connection.openUni(0)
        near.write(stream, text("early"), false)
        yield* until("the bytes arrive", () => far.messages[0]?.text === "early")
        const results = near.write(stream, nothing, true)
        yield* until("the stream ends", () => far.messages[0]!.ends.length === 1)
        yield* until("it is acknowledged", () => results.length > 0)
        assert.deepStrictEqual(
          [far.messages[0]!.text, far.messages[0]!.ends, results],
          ["early", [undefined], ["done"]]
        )
      })
    ),
    rule(
      "messages of any size arrive as they were, and what the sender gave is left as it is",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        for (const [i, size] of [1, 1_200, 65_535, 65_536, 65_537, 1_000_003].entries()) {
          const bytes = pattern(size, size)
          const { results } = near.send(bytes)
          yield* until(`${size} bytes arrive`, () => far.messages[i]?.ends.length === 1)
          yield* until(`${size} bytes are acknowledged`, () => results.length > 0)
          assertSame(far.messages[i]!.whole, pattern(size, size))
          assertSame(bytes, pattern(size, size))
          assert.deepStrictEqual([results, far.messages[i]!.ends], [["done"], [undefined]])
        }
      })
    ),
    rule(
      "many streams at once, of both kinds and from both sides, each arrive whole and once",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const question = (i: number) => pattern(2 + ((i * 131) % 4_000), i)
        const label = (bytes: Uint8Array) => bytes.join(" ")
        for (const peer of [near, far]) echo(peer)
        const asked = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? near : far).ask(question(i)))
        const sent = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? near : far).send(question(i + 100)))
        yield* until("all are acknowledged", () => [...asked, ...sent].every(({ results }) => results.length > 0))
        yield* until("all answers end", () => asked.every(({ answer }) => answer.ends.length === 1))
        const ended = () => [near, far].every((peer) => peer.filled.every(({ ends }) => ends.length === 1))
        yield* until("all messages end", () => near.filled.length + far.filled.length >= 200 && ended())
        for (const [i, { answer }] of asked.entries()) assertSame(answer.whole, question(i))
        for (const [peer, remainder] of [
          [near, 1],
          [far, 0]
        ] as const) {
          const expected = Array.from({ length: 100 }, (_, i) => label(question(2 * i + remainder)))
          const actual = peer.filled.map(({ whole }) => label(whole))
          assert.isTrue(actual.toSorted().join("|") === expected.toSorted().join("|"), "other messages than were sent")
        }
      })
    ),
    rule(
      "a question is acknowledged although it is never answered",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const { answer, results } = near.ask(text("anyone?"))
        yield* until("it is acknowledged", () => results.length > 0)
        assert.deepStrictEqual([results, far.messages[0]?.text, answer.ends], [["done"], "anyone?", []])
      })
    ),
    rule(
      "counters grow by at least what is sent, and never shrink",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        echo(far)
        const read = () =>
          [near, far].flatMap(({ connection }) => {
            const { bytesReceived, bytesSent, packetsLost, packetsReceived, packetsSent } = connection.stats()
            return [bytesSent, bytesReceived, packetsSent, packetsReceived, packetsLost]
          })
        let last = read()
        for (let i = 0; i < 5; i++) {
          const { answer } = near.ask(pattern(50_000, i))
          const now = () => read().every((count, index) => count >= last[index]!)
          yield* until("the answer arrives", () => {
            assert.isTrue(now(), `counters went from ${last.join(", ")} to ${read().join(", ")}`)
            return answer.ends.length === 1
          })
          const grown = read().map((count, index) => count - last[index]!)
          for (const index of [0, 1, 5, 6]) assert.isAtLeast(grown[index]!, 50_000)
          for (const index of [2, 3, 7, 8]) assert.isAtLeast(grown[index]!, 1)
          last = read()
        }
      })
    )
  ]
}
