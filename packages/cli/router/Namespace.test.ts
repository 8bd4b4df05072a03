import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { existsSync } from "node:fs"
import * as Daemon from "./Daemon.ts"
import * as Home from "./Home.ts"
import * as Namespace from "./Namespace.ts"
import { until } from "./until.ts"

/** Leaves a process behind that no scope knows. */
const startStray = (namespace: Namespace.Namespace) =>
  Effect.gen(function* () {
    yield* Namespace.command("setsid", ["--fork", "sh", "-c", "exec sleep 1000 >&- 2>&-"]).pipe(namespace.inside)
    const [pid] = yield* Namespace.pidsIn(namespace.name)
    return pid ?? 0
  })

/** One that has ended and was not buried yet runs no program. */
const isRunning = (pid: number) => existsSync(`/proc/${pid}/exe`)

const names = Effect.map(Namespace.all, (all) => all.map(({ name }) => name))

describe("a home in namespaces", () => {
  it.live.each(["fails", "is interrupted"])("is gone when what happens in it %s", (how) =>
    Effect.gen(function* () {
      const built = yield* Deferred.make<{ readonly home: Home.Home; readonly stray: number }>()
      const tenant = Effect.gen(function* () {
        const home = yield* Home.make
        yield* Daemon.start(home, { igd: 2, natPmp: true })
        yield* Deferred.succeed(built, { home, stray: yield* startStray(home.lan) })
        return yield* how === "fails" ? Effect.fail("no") : Effect.never
      })
      const fiber = yield* Effect.forkChild(Effect.scoped(tenant))
      const { home, stray } = yield* Deferred.await(built)
      yield* how === "fails" ? Effect.exit(Fiber.join(fiber)) : Fiber.interrupt(fiber)
      const left = yield* names
      for (const { name } of [home.lan, home.lan2, home.router, home.wan]) assert.notInclude(left, name)
      assert.isFalse(isRunning(stray))
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live.each(["when its run is over", "when the next run begins"])("is removed %s, and no other is", (when) =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const stray = yield* startStray(home.lan)
      const killed = Number(yield* Namespace.command("sh", ["-c", "echo $$"]))
      const leftover = `${Namespace.prefixOf(killed)}lan`
      yield* Namespace.command("ip", ["netns", "add", leftover])
      const other = yield* startStray(Namespace.at(leftover))
      if (when === "when its run is over") Namespace.startReaper(Namespace.prefixOf(killed)).stdin.end()
      else assert.include(yield* Namespace.sweep, leftover)
      yield* until(
        "the leftover is gone, and what ran in it",
        Effect.map(names, (left) => !left.includes(leftover) && !isRunning(other))
      )
      assert.include(yield* names, home.lan.name)
      assert.isTrue(isRunning(stray))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
