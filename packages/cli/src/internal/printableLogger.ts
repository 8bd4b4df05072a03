/**
 * The logger of the command: the format of Effect's default logger on standard error, with every line printable.
 */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { inspect } from "node:util"
import { printable } from "../Printable.ts"

/** The longest line of a log, in characters. */
const longestLine = 5_000

const timeOf = (date: Date): string => {
  const padded = (value: number, digits = 2) => String(value).padStart(digits, "0")
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map((value) => padded(value)).join(":")
  return `${time}.${padded(date.getMilliseconds(), 3)}`
}

const textOf = (part: unknown): string => (typeof part === "string" ? part : inspect(part))

/** Writes each entry on a line of its own. Only the stack traces of a cause have more lines. */
export const printableLogger: Logger.Logger<unknown, void> = Logger.make(
  ({ cause, date, fiber, logLevel, message }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    const parts = (Array.isArray(message) ? message : [message]).map(textOf)
    if (Object.keys(annotations).length > 0) parts.push(inspect(annotations, { breakLength: Number.POSITIVE_INFINITY }))
    const lines = [`[${timeOf(date)}] ${logLevel.toUpperCase()} (#${fiber.id}): ${parts.join(" ")}`]
    if (cause.reasons.length > 0) lines.push(...Cause.pretty(cause).split("\n"))
    fiber.getRef(Console.Console).error(lines.map((line) => printable(line, longestLine)).join("\n"))
  }
)
