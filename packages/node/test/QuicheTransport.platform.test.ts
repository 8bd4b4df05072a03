// @module-tag platform
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { resolve } from "node:path"
import { afterEach, vi } from "vitest"
import { BindError } from "@qp2p/core/EndpointError"
import { bind } from "./support/quicSockets.ts"

afterEach(() => vi.unstubAllEnvs())

it.live("where the binding does not load, binding a socket fails with a BindError that says why", () =>
  Effect.gen(function* () {
    vi.stubEnv("QP2P_QUICHE_BINDING", "nowhere/quiche.node")
    const error = yield* Effect.flip(bind())
    assert.instanceOf(error, BindError)
    assert.include(error.detail, 'QP2P_QUICHE_BINDING is "nowhere/quiche.node"')
    assert.include(error.detail, `there is no file ${resolve("nowhere/quiche.node")}`)
    assert.strictEqual(String(error.address), "127.0.0.1:0")
    assert.isDefined(error.cause)

    vi.unstubAllEnvs()
    // It is looked for at each bind, so nothing of a failure stays.
    yield* bind()
  }).pipe(Effect.scoped)
)
