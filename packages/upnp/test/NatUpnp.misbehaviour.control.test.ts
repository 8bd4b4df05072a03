/**
 * What `NatUpnp` makes of routers that are wrong when they are asked to map ports, and of several routers.
 */
// @module-tag slow
import { assert, describe, it } from "@effect/vitest"
import * as FakeRouter from "@qp2p/testkit/FakeRouter"
import * as Misbehaviour from "@qp2p/testkit/Misbehaviour"
import * as Effect from "effect/Effect"
import { get } from "node:http"
import {
  endsEarly,
  mapped,
  noAnswerTo,
  noHttp,
  protocolError,
  redirect,
  reset,
  resetWithin,
  timedOut,
  tooLarge
} from "./support/misbehaviourOutcomes.ts"
import {
  cases,
  internal,
  lease,
  quiet,
  makeRouters,
  makeTable,
  searchOnLoopback,
  type Told,
  upnp,
  watchProcess
} from "./support/misbehavingRouters.ts"

const {
  ControlUrl,
  CutShort,
  EmptyBody,
  EndlessBody,
  EntityBomb,
  ExternalAddress,
  Fault,
  FaultWithoutCode,
  Forgetful,
  GarbageXml,
  Hang,
  HttpStatus,
  HugeBody,
  LyingLease,
  NoHttp,
  OnlyPermanentLeases,
  Redirect,
  Reset,
  SilentSearch,
  Slow,
  UrlBase,
  WrongAnswer
} = Misbehaviour

watchProcess()
searchOnLoopback()
const run = cases(makeTable("UPnP: control"), upnp)
const broken = (name: string, misbehaviour: Misbehaviour.Misbehaviour, expected: string) =>
  run(name, makeRouters([{ told: [misbehaviour] }]), expected)

/** Nor does the router say afterwards whom the port leads to. */
const unsaid = (name: string, misbehaviour: Misbehaviour.Misbehaviour, expected: string) =>
  run(name, makeRouters([{ told: [misbehaviour, Fault({ at: "GetSpecificPortMappingEntry", code: 401 })] }]), expected)

describe.concurrent("NatUpnp, asking for the external address", () => {
  const at = "GetExternalIPAddress"
  broken("external address: hangs before it", Hang({ at, after: "Request" }), timedOut)
  broken("external address: hangs in its middle", Hang({ at, after: "HalfBody" }), timedOut)
  broken("external address: reset", Reset({ at, after: "Request" }), reset)
  broken("external address: fault 501", Fault({ at, code: 501 }), protocolError("501 ActionFailed"))
  broken("external address: another response", WrongAnswer({ at }), noAnswerTo(at, 200))
  for (const address of ["", "0.0.0.0", "224.0.0.1", "255.255.255.255", "router.example"]) {
    const text = JSON.stringify(address)
    broken(`external address: ${text}`, ExternalAddress({ address }), protocolError(`its external address is ${text}`))
  }
  broken("external address: private", ExternalAddress({ address: "10.0.0.7" }), "mapped 10.0.0.7:4433")
  broken("external address: carrier-grade", ExternalAddress({ address: "100.64.0.7" }), "mapped 100.64.0.7:4433")
})

describe.concurrent("NatUpnp, adding the mapping", () => {
  const at = "AddPortMapping"
  broken("control: hangs before the answer", Hang({ at, after: "Request" }), timedOut)
  broken("control: hangs after its head", Hang({ at, after: "Head" }), timedOut)
  broken("control: hangs in its middle", Hang({ at, after: "HalfBody" }), timedOut)
  broken("control: reset before the answer", Reset({ at, after: "Request" }), reset)
  unsaid("control: reset in its middle", Reset({ at, after: "HalfBody" }), resetWithin)
  unsaid("control: cut short", CutShort({ at }), endsEarly)
  broken("control: byte by byte", Slow({ at, interval: "20 millis" }), timedOut)
  broken("control: no HTTP", NoHttp({ at }), noHttp)
  broken("control: HTTP 404", HttpStatus({ at, status: 404 }), noAnswerTo(at, 404))
  broken("control: HTTP 500 without a fault", HttpStatus({ at, status: 500 }), noAnswerTo(at, 500))
  unsaid("control: empty", EmptyBody({ at }), noAnswerTo(at, 200))
  unsaid("control: garbage", GarbageXml({ at }), noAnswerTo(at, 200))
  unsaid("control: entities that grow", EntityBomb({ at }), noAnswerTo(at, 200))
  broken("control: 16 MiB", HugeBody({ at, bytes: 16 << 20 }), tooLarge)
  broken("control: without end", EndlessBody({ at }), tooLarge)
  broken("control: redirect", Redirect({ at, url: "/elsewhere" }), redirect)
  unsaid("control: another response", WrongAnswer({ at }), noAnswerTo(at, 200))
  broken("control: fault without a code", FaultWithoutCode({ at }), noAnswerTo(at, 500))
  broken("control: fault 402", Fault({ at, code: 402 }), protocolError("402 Invalid Args"))
  broken("control: fault 501", Fault({ at, code: 501 }), protocolError("501 ActionFailed"))
  broken("control: fault 606", Fault({ at, code: 606 }), "MappingNotAuthorized router")
  broken("control: fault 713", Fault({ at, code: 713 }), protocolError("713 SpecifiedArrayIndexInvalid"))
  broken("control: fault 718 for every port", Fault({ at, code: 718 }), "MappingConflict router 4433")
  broken("control: fault 718 for one port", Fault({ at, code: 718, port: 4433 }), "mapped 203.0.113.1:4434")
  broken(
    "control: fault 725 for every lease",
    Fault({ at, code: 725 }),
    protocolError("725 OnlyPermanentLeasesSupported")
  )
  broken("control: fault 725 but for permanent leases", OnlyPermanentLeases(), mapped)
  broken("a mapping that is kept for 1 s", LyingLease({ granted: 1 }), mapped)
  broken("a mapping that is said to last 0 s", LyingLease({ told: 0 }), mapped)
  broken("a mapping that is granted and not made", Forgetful(), mapped)
})

