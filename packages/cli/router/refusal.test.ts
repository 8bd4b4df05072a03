import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Daemon from "./Daemon.ts"
import * as Home from "./Home.ts"
import { port, qp2p, startContact, startNode } from "./peers.ts"

describe("a node that gets no mapping", () => {
  it.live("says in one line that the router refuses it", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Daemon.start(home, { igd: 2, natPmp: false })
      // The daemon's configuration allows ports from 1024 on. (Asked by PCP, it looks for another port among all of them.)
      const args = ["node", "--listen", "0.0.0.0:443", "--forward-port", "--port-mapper", "upnp"]
      const node = yield* home.lan.inside(qp2p(...args))
      assert.strictEqual(yield* node.exitCode, 1)
      assert.strictEqual(node.lines.length, 1)
      assert.include(node.lines[0], `the gateway at ${Home.inner}:5555 does not allow this host to map ports`)
      assert.deepStrictEqual(yield* Home.mappings(home), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("says in one line that no router was found", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const node = yield* home.lan.inside(startNode())
      assert.strictEqual(yield* node.exitCode, 1)
      assert.strictEqual(node.lines.length, 1)
      assert.match(node.lines[0] ?? "", /^qp2p: .*no gateway that maps ports was found/u)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("runs without one when that is good enough", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const contact = yield* startContact(home)
      const node = yield* home.lan.inside(
        qp2p("node", "--listen", `0.0.0.0:${port}`, "--forward-port-optional", "--contact", contact)
      )
      yield* node.waitFor(/no gateway that maps ports was found/u)
      yield* node.waitFor(new RegExp(`^[a-z2-7]{52}@${contact} connected`, "u"))
      assert.strictEqual(yield* node.stop(), 0)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
