/**
 * A port mapper that is interrupted while a router hangs does not wait for its timeouts, which are an hour here, and leaves
 * neither a connection nor a mapping.
 */
import { describe, it } from "@effect/vitest"
import type { Protocol } from "@qp2p/testkit/FakeRouter"
import * as Misbehaviour from "@qp2p/testkit/Misbehaviour"
import type { PortMapper } from "@qp2p/core/PortMapper"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { performance } from "node:perf_hooks"
import {
  internal,
  lease,
  makeRouters,
  makeTable,
  never,
  pmp,
  quiet,
  type Router,
  searchOnLoopback,
  type Told,
  unmapped,
  upnp,
  watchProcess
} from "./support/misbehavingRouters.ts"

const { DeafConnection, Hang, SilentPort, SilentSearch, Slow } = Misbehaviour

watchProcess()
searchOnLoopback()
const table = makeTable("interrupted while")

const interrupted = (
  name: string,
  told: Told,
  asked: string,
  mapperOf: (router: Router) => Effect.Effect<PortMapper["Service"], never, Scope.Scope>
) =>
  it.live(name, () =>
    Effect.gen(function* () {
      const { routers } = yield* makeRouters([told])
      const router = routers[0]!
      const mapper = yield* mapperOf(router)
      const fiber = yield* Effect.forkChild(Effect.scoped(mapper.map({ internal, lease })))
      yield* router.received(asked)
      const started = performance.now()
      yield* Fiber.interrupt(fiber)
      const millis = Math.round(performance.now() - started)
      yield* router.idle
      yield* unmapped(router)
      table.push({ name, outcome: "interrupted", millis })
    }).pipe(quiet)
  )

describe("NatUpnp, interrupted", () => {
  const patient = (router: Router) => upnp(router, { searchTimeout: never, requestTimeout: never })
  interrupted("nobody answers the search", { told: [SilentSearch()] }, "Search", patient)
  interrupted("nobody reads the connection", { told: [DeafConnection()] }, "Connection", patient)
  for (const at of ["Description", "GetExternalIPAddress", "AddPortMapping"] as const) {
    for (const after of ["Request", "Head", "HalfBody"] as const) {
      interrupted(`${at} hangs after ${after}`, { told: [Hang({ at, after })] }, at, patient)
    }
    interrupted(`${at} comes byte by byte`, { told: [Slow({ at, interval: "1 second" })] }, at, patient)
  }
})

describe("NatPmp, interrupted", () => {
  const patient = (router: Router) => pmp(router, { requestTimeout: never })
  const silent = (protocol: Protocol, question: Misbehaviour.Question, asked: string) =>
    interrupted(
      `${protocol} is silent at ${question}`,
      { options: { protocols: [protocol] }, told: [SilentPort({ at: question })] },
      asked,
      patient
    )
  silent("PCP", "Map", "Map")
  silent("NAT-PMP", "ExternalAddress", "ExternalAddress")
})
