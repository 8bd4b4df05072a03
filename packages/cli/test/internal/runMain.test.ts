// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { EventEmitter } from "node:events"
import { type Host, runMain } from "../../src/internal/runMain.ts"
import * as OnSignal from "../../src/OnSignal.ts"

const second = 1_000_000_000n

/** A process that notes how it is ended, with a clock that stands still. */
const makeProcess = (isTTY = false) => {
  const events = new EventEmitter()
  const stdout = Object.assign(new EventEmitter(), { isTTY })
  const told: Array<string> = []
  const exits: Array<number> = []
  const stderr = Object.assign(new EventEmitter(), { isTTY, write: (text: string) => void told.push(text) })
  const host: Host = {
    stdout,
    stderr,
    on: (event, listener) => events.on(event, listener),
    exit: (code) => void exits.push(code)
  }
  let now = 0n
  const ending = OnSignal.make()
  return {
    ending,
    host,
    told,
    exits,
    stdout,
    wait: (nanos: bigint) => void (now += nanos),
    signal: (name: string) => void events.emit(name, name),
    start: <A, E>(main: Effect.Effect<A, E>) => runMain(main, { ending, host, now: () => now })
  }
}

/** Lets what runs in a later turn run. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve))))

const failed = { [Runtime.errorExitCode]: 3 }

describe("runMain", () => {
  it.live.each([
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGBREAK", 149]
  ] as const)("closes every scope on %s, and exits with 128 and its number", ([signal, code]) =>
    Effect.gen(function* () {
      const { exits, start, ...process } = makeProcess()
      let closed = 0
      start(
        Effect.ensuring(
          Effect.never,
          Effect.sync(() => closed++)
        )
      )
      process.signal(signal)
      yield* settle
      assert.deepStrictEqual([closed, exits], [1, [code]])
    })
  )

  it.live.each(["SIGHUP", "SIGINT", "SIGTERM", "SIGBREAK"])(
    "exits with 0 on %s when that is how the command ends well",
    (signal) =>
      Effect.gen(function* () {
        const { ending, exits, start, ...process } = makeProcess()
        ending.exitCode = 0
        start(Effect.never)
        process.signal(signal)
        yield* settle
        assert.deepStrictEqual(exits, [0])
      })
  )

  it.live("does not wait for the end after a second signal, unless it is an echo of the first", () =>
    Effect.gen(function* () {
      const { ending, exits, start, wait, ...process } = makeProcess(true)
      ending.exitCode = 0
      start(Effect.ensuring(Effect.never, Effect.never))
      process.signal("SIGINT")
      process.signal("SIGINT")
      yield* settle
      assert.deepStrictEqual(exits, [])
      wait(second)
      // The shell of a terminal that is closed sends this on top.
      process.signal("SIGHUP")
      assert.deepStrictEqual(exits, [])
      process.signal("SIGTERM")
      assert.deepStrictEqual(exits, [143])
      assert.deepStrictEqual(process.told, ["\n"])
    })
  )

  it.live("exits with the code of an error, and not at all when it ends well", () =>
    Effect.gen(function* () {
      const failing = makeProcess()
      failing.start(Effect.fail(failed))
      const good = makeProcess()
      good.start(Effect.void)
      yield* settle
      assert.deepStrictEqual([failing.exits, good.exits], [[3], []])
    })
  )

  const broken = (code: string, errno: number) => Object.assign(new Error(`${code}: broken, write`), { code, errno })
  const unread = broken("EPIPE", -32)
  const unreadOnWindows = broken("EOF", -4095)
  const full = broken("ENOSPC", -28)

  it.live("ends when no process reads its output any more: well, if it would run for ever", () =>
    Effect.gen(function* () {
      for (const [exitCode, expected, error] of [
        [0, 0, unread],
        [undefined, 141, unread],
        [undefined, 141, unreadOnWindows]
      ] as const) {
        const { ending, exits, start, stdout, told } = makeProcess()
        ending.exitCode = exitCode
        start(Effect.never)
        stdout.emit("error", error)
        yield* settle
        assert.deepStrictEqual([exits, told], [[expected], []])
      }
    })
  )

  it.live("goes on without a reader when its work is elsewhere", () =>
    Effect.gen(function* () {
      const { ending, exits, start, stdout, told } = makeProcess()
      ending.output = "OutlivesReader"
      let done = false
      start(
        Effect.andThen(
          Effect.sync(() => stdout.emit("error", unread)),
          Effect.sync(() => (done = true))
        )
      )
      yield* settle
      // The last line may also turn out to be unread when everything is done.
      stdout.emit("error", unread)
      assert.deepStrictEqual([done, exits, told], [true, [], []])
    })
  )

  it.live.each(["NeedsReader", "OutlivesReader"] as const)(
    "tells once that its output cannot be written, and exits with 1 (%s)",
    (output) =>
      Effect.gen(function* () {
        const { ending, exits, start, stdout, told } = makeProcess()
        ending.output = output
        ending.exitCode = 0
        start(Effect.never)
        stdout.emit("error", full)
        stdout.emit("error", full)
        yield* settle
        assert.deepStrictEqual(exits, [1])
        assert.deepStrictEqual(told, ["qp2p: cannot write to standard output: no space left on device\n"])
      })
  )

  it.live("tells it also when the last line of a good or a bad end could not be written", () =>
    Effect.gen(function* () {
      const good = makeProcess()
      good.start(Effect.void)
      good.stdout.emit("error", full)
      yield* settle
      assert.deepStrictEqual([good.exits, good.host.exitCode, good.told.length], [[], 1, 1])
      const bad = makeProcess()
      bad.start(Effect.fail(failed))
      bad.stdout.emit("error", full)
      yield* settle
      assert.deepStrictEqual([bad.exits, bad.told.length], [[1], 1])
    })
  )

  it.live("leaves an output that is the content of a file to the command", () =>
    Effect.gen(function* () {
      const { ending, exits, start, stdout, told } = makeProcess()
      ending.output = "Content"
      start(Effect.never)
      stdout.emit("error", full)
      stdout.emit("error", unread)
      yield* settle
      assert.deepStrictEqual([exits, told], [[], []])
    })
  )
})
