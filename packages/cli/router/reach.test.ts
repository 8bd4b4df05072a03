import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Daemon from "./Daemon.ts"
import * as Home from "./Home.ts"
import {
  mappedByFirst,
  nobodyAnswers,
  port,
  publicAddress,
  qp2p,
  startContact,
  startNode,
  verified,
  visit
} from "./peers.ts"

describe("a node in a home", () => {
  it.live.each([
    { speaks: "UPnP as IGD 1", igd: 1, natPmp: false, asks: "upnp" },
    { speaks: "UPnP as IGD 2", igd: 2, natPmp: false, asks: "upnp" },
    { speaks: "PCP and NAT-PMP", igd: 0, natPmp: true, asks: "nat-pmp" },
    { speaks: "UPnP as IGD 1", igd: 1, natPmp: false, asks: "any" },
    { speaks: "PCP and NAT-PMP", igd: 0, natPmp: true, asks: "any" },
    { speaks: "all of them", igd: 2, natPmp: true, asks: "any" }
  ] as const)(
    "is reached behind a router that speaks $speaks, asked for $asks, until it stops",
    ({ asks, igd, natPmp }) =>
      Effect.gen(function* () {
        const home = yield* Home.make
        yield* Daemon.start(home, { igd, natPmp })
        const contact = yield* startContact(home)
        const node = yield* home.lan.inside(startNode("--port-mapper", asks, "--contact", contact))
        yield* node.waitFor(verified(publicAddress, contact))
        assert.deepStrictEqual(yield* Home.mappings(home), mappedByFirst)
        yield* visit(home, node)
        assert.strictEqual(yield* node.stop(), 0)
        assert.deepStrictEqual(yield* Home.mappings(home), [])
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("is not reached without the mapping", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Daemon.start(home, { igd: 2, natPmp: true })
      const contact = yield* startContact(home)
      const node = yield* home.lan.inside(qp2p("node", "--listen", `0.0.0.0:${port}`, "--contact", contact))
      yield* node.waitFor(/^public/u)
      yield* nobodyAnswers(home)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
