/**
 * The command line: subcommands, help, errors and exit codes.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as doctor from "./commands/doctor.ts"
import * as id from "./commands/id.ts"
import * as node from "./commands/node.ts"
import * as ping from "./commands/ping.ts"
import * as receive from "./commands/receive.ts"
import * as send from "./commands/send.ts"
import { CommandFailed, Ended, exitCodes, exitCodesHelp, oneLine } from "./Failure.ts"
import { printableLogger } from "./internal/printableLogger.ts"
import * as Usage from "./Usage.ts"
import { printable } from "./Printable.ts"
import { version } from "./version.ts"

/**
 * The whole command tree.
 *
 * @stability unstable
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("qp2p").pipe(
  Command.withDescription(
    "Talk to peers over QUIC, without a server in between: run a node, send messages and files, receive them, check " +
      "whether a peer can be reached, and whether peers can reach you. A peer is its key: ID@host:port is that peer and no " +
      "other, host:port is whichever peer answers there. Run qp2p COMMAND --help for the details of a " +
      `command.\n\n${exitCodesHelp}`
  ),
  Command.withSubcommands([node.command, send.command, receive.command, ping.command, doctor.command, id.command]),
  Command.withExamples([
    { command: "qp2p node --listen 127.0.0.1:4433", description: "In one terminal: start a node" },
    { command: "qp2p node --contact 127.0.0.1:4433", description: "In another: join it, then type lines" },
    { command: "qp2p send 127.0.0.1:4433 marco", description: "Send it a message" },
    {
      command: "qp2p send ID@127.0.0.1:4433 marco",
      description: "Send it to this peer only: the line peer of the node has its id"
    }
  ])
)

/**
 * The command has ended and its reason has been printed. `code` is the exit code of the process.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class Exited extends Schema.TaggedError<Exited>("@qp2p/cli/main/Exited")("Exited", { code: Schema.Int }) {
  override readonly [Runtime.errorExitCode] = this.code
}

// Wrong usage is one line on standard error, because a page of help would scroll the reason away.
const wrongUsage = (commandPath: ReadonlyArray<string>, detail: string) => {
  const name = commandPath.join(" ")
  return Console.error(`${name}: ${oneLine(detail)} (see ${name} --help)`)
}

const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? wrongUsage(event.commandPath, event.errors.map((error) => error.message).join("; "))
      : event._tag === "Version"
        ? Console.log(`${event.name} ${event.version}`)
        : CliOutput.defaultPresenter.present(event)
}

/** The longest reason of a failure, in characters. It may name a path of this side. */
const longestFailure = 5_000

const report = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>) {
  if (Cause.hasInterruptsOnly(cause)) return yield* Effect.failCause(Cause.interrupt())
  const error = Cause.squash(cause)
  if (error instanceof CommandFailed) {
    yield* Console.error(`qp2p: ${printable(error.detail, longestFailure)}`)
    return yield* new Exited({ code: error.exitCode })
  }
  if (error instanceof Ended) return yield* new Exited({ code: error.exitCode })
  // The parser has printed the mistake, or the help that was missing.
  if (CliError.isCliError(error)) return yield* new Exited({ code: exitCodes.usage })
  // A stack trace may quote a peer as well, and has its lines.
  const trace = Cause.pretty(cause).split("\n")
  yield* Console.error(`qp2p: this is a bug: ${trace.map((line) => printable(line)).join("\n")}`)
  return yield* new Exited({ code: exitCodes.failed })
})

const checked = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  // Checked only when it matters, because it opens standard input.
  const canPrompt = args.some((arg) => arg.startsWith("--wizard"))
    ? (yield* TerminalCapabilities.TerminalCapabilities).canPrompt
    : true
  const mistake = Usage.mistake(command, args, { canPrompt })
  if (mistake === undefined) return
  yield* wrongUsage(mistake.commandPath, mistake.detail)
  return yield* new Ended({ exitCode: exitCodes.usage })
})

/**
 * Runs the command line `args`. Every failure is printed as one line on standard error and becomes an `Exited`; an
 * interruption stays one. Logs go to standard error, from the level `Error` unless `--log-level` says otherwise.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const main = (args: ReadonlyArray<string>): Effect.Effect<void, Exited, Command.Environment> =>
  checked(args).pipe(
    Effect.andThen(Command.runWith(command, { version })(args)),
    Effect.catchCause(report),
    Effect.provide(CliOutput.layerPresenter(presenter)),
    Effect.provideService(References.MinimumLogLevel, "Error"),
    Effect.provide(Logger.layer([printableLogger]))
  )
