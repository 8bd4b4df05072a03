/**
 * Writes everything that happens on a transport, line by line, for a test that fails.
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
 * 00:00:00.080  10.0.0.1:1 ← 10.0.0.2:2  #1 accepted by the peer
 * 00:00:00.080  10.0.0.1:1 ← 10.0.0.2:2  #1 out1 acknowledged
 * ```
 *
 * A line has the time since the trace began, on Effect's clock; the address of the side where the event happens; an
 * arrow, to the right for what that side does and to the left for what it is told; and the peer's address as that side
 * knows it. Both ends of a connection have the same number if the transport reports their `seniority`. Streams are
 * numbered at each end in the order in which that end sees them, `out` for those it opens and `in` for those it
 * receives: `out3` here may be another number there.
 *
 * The key that a dial expects is shown by its first characters, and so is a peer that is refused or has to wait for its
 * admission.
 *
 * On `MemoryTransport` under `TestClock` the same program writes the same lines, if it gives its endpoints identities.
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
import { anything, atLeast } from "./internal/checks.ts"
import { Recorder } from "./internal/trace/recorder.ts"
import { recordedService } from "./internal/trace/recordedService.ts"
import { countOf } from "./internal/trace/text.ts"
import { traced } from "./internal/trace/transport.ts"
import * as MemoryNetwork from "./MemoryNetwork.ts"
import * as MemoryTransport from "./MemoryTransport.ts"

/**
 * The default of `capacity`: 1,000 lines.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const defaultCapacity = 1_000

/**
 * How a trace is set up.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many lines are kept, at least 1; the oldest are dropped. `defaultCapacity` by default. */
  readonly capacity?: number | undefined
}

/**
 * The trace so far.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class TrafficTrace extends Context.Service<
  TrafficTrace,
  {
    /** Adds a line of the test's own, such as `"the hub restarts"`. */
    readonly note: (text: string) => Effect.Effect<void>
    /** The lines that are kept, oldest first. */
    readonly lines: Effect.Effect<ReadonlyArray<string>>
    /** How many older lines were dropped. */
    readonly dropped: Effect.Effect<number>
    /** What the traced transports write to. */
    readonly recorder: Recorder
  }
>()("@qp2p/testkit/TrafficTrace") {}

/**
 * An empty trace. Its time begins now.
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
 * A trace without a transport, for `layerTransport` and `layerNetwork`: several transports may share one.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerTrace = (options?: Options): Layer.Layer<TrafficTrace> => Layer.effect(TrafficTrace, make(options))

/**
 * The given transport, writing to the given trace. It behaves as before, at the cost of a line for each event and of a
 * copy of each message in flight.
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
 * The given network: each operation of a test becomes a line in the given trace.
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
      return recordedService(yield* MemoryNetwork.MemoryNetwork, "network", (text) => recorder.add(`* ${text}`))
    })
  )

/**
 * The given transport, and a new trace of it.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<TrafficTrace | Transport, never, Transport> =>
  Layer.provideMerge(layerTransport, layerTrace(options))

/**
 * The layer `MemoryTransport.layerNetwork`, and a trace of the traffic and of what the test does to the network.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (
  options?: Options & MemoryNetwork.Options
): Layer.Layer<TrafficTrace | Transport | MemoryNetwork.MemoryNetwork> =>
  Layer.unwrap(
    Effect.suspend(() => {
      const wrong = ofOptions(options, { capacity: anything, seed: anything })
      if (wrong !== undefined) return untyped(wrong)
      const { capacity, seed } = options ?? {}
      return Effect.succeed(
        Layer.merge(layerTransport, layerNetwork).pipe(
          Layer.provideMerge(layerTrace({ capacity })),
          Layer.provide(MemoryTransport.layerNetwork({ seed }))
        )
      )
    })
  )

/**
 * Prints the trace with `Console.error`, after a line with its size. A `TestConsole`, which `it.effect` provides, only
 * records what it is told: then the process's own console prints the trace too.
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
 * Prints the trace when `self` does not succeed: when it fails, when it dies, as by a failed assertion, and when it is
 * interrupted, as by a test's time limit.
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
