/**
 * Typed messages and questions between two endpoints.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Messages from "../src/Messages.ts"
import { answerLengths, messagesPair, Note, on, schemas } from "./support/messages.ts"
import {
  client,
  endpoint,
  kill,
  onNetwork,
  pair,
  pass,
  peer,
  refuse,
  setLatency,
  settle
} from "./support/memoryEndpoints.ts"

const own = "10.0.0.1:1"

describe("a message", () => {
  it.effect("arrives as its schema decodes it, from the peer that sent it", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const make = Messages.make("notes", { message: Note })
        const [ann, bob] = [yield* on(one, make), yield* on(two, make)]
        const note = { text: "déjà vu 👋", at: DateTime.makeUnsafe("2026-01-02T03:04:05Z") }
        yield* ann.send(two.peerAddress, note)
        const got = yield* bob.next
        assert.strictEqual(got.peerId, one.peerId)
        assert.isFalse(got.isQuestion)
        assert.strictEqual(got.value.text, note.text)
        assert.isTrue(DateTime.Equivalence(got.value.at, note.at))
        // And back, over the same connection, by the id alone.
        yield* bob.send(got.peerId, note)
        assert.strictEqual((yield* ann.next).value.text, note.text)
        assert.strictEqual((yield* one.connections).length, 1)
      })
    )
  )

  it.effect("is sent when it is in the peer's queue, and not before", () =>
    onNetwork(
      Effect.gen(function* () {
        const { ann, bob } = yield* messagesPair({ messageBuffer: 1 })
        yield* ann.send(peer, "first")
        yield* settle
        const second = yield* Effect.forkChild(ann.send(peer, "second"), { startImmediately: true })
        yield* pass(1_000)
        assert.isUndefined(second.pollUnsafe())
        assert.strictEqual((yield* bob.next).value, "first")
        yield* Fiber.join(second)
        assert.strictEqual((yield* bob.next).value, "second")
        assert.deepInclude(yield* bob.counts, { received: 2, malformed: 0 })
      })
    )
  )

  it.effect("that the own schema refuses, or that is too large, is a typed error and is not sent", () =>
    onNetwork(
      Effect.gen(function* () {
        const { ann, bob } = yield* messagesPair({ maxMessageSize: 10 })
        for (const value of ["", "nine bytes", 5 as never, undefined as never]) {
          const error = yield* Effect.flip(ann.send(peer, value))
          assert.strictEqual(error._tag, "SerializationError")
          assert.strictEqual((yield* Effect.flip(ann.ask(peer, value)))._tag, "SerializationError")
        }
        yield* ann.send(peer, "8 bytes.")
        assert.strictEqual((yield* bob.next).value, "8 bytes.")
        assert.strictEqual((yield* bob.counts).received, 1)
      })
    )
  )

  it.effect("has a limit of the endpoint's maxMessageSize where that is less than 1 MiB", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair({ maxMessageSize: 100 })
        const ann = yield* on(one, Messages.makeClient("notes", schemas))
        const error = yield* Effect.flip(ann.send(two.peerAddress, "x".repeat(99)))
        assert.include(error.message, "at most 100")
      })
    )
  )

  it.effect("of a schema that throws, or has no JSON, is a typed error", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const Throwing = Schema.String.pipe(
          Schema.decodeTo(Schema.String, {
            decode: SchemaGetter.passthrough(),
            encode: SchemaGetter.transform(() => {
              throw new Error("never mind")
            })
          })
        )
        for (const message of [Throwing, Schema.Unknown]) {
          const ann = yield* on(one, Messages.makeClient("notes", { message: message as Schema.Unknown }))
          const error = yield* Effect.flip(ann.send(two.peerAddress, message === Throwing ? "x" : Symbol("x")))
          assert.strictEqual(error._tag, "SerializationError")
        }
      })
    )
  )

  it.effect("may have a schema with services, which are those of where it was made", () =>
    onNetwork(
      Effect.gen(function* () {
        class Secret extends Context.Service<Secret, string>()("@qp2p/core/test/Messages.test/Secret") {}
        const Sealed = Schema.String.pipe(
          Schema.decodeTo(Schema.String, {
            decode: SchemaGetter.transformEffect((text: string) =>
              Effect.flatMap(Secret, (secret) =>
                text.startsWith(secret)
                  ? Effect.succeed(text.slice(secret.length))
                  : Effect.fail(new SchemaIssue.InvalidValue({ message: "sealed with another key" }))
              )
            ),
            encode: SchemaGetter.transformEffect((text: string) => Effect.map(Secret, (secret) => secret + text))
          })
        )
        const [one, two] = yield* pair()
        const with_ = (service: typeof one, secret: string) =>
          on(service, Effect.provideService(Messages.make("sealed", { message: Sealed }), Secret, secret))
        const ann = yield* with_(one, "k1")
        const bob = yield* with_(two, "k1")
        yield* ann.send(peer, "psst")
        assert.strictEqual((yield* bob.next).value, "psst")
        const eve = yield* with_(yield* endpoint("10.0.0.3:3"), "other")
        const error = yield* Effect.flip(eve.send(peer, "psst"))
        assert.deepInclude(error, { _tag: "MessageRefused", kind: "Malformed" })
      })
    )
  )
})

describe("a message whose connection is lost", () => {
  it.effect("before it is acknowledged is sent again, over a new one, and may arrive twice", () =>
    onNetwork(
      Effect.gen(function* () {
        const { ann, bob, two } = yield* messagesPair()
        yield* ann.send(peer, "hello")
        yield* bob.next
        yield* setLatency("50 millis")
        // Known by its id alone, the peer is found where it was.
        const sending = yield* Effect.forkChild(ann.send(two.peerId, "again"), { startImmediately: true })
        yield* pass(70)
        yield* kill(own, peer)
        yield* pass(1_200)
        yield* Fiber.join(sending)
        assert.strictEqual((yield* bob.next).value, "again")
        assert.strictEqual((yield* bob.next).value, "again")
      })
    )
  )

  it.effect("and comes back only after retryDuration fails with the loss; 0 tries a new connection once", () =>
    onNetwork(
      Effect.gen(function* () {
        const { ann, bob, two } = yield* messagesPair()
        yield* ann.send(peer, "hello")
        yield* bob.next
        yield* two.close
        yield* settle
        const failing = yield* Effect.forkChild(Effect.flip(ann.send(peer, "x", { retryDuration: "5 seconds" })), {
          startImmediately: true
        })
        yield* pass(200)
        assert.isUndefined(failing.pollUnsafe())
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Fiber.join(failing))._tag, "ConnectionLost")
        const once = yield* Effect.forkChild(Effect.flip(ann.send(peer, "x", { retryDuration: 0 })), {
          startImmediately: true
        })
        yield* TestClock.adjust("11 seconds")
        assert.isDefined(once.pollUnsafe())
      })
    )
  )

  it.effect("is given up when the endpoint stops, also between two attempts", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint(own)
        // A dial is refused at once, so the send is between two of them.
        yield* refuse("10.0.0.9:9")
        const ann = yield* on(one, Messages.makeClient("notes", schemas))
        const failing = yield* Effect.forkChild(Effect.flip(ann.send("10.0.0.9:9", "x", { retryDuration: "1 hour" })), {
          startImmediately: true
        })
        yield* TestClock.adjust("1 minute")
        assert.isUndefined(failing.pollUnsafe())
        yield* one.close
        yield* settle
        const error = yield* Fiber.join(failing)
        assert.strictEqual(error._tag, "ConnectionLost")
        assert.include(error.message, "stopped")
      })
    )
  )
})

describe("a question", () => {
  it.effect("gets the answer, and both sides may ask", () =>
    onNetwork(
      Effect.gen(function* () {
        const { ann, bob, one, two } = yield* messagesPair()
        yield* answerLengths(ann)
        yield* answerLengths(bob)
        assert.strictEqual(yield* ann.ask(two.peerAddress, "four"), 4)
        assert.strictEqual(yield* bob.ask(one.peerId, "seventeen"), 9)
        const answers = yield* Effect.forEach(
          Array.from({ length: 300 }, (_, i) => "x".repeat(1 + (i % 7))),
          (text) => Effect.map(ann.ask(peer, text), (answer) => answer === text.length),
          { concurrency: "unbounded" }
        )
        assert.isTrue(answers.every((right) => right))
      })
    )
  )

  it.effect("is answered by an endpoint that only dials, and carries large values both ways", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint(own)
        const two = yield* client(peer)
        const make = Messages.make("large", { message: Schema.String, answer: Schema.String })
        const [ann, bob] = [yield* on(one, make), yield* on(two, make)]
        yield* Effect.forkScoped(Stream.runForEach(bob.incoming, ({ reply, value }) => reply(`${value}!`)))
        const text = "x".repeat(900_000)
        yield* bob.send(one.peerAddress, "here I am")
        const { peerId } = yield* ann.next
        assert.strictEqual((yield* ann.ask(peerId, text)).length, 900_001)
      })
    )
  )

  it.effect("without an answer fails after its timeout, is given up at the peer, and is not asked again", () =>
    onNetwork(
      Effect.gen(function* () {
        const { ann, bob } = yield* messagesPair()
        const asking = yield* Effect.forkChild(Effect.flip(ann.ask(peer, "anybody?", { timeout: "3 seconds" })), {
          startImmediately: true
        })
        yield* settle
        const { isQuestion, reply } = yield* bob.next
        assert.isTrue(isQuestion)
        yield* TestClock.adjust("2999 millis")
        assert.isUndefined(asking.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        const error = yield* Fiber.join(asking)
        assert.deepInclude(error, { _tag: "AskTimedOut", peer, protocol: "notes" })
        const line = `${peer} did not answer a question of "notes" within its timeout, which includes the dial`
        assert.strictEqual(error.message, line)
        // Too late: nothing waits for it, and nothing fails.
        yield* reply(5)
        yield* pass(500)
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(bob.next, 0)))
        assert.deepInclude(yield* bob.counts, { received: 1, notAnswered: 0 })
      })
    )
  )

  it.effect("has the endpoint's rpcTimeout by default, the dial included", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint(own, { rpcTimeout: "2 seconds" })
        const ann = yield* on(one, Messages.makeClient("notes", schemas))
        const asking = yield* Effect.forkChild(Effect.flip(ann.ask("10.0.0.9:9", "x")), { startImmediately: true })
        yield* TestClock.adjust("1999 millis")
        assert.isUndefined(asking.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* Fiber.join(asking))._tag, "AskTimedOut")
      })
    )
  )

  it.effect("that the program leaves without an answer is refused after answerTimeout", () =>
    onNetwork(
      Effect.gen(function* () {
        const { ann, bob } = yield* messagesPair({ answerTimeout: "5 seconds" })
        const asking = yield* Effect.forkChild(Effect.flip(ann.ask(peer, "x", { timeout: "1 hour" })), {
          startImmediately: true
        })
        yield* settle
        const { reply } = yield* bob.next
        yield* TestClock.adjust("5 seconds")
        yield* settle
        assert.deepInclude(yield* Fiber.join(asking), { _tag: "MessageRefused", kind: "NotAnswered" })
        yield* reply(1)
        assert.deepInclude(yield* bob.counts, { received: 1, notAnswered: 1 })
      })
    )
  )

  it.effect("is not asked again when its connection is lost", () =>
    onNetwork(
      Effect.gen(function* () {
        const { ann, bob } = yield* messagesPair()
        const asking = yield* Effect.forkChild(Effect.flip(ann.ask(peer, "x", { timeout: "1 hour" })), {
          startImmediately: true
        })
        yield* settle
        yield* bob.next
        yield* kill(own, peer)
        yield* settle
        assert.strictEqual((yield* Fiber.join(asking))._tag, "ConnectionLost")
        yield* TestClock.adjust("10 minutes")
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(bob.next, 0)))
      })
    )
  )

  it.effect("can be answered again after an answer that the own schema refuses, and once in all", () =>
    onNetwork(
      Effect.gen(function* () {
        const { ann, bob } = yield* messagesPair()
        const asking = yield* Effect.forkChild(ann.ask(peer, "x"), { startImmediately: true })
        yield* settle
        const { reply } = yield* bob.next
        assert.strictEqual((yield* Effect.flip(reply(Number.NaN)))._tag, "SerializationError")
        yield* reply(7)
        yield* reply(8)
        assert.strictEqual(yield* Fiber.join(asking), 7)
      })
    )
  )

  it.effect("to messages without answers is a typed error on either side", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const bob = yield* on(two, Messages.make("notes", { message: Schema.String }))
        const mute = yield* on(one, Messages.makeClient("notes", { message: Schema.String }))
        const { _tag, message } = yield* Effect.flip(mute.ask(peer, "x"))
        assert.strictEqual(_tag, "SerializationError")
        assert.match(message, /have no answers: send them, or make them with a schema for `answer`$/u)
        const ann = yield* on(one, Messages.makeClient("notes", schemas))
        assert.deepInclude(yield* Effect.flip(ann.ask(peer, "x")), { _tag: "MessageRefused", kind: "Malformed" })
        yield* ann.send(peer, "x")
        const got = yield* bob.next
        assert.isFalse(got.isQuestion)
        yield* got.reply("anything" as never)
      })
    )
  )
})

describe("the protocol of messages", () => {
  it.effect("is served once, and until the scope closes", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const ann = yield* on(one, Messages.makeClient("notes", schemas))
        assert.deepInclude(yield* Effect.flip(ann.send(peer, "x")), { _tag: "ProtocolRefused", kind: "NotServed" })
        const scope = yield* Scope.make()
        const make = on(two, Messages.make("notes", schemas))
        const bob = yield* Scope.provide(make, scope)
        assert.strictEqual((yield* Effect.flip(make))._tag, "ProtocolTaken")
        const all = yield* Effect.forkChild(Stream.runCollect(bob.incoming), { startImmediately: true })
        yield* ann.send(peer, "x")
        const asking = yield* Effect.forkChild(Effect.flip(ann.ask(peer, "y")), { startImmediately: true })
        yield* settle
        yield* Scope.close(scope, Result.succeed(undefined) as never)
        yield* settle
        // A question that waits is given up, and the stream ends after what was there.
        assert.deepInclude((yield* Fiber.join(asking)) as object, { _tag: "StreamLost" })
        assert.deepStrictEqual(
          (yield* Fiber.join(all)).map(({ value }) => value),
          ["x", "y"]
        )
        assert.deepInclude(yield* Effect.flip(ann.send(peer, "z")), { _tag: "ProtocolRefused", kind: "NotServed" })
      })
    )
  )

  it.effect("ends with the endpoint: what waits can be taken, and then the stream ends", () =>
    onNetwork(
      Effect.gen(function* () {
        const { ann, bob, two } = yield* messagesPair()
        yield* ann.send(peer, "last")
        yield* two.close
        yield* settle
        assert.deepStrictEqual(
          (yield* Stream.runCollect(bob.incoming)).map(({ value }) => value),
          ["last"]
        )
        assert.strictEqual((yield* Effect.flip(bob.next))._tag, "EndpointStopped")
      })
    )
  )

  it.effect("carries more at once than a peer serves streams: the rest waits its turn", () =>
    onNetwork(
      Effect.gen(function* () {
        const { ann, bob } = yield* messagesPair({ messageBuffer: 100, maxStreamsPerPeer: 400 })
        const seen = yield* answerLengths(bob)
        const [sent, asked] = yield* Effect.all(
          [
            Effect.forEach(Array.from({ length: 600 }), (_, i) => ann.send(peer, `m${i}`), {
              concurrency: "unbounded"
            }),
            Effect.forEach(Array.from({ length: 600 }), (_, i) => ann.ask(peer, `q${i}`), {
              concurrency: "unbounded"
            })
          ],
          { concurrency: "unbounded" }
        )
        assert.strictEqual(sent.length + asked.length, 1_200)
        assert.strictEqual(new Set(seen).size, 1_200)
        assert.strictEqual(seen.length, 1_200)
      })
    )
  )

  it.effect("counts what is under way by the key of the peer, whatever the peer is called", () =>
    onNetwork(
      Effect.gen(function* () {
        // Together the questions by each name would be more than the peer serves.
        const { ann, bob, two } = yield* messagesPair({ maxStreamsPerPeer: 200 })
        const seen = yield* answerLengths(bob)
        const askAll = (names: ReadonlyArray<string>) =>
          Effect.forEach(Array.from({ length: 900 }), (_, i) => ann.ask(names[i % names.length]!, `q${i}`), {
            concurrency: "unbounded"
          })
        assert.lengthOf(yield* askAll([peer, `${two.peerId}@${peer}`]), 900)
        assert.lengthOf(yield* askAll([peer, two.peerId, `${two.peerId}@${peer}`]), 900)
        assert.lengthOf(seen, 1_800)
      })
    )
  )

  it.effect("has typed errors for arguments that are wrong", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint(own)
        const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.map(Effect.flip(effect), ({ _tag }) => _tag)
        for (const [name, given] of [
          ["", schemas],
          ["notes", { message: "String" }],
          ["notes", {}],
          ["notes", { message: Schema.String, anser: Schema.String }]
        ] as const) {
          const made = Messages.make(name, given as typeof schemas)
          const taken = yield* Effect.flip(on(one, Effect.scoped(made)))
          assert.deepInclude(taken, { _tag: "ProtocolTaken", protocol: name })
          assert.strictEqual(taken.reason?._tag, "InvalidArgument")
          assert.strictEqual(
            yield* tagOf(on(one, Messages.makeClient(name, given as typeof schemas))),
            "InvalidArgument"
          )
        }
        for (const given of [
          { maxMessageSize: 0 },
          { messageBuffer: 0.5 },
          { answerTimeout: "soon" },
          { capacity: 1 }
        ]) {
          const made = on(one, Effect.scoped(Messages.make("notes", schemas, given as never)))
          assert.strictEqual((yield* Effect.flip(made)).reason?._tag, "InvalidArgument")
        }
        const ann = yield* on(one, Messages.makeClient("notes", schemas))
        assert.strictEqual(yield* tagOf(ann.ask(peer, "x", { timeout: -1 })), "SerializationError")
        assert.strictEqual(yield* tagOf(ann.send(peer, "x", { prio: 1 } as never)), "SerializationError")
        assert.strictEqual(yield* tagOf(ann.send("nowhere", "x")), "ConnectionLost")
        assert.strictEqual(yield* tagOf(ann.ask(null as never, "x")), "ConnectionLost")
      })
    )
  )
})
