// @module-tag platform
import { assert, it } from "@effect/vitest"
import { Effect, Scope } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

// The program as it is built.
const main = fileURLToPath(new URL("../dist/main.js", import.meta.url))

/** Runs the program, and kills it with the scope. */
const run = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>>) {
  const scope = yield* Effect.scope
  const child = spawn(process.execPath, [main], { env: { ...process.env, ...settings }, stdio: "pipe" })
  const lines: Array<string> = []
  let heard = 0
  let rest = ""
  const waiting = new Set<() => void>()
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n")
    rest = parts.pop()!
    lines.push(...parts)
    for (const wake of waiting) wake()
  })
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => lines.push(`error: ${chunk}`))
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()))
  const end = (signal: NodeJS.Signals) =>
    Effect.promise(() => {
      child.kill(signal)
      return ended
    })
  yield* Scope.addFinalizer(scope, end("SIGKILL"))
  /** Waits for a line, after those that were waited for before. */
  const hear = (pattern: RegExp) =>
    Effect.callback<string>((resume) => {
      const look = () => {
        while (heard < lines.length) {
          const line = lines[heard++]!
          if (!pattern.test(line)) continue
          waiting.delete(look)
          return resume(Effect.succeed(line))
        }
      }
      waiting.add(look)
      look()
      return Effect.sync(() => waiting.delete(look))
    }).pipe(
      Effect.timeoutOrElse({
        duration: "30 seconds",
        orElse: () => Effect.die(new Error(`no line ${pattern} in:\n${lines.join("\n")}`))
      })
    )
  const say = (line: string) => Effect.sync(() => void child.stdin.write(`${line}\n`))
  return { end, hear, say }
})

it.live(
  "one side restarts with its key, by a signal or by force, and the other sees the same peer come back",
  () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "chat-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true })))
      const identity = join(directory, "ann.key")
      const ann = yield* run({ CHAT_NAME: "Ann", CHAT_IDENTITY: identity, CHAT_LOCAL_ADDRESS: "127.0.0.1:0" })
      const self = (yield* ann.hear(/^others find you as /u)).replace("others find you as ", "")
      const port = /@127\.0\.0\.1:(\d+)$/u.exec(self)?.[1]
      assert.isDefined(port, self)

      const bob = yield* run({
        CHAT_NAME: "Bob",
        CHAT_LOCAL_ADDRESS: "127.0.0.1:0",
        CHAT_CONTACTS: self,
        CHAT_KEEP_ALIVE_INTERVAL: "1 second"
      })
      yield* bob.hear(/^\* Ann is here$/u)
      yield* ann.hear(/^\* Bob is here$/u)
      yield* ann.say("hello Bob")
      yield* bob.hear(/^Ann: hello Bob$/u)

      let restarted = ann
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        yield* restarted.end(signal)
        restarted = yield* run({
          CHAT_NAME: "Ann",
          CHAT_IDENTITY: identity,
          CHAT_LOCAL_ADDRESS: `127.0.0.1:${port}`
        })
        // It has the same key, so it is the same peer.
        assert.strictEqual(yield* restarted.hear(/^others find you as /u), `others find you as ${self}`)
        yield* bob.hear(/^\* Ann has left$/u)
        yield* bob.hear(/^\* Ann is back$/u)
        yield* restarted.hear(/^\* Bob is here$/u)
        yield* bob.say(`welcome back after ${signal}`)
        yield* restarted.hear(new RegExp(`^Bob: welcome back after ${signal}$`, "u"))
      }
      yield* restarted.say("/who")
      yield* restarted.hear(/^\* Bob$/u)
    }).pipe(Effect.scoped),
  90_000
)

it.live(
  "a chat that reaches no contact says so, and that nobody hears a line",
  () =>
    Effect.gen(function* () {
      const cid = yield* run({
        CHAT_NAME: "Cid",
        CHAT_LOCAL_ADDRESS: "127.0.0.1:0",
        CHAT_CONTACTS: "127.0.0.1:9",
        CHAT_RETRY_DURATION: "0",
        CHAT_HANDSHAKE_TIMEOUT: "100ms"
      })
      yield* cid.hear(/^\* 127\.0\.0\.1:9 did not answer; trying again$/u)
      yield* cid.say("hello?")
      yield* cid.hear(/^\* nobody else is here$/u)
    }).pipe(Effect.scoped),
  90_000
)
