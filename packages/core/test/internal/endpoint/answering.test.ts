import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Bootstrap from "../../../src/Bootstrap.ts"
import { Reply } from "../../../src/internal/connection/reply.ts"
import { answerWith } from "../../../src/internal/endpoint/answering.ts"
import type { BackingSendStream } from "../../../src/Transport.ts"
import * as WireMessage from "../../../src/WireMessage.ts"

const asker: Bootstrap.Asker = {
  remoteAddress: NetAddress.inetAddressFromStringUnsafe("192.0.2.1:1"),
  isReachable: () => Effect.succeed(true)
}

const echo: WireMessage.ControlMessage = { _tag: "EndpointEchoReq" }
const yes: WireMessage.ControlMessage = { _tag: "EndpointVerificationResp", reachable: true }
const no: WireMessage.ControlMessage = { _tag: "EndpointVerificationResp", reachable: false }

/** A reply, what was written on it, and the answers that run in fibers. */
const setup = (respond: Bootstrap.Bootstrap["Service"]["respond"]) => {
  const written: Array<string> = []
  const fibers: Array<Effect.Effect<void>> = []
  const stream: BackingSendStream = {
    write: (bytes, _fin, done) => {
      written.push(Buffer.from(bytes).toString("hex"))
      done()
    },
    onStopped: () => {},
    setPriority: () => {},
    reset: () => {}
  }
  const answer = answerWith({ respond, background: (effect) => fibers.push(effect) })
  return { answer, fibers, reply: new Reply(stream), written }
}

const hex = (message: WireMessage.ControlMessage) => Buffer.from(WireMessage.encode(message)).toString("hex")

describe("a question to the endpoint", () => {
  it.effect("is answered without a fiber when the answer is known at once", () =>
    Effect.gen(function* () {
      const { answer, fibers, reply, written } = setup(() => Effect.succeedSome(yes))
      for (let i = 0; i < 3; i++) answer(asker, echo, reply)
      yield* Effect.yieldNow
      assert.deepStrictEqual(written, [hex(yes), hex(yes), hex(yes)])
      assert.lengthOf(fibers, 0)
    })
  )

  it.effect("is answered in its turn, when the answer takes a while", () =>
    Effect.gen(function* () {
      const answers = [Effect.andThen(Effect.yieldNow, Effect.succeedSome(yes)), Effect.succeedSome(no)]
      const { answer, fibers, reply, written } = setup(() => answers.shift()!)
      answer(asker, echo, reply)
      answer(asker, echo, reply)
      yield* Effect.yieldNow
      assert.deepStrictEqual([written, fibers.length], [[], 1])
      yield* fibers[0]!
      assert.deepStrictEqual(written, [hex(yes), hex(no)])
    })
  )

  it.effect("whose answer is a defect of the program's costs no other question its answer", () =>
    Effect.gen(function* () {
      let calls = 0
      const { answer, reply, written } = setup(() => {
        calls += 1
        if (calls === 1) throw new Error("a defect of the program's")
        return calls === 2 ? Effect.die("another one") : Effect.succeedSome(yes)
      })
      for (let i = 0; i < 3; i++) answer(asker, echo, reply)
      yield* Effect.yieldNow
      assert.deepStrictEqual(written, [hex(yes)])
    })
  )
})
