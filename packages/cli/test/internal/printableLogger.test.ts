import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { TestConsole } from "effect/testing"
import { printableLogger } from "../../src/internal/printableLogger.ts"

describe("printableLogger", () => {
  it.effect("keeps what a peer or a router says on one visible line, also in annotations and errors", () =>
    Effect.gen(function* () {
      const hostile = "a\u202eb\u001b[2J\nc"
      yield* Effect.logError(hostile, { reason: hostile }).pipe(Effect.annotateLogs("peer", hostile))
      yield* Effect.logError("x".repeat(6_000))
      const lines = (yield* TestConsole.errorLines).map(String)
      assert.strictEqual(lines.length, 2)
      assert.match(
        lines[0] ?? "",
        /^\[\d\d:\d\d:\d\d\.\d{3}\] ERROR \(#\d+\): a\\u202eb\\u001b\[2J\\nc \{ reason: 'a\\u202eb\\x1B\[2J\\nc' \} \{ peer: 'a\\u202eb\\x1B\[2J\\nc' \}$/u
      )
      assert.isAtMost(lines[1]?.length ?? 0, 5_100)
    }).pipe(Effect.provide(Layer.merge(Logger.layer([printableLogger]), TestConsole.layer)))
  )
})
