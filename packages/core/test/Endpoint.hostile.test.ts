import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import type { BackingConnection, BackingSendStream, StreamFailure } from "../src/Transport.ts"
import * as WireMessage from "../src/WireMessage.ts"
import { address, bytes, summary, textOf } from "./support/values.ts"
import { blackhole, countingDials, endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"
import { raw } from "./support/bareSockets.ts"
import { bytesOf, manual } from "./support/manualStreams.ts"

type Wire = WireMessage.WireMessage

/** Writes `content` on a stream of its own; what became of that is in the list once it is known. */
const writeUni = (connection: BackingConnection, content: Uint8Array, fin = true) => {
  const outcomes: Array<StreamFailure | "done"> = []
  connection.openUni(0).write(content, fin, (failure) => outcomes.push(failure ?? "done"))
  return outcomes
}

/** Asks on a bidirectional stream, and collects what comes back. */
const ask = (connection: BackingConnection, ...questions: ReadonlyArray<Wire>) => {
  const answers: Array<Wire> = []
  const ends: Array<StreamFailure | undefined> = []
  const decoder = new WireMessage.Decoder({ maxMessageSize: 1_000 })
  const { send } = connection.openBi(0, {
    onData: (chunk) => {
      decoder.push(chunk, answers)
      return true
    },
    onEnd: (failure) => ends.push(failure)
  })
  send.write(new Uint8Array(Buffer.concat(questions.map(WireMessage.encode))), true, () => {})
  return { answers, ends }
}

/** An endpoint at 10.0.0.1:1, and a bare connection to it from 10.0.0.6:6. */
const attacked = Effect.gen(function* () {
  const one = yield* endpoint("10.0.0.1:1", { messageBuffer: 3 })
  const peer = yield* raw("10.0.0.6:6")
  const connection = yield* peer.dial("10.0.0.1:1")
  yield* settle
  return { one, peer, connection }
})

describe("a peer that does not keep to the protocol", () => {
  for (const [name, content] of [
    ["garbage", bytes("GET / HTTP/1.1\r\n\r\n")],
    ["a message of no bytes", Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0, 0)],
    ["another version", Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0, 0, 1)],
    ["a message of 4 GiB", Uint8Array.of(0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1)],
    ["a control message that does not parse", Uint8Array.of(0, 1, 0, 0, 0, 4, 1, 0, 0, 9, 9, 9, 9)]
  ] as const) {
    it.effect(`has its stream stopped for ${name}, and keeps its connection`, () =>
      Effect.gen(function* () {
        const { connection, one } = yield* attacked
        const outcomes = writeUni(connection, content)
        yield* settle
        assert.strictEqual(outcomes.length, 1)
        assert.deepInclude(outcomes[0], { _tag: "StreamStopped", code: 1 })
        writeUni(connection, WireMessage.encodeUser(bytes("fine")))
        assert.strictEqual(textOf((yield* one.nextMessage).payload), "fine")
      }).pipe(onNetwork)
    )
  }

  it.effect("has both halves of a bidirectional stream ended for garbage", () =>
    Effect.gen(function* () {
      const { connection } = yield* attacked
      const ends: Array<StreamFailure | undefined> = []
      const { send } = connection.openBi(0, { onData: () => true, onEnd: (failure) => ends.push(failure) })
      send.write(bytes("garbage!!"), false, () => {})
      yield* settle
      assert.strictEqual(ends.length, 1)
      assert.deepInclude(ends[0], { _tag: "StreamReset", code: 1 })
    }).pipe(onNetwork)
  )

  it.effect("has whole messages delivered that came before the garbage, and none after", () =>
    Effect.gen(function* () {
      const { connection, one } = yield* attacked
      const good = WireMessage.encodeUser(bytes("good"))
      writeUni(connection, new Uint8Array(Buffer.concat([good, good, bytes("garbage!!"), good])))
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "good")
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "good")
      yield* settle
      assert.isUndefined((yield* Effect.forkChild(one.nextMessage)).pollUnsafe())
    }).pipe(onNetwork)
  )

  it.effect("gets no partial message delivered when it ends a stream too early", () =>
    Effect.gen(function* () {
      const { connection, one } = yield* attacked
      writeUni(connection, WireMessage.encodeUser(bytes("cut short")).subarray(0, 12))
      yield* settle
      assert.isUndefined((yield* Effect.forkChild(one.nextMessage)).pollUnsafe())
    }).pipe(onNetwork)
  )

  it.effect("gets no response to a response, nor to a request on a unidirectional stream", () =>
    Effect.gen(function* () {
      const { connection } = yield* attacked
      const unasked = [
        ask(connection, { _tag: "EndpointEchoResp", address: address("10.0.0.9:9") }),
        ask(connection, { _tag: "EndpointVerificationResp", reachable: true })
      ]
      assert.strictEqual(writeUni(connection, WireMessage.encode({ _tag: "EndpointEchoReq" })).length, 0)
      yield* settle
      for (const { answers } of unasked) assert.deepStrictEqual(answers, [])
      const { answers } = ask(connection, { _tag: "EndpointEchoReq" })
      yield* settle
      assert.deepStrictEqual(answers, [{ _tag: "EndpointEchoResp", address: address("10.0.0.6:6") }])
    }).pipe(onNetwork)
  )

  it.effect(
    "is answered each of thousands of questions on one stream, also while the application takes no messages",
    () =>
      Effect.gen(function* () {
        const { connection } = yield* attacked
        for (let i = 0; i < 10; i++) writeUni(connection, WireMessage.encodeUser(bytes(`message ${i}`)))
        yield* settle
        const { answers, ends } = ask(
          connection,
          ...Array.from({ length: 5_000 }, () => ({ _tag: "EndpointEchoReq" }) as const)
        )
        // A few at a time.
        for (let turns = 0; turns < 50 && ends.length === 0; turns++) yield* settle
        assert.strictEqual(answers.length, 5_000)
        assert.isTrue(answers.every(({ _tag }) => _tag === "EndpointEchoResp"))
        assert.deepStrictEqual(ends, [undefined])
      }).pipe(onNetwork)
  )

  it.effect("is answered while the application takes no messages", () =>
    Effect.gen(function* () {
      const { connection, one } = yield* attacked
      for (let i = 0; i < 10; i++) writeUni(connection, WireMessage.encodeUser(bytes(`message ${i}`)))
      yield* settle
      const { answers } = ask(connection, { _tag: "EndpointEchoReq" })
      yield* settle
      assert.strictEqual(answers[0]?._tag, "EndpointEchoResp")
      for (let i = 0; i < 10; i++) assert.strictEqual(textOf((yield* one.nextMessage).payload), `message ${i}`)
    }).pipe(onNetwork)
  )

  it.effect("cannot have strangers dialled, nor many dials made at once in its own name", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const { connection } = yield* attacked
        const before = dials.peers.length
        const foreign = ask(connection, { _tag: "EndpointVerificationReq", address: address("10.0.0.7:7") })
        yield* settle
        assert.deepStrictEqual(foreign.answers, [{ _tag: "EndpointVerificationResp", reachable: false }])
        assert.strictEqual(dials.peers.length, before)

        yield* blackhole("10.0.0.6:99")
        const own = Array.from({ length: 200 }, () =>
          ask(connection, { _tag: "EndpointVerificationReq", address: address("10.0.0.6:99") })
        )
        yield* settle
        assert.isAtMost(dials.peers.length - before, 4)
        yield* TestClock.adjust("1 minute")
        const no = own.filter(({ answers }) => answers.length > 0)
        assert.lengthOf(no, 4)
        for (const { answers } of no) {
          assert.deepStrictEqual(answers, [{ _tag: "EndpointVerificationResp", reachable: false }])
        }
        // Those that it has no time for get no answer, which is not the answer no.
        assert.isTrue(own.every(({ ends }) => ends.length === 1))
      })
    ).pipe(onNetwork)
  )

  it.effect(
    "is looked for within three times what it has sent, and then gets no answer, which is not the answer no",
    () =>
      countingDials((dials) =>
        Effect.gen(function* () {
          const { connection } = yield* attacked
          yield* blackhole("10.0.0.6:99")
          const asked = Effect.gen(function* () {
            const before = dials.peers.length
            const asking = ask(connection, { _tag: "EndpointVerificationReq", address: address("10.0.0.6:99") })
            yield* settle
            yield* TestClock.adjust("1 minute")
            assert.lengthOf(asking.ends, 1)
            return { answers: asking.answers, dialled: dials.peers.length - before }
          })
          const no = { answers: [{ _tag: "EndpointVerificationResp" as const, reachable: false }], dialled: 1 }
          assert.deepStrictEqual(yield* asked, no)
          assert.deepStrictEqual(yield* asked, { answers: [], dialled: 0 })
          writeUni(connection, WireMessage.encodeUser(new Uint8Array(2_000)))
          yield* settle
          assert.deepStrictEqual(yield* asked, no)
        })
      ).pipe(onNetwork)
  )

  it.effect("that was verified keeps no connection of ours", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* attacked
      const { answers } = ask(connection, { _tag: "EndpointVerificationReq", address: address("10.0.0.6:6") })
      yield* settle
      // A bare socket does not answer the echo that the verification consists of.
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(answers, [{ _tag: "EndpointVerificationResp", reachable: false }])
      assert.strictEqual(peer.accepted.length, 1)
      assert.strictEqual(peer.closes.length, 1)
      assert.deepInclude(peer.closes[0], { _tag: "ApplicationClosed", code: 0 })
    }).pipe(onNetwork)
  )
})

