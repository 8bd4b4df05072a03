/**
 * The main program of a process: how it reacts to signals and to a broken standard output.
 *
 * SIGINT, SIGTERM and SIGHUP interrupt it, so that every scope closes: connections are closed, mappings and partial
 * files removed. A second SIGINT or SIGTERM ends it without waiting for that.
 *
 * On Windows Ctrl-C is SIGINT, Ctrl-Break is SIGBREAK, and closing the console window is SIGHUP, after which Windows gives the
 * process about ten seconds. Windows has no SIGTERM: sending one ends the process at once.
 */
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import { closeSync, openSync } from "node:fs"
import { devNull } from "node:os"
import { isatty } from "node:tty"
import { getSystemErrorMap } from "node:util"
import { exitCodes } from "../Failure.ts"
import type { Ending } from "../OnSignal.ts"

/** The signals that end the program, with their numbers: the exit status is 128 plus the number. */
export const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15, SIGBREAK: 21 } as const

/** A signal that ends the program. */
export type Signal = keyof typeof signalNumbers

/** On systems without SIGBREAK its listener is never called. */
const signals = ["SIGHUP", "SIGINT", "SIGTERM", "SIGBREAK"] as const

/** The exit code of a process whose output is not read: 128 plus the number of SIGPIPE. */
const brokenPipeCode = 141

/**
 * One Ctrl-C may arrive twice, from the terminal and from the package manager that started this process. A signal
 * within this time counts as the same request.
 */
const repeatedSignalNanos = 500_000_000n

/** The part of `process` that is used here. */
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

/** Whether the reader of the output is gone: the other end of the pipe (EPIPE, on Windows also EOF), or the terminal. */
const isReaderGone = (error: ErrnoException, isTTY: boolean | undefined): boolean =>
  error.code === "EPIPE" || error.code === "EOF" || (error.code === "EIO" && isTTY === true)

const describe = (error: ErrnoException): string =>
  (error.errno === undefined ? undefined : getSystemErrorMap().get(error.errno)?.[1]) ?? error.message

/** How the program ends, and the host that a test replaces. */
export interface Options {
  readonly ending: Ending
  readonly host?: Host | undefined
  /** The monotonic time in nanoseconds. */
  readonly now?: (() => bigint) | undefined
}

/**
 * Replaces closed terminals: Node restores terminals when it exits, and aborts when one of them has been closed. Their
 * descriptors then stand for another file.
 */
const replaceClosedTerminals = (terminals: ReadonlyArray<number>): void => {
  for (const fd of terminals) {
    if (isatty(fd)) continue
    try {
      closeSync(fd)
      openSync(devNull, "r+")
    } catch {
      // There is no terminal left to print on.
    }
  }
}

/** Runs `main` as the process, and exits with its code. Every failure has been printed by then. */
export const runMain = <A, E>(main: Effect.Effect<A, E>, options: Options): void => {
  const { ending, host = process, now = () => process.hrtime.bigint() } = options
  const terminals = [0, 1, 2].filter((fd) => isatty(fd))
  const exit = (code: number) => {
    replaceClosedTerminals(terminals)
    host.exit(code)
  }
  let interrupt: (() => void) | undefined
  let over = false
  let signal: Signal | undefined
  let signalledAt = 0n
  let readerGone = false
  let outputFailed = false

  // After the end of `main` an error is only printed: the process is about to exit with its code.
  host.stdout.on("error", (error: ErrnoException) => {
    if (isReaderGone(error, host.stdout.isTTY)) {
      if (over || ending.output !== "NeedsReader") return
      readerGone = true
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
    // The listeners stay: a signal during the last closing handle must not kill the process.
    host.on(each, () => {
      if (signal === undefined) {
        signal = each
        signalledAt = now()
        interrupt?.()
        return
      }
      // A closed terminal, and a service manager that stops a service, send SIGHUP in addition.
      if (each === "SIGHUP" || now() - signalledAt < repeatedSignalNanos) return
      // The cursor may be behind a progress bar.
      if (host.stderr.isTTY === true) host.stderr.write("\n")
      exit(128 + signalNumbers[each])
    })
  }

  const codeOf = (outcome: Exit.Exit<unknown, unknown>): number => {
    if (outputFailed) return exitCodes.failed
    if (Exit.isFailure(outcome) && Cause.hasInterruptsOnly(outcome.cause)) {
      if (signal !== undefined) return codeOfSignal(signal)
      if (readerGone) return ending.exitCode ?? brokenPipeCode
    }
    let code: number = exitCodes.failed
    Runtime.defaultTeardown(outcome, (given) => (code = given))
    return code
  }

  Runtime.makeRunMain(({ fiber }) => {
    interrupt = () => fiber.interruptUnsafe(fiber.id)
    fiber.addObserver((outcome) => {
      over = true
      // A successful end waits until everything is written.
      if (signal === undefined && !readerGone && codeOf(outcome) === exitCodes.ok) return
      // An error of writing the last line is reported in a later turn.
      setImmediate(() => exit(codeOf(outcome)))
    })
  })(main, { disableErrorReporting: true })
}
