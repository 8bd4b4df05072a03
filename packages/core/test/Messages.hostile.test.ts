/**
 * Peers that misuse the frames of typed messages, and peers that share their queue.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Messages from "../src/Messages.ts"
import type { BackingConnection } from "../src/Transport.ts"
import { raw } from "./support/bareSockets.ts"
import { logged } from "./support/logs.ts"
import { attackedMessages, framed, messagesPair, on, response, schemas } from "./support/messages.ts"
import { endpoint, onNetwork, pass, peer, settle } from "./support/memoryEndpoints.ts"
import { bareAcceptor, joined, openRaw, openReq, openResp } from "./support/protocols.ts"
import { bytes } from "./support/values.ts"

const [message, question] = [0, 1]
const [taken, answered, malformed, tooLarge, notAnswered] = [0, 1, 2, 3, 4]

/** The messages still take one of a peer. */
const isFine = (connection: BackingConnection, messages: Messages.Messages<string, number>) =>
  Effect.gen(function* () {
    const stream = openRaw(connection, joined([openReq("notes"), framed(message, '"fine"')]), true)
    yield* settle
    assert.deepStrictEqual(response(stream.chunks), { kind: taken, length: 0, text: "" })
    assert.strictEqual((yield* messages.next).value, "fine")
  })