describe("a peer whose streams make no sense", () => {
  it.effect("is closed once there have been too many of them, and not before", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1")
      const peer = yield* raw("10.0.0.6:6")
      const connection = yield* peer.dial("10.0.0.1:1")
      const garbage = Effect.suspend(() => {
        connection.openUni(0).write(bytes("GET / HTTP/1.1\r\n\r\n"), true, () => {})
        return settle
      })
      for (let i = 0; i < 16; i++) yield* garbage
      connection.openUni(0).write(WireMessage.encodeUser(bytes("sense")), true, () => {})
      assert.strictEqual(summary(yield* one.nextMessage).text, "sense")
      assert.deepStrictEqual(peer.closes, [])
      yield* garbage
      assert.strictEqual(peer.closes.length, 1)
      assert.deepInclude(peer.closes[0], { _tag: "ApplicationClosed", code: 1, detail: "not the protocol" })
      assert.strictEqual((yield* one.nextDisconnection).reason._tag, "LocallyClosed")
    }).pipe(onNetwork)
  )

  it.effect("is closed once the application has read too many of them itself, and not before", () =>
    Effect.gen(function* () {
      const one = yield* manual("10.0.0.1:1")
      const peer = yield* raw("10.0.0.6:6")
      const connection = yield* peer.dial("10.0.0.1:1")
      const garbage = Effect.gen(function* () {
        connection.openUni(0).write(bytes("GET / HTTP/1.1\r\n\r\n"), true, () => {})
        return yield* one.nextStream
      })
      // Bytes that are no messages are malformed only where they are read as messages.
      for (let i = 0; i < 20; i++) yield* bytesOf((yield* garbage).receive)
      for (let i = 0; i < 16; i++) {
        assert.strictEqual((yield* Effect.flip((yield* garbage).receive.next))._tag, "SerializationError")
      }
      connection.openUni(0).write(WireMessage.encodeUser(bytes("sense")), true, () => {})
      assert.strictEqual(textOf(yield* (yield* one.nextStream).receive.next), "sense")
      assert.deepStrictEqual(peer.closes, [])
      assert.strictEqual((yield* Effect.flip((yield* garbage).receive.next))._tag, "SerializationError")
      yield* settle
      assert.strictEqual(peer.closes.length, 1)
      assert.deepInclude(peer.closes[0], { _tag: "ApplicationClosed", code: 1, detail: "not the protocol" })
    }).pipe(onNetwork)
  )
})

