/**
 * The main program of a process: what signals and a broken standard output do to it.
 *
 * SIGINT, SIGTERM and SIGHUP interrupt it, so that every scope closes: peers are told, mappings and partial files are
 * removed. A second SIGINT or SIGTERM does not wait for that.
 */
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import { closeSync, openSync } from "node:fs"
import { isatty } from "node:tty"
import { getSystemErrorMap } from "node:util"
import { exitCodes } from "../Failure.ts"
import type { Ending } from "../OnSignal.ts"

export const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

export type Signal = keyof typeof signalNumbers

const signals = ["SIGHUP", "SIGINT", "SIGTERM"] as const

/** The exit code by which shells tell that nobody read the output: 128 and the number of SIGPIPE. */
const unreadCode = 141

/**
 * One press of Ctrl-C may come twice, from the terminal and from the package manager that started us. What comes this
 * soon is the same request.
 */
const echoNanos = 500_000_000n

/** The part of `process` that is needed here. */
export interface Host {
  readonly stdout: { readonly isTTY?: boolean; on(event: "error", listener: (error: Error) => void): unknown }
  readonly stderr: {
    readonly isTTY?: boolean
    on(event: "error", listener: (error: Error) => void): unknown
    write(text: string): unknown
  }
  on(event: Signal, listener: (signal: Signal) => void): unknown
  exit(code: number): unknown
  exitCode?: number | string | null | undefined
}

interface ErrnoException extends Error {
  readonly code?: string
  readonly errno?: number
}

/** Who reads is gone: the other end of the pipe, or the terminal. */
const isUnread = (error: ErrnoException, isTTY: boolean | undefined): boolean =>
  error.code === "EPIPE" || (error.code === "EIO" && isTTY === true)

const describe = (error: ErrnoException): string =>
  (error.errno === undefined ? undefined : getSystemErrorMap().get(error.errno)?.[1]) ?? error.message

export interface Options {
  readonly ending: Ending
  readonly host?: Host | undefined
  /** Monotonic nanoseconds. */
  readonly now?: (() => bigint) | undefined
}

/**
 * Node puts terminals back as it found them when it exits, and aborts when one has been closed: these descriptors then
 * stand for something else.
 */
const letGoOfTerminals = (terminals: ReadonlyArray<number>): void => {
  for (const fd of terminals) {
    if (isatty(fd)) continue
    try {
      closeSync(fd)
      openSync("/dev/null", "r+")
    } catch {
      // Nothing is left to be told, and nobody to tell it.
    }
  }
}

/** Runs `main` as the process, and exits with its code. Whatever fails has been told by then. */
export const runMain = <A, E>(main: Effect.Effect<A, E>, options: Options): void => {
  const { ending, host = process, now = () => process.hrtime.bigint() } = options
  const terminals = [0, 1, 2].filter((fd) => isatty(fd))
  const exit = (code: number) => {
    letGoOfTerminals(terminals)
    host.exit(code)
  }
  let interrupt: (() => void) | undefined
  let over = false
  let signal: Signal | undefined
  let signalledAt = 0n
  let unread = false
  let outputFailed = false

  // What `over` leaves behind is only told: the exit code follows, and the event loop is about to be empty.
  host.stdout.on("error", (error: ErrnoException) => {
    if (isUnread(error, host.stdout.isTTY)) {
      if (over || ending.output !== "NeedsReader") return
      unread = true
      interrupt?.()
    } else if (!outputFailed && ending.output !== "Content") {
      outputFailed = true
      host.exitCode = exitCodes.failed
      host.stderr.write(`qp2p: cannot write to standard output: ${describe(error)}\n`)
      if (!over) interrupt?.()
    }
  })
  host.stderr.on("error", () => {})

  const codeOfSignal = (received: Signal) => ending.exitCode ?? 128 + signalNumbers[received]

  for (const each of signals) {
    // The listeners stay: a signal that comes while the last handle is closing must not kill.
    host.on(each, () => {
      if (signal === undefined) {
        signal = each
        signalledAt = now()
        interrupt?.()
        return
      }
      // A terminal that is closed, and a service manager that stops a service, send SIGHUP on top.
      if (each === "SIGHUP" || now() - signalledAt < echoNanos) return
      // The cursor may stand behind a progress bar.
      if (host.stderr.isTTY === true) host.stderr.write("\n")
      exit(128 + signalNumbers[each])
    })
  }

  const codeOf = (outcome: Exit.Exit<unknown, unknown>): number => {
    if (outputFailed) return exitCodes.failed
    if (Exit.isFailure(outcome) && Cause.hasInterruptsOnly(outcome.cause)) {
      if (signal !== undefined) return codeOfSignal(signal)
      if (unread) return ending.exitCode ?? unreadCode
    }
    let code: number = exitCodes.failed
    Runtime.defaultTeardown(outcome, (given) => (code = given))
    return code
  }

  Runtime.makeRunMain(({ fiber }) => {
    interrupt = () => fiber.interruptUnsafe(fiber.id)
    fiber.addObserver((outcome) => {
      over = true
      // A good end waits until everything is written.
      if (signal === undefined && !unread && codeOf(outcome) === exitCodes.ok) return
      // That the last line could not be written is told in a later turn.
      setImmediate(() => exit(codeOf(outcome)))
    })
  })(main, { disableErrorReporting: true })
}
