/**
 * The progress of a transfer on standard error: a bar that is redrawn on a terminal, a line for each quarter elsewhere.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Format from "./Format.ts"

/**
 * The progress of one transfer.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  /** Reports the number of bytes done. It draws at most ten times per second. */
  readonly update: (done: number) => Effect.Effect<void>
  /** Removes the bar, so that other lines can be printed. The next update draws it again. */
  readonly clear: Effect.Effect<void>
  /** Leaves the bar and ends its line, so that what follows has a line of its own. */
  readonly end: Effect.Effect<void>
}

const barWidth = 20

/** The width of the line, because a wrapped line cannot be redrawn. */
const lineWidth = 79
const redrawNanos = 100_000_000n

/** Whether a character takes two columns: East Asian characters and most pictographs do. */
const isWide = (character: string): boolean =>
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f000}-\u{1faff}\u{20000}-\u{3fffd}]/u.test(
    character
  )

const columnsOf = (text: string): number =>
  Array.from(text).reduce((columns, character) => columns + (isWide(character) ? 2 : 1), 0)

/** Shortens a text to `room` columns, with dots for the rest. */
const fitted = (text: string, room: number): string => {
  if (columnsOf(text) <= room) return text
  let out = ""
  let columns = 0
  for (const character of text) {
    columns += isWide(character) ? 2 : 1
    if (columns > room - 3) break
    out += character
  }
  return `${out}...`
}

/**
 * The bar in at most 79 columns: `big.bin [##########..........] 50 % 32.0 MB of 64.0 MB 71.3 MB/s`. On a narrower
 * terminal it omits the bar, then the size, then the rate. Without a total it shows only the bytes done.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const bar = (
  name: string,
  done: number,
  total: Option.Option<number>,
  elapsed: Duration.Duration,
  columns: number = lineWidth
): string => {
  const width = Math.min(columns, lineWidth)
  const rate = done === 0 ? "" : ` ${Format.throughput(done, elapsed)}`
  const forms = Option.match(total, {
    onNone: () => [`${Format.bytes(done)}${rate}`, Format.bytes(done)],
    onSome: (size) => {
      const share = size === 0 ? 1 : done / size
      const filled = Math.floor(share * barWidth)
      const percent = `${String(Math.floor(share * 100)).padStart(3, " ")} %`
      const amount = `${Format.bytes(done)} of ${Format.bytes(size)}`
      return [
        `[${"#".repeat(filled)}${".".repeat(barWidth - filled)}] ${percent} ${amount}${rate}`,
        `${percent} ${amount}${rate}`,
        `${percent}${rate}`,
        percent
      ]
    }
  })
  const form = forms.find((each) => each.length + shortestLabel < width) ?? forms.at(-1)!
  const room = width - form.length - 1
  return room < shortestLabel ? fitted(form, width) : `${fitted(name, room)} ${form}`
}

/** Whether the terminal cannot move its cursor. Only this variable tells. */
// @effect-diagnostics-next-line processEnv:off
const isDumb = (): boolean => process.env["TERM"] === "dumb"

/** The minimum length of a shortened name. */
const shortestLabel = 8

/**
 * The progress display of one transfer.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  name: string,
  total: Option.Option<number>
): Effect.fn.Return<Progress, never, Stdio.Stdio> {
  const stdio = yield* Stdio.Stdio
  const terminal = yield* stdio.stderrIsTerminal
  const startedAt = yield* Clock.monotonicTimeNanos
  // An error of writing the progress must not fail the transfer.
  const write = (text: string) => Effect.ignore(Stream.run(Stream.succeed(text), stdio.stderr()))

  let drawnAt = 0n
  let drawn = false
  let reported = 0

  const redraw = Effect.fnUntraced(function* (done: number) {
    const now = yield* Clock.monotonicTimeNanos
    if (drawn && now - drawnAt < redrawNanos) return
    drawnAt = now
    drawn = true
    const columns = process.stderr.columns as number | undefined
    // The last column stays empty: some terminals wrap when it is filled.
    const width = columns === undefined || columns === 0 ? lineWidth : columns - 1
    yield* write(`\r\u001b[2K${bar(name, done, total, Duration.nanos(now - startedAt), width)}`)
  })

  const quarter = (done: number, size: number) => {
    const reached = size === 0 ? 4 : Math.floor((done / size) * 4)
    // The summary follows the last quarter at once, so that quarter has no line.
    if (reached <= reported || reached === 4) return Effect.void
    reported = reached
    return write(`${name}: ${reached * 25} % (${Format.bytes(done)} of ${Format.bytes(size)})\n`)
  }

  /** Prints a line each time that the number of bytes has grown tenfold: without a total there are no quarters. */
  const tenfold = (done: number) => {
    const reached = done < 1_000_000 ? 0 : Math.floor(Math.log10(done))
    if (reached <= reported) return Effect.void
    reported = reached
    return write(`${name}: ${Format.bytes(done)}\n`)
  }

  const line = (done: number) =>
    Effect.suspend(() => Option.match(total, { onNone: () => tenfold(done), onSome: (size) => quarter(done, size) }))

  const leave = (text: string) =>
    Effect.suspend(() => {
      if (!drawn) return Effect.void
      drawn = false
      return write(text)
    })

  return {
    update: terminal && !isDumb() ? redraw : line,
    clear: leave("\r\u001b[2K"),
    end: leave("\n")
  }
})
