/**
 * Checks the words of a command line before they are parsed.
 *
 * The parser reads every letter after a single dash as a flag, so it would find `-h`, and print the help, in a text
 * such as `-hello` or a duration such as `-5h`. And it would ask questions where no one can answer.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"

/**
 * A mistake in a command line.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Mistake {
  /** The command and its subcommands up to the mistake. */
  readonly commandPath: ReadonlyArray<string>
  /** What is wrong, on one line. */
  readonly detail: string
}

/** The flags that every command has, and whether they take a value. */
const globalFlags = new Map([
  ["help", false],
  ["version", false],
  ["wizard", false],
  ["completions", true],
  ["log-level", true]
])

const shortFlags = new Set(["-h", "-v"])

const negativeNumber = /^-(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/iu

const takesValue = (name: string, flags: ReadonlyArray<Completions.FlagDescriptor>): boolean => {
  const own = flags.find((flag) => flag.name === name)
  return own === undefined ? globalFlags.get(name) === true : own.type._tag !== "Boolean"
}

const hasDash = (word: string): boolean => word.startsWith("-") && word !== "-"

/**
 * Finds the first word that begins with a dash and is not a flag, and a wizard without a terminal; undefined when there
 * is neither.
 *
 * @stability unstable
 * @category validation
 * @since 0.1.0
 */
export const mistake = (
  command: Command.Command.Any,
  args: ReadonlyArray<string>,
  options: { readonly canPrompt: boolean }
): Mistake | undefined => {
  let current: Completions.CommandDescriptor = Completions.fromCommand(command)
  let waiting: string | undefined
  const commandPath = [current.name]
  let named = false
  const wrong = (detail: string): Mistake => ({ commandPath, detail })

  for (const word of args) {
    if (waiting !== undefined) {
      // A negative number is a value, which the flag itself checks.
      if (!hasDash(word) || negativeNumber.test(word)) {
        waiting = undefined
        continue
      }
      return wrong(
        word === "--"
          ? `${waiting} needs a value`
          : `${waiting} needs a value; one that begins with a dash is written as ${waiting}=${word}`
      )
    }
    if (word === "--") break
    if (!hasDash(word)) {
      const next: Completions.CommandDescriptor | undefined = named
        ? undefined
        : current.subcommands.find(({ name }) => name === word)
      named = true
      if (next !== undefined) {
        current = next
        commandPath.push(next.name)
        named = next.subcommands.length === 0
      }
      continue
    }
    if (word.startsWith("--") && !word.startsWith("--=")) {
      if (/^--wizard(?:=|$)/u.test(word) && !options.canPrompt) {
        return wrong("--wizard asks questions, and standard input and output are no terminal")
      }
      if (!word.includes("=") && takesValue(word.slice(2), current.flags)) waiting = word
      continue
    }
    if (shortFlags.has(word)) continue
    const hint = current.arguments.some(({ name }) => name === "text")
      ? "; a text that begins with a dash is given after --"
      : ""
    return wrong(`${word} is no flag${hint}`)
  }
  return undefined
}
