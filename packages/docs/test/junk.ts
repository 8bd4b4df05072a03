/**
 * What callers without types hand over, and what comes of it.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

// What is called against its types has types of its own here.
// @effect-diagnostics unsafeEffectTypeAssertion:off
// @effect-diagnostics globalDate:off
// @effect-diagnostics tryCatchInEffectGen:off

/** One of each kind that a program is likely to mix up. */
export const junk: ReadonlyArray<readonly [name: string, value: unknown]> = [
  ["undefined", undefined],
  ["null", null],
  ["true", true],
  ["5", 5],
  ["0", 0],
  ["-1", -1],
  ["1.5", 1.5],
  ["NaN", Number.NaN],
  ["Infinity", Infinity],
  ["a bigint", 5n],
  ["text", "hello"],
  ["no text", ""],
  ["an address as text", "10.0.0.9:9"],
  ["a duration as text", "1 second"],
  ["a symbol", Symbol("symbol")],
  ["an object without fields", {}],
  ["an object without a prototype", Object.assign(Object.create(null), { field: 1 })],
  ["an object with another field", { localAdress: "127.0.0.1:0" }],
  ["a host and a port", { host: "127.0.0.1", port: 0 }],
  ["what has a length", { length: 5 }],
  ["no list", []],
  ["a list of numbers", [104, 105]],
  ["a list with a gap", Object.assign([], { length: 1 })],
  ["a function", () => 5],
  ["an async function", async () => 5],
  ["a class", Set],
  ["a Promise", Promise.resolve(5)],
  ["an Effect", Effect.succeed(5)],
  ["a Layer", Layer.empty],
  ["an Option", Option.some(5)],
  ["an error", new Error("an error")],
  ["a Date", new Date(0)],
  ["a Map", new Map([["priority", 1]])],
  ["a RegExp", /x/u],
  ["a URL", new URL("udp://127.0.0.1:1")],
  ["a Uint8Array", Uint8Array.of(1, 2, 3)],
  ["an empty Uint8Array", new Uint8Array(0)],
  ["a false Uint8Array", Object.create(Uint8Array.prototype)],
  ["a Uint16Array", Uint16Array.of(1, 2)],
  ["an ArrayBuffer", new ArrayBuffer(3)],
  ["a DataView", new DataView(new ArrayBuffer(3))],
  ["an InetAddress", NetAddress.inetAddressFromStringUnsafe("10.0.0.9:9")],
  ["an IP address", NetAddress.ipv4Loopback]
]

/** What came of a call. */
export type Outcome =
  | { readonly is: "threw"; readonly error: unknown }
  | { readonly is: "died"; readonly cause: string }
  | { readonly is: "failed"; readonly error: { readonly _tag: string; readonly message: string } }
  | { readonly is: "done" }
  /** It waits for something that does not come without the clock or a peer. */
  | { readonly is: "waits" }

/** Not every error of Effect's is an `Error`. */
const isError = (value: unknown): value is { readonly _tag: string; readonly message: string } =>
  Predicate.hasProperty(value, "_tag") &&
  typeof value._tag === "string" &&
  Predicate.hasProperty(value, "message") &&
  typeof value.message === "string"

const asEffect = (value: unknown): Effect.Effect<unknown, unknown> | undefined => {
  if (Layer.isLayer(value)) return Effect.scoped(Layer.build(value as Layer.Any as Layer.Layer<never, unknown>))
  if (Config.isConfig(value)) return value.parse(ConfigProvider.fromUnknown({}))
  return Effect.isEffect(value) ? (value as Effect.Effect<unknown, unknown>) : undefined
}

const turns = Effect.forEach(Array.from({ length: 60 }), () => Effect.yieldNow, { discard: true })

/** Calls and runs it, for as long as that takes no time; `patiently` it may take what it takes. */
export const outcomeOf = (call: () => unknown, patiently = false): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    let made: unknown
    try {
      made = call()
    } catch (error) {
      return { is: "threw", error }
    }
    if (isError(made)) return { is: "failed", error: made }
    if (Result.isResult(made)) {
      return Result.isFailure(made) && isError(made.failure) ? { is: "failed", error: made.failure } : { is: "done" }
    }
    const effect = asEffect(made)
    if (effect === undefined) return { is: "done" }
    const fiber = yield* Effect.forkChild(Effect.exit(effect), { startImmediately: true })
    if (!patiently) {
      yield* turns
      if (fiber.pollUnsafe() === undefined) {
        yield* Fiber.interrupt(fiber)
        return { is: "waits" }
      }
    }
    const exit = yield* Fiber.join(fiber)
    if (Exit.isSuccess(exit)) return { is: "done" }
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    return isError(error) ? { is: "failed", error } : { is: "died", cause: Cause.pretty(exit.cause) }
  })
