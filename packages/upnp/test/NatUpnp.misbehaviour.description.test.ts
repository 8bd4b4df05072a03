/**
 * What `NatUpnp` makes of routers that are wrong before it comes to mapping ports: the search and the description.
 */
// @module-tag slow
import { describe } from "@effect/vitest"
import * as Misbehaviour from "@qp2p/testkit/Misbehaviour"
import * as Effect from "effect/Effect"
import {
  endsEarly,
  mapped,
  noHttp,
  protocolError,
  redirect,
  reset,
  resetWithin,
  timedOut,
  tooLarge,
  unreadable
} from "./support/misbehaviourOutcomes.ts"
import {
  cases,
  closedPort,
  makeRouters,
  makeTable,
  searchOnLoopback,
  upnp,
  watchProcess
} from "./support/misbehavingRouters.ts"

const {
  CutShort,
  DeafConnection,
  DeepDevices,
  EmptyBody,
  EndlessBody,
  EntityBomb,
  GarbageSearch,
  GarbageXml,
  Hang,
  HttpStatus,
  HugeBody,
  ManyDevices,
  NoHttp,
  NoService,
  Redirect,
  Reset,
  ResetConnection,
  SearchLocation,
  SearchWithoutLocation,
  SilentSearch,
  Slow
} = Misbehaviour

watchProcess()
searchOnLoopback()
const run = cases(makeTable("UPnP: search and description"), upnp)
const broken = (name: string, misbehaviour: Misbehaviour.Misbehaviour, expected: string) =>
  run(name, makeRouters([{ told: [misbehaviour] }]), expected)

describe.concurrent("NatUpnp, at a router that does nothing wrong", () => {
  for (const version of [1, 2] as const) {
    run(`nothing, version ${version}`, makeRouters([{ options: { version }, told: [] }]), mapped)
  }
})

describe.concurrent("NatUpnp, searching", () => {
  broken("no answer to the search", SilentSearch(), "GatewayNotFound")
  broken("garbage for an answer to the search", GarbageSearch(), "GatewayNotFound")
  broken("an answer without a description", SearchWithoutLocation(), "GatewayNotFound")
  for (const url of ["https://127.0.0.1/", "file:///etc/hosts", "rubbish"]) {
    broken(`a description at ${url}`, SearchLocation({ url }), `GatewayProtocolError ${url} not an http URL: ${url}`)
  }
  run(
    "a description at a closed port",
    Effect.gen(function* () {
      const port = yield* closedPort
      const url = `http://127.0.0.1:${port}/`
      return {
        ...(yield* makeRouters([{ told: [SearchLocation({ url })] }])),
        names: [[`127.0.0.1:${port}`, "nobody"]]
      }
    }),
    "GatewayUnreachable nobody ECONNREFUSED"
  )
  broken("3 devices that do not exist, first", ManyDevices({ count: 3 }), mapped)
  broken(
    "1,000 devices that do not exist, first",
    ManyDevices({ count: 1_000 }),
    `NoneMapped 8 × router: ${unreadable(404)}`
  )
})

describe.concurrent("NatUpnp, connecting", () => {
  broken("a connection that the router does not read", DeafConnection(), timedOut)
  broken("a connection that is reset", ResetConnection(), reset)
})

describe.concurrent("NatUpnp, reading the description", () => {
  const at = "Description"
  broken("description: hangs before it", Hang({ at, after: "Request" }), timedOut)
  broken("description: hangs after its head", Hang({ at, after: "Head" }), timedOut)
  broken("description: hangs in its middle", Hang({ at, after: "HalfBody" }), timedOut)
  broken("description: reset before it", Reset({ at, after: "Request" }), reset)
  broken("description: reset after its head", Reset({ at, after: "Head" }), resetWithin)
  broken("description: reset in its middle", Reset({ at, after: "HalfBody" }), resetWithin)
  broken("description: cut short", CutShort({ at }), endsEarly)
  broken("description: byte by byte", Slow({ at, interval: "20 millis" }), timedOut)
  broken("description: no HTTP", NoHttp({ at }), noHttp)
  broken("description: HTTP 404", HttpStatus({ at, status: 404 }), unreadable(404))
  broken("description: HTTP 500", HttpStatus({ at, status: 500 }), unreadable(500))
  broken("description: empty", EmptyBody({ at }), unreadable(200))
  broken("description: garbage", GarbageXml({ at }), unreadable(200))
  broken("description: entities that grow", EntityBomb({ at }), unreadable(200))
  broken("description: 16 MiB", HugeBody({ at, bytes: 16 << 20 }), tooLarge)
  broken("description: devices without end", EndlessBody({ at }), tooLarge)
  broken("description: redirect", Redirect({ at, url: "/elsewhere" }), redirect)
  broken("description: no service", NoService(), protocolError("it has no service that maps ports"))
  broken("description: 3,000 devices deep", DeepDevices({ depth: 3_000 }), unreadable(200))
})