describe.concurrent("NatUpnp, among other hosts", () => {
  for (const [taken, expected] of [
    [1, "mapped at 4434"],
    [9, "MappingConflict"]
  ] as const) {
    it.live(`leaves alone what other hosts have: ${taken} of the ports that it wants`, () =>
      Effect.gen(function* () {
        // It would remove the mapping of another host if it were asked to.
        const router = yield* FakeRouter.make({ secure: false })
        for (let port = 4433; port < 4433 + taken; port++) yield* router.occupy(port)
        const others = yield* router.mappings
        const { map } = yield* upnp(router)
        const outcome = yield* Effect.scoped(map({ internal, lease })).pipe(
          Effect.match({
            onSuccess: ({ external }) => `mapped at ${external.port}`,
            onFailure: ({ _tag }) => _tag
          })
        )
        assert.strictEqual(outcome, expected)
        assert.deepStrictEqual(yield* router.mappings, others)
      }).pipe(quiet)
    )
  }
})

describe.concurrent("NatUpnp, removing the mapping", () => {
  const at = "DeletePortMapping"
  broken("unmap: hangs", Hang({ at, after: "Request" }), mapped)
  broken("unmap: reset", Reset({ at, after: "Request" }), mapped)
  broken("unmap: garbage", GarbageXml({ at }), mapped)
})

describe.concurrent("NatUpnp, sent elsewhere", () => {
  /** Elsewhere is a router that listens, by another name than its address. */
  const sent = (name: string, tell: (host: string) => Misbehaviour.Misbehaviour, expected: string) =>
    run(
      name,
      Effect.gen(function* () {
        const trap = yield* FakeRouter.make()
        const host = `localhost:${trap.http.port}`
        const { routers } = yield* makeRouters([{ told: [tell(host)] }])
        return { routers, traps: [trap], names: [[host, "elsewhere"]] }
      }),
      expected
    )
  const url = (host: string) => `http://${host}/elsewhere`
  const otherHost = protocolError("its control URL is on another host, elsewhere")
  sent("description: redirect to another host", (host) => Redirect({ at: "Description", url: url(host) }), redirect)
  sent("control: redirect to another host", (host) => Redirect({ at: "AddPortMapping", url: url(host) }), redirect)
  sent("control URL on another host", (host) => ControlUrl({ url: url(host) }), otherHost)
  sent("base URL on another host", (host) => UrlBase({ url: url(host) }), mapped)
  sent(
    "control URL that is not http",
    (host) => ControlUrl({ url: `ftp://${host}/elsewhere` }),
    protocolError("not an http URL: ftp://elsewhere/elsewhere")
  )

  it.live("elsewhere is somewhere: the trap notices", () =>
    Effect.gen(function* () {
      const trap = yield* FakeRouter.make()
      yield* Effect.callback<void>((resume) => {
        get(url(`localhost:${trap.http.port}`), (response) => response.resume().on("end", () => resume(Effect.void)))
      })
      assert.deepStrictEqual(
        (yield* trap.requests).map(({ name }) => name),
        ["/elsewhere"]
      )
    })
  )
})

describe.concurrent("NatUpnp, with two routers", () => {
  const fine: Told = { options: { external: "203.0.113.2" }, told: [] }
  const bySecond = "mapped 203.0.113.2:4433"
  const refuses = Fault({ at: "AddPortMapping", code: 606 })
  const two = (name: string, first: Misbehaviour.Misbehaviour, second: Told, expected: string) =>
    run(
      name,
      Effect.map(makeRouters([{ told: [first] }, second]), (scene) => ({ ...scene, hangs: true })),
      expected
    )
  two("two routers: the first is silent", SilentSearch(), fine, bySecond)
  two("two routers: the first says garbage", GarbageXml({ at: "Description" }), fine, bySecond)
  two("two routers: the first hangs", Hang({ at: "GetExternalIPAddress", after: "Request" }), fine, bySecond)
  two("two routers: the first resets", Reset({ at: "AddPortMapping", after: "Request" }), fine, bySecond)
  two("two routers: the first refuses", refuses, fine, bySecond)
  two(
    "two routers: both are broken",
    refuses,
    { told: [Hang({ at: "Description", after: "Request" })] },
    "NoneMapped router: MappingNotAuthorized router; second: PortMapperTimedOut second"
  )
})
