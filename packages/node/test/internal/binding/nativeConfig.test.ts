// @module-tag platform
import { assert, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import type { Quiche } from "../../../src/internal/binding/native.ts"
import * as nativeConfig from "../../../src/internal/binding/nativeConfig.ts"

/** What the binding is told of an idle timeout. */
const idleTimeout = (millis: number): unknown => {
  const told = new Map<string, unknown>()
  const config = new Proxy({}, { get: (_target, name: string) => (value: unknown) => told.set(name, value) })
  const configOf = nativeConfig.configs({ Config: { withBoringSslCtx: () => config } } as unknown as Quiche, {
    credentials: { key: Redacted.make(new Uint8Array(1)), certificate: new Uint8Array(1) },
    idleTimeout: millis
  })
  configOf(1_200)
  return told.get("setMaxIdleTimeout")
}

it("an idle timeout is told in whole milliseconds, at least one, and none as 0", () => {
  // RFC 9000, section 18.2: 0 disables it, so nothing else may become 0.
  assert.deepStrictEqual([60_000, 1.2, 0.3, Infinity].map(idleTimeout), [60_000, 2, 1, 0])
})

it("an idle timeout that no transport parameter has room for is told as the longest that fits", () => {
  const longest = Number.MAX_SAFE_INTEGER
  assert.deepStrictEqual([longest, 2 ** 62, 1e300].map(idleTimeout), [longest, longest, longest])
})
