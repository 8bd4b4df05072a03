import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Daemon from "./Daemon.ts"
import * as Home from "./Home.ts"
import { mappedByFirst, nobodyAnswers, startNode, visit } from "./peers.ts"
import { until } from "./until.ts"

const isMapped = (home: Home.Home) => Effect.map(Home.mappings(home), (mappings) => mappings.length > 0)

describe.each(Daemon.each)("a mapping by $protocol", (router) => {
  it.live("is there again within a lease when the router has restarted", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const daemon = yield* Daemon.start(home, router)
      const node = yield* home.lan.inside(startNode("--lease", "12s"))
      yield* node.waitFor(/^public/u)
      yield* daemon.kill
      yield* Home.forgetMappings(home)
      assert.deepStrictEqual(yield* Home.mappings(home), [])
      yield* nobodyAnswers(home)
      yield* Daemon.start(home, router)
      yield* until("the mapping is there again", isMapped(home), "12 seconds")
      assert.deepStrictEqual(yield* Home.mappings(home), mappedByFirst)
      yield* visit(home, node)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("is told to be lost when its lease runs out, and to be there again when the router is", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const daemon = yield* Daemon.start(home, router)
      const node = yield* home.lan.inside(startNode("--lease", "4s"))
      yield* node.waitFor(/^public/u)
      yield* daemon.kill
      yield* Home.forgetMappings(home)
      yield* node.waitFor(/^mapping 1\.2\.3\.1:4433 is lost: /u)
      yield* Daemon.start(home, router)
      yield* node.waitFor(/^mapped 1\.2\.3\.1:4433 -> 192\.168\.77\.2:4433 again$/u)
      assert.deepStrictEqual(yield* Home.mappings(home), mappedByFirst)
      yield* visit(home, node)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("is told to be elsewhere when the provider gives the router another address", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Daemon.start(home, router)
      const node = yield* home.lan.inside(startNode("--lease", "4s"))
      yield* node.waitFor(/^public/u)
      yield* Home.moveOutside(home, "1.2.3.9")
      yield* node.waitFor(/^mapped 1\.2\.3\.9:4433 -> 192\.168\.77\.2:4433, no longer 1\.2\.3\.1:4433$/u)
      yield* node.waitFor(/^peer [a-z2-7]{52}@1\.2\.3\.9:4433,192\.168\.77\.2:4433$/u)
      yield* visit(home, node, "1.2.3.9:4433")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
