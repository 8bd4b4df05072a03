import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { bytes, summary } from "./endpoint-support/common.ts"
import { onNetwork, pair, settle } from "./endpoint-support/memory.ts"

describe("smoke", () => {
  it.effect("works", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      yield* one.sendMessage(bytes("hi"), "10.0.0.2:2")
      assert.deepStrictEqual(summary(yield* two.nextMessage), { peer: "10.0.0.1:1", text: "hi", reply: false })
      yield* settle
      yield* one.close
    }).pipe(onNetwork)
  )
})
