/**
 * Questions to the endpoint itself, several of them on one stream.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import type { StreamFailure } from "../src/Transport.ts"
import * as WireMessage from "../src/WireMessage.ts"
import { address, bytes, textOf } from "./support/values.ts"
import { blackhole, countingDials, endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"
import { raw } from "./support/bareSockets.ts"

const echo: WireMessage.ControlMessage = { _tag: "EndpointEchoReq" }
const echoed = { _tag: "EndpointEchoResp", address: address("10.0.0.6:6") } as const
const verify = (peer: string): WireMessage.ControlMessage => ({
  _tag: "EndpointVerificationReq",
  address: address(peer)
})
const unreachable = { _tag: "EndpointVerificationResp", reachable: false } as const

/** An endpoint, and a stream to it from 10.0.0.6:6 on which anything can be said. */
const asking = Effect.gen(function* () {
  const one = yield* endpoint("10.0.0.1:1", { rpcTimeout: "10 seconds" })
  const peer = yield* raw("10.0.0.6:6")
  const connection = yield* peer.dial("10.0.0.1:1")
  const came: Array<WireMessage.WireMessage> = []
  const ends: Array<StreamFailure | undefined> = []
  const decoder = new WireMessage.Decoder({ maxMessageSize: 1_000 })
  const { send } = connection.openBi(0, {
    onData: (chunk) => decoder.push(chunk, came) === undefined,
    onEnd: (failure) => ends.push(failure)
  })
  const say = (frame: Uint8Array) =>
    Effect.andThen(
      Effect.sync(() => send.write(frame, false, () => {})),
      settle
    )
  return {
    came,
    connection,
    ends,
    one,
    peer,
    ask: (...questions: ReadonlyArray<WireMessage.ControlMessage>) =>
      say(new Uint8Array(Buffer.concat(questions.map(WireMessage.encode)))),
    tell: (text: string) => say(WireMessage.encodeUser(bytes(text))),
    finish: Effect.andThen(
      Effect.sync(() => send.write(new Uint8Array(0), true, () => {})),
      settle
    )
  }
})

describe("questions on one stream", () => {
  it.effect("are answered as they come, until the asker has finished", () =>
    Effect.gen(function* () {
      const { ask, came, ends, finish } = yield* asking
      for (let count = 1; count <= 3; count++) {
        yield* ask(echo)
        assert.strictEqual(came.length, count)
      }
      assert.deepStrictEqual(came, [echoed, echoed, echoed])
      assert.deepStrictEqual(ends, [])
      yield* finish
      assert.deepStrictEqual(ends, [undefined])
    }).pipe(onNetwork)
  )

  it.effect("are answered in their order, one after the other, also after the asker has finished", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const { ask, came, connection, ends, finish } = yield* asking
        // So much that both verifications may be dialled for it.
        connection.openUni(0).write(WireMessage.encodeUser(new Uint8Array(4_000)), true, () => {})
        yield* blackhole("10.0.0.6:7")
        const before = dials.peers.length
        yield* ask(echo, verify("10.0.0.6:7"), echo, verify("10.0.0.6:8"))
        yield* finish
        assert.deepStrictEqual(came, [echoed])
        assert.strictEqual(dials.peers.length - before, 1)
        assert.deepStrictEqual(ends, [])
        yield* TestClock.adjust("5 seconds")
        yield* settle
        yield* TestClock.adjust("5 seconds")
        yield* settle
        assert.deepStrictEqual(came, [echoed, unreachable, echoed, unreachable])
        assert.deepStrictEqual(ends, [undefined])
      })
    ).pipe(onNetwork)
  )

  it.effect("are answered among messages, and the stream ends when the application ends it", () =>
    Effect.gen(function* () {
      const { ask, came, ends, finish, one, tell } = yield* asking
      yield* ask(echo)
      yield* tell("marco")
      yield* ask(echo)
      const { payload, reply } = yield* one.nextMessage
      assert.strictEqual(textOf(payload), "marco")
      const answer = Option.getOrThrow(reply)
      yield* answer.sendMessage(bytes("polo"))
      yield* ask(echo)
      yield* finish
      assert.deepStrictEqual(ends, [])
      yield* answer.sendMessage(bytes("polo again"), { fin: true })
      assert.deepStrictEqual(
        came.map((message) => (message._tag === "UserMessage" ? textOf(message.payload) : message._tag)),
        ["EndpointEchoResp", "EndpointEchoResp", "polo", "EndpointEchoResp", "polo again"]
      )
      assert.deepStrictEqual(ends, [undefined])
    }).pipe(onNetwork)
  )

  it.effect("are taken a few at a time: those beyond wait with what follows them", () =>
    Effect.gen(function* () {
      const { ask, came, one, tell } = yield* asking
      yield* blackhole("10.0.0.6:7")
      yield* ask(verify("10.0.0.6:7"), ...Array.from({ length: 15 }, () => echo))
      yield* tell("not held back")
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "not held back")
      yield* ask(echo)
      yield* tell("held back")
      const message = yield* Effect.forkChild(one.nextMessage)
      yield* settle
      assert.isUndefined(message.pollUnsafe())
      assert.deepStrictEqual(came, [])
      yield* TestClock.adjust("5 seconds")
      yield* settle
      assert.isDefined(message.pollUnsafe())
      assert.strictEqual(came.length, 17)
    }).pipe(onNetwork)
  )
})
