import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ReportJson } from "../src/doctor/Report.ts"
import * as Daemon from "./Daemon.ts"
import * as Home from "./Home.ts"
import type * as Namespace from "./Namespace.ts"
import { port, qp2p, startContact } from "./peers.ts"

const decode = Schema.decodeUnknownEffect(ReportJson)

/** What the command says of a computer: its exit code, the verdict, and whether the first contact has got through. */
const examine = Effect.fnUntraced(function* (computer: Namespace.Namespace, ...args: ReadonlyArray<string>) {
  const doctor = yield* computer.inside(qp2p("doctor", "--json", ...args))
  const exitCode = yield* doctor.exitCode
  const report = yield* decode(doctor.lines.join("\n"))
  const outcome = report.contacts[0]?.outcome
  return {
    exitCode,
    verdict: report.verdict.name,
    speaks: report.protocols.flatMap(({ outcome, protocol }) => (outcome._tag === "Spoken" ? [protocol] : [])),
    ...(outcome?._tag === "Answered" ? { asIs: outcome.asIs._tag, mapped: outcome.mapped._tag } : {})
  }
})

describe("qp2p doctor", () => {
  it.live("finds a router that maps ports, and leaves none mapped", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Daemon.start(home, { igd: 2, natPmp: true })
      const contact = yield* startContact(home)
      assert.deepStrictEqual(yield* examine(home.lan, "--contact", contact), {
        exitCode: 0,
        verdict: "ReachableThroughMapping",
        speaks: ["PCP", "NAT-PMP", "UPnP"],
        asIs: "NotReached",
        mapped: "Reached"
      })
      assert.deepStrictEqual(yield* Home.mappings(home), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("finds a firewall behind a mapping", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Daemon.start(home, { igd: 1, natPmp: false })
      yield* Home.wall(home.lan)
      const contact = yield* startContact(home)
      assert.deepStrictEqual(yield* examine(home.lan, "--contact", contact), {
        exitCode: 1,
        verdict: "Filtered",
        speaks: ["UPnP"],
        asIs: "NotReached",
        mapped: "NotReached"
      })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("finds a port that was forwarded by hand", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Home.forwardByHand(home, port, "192.168.77.2")
      const contact = yield* startContact(home)
      assert.deepStrictEqual(yield* examine(home.lan, "--listen", `0.0.0.0:${port}`, "--contact", contact), {
        exitCode: 0,
        verdict: "Reachable",
        speaks: [],
        asIs: "Reached",
        mapped: "NotTried"
      })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("finds a router that maps no ports", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const contact = yield* startContact(home)
      assert.deepStrictEqual(yield* examine(home.lan, "--contact", contact), {
        exitCode: 1,
        verdict: "NoPortMapping",
        speaks: [],
        asIs: "NotReached",
        mapped: "NotTried"
      })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("finds no gateway where there is none", () =>
    Effect.gen(function* () {
      const lonely = yield* Home.makeLonely
      assert.deepStrictEqual(yield* examine(lonely), { exitCode: 1, verdict: "NoGateway", speaks: [] })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
