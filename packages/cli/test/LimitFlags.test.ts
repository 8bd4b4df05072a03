import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as LimitFlags from "../src/LimitFlags.ts"

const none = { maxSize: Option.none(), maxFiles: Option.none(), keepFree: Option.none(), minRate: Option.none() }

describe("LimitFlags", () => {
  it.each([
    ["0", 0],
    ["1B", 1],
    ["100MB", 100_000_000],
    ["1.5 GB", 1_500_000_000],
    [" 512kib ", 524_288],
    ["2TiB", 2 * 2 ** 40]
  ])("reads the size %j", (input, bytes) => {
    assert.deepStrictEqual(LimitFlags.parseSize(input), Option.some(bytes))
  })

  it.each(["", "100", "1.5", "-1MB", "1 PB", "MB", "1e9B", "1MBs", "0x1B", "99999999999TB", "1..5MB", "Infinity"])(
    "takes %j for no size",
    (input) => {
      assert.deepStrictEqual(LimitFlags.parseSize(input), Option.none())
    }
  )

  it.effect("takes no limit that has no effect", () =>
    Effect.gen(function* () {
      const messages = [
        yield* Effect.flip(LimitFlags.validate({ ...none, maxSize: Option.some(1) }, "Nowhere")),
        yield* Effect.flip(LimitFlags.validate({ ...none, keepFree: Option.some(1) }, "Nowhere")),
        yield* Effect.flip(LimitFlags.validate({ ...none, maxFiles: Option.some(1) }, "StandardOutput"))
      ].map(({ message }) => message)
      assert.deepStrictEqual(messages, [
        "--max-size needs --out: without it no file is taken",
        "--keep-free needs --out: without it no file is taken",
        "--max-files needs a directory: with --out - there is none"
      ])
      yield* LimitFlags.validate({ ...none, maxSize: Option.some(1), minRate: Option.some(1) }, "StandardOutput")
      yield* LimitFlags.validate(none, "Nowhere")
    })
  )
})
