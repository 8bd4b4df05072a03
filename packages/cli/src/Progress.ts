/**
 * How far a transfer is, on standard error: a bar that redraws itself on a terminal, a line per quarter elsewhere.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Format from "./Format.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  /** Reports the bytes done so far. Cheap: it draws ten times a second at most. */
  readonly update: (done: number) => Effect.Effect<void>
  /** Removes the bar, so that other lines can be printed. The next update draws it again. */
  readonly clear: Effect.Effect<void>
}

const barWidth = 20

/** A line that wraps cannot be redrawn in place, and the narrowest common terminal has 80 columns. */
const lineWidth = 79
const redrawNanos = 100_000_000n

/**
 * The bar itself, in 79 columns at most: `big.bin [##########..........]  50 % 32.0 MiB of 64.0 MiB 71.3 MB/s`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const bar = (name: string, done: number, total: number, elapsed: Duration.Duration): string => {
  const share = total === 0 ? 1 : done / total
  const filled = Math.floor(share * barWidth)
  const percent = String(Math.floor(share * 100)).padStart(3, " ")
  const rest =
    `[${"#".repeat(filled)}${".".repeat(barWidth - filled)}] ${percent} % ` +
    `${Format.bytes(done)} of ${Format.bytes(total)} ${Format.throughput(done, elapsed)}`
  const room = Math.max(lineWidth - rest.length - 1, 8)
  const label = name.length <= room ? name : `${name.slice(0, room - 3)}...`
  return `${label} ${rest}`
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  name: string,
  total: number
): Effect.fn.Return<Progress, never, Stdio.Stdio> {
  const stdio = yield* Stdio.Stdio
  const terminal = yield* stdio.stderrIsTerminal
  const startedAt = yield* Clock.monotonicTimeNanos
  // A progress display that cannot be written must not fail the transfer.
  const write = (text: string) => Effect.ignore(Stream.run(Stream.succeed(text), stdio.stderr()))

  let drawnAt = 0n
  let drawn = false
  let quarter = 0

  const redraw = Effect.fnUntraced(function* (done: number) {
    const now = yield* Clock.monotonicTimeNanos
    if (drawn && now - drawnAt < redrawNanos) return
    drawnAt = now
    drawn = true
    yield* write(`\r\u001b[2K${bar(name, done, total, Duration.nanos(now - startedAt))}`)
  })

  const line = (done: number) =>
    Effect.suspend(() => {
      const reached = total === 0 ? 4 : Math.floor((done / total) * 4)
      if (reached <= quarter) return Effect.void
      quarter = reached
      // The summary follows at once, so the last quarter needs no line of its own.
      if (reached === 4) return Effect.void
      return write(`${name}: ${reached * 25} % (${Format.bytes(done)} of ${Format.bytes(total)})\n`)
    })

  return {
    update: terminal ? redraw : line,
    clear: Effect.suspend(() => {
      if (!drawn) return Effect.void
      drawn = false
      return write("\r\u001b[2K")
    })
  }
})
