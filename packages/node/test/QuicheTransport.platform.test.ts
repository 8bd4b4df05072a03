// @module-tag platform
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { vi } from "vitest"
import { BindError } from "@qp2p/core/EndpointError"
import { bind } from "./support/quic.ts"

const cause = new Error("Cannot find module '@matrixai/quic-plan9-mips'")

vi.mock("@matrixai/quic/native/quiche.js", () => {
  throw cause
})

it.live("where the binding has no binary, binding a socket fails with a BindError that names the platform", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(bind())
    assert.instanceOf(error, BindError)
    assert.include(error.detail, `@matrixai/quic has no binary for ${process.platform}-${process.arch}`)
    assert.strictEqual(String(error.address), "127.0.0.1:0")
    assert.isDefined(error.cause)
  }).pipe(Effect.scoped)
)
