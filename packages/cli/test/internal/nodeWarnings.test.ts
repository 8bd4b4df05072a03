import { assert, it } from "@effect/vitest"
import { leaveOutWarnings } from "../../src/internal/nodeWarnings.ts"

it("leaves out that Ed25519 is experimental in WebCrypto, and passes all else on as it is", () => {
  const heard: Array<ReadonlyArray<unknown>> = []
  const host: { emitWarning: (...args: ReadonlyArray<unknown>) => void } = {
    emitWarning: function (this: unknown, ...args) {
      heard.push([this === host, ...args])
    }
  }
  leaveOutWarnings(host)
  host.emitWarning(
    "The Ed25519 Web Crypto API algorithm is an experimental feature and might change at any time",
    "ExperimentalWarning"
  )
  host.emitWarning("The X25519 Web Crypto API algorithm is an experimental feature", "ExperimentalWarning")
  const error = new Error("something else")
  host.emitWarning(error, { code: "CODE" })
  assert.deepStrictEqual(heard, [
    [true, "The X25519 Web Crypto API algorithm is an experimental feature", "ExperimentalWarning"],
    [true, error, { code: "CODE" }]
  ])
})
