// @module-tag platform
import { assert, it } from "@effect/vitest"
import { TestIdentity } from "@qp2p/testkit"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

// The program as it is built.
const main = fileURLToPath(new URL("../dist/main.js", import.meta.url))

/** Runs the program until it ends, and returns what it has printed. */
const run = (settings: Readonly<Record<string, string>>) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    const env = { ...process.env, ...settings }
    const args = ["--disable-warning=ExperimentalWarning", main]
    const child = execFile(process.execPath, args, { env }, (_, stdout, stderr) => {
      resume(Effect.succeed({ code: child.exitCode, output: stdout + stderr }))
    })
    child.stdin!.end()
    return Effect.sync(() => void child.kill())
  })

it.live(
  "a runner tells its id, and does not start where it is no member",
  () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "cluster-main-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const settings = {
        CLUSTER_IDENTITY: join(folder, "ann.key"),
        CLUSTER_DATABASE: join(folder, "cluster.db"),
        CLUSTER_LOCAL_ADDRESS: "127.0.0.1:0"
      }
      const told = yield* run(settings)
      assert.strictEqual(told.code, 0, told.output)
      const id = told.output.trim()
      assert.match(id, /^[a-z2-7]{52}$/u)

      const refused = yield* run({ ...settings, CLUSTER_MEMBERS: TestIdentity.make("bob").peerId })
      assert.strictEqual(refused.code, 1, refused.output)
      assert.include(refused.output, `CLUSTER_MEMBERS has to name this runner as well: ${id}, whose key is in`)
    }).pipe(Effect.scoped),
  120_000
)
