/**
 * Reads durations from text. A duration has a unit, since a number alone is ambiguous.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

const shortUnits: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000 }

/** Reads text such as `500ms`, `2s`, `1.5m`, `2 seconds`, `Infinity`, and 0 without a unit; none for other text. */
export const fromText = (text: string): Option.Option<Duration.Duration> => {
  const trimmed = text.trim()
  if (trimmed === "0") return Option.some(Duration.zero)
  const short = /^(-?\d+(?:\.\d+)?)\s*(ms|s|min|m|h)$/u.exec(trimmed)
  if (short === null) return Duration.fromInput(trimmed as Duration.Input)
  const millis = Number(short[1]) * shortUnits[short[2]!]!
  return Number.isFinite(millis) ? Option.some(Duration.millis(millis)) : Option.none()
}
