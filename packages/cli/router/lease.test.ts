import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Daemon from "./Daemon.ts"
import * as Home from "./Home.ts"
import { mappedByFirst, nobodyAnswers, port, publicAddress, startContact, startNode, verified, visit } from "./peers.ts"
import { until } from "./until.ts"

const isFree = (home: Home.Home) => Effect.map(Home.mappings(home), (mappings) => mappings.length === 0)

describe.each(Daemon.each)("a mapping by $protocol", (router) => {
  it.live("outlives its lease while the node lives", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const daemon = yield* Daemon.start(home, router)
      const node = yield* home.lan.inside(startNode("--lease", "4s"))
      yield* node.waitFor(/^public/u)
      // Granted once, and renewed twice in each of three leases.
      yield* until(
        "the sixth renewal",
        Effect.sync(() => daemon.grants(port) >= 7),
        "40 seconds"
      )
      assert.deepStrictEqual(yield* Home.mappings(home), mappedByFirst)
      yield* visit(home, node)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("ends with its lease when the node is killed", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Daemon.start(home, router)
      const node = yield* home.lan.inside(startNode("--lease", "4s"))
      yield* node.waitFor(/^public/u)
      assert.deepStrictEqual(yield* Home.mappings(home), mappedByFirst)
      yield* node.kill
      yield* until("the lease runs out", isFree(home))
      yield* nobodyAnswers(home)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("is had again by a node that starts again after it was killed", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Daemon.start(home, router)
      const contact = yield* startContact(home)
      const killed = yield* home.lan.inside(startNode())
      yield* killed.waitFor(/^public/u)
      yield* killed.kill
      const again = yield* home.lan.inside(startNode("--contact", contact))
      yield* again.waitFor(verified(publicAddress, contact))
      assert.deepStrictEqual(yield* Home.mappings(home), mappedByFirst)
      yield* visit(home, again)
      assert.strictEqual(yield* again.stop(), 0)
      assert.deepStrictEqual(yield* Home.mappings(home), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
