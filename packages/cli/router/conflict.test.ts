import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Daemon from "./Daemon.ts"
import * as Home from "./Home.ts"
import { mappedByFirst, port, publicAddress, startContact, startMapped, startNode, verified, visit } from "./peers.ts"

describe("two nodes of a home that want the same port", () => {
  it.live.each(Daemon.each)("get one each by $protocol, and are both reached", (router) =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Daemon.start(home, router)
      const contact = yield* startContact(home)
      const one = yield* home.lan.inside(startNode("--contact", contact))
      yield* one.waitFor(verified(publicAddress, contact))
      const two = yield* home.lan2.inside(startNode("--contact", contact))
      const next = `${Home.outer}:${port + 1}`
      yield* two.waitFor(verified(next, contact))
      const second = `${port + 1} -> 192.168.77.3:${port}`
      assert.deepStrictEqual(yield* Home.mappings(home), [...mappedByFirst, second])
      yield* visit(home, one)
      yield* visit(home, two, next)
      assert.strictEqual(yield* one.stop(), 0)
      assert.deepStrictEqual(yield* Home.mappings(home), [second])
      yield* visit(home, two, next)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("the second fails when it is told to, and leaves the first one's mapping alone", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Daemon.start(home, { igd: 2, natPmp: false })
      const one = yield* home.lan.inside(startNode())
      yield* one.waitFor(/^public/u)
      const two = yield* home.lan2.inside(startMapped({ onConflict: "fail" }))
      assert.strictEqual(yield* two.exitCode, 1)
      assert.deepStrictEqual(two.lines, [
        `MappingConflict: external port ${port} is taken on the gateway at ${Home.inner}:5555`
      ])
      assert.deepStrictEqual(yield* Home.mappings(home), mappedByFirst)
      yield* visit(home, one)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