describe("a peer that sends as a message", () => {
  for (const [what, content, kind] of [
    ["nothing", bytes(""), malformed],
    ["half a head", framed(message, '"x"').subarray(0, 3), malformed],
    ["half a value", framed(message, '"x"').subarray(0, 7), malformed],
    ["a frame of another kind", framed(2, '"x"'), malformed],
    ["more than a frame", joined([framed(message, '"x"'), bytes("y")]), malformed],
    ["two frames", joined([framed(message, '"x"'), framed(message, '"y"')]), malformed],
    ["an empty value", framed(message, ""), malformed],
    ["what is not UTF-8", framed(message, Uint8Array.of(0x22, 0xc3, 0x28, 0x22)), malformed],
    ["what is not JSON", framed(question, "{"), malformed],
    ["what the schema refuses", framed(question, "5"), malformed],
    ["a value of the schema that is not allowed", framed(message, '""'), malformed],
    ["100,000 arrays in each other", framed(message, "[".repeat(100_000) + "]".repeat(100_000)), malformed],
    ["a value that is too large", framed(message, `"${"x".repeat(2 ** 20)}"`), tooLarge],
    ["a claim of 4 GiB", framed(message, '"x"', 0xffffffff), tooLarge]
  ] as const) {
    it.effect(`${what} is refused, and nothing else`, () =>
      onNetwork(
        Effect.gen(function* () {
          const { connection, messages, open } = yield* attackedMessages()
          const stream = open(content, true)
          yield* pass(20)
          assert.strictEqual(response(stream.chunks)?.kind, kind)
          assert.deepStrictEqual(stream.ends, ["fin"])
          assert.deepInclude(yield* messages.counts, {
            received: 0,
            malformed: kind === malformed ? 1 : 0,
            tooLarge: kind === tooLarge ? 1 : 0
          })
          yield* isFine(connection, messages)
        })
      )
    )
  }

  it.effect("what makes a schema throw is refused, and nothing else", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        interface Nested {
          readonly in: Nested | null
        }
        // As deep as the peer likes: the schema overflows the stack.
        const Nested = Schema.Struct({ in: Schema.NullOr(Schema.suspend((): Schema.Codec<Nested> => Nested)) })
        const messages = yield* on(one, Messages.make("notes", { message: Nested }))
        const connection = yield* (yield* raw("10.0.0.6:6")).dial("10.0.0.1:1")
        const deep = `${'{"in":'.repeat(100_000)}null${"}".repeat(100_000)}`
        const stream = openRaw(connection, joined([openReq("notes"), framed(message, deep)]), true)
        yield* pass(20)
        const { kind } = response(stream.chunks)!
        // Where the schema does not recurse on the stack, the value is fine.
        const { malformed: refused, received } = yield* messages.counts
        assert.deepStrictEqual([refused, received], kind === malformed ? [1, 0] : [0, 1])
      })
    )
  )

  it.effect("rubbish 500 times leaves a few lines in the log, and counts", () =>
    onNetwork(
      Effect.gen(function* () {
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const { connection, messages, open } = yield* attackedMessages()
            for (let i = 0; i < 5; i++) {
              for (let j = 0; j < 100; j++) open(framed(message, "rubbish"), true)
              yield* settle
            }
            assert.strictEqual((yield* messages.counts).malformed, 500)
            yield* isFine(connection, messages)
          })
        )
        assert.isAtMost(lines.length, 5)
        assert.isTrue(lines.some((line) => line.includes('of the protocol "notes" from') && line.includes("JSON")))
      })
    )
  )

  it.effect("a value with invisible characters, of which the log shows none", () =>
    onNetwork(
      Effect.gen(function* () {
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const { messages, open } = yield* attackedMessages()
            open(framed(message, JSON.stringify({ ["\u202e".repeat(2_000)]: "\u200b" })), true)
            yield* settle
            assert.strictEqual((yield* messages.counts).malformed, 1)
          })
        )
        assert.lengthOf(lines, 1)
        assert.match(lines[0]!, /^Warn: refused a message of the protocol "notes" from [^ ]+ \(Malformed\): ./u)
        assert.notMatch(lines[0]!, /[\p{Cc}\p{Cf}]/u)
        assert.isBelow(lines[0]!.length, 12_000)
      })
    )
  )

  it.effect("names of fields with line ends, or without end, leaves short lines in the log", () =>
    onNetwork(
      Effect.gen(function* () {
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const one = yield* endpoint("10.0.0.1:1")
            yield* on(one, Messages.make("notes", { message: Schema.Record(Schema.String, Schema.Number) }))
            const connection = yield* (yield* raw("10.0.0.6:6")).dial("10.0.0.1:1")
            for (const name of ["\\u001b[31m\\nan invented line", "k".repeat(100_000)]) {
              openRaw(connection, joined([openReq("notes"), framed(message, `{"${name}":"x"}`)]), true)
              yield* pass(20)
            }
          })
        )
        const about = lines.filter((line) => line.includes("refused a message"))
        assert.lengthOf(about, 2)
        for (const line of about) {
          assert.notMatch(line, /\p{Cc}/u)
          assert.isBelow(line.length, 2_000)
        }
      })
    )
  )

  it.effect("a value in pieces of any size has it taken whole", () =>
    onNetwork(
      Effect.gen(function* () {
        const { messages, open } = yield* attackedMessages()
        const frame = framed(message, '"päckchen"')
        for (let size = 1; size <= frame.length; size++) {
          const stream = open(frame.subarray(0, size))
          for (let at = size; at < frame.length; at += size) {
            yield* settle
            stream.write(frame.subarray(at, at + size), at + size >= frame.length)
          }
          if (size === frame.length) stream.write(new Uint8Array(0), true)
          assert.strictEqual((yield* messages.next).value, "päckchen")
        }
      })
    )
  )

  it.effect("bytes behind a value, later than it, has it refused", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection, messages, open } = yield* attackedMessages()
        const stream = open(framed(message, '"x"'))
        yield* settle
        stream.write(bytes("y"), true)
        yield* settle
        assert.strictEqual(response(stream.chunks)?.kind, malformed)
        assert.deepInclude(yield* messages.counts, { received: 0, malformed: 1 })
        yield* isFine(connection, messages)
      })
    )
  )

  it.effect("a value slowly, or never to its end, has its stream reset with code 2", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection, messages, open } = yield* attackedMessages()
        const frame = framed(message, `"${"x".repeat(100_000)}"`)
        const never = open(frame.subarray(0, 50))
        const slow = open(frame.subarray(0, 50))
        const steady = open(frame.subarray(0, 50))
        for (let second = 1; second <= 40; second++) {
          slow.write(frame.subarray(50 + second, 51 + second))
          steady.write(frame.subarray(50 + (second - 1) * 1_500, 50 + second * 1_500))
          yield* TestClock.adjust("1 second")
          yield* settle
          if (second === 29) assert.deepStrictEqual([never.ends, slow.ends], [[], []])
        }
        for (const { ends } of [never, slow]) assert.deepInclude(ends[0], { _tag: "StreamReset", code: 2 })
        never.write(bytes("more"))
        yield* settle
        assert.deepInclude(never.writes.at(-1), { _tag: "StreamStopped", code: 2 })
        assert.strictEqual((yield* messages.counts).tooSlow, 2)
        steady.write(frame.subarray(50 + 40 * 1_500), true)
        yield* settle
        assert.strictEqual((yield* messages.next).value.length, 100_000)
        yield* isFine(connection, messages)
      })
    )
  )

  it.effect("a value and leaves in the middle keeps no place", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection, messages, open } = yield* attackedMessages({ maxStreams: 2, maxStreamsPerPeer: 1 })
        for (let i = 0; i < 50; i++) {
          const { receive, send } = open(framed(i % 2 === 0 ? message : question, '"x"').subarray(0, 1 + (i % 8)))
          yield* settle
          send.reset(9)
          receive.stop(9)
          yield* settle
        }
        assert.deepInclude(yield* messages.counts, { received: 0, malformed: 0 })
        yield* isFine(connection, messages)
      })
    )
  )

  it.effect("questions and leaves before they are answered keeps no place, and no answer fails", () =>
    onNetwork(
      Effect.gen(function* () {
        const { messages, open } = yield* attackedMessages({ maxStreams: 2, maxStreamsPerPeer: 1 })
        const replies: Array<Messages.Incoming<string, number>["reply"]> = []
        for (let i = 0; i < 20; i++) {
          const { receive } = open(framed(question, '"x"'), true)
          yield* settle
          receive.stop(9)
          yield* settle
          replies.push((yield* messages.next).reply)
        }
        for (const reply of replies) yield* reply(1)
        const last = open(framed(question, '"last"'), true)
        yield* settle
        yield* (yield* messages.next).reply(4)
        yield* settle
        assert.deepStrictEqual(response(last.chunks), { kind: answered, length: 1, text: "4" })
      })
    )
  )

  it.effect(
    "more questions than it may have open is refused by the protocol; those are answered or refused in time",
    () =>
      onNetwork(
        Effect.gen(function* () {
          const { messages, open } = yield* attackedMessages({ maxStreamsPerPeer: 3, answerTimeout: "1 minute" })
          const asked = Array.from({ length: 5 }, () => open(framed(question, '"x"'), true))
          yield* settle
          assert.deepStrictEqual(
            asked.slice(3).map(({ chunks }) => joined(chunks)),
            [openResp("TooManyStreams"), openResp("TooManyStreams")]
          )
          yield* TestClock.adjust("1 minute")
          yield* settle
          for (const { chunks } of asked.slice(0, 3)) assert.strictEqual(response(chunks)?.kind, notAnswered)
          assert.deepInclude(yield* messages.counts, { received: 3, notAnswered: 3 })
        })
      )
  )
})