describe("an answer of a peer", () => {
  it.effect("that claims to be large is held back before it is read, and comes whole once it is read", () =>
    Effect.gen(function* () {
      const size = 4 << 20
      const answers: Array<BackingSendStream> = []
      const peer = yield* raw("10.0.0.6:6", (send) => {
        answers.push(send!)
        return { onData: () => true, onEnd: () => {} }
      })
      const one = yield* endpoint("10.0.0.1:1")
      const { receive, send } = yield* (yield* one.connectTo(String(peer.address))).openBi()
      yield* send.write(bytes("?"))
      yield* settle
      let sent = 0
      const piece = new Uint8Array(64 << 10)
      answers[0]!.write(WireMessage.encodeHeader(size, 0), false, () => {})
      for (let i = 0; i < size; i += piece.length) answers[0]!.write(piece, false, () => (sent += piece.length))
      yield* settle
      // What the buffer and the window take.
      assert.isAtLeast(sent, 256 << 10)
      assert.isAtMost(sent, 768 << 10)
      assert.strictEqual((yield* receive.next).length, size)
    }).pipe(onNetwork)
  )

  it.effect("is stopped when its incomplete message exceeds reassemblyBuffer, and the connection stays open", () =>
    Effect.gen(function* () {
      const answers: Array<BackingSendStream> = []
      const peer = yield* raw("10.0.0.6:6", (send) => {
        answers.push(send!)
        return { onData: () => true, onEnd: () => {} }
      })
      const one = yield* endpoint("10.0.0.1:1", { reassemblyBuffer: 150_000 })
      const connection = yield* one.connectTo(String(peer.address))
      for (const size of [600_000, 100_000, 100_000, 100_000]) {
        const { receive, send } = yield* connection.openBi()
        yield* send.write(bytes("?"))
        yield* settle
        const outcomes: Array<StreamFailure | undefined> = []
        const answer = answers.pop()!
        answer.write(WireMessage.encodeHeader(size, 0), false, () => {})
        answer.write(new Uint8Array(size), true, (failure) => outcomes.push(failure))
        if (size < 150_000) assert.strictEqual((yield* receive.next).length, size)
        else {
          assert.strictEqual((yield* Effect.flip(receive.next))._tag, "SerializationError")
          yield* settle
          assert.strictEqual(outcomes.length, 1)
          assert.deepInclude(outcomes[0], { _tag: "StreamStopped", code: 2 })
        }
      }
      assert.deepStrictEqual(peer.closes, [])
    }).pipe(onNetwork)
  )
})
