import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SerializationError } from "../../../src/SendError.ts"
import { lossOf } from "../../../src/internal/failures.ts"
import type { StreamFailure } from "../../../src/Transport.ts"

const noConnection = (): never => {
  throw new Error("no test here loses a connection")
}
const loss = (failure: StreamFailure) => lossOf(failure, noConnection)

describe("the sending half", () => {
  it.effect("has priorities that are whole numbers, and codes that every transport can carry", () =>
    Effect.gen(function* () {
      const { asked, stream } = sending()
      for (const priority of [7, -2.7, Number.NaN, Infinity]) yield* stream.setPriority(priority)
      for (const code of [7, -1, 2 ** 62]) yield* stream.reset(code)
      assert.deepStrictEqual(asked, [
        "priority 7",
        "priority -2",
        "priority 0",
        "priority 0",
        "reset 7",
        "reset 0",
        `reset ${Number.MAX_SAFE_INTEGER}`
      ])
    })
  )

  it.effect("writes small messages in one piece and large ones without copying them", () =>
    Effect.gen(function* () {
      const { asked, stream } = sending()
      yield* stream.sendMessage(new Uint8Array(10))
      yield* stream.sendMessage(new Uint8Array(50_000))
      yield* stream.finish
      assert.deepStrictEqual(asked, ["write 19", "write 9", "write 50000", "write 0 fin"])
    })
  )

  it.effect("ends the stream with a message, large or small, and not with one that cannot be sent", () =>
    Effect.gen(function* () {
      const { asked, stream } = sending()
      assert.instanceOf(yield* Effect.flip(stream.sendMessage(new Uint8Array(0), { fin: true })), SerializationError)
      yield* stream.sendMessage(new Uint8Array(10), { fin: false })
      yield* stream.sendMessage(new Uint8Array(10), { fin: true })
      yield* stream.sendMessage(new Uint8Array(50_000), { fin: true })
      assert.deepStrictEqual(asked, ["write 19", "write 19 fin", "write 9", "write 50000 fin"])
    })
  )

  it.effect("takes no message that the peer would not take", () =>
    Effect.gen(function* () {
      const { asked, stream } = sending()
      for (const length of [0, 100_001]) {
        assert.instanceOf(yield* Effect.flip(stream.sendMessage(new Uint8Array(length))), SerializationError)
      }
      assert.deepStrictEqual(asked, [])
    })
  )
})