describe("the queue of messages", () => {
  it.effect("holds back a peer that floods it, by its key, and no other", () =>
    onNetwork(
      Effect.gen(function* () {
        const { bob, one } = yield* messagesPair({ messageBuffer: 30 })
        const flood = yield* on(one, Messages.makeClient("notes", schemas))
        const sending = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: 150 }), (_, i) => flood.send(peer, `flood ${i}`), {
            concurrency: "unbounded"
          }),
          { startImmediately: true }
        )
        yield* pass(200)
        // A peer alone has a third of the queue.
        assert.strictEqual((yield* bob.counts).received, 10)
        // Another key at the same address, and one elsewhere.
        for (const [i, local] of ["10.0.0.1:7", "10.0.0.7:7"].entries()) {
          const other = yield* on(yield* endpoint(local), Messages.makeClient("notes", schemas))
          yield* other.send(peer, `other ${i}`)
        }
        const first: Array<string> = []
        for (let i = 0; i < 20; i++) first.push((yield* bob.next).value)
        assert.includeMembers(first, ["other 0", "other 1"])
        const rest: Array<string> = []
        while (rest.length < 132) {
          rest.push((yield* bob.next).value)
          yield* settle
        }
        yield* Fiber.join(sending)
        assert.strictEqual(new Set([...first, ...rest]).size, 152)
      })
    )
  )

  it.effect("keeps nothing of a peer that waits for room and leaves", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection, messages, open } = yield* attackedMessages({ messageBuffer: 1 })
        const first = open(framed(message, '"first"'), true)
        yield* settle
        assert.strictEqual(response(first.chunks)?.kind, taken)
        const waiting = Array.from({ length: 5 }, (_, i) => open(framed(i % 2, '"waits"'), true))
        yield* settle
        for (const { receive } of waiting.slice(1)) receive.stop(9)
        yield* settle
        assert.strictEqual((yield* messages.next).value, "first")
        yield* settle
        assert.strictEqual((yield* messages.next).value, "waits")
        yield* settle
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(messages.next, 0)))
        assert.strictEqual(response(waiting[0]!.chunks)?.kind, taken)
        yield* isFine(connection, messages)
      })
    )
  )

  it.effect("bounds the values that arrive in part: of one peer, and others go on", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        const messages = yield* on(one, Messages.make("notes", schemas, { messageBufferBytes: 2_000_000 }))
        const connection = yield* (yield* raw("10.0.0.6:6")).dial("10.0.0.1:1")
        const frame = framed(message, `"${"x".repeat(900_000)}"`)
        const begun = Array.from({ length: 3 }, () => openRaw(connection, openReq("notes")))
        for (const { write } of begun) write(frame.subarray(0, 800_000))
        yield* pass(50)
        // One of them is read; the others fill their windows, and wait.
        assert.deepStrictEqual(
          begun.map(({ writes }) => writes.length),
          [2, 1, 1]
        )
        const other = yield* on(yield* endpoint("10.0.0.7:7"), Messages.makeClient("notes", schemas))
        yield* other.send("10.0.0.1:1", "y".repeat(100_000))
        assert.strictEqual((yield* messages.next).value[0], "y")
        // What waits for room is not slow.
        yield* TestClock.adjust("1 minute")
        for (const [i, { chunks, write, writes }] of begun.entries()) {
          assert.strictEqual(writes.length, 2)
          write(frame.subarray(800_000), true)
          yield* pass(50)
          assert.strictEqual((yield* messages.next).value.length, 900_000, `${i}`)
          assert.strictEqual(response(chunks)?.kind, taken)
        }
      })
    )
  )

  it.effect("bounds the answers that a peer does not take", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = [yield* endpoint("10.0.0.1:1"), yield* raw("10.0.0.6:6")]
        const make = Messages.make(
          "notes",
          { message: Schema.String, answer: Schema.String },
          { messageBufferBytes: 1_500_000 }
        )
        const messages = yield* on(one, make)
        const connection = yield* two.dial("10.0.0.1:1")
        yield* settle
        let got = 0
        const refusals: Array<number> = []
        for (let i = 0; i < 8; i++) {
          let bytesOf = 0
          connection
            .openBi(0, {
              onData: (chunk) => {
                bytesOf += chunk.length
                if (chunk.length > 17 && chunk[17] === 5) refusals.push(i)
                got += 1
                return chunk.length < 1_000
              },
              onEnd: () => {}
            })
            .send.write(joined([openReq("notes"), framed(question, '"x"')]), true, () => {})
        }
        yield* settle
        for (let i = 0; i < 8; i++) yield* (yield* messages.next).reply("z".repeat(500_000))
        yield* settle
        const { overloaded } = yield* messages.counts
        assert.isAtLeast(overloaded, 5)
        assert.isAtMost(overloaded, 7)
        assert.strictEqual(refusals.length, overloaded)
        assert.isAbove(got, 0)
      })
    )
  )
})

