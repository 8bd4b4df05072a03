/**
 * How long packets are on their way: always the same time, or times drawn from the seed of the network.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { type Check, duration, func, InvalidArgument, ofValue } from "@qp2p/core/InvalidArgument"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"

const TypeId = "~@qp2p/testkit/Latency"

/**
 * Draws times. They are rounded up to whole milliseconds, so that a test's clock has fewer of them to visit.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Distribution {
  readonly [TypeId]: typeof TypeId
  /** Milliseconds; `random` draws from 0 to 1, 1 excluded. */
  readonly sample: (random: () => number) => number
}

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Input = Duration.Input | Distribution

/**
 * A distribution of your own: `sample` yields milliseconds, and what is not more than 0 counts as 0.
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
      // Neither less than 0 nor what is no number at all.
      return time > 0 ? time : 0
    }
  }

/**
 * What callers without types get instead of a result, if an argument is wrong. `setLatency` fails with it when it is
 * handed on.
 */
const misuse = (given: Readonly<Record<string, readonly [value: unknown, check: Check]>>): undefined => {
  for (const [name, [value, check]] of Object.entries(given)) {
    const wrong = ofValue(name, value, check)
    if (wrong !== undefined) return wrong as never
  }
  return undefined
}

/**
 * Each time between the two is as likely as any other.
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
 * Times around a mean: two thirds of them are within one deviation of it.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const normal = (mean: Duration.Input, deviation: Duration.Input): Distribution => {
  const wrong = misuse({ mean: [mean, duration], deviation: [deviation, duration] })
  if (wrong !== undefined) return wrong
  const [middle, spread] = [millis(mean), millis(deviation)]
  // Box and Muller's transform; 1 - u because the logarithm of 0 is not a number.
  return make((random) => middle + spread * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()))
}

/**
 * Mostly not much more than the shortest, and rarely very long: what queues on the way do. `extra` is the mean of what
 * comes on top.
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
 * What `input` means, with its draws from `random`: a function that yields milliseconds.
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
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isDistribution = (u: unknown): u is Distribution => Predicate.hasProperty(u, TypeId)

const latency: Check = (value) => (isDistribution(value) ? undefined : duration(value))

const millis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))
