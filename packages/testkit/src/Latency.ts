/**
 * How long packets are in flight: a constant time, or times drawn with the network's seed.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { type Check, duration, func, InvalidArgument, ofValue } from "@qp2p/core/InvalidArgument"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"

const TypeId = "~@qp2p/testkit/Latency"

/**
 * A distribution of latencies. Drawn times are rounded up to whole milliseconds, so that a `TestClock` has fewer times
 * to visit.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Distribution {
  readonly [TypeId]: typeof TypeId
  /** Draws a latency in milliseconds, 0 or more. `random` returns numbers from 0 up to but not including 1. */
  readonly sample: (random: () => number) => number
}

/**
 * A latency: a constant duration, or a distribution.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Input = Duration.Input | Distribution

/**
 * A custom distribution. `sample` returns milliseconds; a value that is not greater than 0 counts as 0.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (sample: (random: () => number) => number): Distribution =>
  misuse({ sample: [sample, func] }) ?? {
    [TypeId]: TypeId,
    sample: (random) => {
      const drawn: unknown = sample(random)
      const time = typeof drawn === "number" ? Math.ceil(drawn) : 0
      // Neither negative nor NaN.
      return time > 0 ? time : 0
    }
  }

/**
 * The `InvalidArgument` that callers without types get in place of a result. `setLatency` fails with it when it is
 * passed on.
 */
const misuse = (given: Readonly<Record<string, readonly [value: unknown, check: Check]>>): undefined => {
  for (const [name, [value, check]] of Object.entries(given)) {
    const wrong = ofValue(name, value, check)
    if (wrong !== undefined) return wrong as never
  }
  return undefined
}

/**
 * Uniformly distributed times between `shortest` and `longest`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const uniform = (shortest: Duration.Input, longest: Duration.Input): Distribution => {
  const wrong = misuse({ shortest: [shortest, duration], longest: [longest, duration] })
  if (wrong !== undefined) return wrong
  const [from, to] = [millis(shortest), millis(longest)]
  return make((random) => from + random() * (to - from))
}

/**
 * Normally distributed times: two thirds of them are within one `deviation` of `mean`. Negative times count as 0.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const normal = (mean: Duration.Input, deviation: Duration.Input): Distribution => {
  const wrong = misuse({ mean: [mean, duration], deviation: [deviation, duration] })
  if (wrong !== undefined) return wrong
  const [middle, spread] = [millis(mean), millis(deviation)]
  // The Box-Muller transform; 1 - u because the logarithm of 0 is not finite.
  return make((random) => middle + spread * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()))
}

/**
 * Exponentially distributed times, as queues on the way cause them: mostly little more than `shortest`, and rarely very
 * long. `extra` is the mean of what is added to `shortest`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const exponential = (shortest: Duration.Input, extra: Duration.Input): Distribution => {
  const wrong = misuse({ shortest: [shortest, duration], extra: [extra, duration] })
  if (wrong !== undefined) return wrong
  const [base, mean] = [millis(shortest), millis(extra)]
  return make((random) => base - mean * Math.log(1 - random()))
}

/**
 * Turns a latency into a function that returns milliseconds, drawing from `random`.
 *
 * @stability unstable
 * @category getters
 * @since 0.1.0
 */
export const sampler = (input: Input, random: () => number): (() => number) => {
  if (input instanceof InvalidArgument) return input as never
  const wrong = misuse({ latency: [input, latency], random: [random, func] })
  if (wrong !== undefined) return wrong
  if (isDistribution(input)) return () => input.sample(random)
  const fixed = millis(input)
  return () => fixed
}

/**
 * Whether a value is a `Distribution`.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isDistribution = (u: unknown): u is Distribution => Predicate.hasProperty(u, TypeId)

const latency: Check = (value) => (isDistribution(value) ? undefined : duration(value))

const millis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))