describe("a peer that answers a question with", () => {
  for (const [what, content, tag] of [
    ["rubbish", bytes("rubbish!"), "SerializationError"],
    ["half an answer", framed(answered, "12").subarray(0, 6), "SerializationError"],
    ["nothing", bytes(""), "SerializationError"],
    ["an answer that its schema refuses", framed(answered, '"x"'), "SerializationError"],
    ["the acknowledgement of a message", framed(taken, ""), "SerializationError"],
    ["a claim of 4 GiB", framed(answered, "1", 0xffffffff), "SerializationError"],
    ["a kind of its own", framed(99, "1"), "SerializationError"],
    ["a refusal with a text of 1 MiB", framed(malformed, "x".repeat(2 ** 20)), "SerializationError"],
    ["a refusal", framed(malformed, "no\u0000 \u202E way"), "MessageRefused"]
  ] as const) {
    it.effect(`${what} fails it with a typed error`, () =>
      onNetwork(
        Effect.gen(function* () {
          const { streams } = yield* bareAcceptor("10.0.0.6:6")
          const ann = yield* on(yield* endpoint("10.0.0.1:1"), Messages.makeClient("notes", schemas))
          const asking = yield* Effect.forkChild(Effect.flip(ann.ask("10.0.0.6:6", "x")), { startImmediately: true })
          yield* settle
          streams[0]!.write(joined([openResp("Accepted"), content]), true)
          yield* pass(20)
          const error = yield* Fiber.join(asking)
          assert.strictEqual(error._tag, tag)
          assert.notMatch(error.message, /[\u0000\u202e]/u)
        })
      )
    )
  }

  it.effect("an answer that never ends fails it after its timeout", () =>
    onNetwork(
      Effect.gen(function* () {
        const { streams } = yield* bareAcceptor("10.0.0.6:6")
        const ann = yield* on(yield* endpoint("10.0.0.1:1"), Messages.makeClient("notes", schemas))
        const asking = yield* Effect.forkChild(Effect.flip(ann.ask("10.0.0.6:6", "x")), { startImmediately: true })
        yield* settle
        streams[0]!.write(joined([openResp("Accepted"), framed(answered, "123456").subarray(0, 8)]), false)
        yield* TestClock.adjust("10 seconds")
        yield* settle
        assert.strictEqual((yield* Fiber.join(asking))._tag, "AskTimedOut")
        streams[0]!.write(bytes("x"), false)
        yield* settle
        assert.deepInclude(streams[0]!.writes.at(-1), { _tag: "StreamStopped", code: 0 })
      })
    )
  )
})
