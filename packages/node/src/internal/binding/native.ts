/**
 * The native QUIC binding: loaded when the first socket is bound, so that importing this package works everywhere and a
 * platform without a prebuilt binary fails with a typed error.
 */
import type { native } from "@matrixai/quic"
import * as Effect from "effect/Effect"

export type Quiche = typeof native.quiche
export type NativeConnection = native.Connection
export type NativeConfig = native.Config

/** Why the binding did not load, in a sentence for the operator. */
export interface LoadFailure {
  readonly detail: string
  readonly cause: unknown
}

export const load: Effect.Effect<Quiche, LoadFailure> = Effect.tryPromise({
  // This entry point is the binding alone; the package's index would load its class layer too.
  try: async () => (await import("@matrixai/quic/native/quiche.js")).default,
  catch: (cause) => ({
    // The cause names what was looked for.
    detail: `the QUIC binding @matrixai/quic has no binary for ${process.platform}-${process.arch}`,
    cause
  })
})
