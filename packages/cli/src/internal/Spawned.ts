/** A `qp2p` child process for the demo and the live tests: types lines, waits for lines, stops it. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** A step of the demo or of a live test failed: the process did not start, print the line or exit in time. */
export class StepFailed extends Schema.TaggedError<StepFailed>("@qp2p/cli/internal/StepFailed")("StepFailed", {
  step: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.step}: ${this.detail}`
  }
}

/**
 * The exit code of a process that is asked to end and would end with `code`. Windows has no signals to ask with: `stop` ends the
 * process at once, with 1.
 */
export const codeWhenStopped = (code: number, platform = process.platform): number => (platform === "win32" ? 1 : code)

/** A running `qp2p` process with its output lines, its standard input and its exit. */
export interface Spawned {
  readonly pid: number
  /** The lines printed so far, standard output and standard error together. */
  readonly lines: ReadonlyArray<string>
  /** Types a line on standard input. */
  readonly type: (line: string) => Effect.Effect<void>
  /** Waits for a line that matches, beginning with line number `from` (0 by default). */
  readonly waitFor: (pattern: RegExp, from?: number) => Effect.Effect<RegExpExecArray, StepFailed>
  /** Waits for the process to exit by itself. */
  readonly exitCode: Effect.Effect<number, StepFailed>
  /** Sends a signal, as Ctrl-C, a service manager or a terminal would, and returns the exit code: see `codeWhenStopped`. */
  readonly stop: (signal?: "SIGINT" | "SIGTERM" | "SIGHUP") => Effect.Effect<number, StepFailed>
  /** Kills the process without a chance to close its connections. */
  readonly kill: Effect.Effect<void>
}

/** The executable and its arguments, an observer of the printed lines, and the time limit of each wait. */
export interface SpawnOptions {
  readonly bin: string
  readonly args: ReadonlyArray<string>
  /** Called with each line; `error` tells whether it came from standard error. */
  readonly onLine?: ((line: string, error: boolean) => Effect.Effect<void>) | undefined
  /** The timeout of each wait; 20 s by default. */
  readonly patience?: Duration.Input | undefined
}

interface Waiter {
  readonly pattern: RegExp
  readonly found: Deferred.Deferred<RegExpExecArray>
}

/** Starts the process. When the scope closes it is stopped, by force after three seconds. */
export const spawn = Effect.fnUntraced(function* (
  options: SpawnOptions
): Effect.fn.Return<Spawned, StepFailed, ChildProcessSpawner | Scope.Scope> {
  const spawner = yield* ChildProcessSpawner
  const patience = options.patience ?? Duration.seconds(20)
  const name = `qp2p ${options.args.join(" ")}`
  const failed = (detail: string) => new StepFailed({ step: name, detail })
  const orTooLate = (what: string) =>
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(failed(`${what} within ${Duration.format(Duration.fromInputUnsafe(patience))}`))
    })

  const input = yield* Queue.bounded<string>(64)
  const lines: Array<string> = []
  const waiters = new Set<Waiter>()

  const handle = yield* spawner
    .spawn(
      ChildProcess.make(process.execPath, [options.bin, ...options.args], {
        stdin: { stream: Stream.encodeText(Stream.fromQueue(input)) },
        forceKillAfter: "3 seconds"
      })
    )
    .pipe(Effect.mapError((error) => failed(error.message)))

  const onLine = (error: boolean) => (line: string) =>
    Effect.gen(function* () {
      // Printed before a fiber that waits for the line continues, so that the output is in the order of cause and
      // effect.
      yield* options.onLine?.(line, error) ?? Effect.void
      lines.push(line)
      for (const waiter of waiters) {
        const match = waiter.pattern.exec(line)
        if (match === null) continue
        waiters.delete(waiter)
        Deferred.doneUnsafe(waiter.found, Effect.succeed(match))
      }
    })
  const read = (stream: typeof handle.stdout, error: boolean) =>
    stream.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach(onLine(error)),
      Effect.ignore,
      Effect.forkScoped
    )
  const readers = [yield* read(handle.stdout, false), yield* read(handle.stderr, true)]

  const exitCode = handle.exitCode.pipe(
    Effect.map(Number),
    // Its last lines may still be in the pipes, and the pipes may be another process's, too.
    Effect.tap(() => Effect.ignore(Effect.timeout(Fiber.awaitAll(readers), "1 second"))),
    Effect.mapError((error) => failed(error.message)),
    orTooLate("did not end")
  )
  // A process that exits while a line is awaited has failed: that is reported at once, not when the time is up.
  const ended = Effect.exit(handle.exitCode).pipe(
    // Its last lines may still be in the pipe.
    Effect.delay("250 millis"),
    Effect.flatMap((exit) =>
      Effect.fail(
        failed(`ended (${exit._tag === "Success" ? exit.value : "by a signal"}); last line: ${lines.at(-1) ?? "none"}`)
      )
    )
  )

  return {
    pid: handle.pid,
    lines,
    type: (line) => Effect.asVoid(Queue.offer(input, `${line}\n`)),
    waitFor: (pattern, from = 0) =>
      Effect.suspend(() => {
        for (const line of lines.slice(from)) {
          const match = pattern.exec(line)
          if (match !== null) return Effect.succeed(match)
        }
        const waiter: Waiter = { pattern, found: Deferred.makeUnsafe() }
        waiters.add(waiter)
        return Effect.raceFirst(Deferred.await(waiter.found), ended).pipe(
          orTooLate(`did not print ${pattern}`),
          Effect.ensuring(Effect.sync(() => waiters.delete(waiter)))
        )
      }),
    exitCode,
    stop: (signal = "SIGTERM") =>
      Effect.andThen(
        Effect.sync(() => process.kill(handle.pid, signal)),
        exitCode
      ),
    kill: Effect.sync(() => process.kill(handle.pid, "SIGKILL"))
  }
})
