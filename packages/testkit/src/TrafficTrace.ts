/**
 * Everything that happens on a transport, line by line, for a test that fails.
 *
 * ```text
 * 00:00:00.000  10.0.0.1:1 → 10.0.0.2:2  dial 1
 * 00:00:00.040  10.0.0.1:1 ← 10.0.0.2:2  #1 connected by dial 1
 * 00:00:00.040  10.0.0.1:1 → 10.0.0.2:2  #1 out1 opened
 * 00:00:00.040  10.0.0.1:1 → 10.0.0.2:2  #1 out1 message of 5 bytes "hello", fin
 * 00:00:00.060  10.0.0.2:2 ← 10.0.0.1:1  #1 accepted
 * 00:00:00.060  10.0.0.2:2 ← 10.0.0.1:1  #1 in1 opened
 * 00:00:00.060  10.0.0.2:2 ← 10.0.0.1:1  #1 in1 message of 5 bytes "hello"
 * 00:00:00.060  10.0.0.2:2 ← 10.0.0.1:1  #1 in1 fin
 * 00:00:00.080  10.0.0.1:1 ← 10.0.0.2:2  #1 out1 acknowledged
 * ```
 *
 * A line has the time since the trace began, on Effect's clock; the address on whose side it happens; an arrow, to the
 * right for what that side does and to the left for what it is told; and the peer's address as that side knows it. Both
 * ends of a connection have one number where the transport tells that they belong together (`seniority`). Streams are
 * counted at each end, those it opens as `out` and those it is offered as `in`, in the order in which it sees them:
 * `out3` here need not be `in3` there.
 *
 * On `MemoryTransport` under `TestClock` the same program gives the same lines.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { effect, ofOptions, ofValue, optional, text as isText, unless, untyped } from "@qp2p/core/InvalidArgument"
import { Transport } from "@qp2p/core/Transport"
import type * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { anything, atLeast } from "./internal/given.ts"
import { Recorder } from "./internal/trace/recorder.ts"
import { steering } from "./internal/trace/steering.ts"
import { countOf } from "./internal/trace/text.ts"
import { traced } from "./internal/trace/transport.ts"
import * as MemoryNetwork from "./MemoryNetwork.ts"
import * as MemoryTransport from "./MemoryTransport.ts"

/**
 * How many lines are kept when nothing else is said.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const defaultCapacity = 1_000

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Lines that are kept, at least 1; the oldest make room. `defaultCapacity` by default. */
  readonly capacity?: number | undefined
}

/**
 * What has happened so far.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class TrafficTrace extends Context.Service<
  TrafficTrace,
  {
    /** A line of the test's own, such as `"the hub restarts"`. */
    readonly note: (text: string) => Effect.Effect<void>
    /** What is kept, oldest first. */
    readonly lines: Effect.Effect<ReadonlyArray<string>>
    /** How many lines have made room for later ones. */
    readonly dropped: Effect.Effect<number>
    /** What the transports write to. */
    readonly recorder: Recorder
  }
>()("@qp2p/testkit/TrafficTrace") {}

/**
 * A trace with no lines yet. Its time begins now.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Effect.Effect<TrafficTrace["Service"]> =>
  Effect.clockWith((clock: Clock.Clock) =>
    Effect.suspend(() => {
      const wrong = ofOptions(options, { capacity: optional(atLeast(0)) })
      if (wrong !== undefined) return untyped(wrong)
      const recorder = new Recorder(clock, options?.capacity ?? defaultCapacity)
      return Effect.succeed(
        TrafficTrace.of({
          note: (text) =>
            unless(
              () => ofValue("text", text, isText),
              () => Effect.sync(() => recorder.add(`* ${text}`))
            ),
          lines: Effect.sync(() => recorder.lines()),
          dropped: Effect.sync(() => recorder.dropped),
          recorder
        })
      )
    })
  )

/**
 * A trace by itself, for `layerTransport` and `layerNetwork` to write to: several transports may share one.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerTrace = (options?: Options): Layer.Layer<TrafficTrace> => Layer.effect(TrafficTrace, make(options))

/**
 * The transport given, writing to the trace given. It behaves as before: what it costs is a line for each event, and a
 * copy of each message while it is under way.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerTransport: Layer.Layer<Transport, never, Transport | TrafficTrace> = Layer.effect(
  Transport,
  Effect.gen(function* () {
    const { recorder } = yield* TrafficTrace
    return Transport.of(traced(yield* Transport, recorder))
  })
)

/**
 * The network given; what a test does to it is a line in the trace given.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerNetwork: Layer.Layer<MemoryNetwork.MemoryNetwork, never, MemoryNetwork.MemoryNetwork | TrafficTrace> =
  Layer.effect(
    MemoryNetwork.MemoryNetwork,
    Effect.gen(function* () {
      const { recorder } = yield* TrafficTrace
      return steering(yield* MemoryNetwork.MemoryNetwork, "network", (text) => recorder.add(`* ${text}`))
    })
  )

/**
 * The transport given, and a trace of it.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<TrafficTrace | Transport, never, Transport> =>
  Layer.provideMerge(layerTransport, layerTrace(options))

/**
 * `layerWith` the defaults.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<TrafficTrace | Transport, never, Transport> = layerWith({})

/**
 * `MemoryTransport.layerNetworkWith`, and a trace of the traffic and of what the test does to the network.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerMemoryWith = (
  options: Options & MemoryNetwork.Options
): Layer.Layer<TrafficTrace | Transport | MemoryNetwork.MemoryNetwork> =>
  Layer.unwrap(
    Effect.suspend(() => {
      const wrong = ofOptions(options, { capacity: anything, seed: anything })
      if (wrong !== undefined) return untyped(wrong)
      const { capacity, seed } = options ?? {}
      return Effect.succeed(
        Layer.merge(layerTransport, layerNetwork).pipe(
          Layer.provideMerge(layerTrace({ capacity })),
          Layer.provide(MemoryTransport.layerNetworkWith({ seed }))
        )
      )
    })
  )

/**
 * `layerMemoryWith` the defaults.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<TrafficTrace | Transport | MemoryNetwork.MemoryNetwork> = layerMemoryWith({})

/**
 * Prints the trace with `Console.error`, after a line that says how much of it there is. A `TestConsole`, which
 * `it.effect` provides, keeps to itself what it is told: then the process's own console gets it too.
 *
 * @stability unstable
 * @category printing
 * @since 0.1.0
 */
export const print: Effect.Effect<void, never, TrafficTrace> = Effect.gen(function* () {
  const trace = yield* TrafficTrace
  const lines = yield* trace.lines
  const dropped = yield* trace.dropped
  const summary = `traffic, ${countOf(lines.length, "line")}${dropped === 0 ? "" : ` after ${dropped} that were dropped`}:`
  const text = [summary, ...lines].join("\n")
  const console = yield* Console.Console
  console.error(text)
  if (Predicate.hasProperty(console, "errorLines")) Console.Console.defaultValue().error(text)
})

/**
 * Prints the trace when `self` does not succeed: when it fails, when it dies, as of an assertion, and when it is
 * interrupted, as by the time limit of a test.
 *
 * @stability unstable
 * @category printing
 * @since 0.1.0
 */
export const onFailure = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | TrafficTrace> =>
  unless(
    () => ofValue("self", self, effect),
    () => Effect.onError(self, () => print)
  )
