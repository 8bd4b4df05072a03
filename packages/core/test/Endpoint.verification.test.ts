import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { Decoder, encode, type WireMessage } from "../src/WireMessage.ts"
import { address } from "./support/values.ts"
import { countingDials, endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"
import { raw } from "./support/bareSockets.ts"

const contact = "10.0.0.2:2"

describe("a contact that is asked to verify an address", () => {
  /** What a contact says to a stranger at 10.0.0.1:1 who names `claimed`, and whom it dials for that. */
  const verdict = Effect.fnUntraced(function* (claimed: string) {
    return yield* countingDials((dials) =>
      Effect.gen(function* () {
        yield* endpoint(contact)
        const stranger = yield* raw("10.0.0.1:1")
        const connection = yield* stranger.dial(contact)
        const decoder = new Decoder({ maxMessageSize: 1_000 })
        const answers: Array<WireMessage> = []
        const { send } = connection.openBi(0, {
          onData: (chunk) => {
            decoder.push(chunk, answers)
            return true
          },
          onEnd: () => {}
        })
        send.write(encode({ _tag: "EndpointVerificationReq", address: address(claimed) }), true, () => {})
        yield* settle
        yield* TestClock.adjust("1 minute")
        return { answers, dialled: dials.peers.slice(1), accepted: stranger.accepted.length }
      })
    )
  })

  for (const claimed of ["10.0.0.7:1", "[::1]:1", "[::ffff:10.0.0.7]:1", "127.0.0.1:1", "10.0.0.1:0"]) {
    it.effect(`says no to ${claimed}, which is not the asker's, and does not dial`, () =>
      Effect.gen(function* () {
        const { answers, dialled } = yield* verdict(claimed)
        assert.deepStrictEqual(answers, [{ _tag: "EndpointVerificationResp", reachable: false }])
        assert.deepStrictEqual(dialled, [])
      }).pipe(onNetwork)
    )
  }

  for (const claimed of ["10.0.0.1:1", "[::ffff:10.0.0.1]:1"]) {
    it.effect(`dials the asker at ${claimed}, and says no when that connection does not answer`, () =>
      Effect.gen(function* () {
        const { accepted, answers, dialled } = yield* verdict(claimed)
        assert.deepStrictEqual(dialled, ["10.0.0.1:1"])
        // The stranger takes the connection, as it has taken the one that it asked over; it only never answers on it.
        assert.strictEqual(accepted, 1)
        assert.deepStrictEqual(answers, [{ _tag: "EndpointVerificationResp", reachable: false }])
      }).pipe(onNetwork)
    )
  }
})
