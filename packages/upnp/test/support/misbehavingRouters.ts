/**
 * Runs port mappers against misbehaving routers, and records each outcome and what it leaves behind.
 */
import { afterAll, assert, beforeAll, it, vi } from "@effect/vitest"
import type { Mapping, PortMapper } from "@qp2p/core/PortMapper"
import type { PortMapperError } from "@qp2p/core/PortMapperError"
import * as FakeRouter from "@qp2p/testkit/FakeRouter"
import type * as Misbehaviour from "@qp2p/testkit/Misbehaviour"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { createServer } from "node:net"
import os from "node:os"
import { performance } from "node:perf_hooks"
import * as natPmpMapper from "../../src/internal/natpmp/mapper.ts"
import type { InternalOptions as NatPmpOptions } from "../../src/internal/natpmp/options.ts"
import * as natUpnpMapper from "../../src/internal/upnp/mapper.ts"
import type { InternalOptions as UpnpOptions } from "../../src/internal/upnp/internalOptions.ts"
import { search } from "../../src/internal/upnp/search.ts"

export type Router = FakeRouter.FakeRouter["Service"]
type Mapper = PortMapper["Service"]

export const internal = NetAddress.inetAddressFromStringUnsafe("127.0.0.1:4433")
export const lease = Duration.seconds(120)

/** What the mappers wait for at most unless they are told otherwise: a search, a request, and the removal of a mapping. */
const defaults = {
  search: Duration.seconds(3),
  upnp: Duration.millis(1500),
  natPmp: Duration.seconds(3),
  removal: Duration.seconds(3)
}

/** A promise: the search, each of three requests, and the removal. */
const bound = Duration.sum(Duration.sum(defaults.search, Duration.times(defaults.upnp, 3)), defaults.removal)

/** Where nothing is waited for in vain, a busy machine is no reason to give up. */
const ample = Duration.seconds(20)

/** Never in a test: what ends before is not a timeout. */
export const never = Duration.hours(1)

/** What the mappers warn of is what these tests are about. */
export const quiet = Effect.provide(Logger.layer([]))

/** Makes nat-upnp search on the loopback interface and on no other. */
export const searchOnLoopback = () => {
  beforeAll(() => {
    const loopback = {
      address: "127.0.0.1",
      family: "IPv4",
      internal: false,
      netmask: "255.0.0.0",
      mac: "00:00:00:00:00:00",
      cidr: "127.0.0.1/8"
    } as const
    vi.spyOn(os, "networkInterfaces").mockReturnValue({ test0: [loopback] })
  })
  afterAll(() => vi.restoreAllMocks())
}

/** Searches on the segment of the router, over UDP as always. */
export const upnp = ({ segment }: Router, options?: UpnpOptions): Effect.Effect<Mapper> => {
  const discover: UpnpOptions["discover"] = (client) => {
    client.ssdp.multicast = NetAddress.formatIp(segment.address.address)
    client.ssdp.port = segment.address.port
    return search(options?.searchTimeout ?? defaults.search)(client)
  }
  return Effect.sync(() => natUpnpMapper.make({ ...options, discover }))
}

export const pmp = ({ natPmp }: Router, options?: NatPmpOptions): Effect.Effect<Mapper> =>
  Effect.sync(() =>
    natPmpMapper.make({
      gateway: "127.0.0.1",
      port: natPmp.port,
      ...options
    })
  )

/** A port of loopback that nobody listens on. */
export const closedPort: Effect.Effect<number> = Effect.callback((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const bound = server.address()
    server.close(() => resume(Effect.succeed(typeof bound === "object" && bound !== null ? bound.port : 0)))
  })
})

const networkResources = (): ReadonlyArray<string> =>
  process
    .getActiveResourcesInfo()
    .filter((name) => /tcp|udp|addr/iu.test(name))
    .toSorted()

/**
 * The file fails when a test of it leaves a socket open, or when anything goes wrong where nobody can catch it. What there
 * was before is not counted: the test runner has sockets too.
 */
export const watchProcess = () => {
  const uncaught: Array<unknown> = []
  const onUncaught = (error: unknown) => void uncaught.push(error)
  let before: ReadonlyArray<string> = []
  beforeAll(() => {
    before = networkResources()
    process.on("uncaughtException", onUncaught).on("unhandledRejection", onUncaught)
  })
  afterAll(async () => {
    const same = () => networkResources().join(" ") === before.join(" ")
    for (let tries = 0; tries < 1_000 && !same(); tries++) await new Promise((resolve) => setTimeout(resolve, 10))
    process.off("uncaughtException", onUncaught).off("unhandledRejection", onUncaught)
    assert.deepStrictEqual(networkResources(), before)
    assert.deepStrictEqual(uncaught, [])
  }, 30_000)
}

interface Row {
  readonly name: string
  readonly outcome: string
  readonly millis: number
}

/** The table of what came of each case, printed when all are over. */
export const makeTable = (title: string) => {
  const rows: Array<Row> = []
  const width = (column: (row: Row) => string) => Math.max(...rows.map((row) => column(row).length))
  afterAll(() => {
    if (rows.length === 0) return
    const [first, second] = [width(({ name }) => name), width(({ outcome }) => outcome)]
    const lines = rows.map(
      ({ millis, name, outcome }) =>
        `| ${name.padEnd(first)} | ${outcome.padEnd(second)} | ${String(millis).padStart(5)} |`
    )
    const head = `| ${title.padEnd(first)} | ${"outcome".padEnd(second)} |    ms |`
    process.stdout.write(`${[head, head.replaceAll(/[^|]/gu, "-"), ...lines].join("\n")}\n`)
  })
  return rows
}

export type Table = ReturnType<typeof makeTable>

const one = (error: PortMapperError, named: (text: string) => string): string => {
  switch (error._tag) {
    case "GatewayNotFound":
      return error._tag
    case "GatewayUnreachable":
      return `${error._tag} ${named(error.gateway)} ${codeOf(error.cause)}`
    case "GatewayProtocolError":
      return [error._tag, named(error.gateway), ...Option.toArray(error.code), named(error.detail)].join(" ")
    case "MappingConflict":
      return `${error._tag} ${named(error.gateway)} ${error.externalPort}`
    case "MappingNotAuthorized":
    case "PortMapperTimedOut":
      return `${error._tag} ${named(error.gateway)}`
    case "PortMapperUnsupported":
      return `${error._tag} ${named(error.detail)}`
    case "NoneMapped":
      return `NoneMapped ${counted(error.attempts.map((attempt) => `${named(attempt.by)}: ${one(attempt.error, named)}`))}`
  }
}

/** The same thing several times is said once. */
const counted = (texts: ReadonlyArray<string>): string =>
  [...new Set(texts)]
    .map((text) => {
      const times = texts.filter((other) => other === text).length
      return times === 1 ? text : `${times} × ${text}`
    })
    .join("; ")

/** The code of the system, which is somewhere below what the libraries made of it. */
const codeOf = (cause: unknown): string => {
  if (typeof cause !== "object" || cause === null) return String(cause)
  if ("code" in cause && typeof cause.code === "string" && /^E[A-Z]+$/u.test(cause.code)) return cause.code
  return codeOf("reason" in cause ? cause.reason : "cause" in cause ? cause.cause : undefined)
}

/** Names for the addresses that differ from run to run. */
type Names = ReadonlyArray<readonly [address: string, name: string]>

const namesOf = (routers: ReadonlyArray<Router>): Names =>
  routers.flatMap(({ http, natPmp }, i): Names => {
    const name = ["router", "second"][i] ?? "another"
    return [
      [NetAddress.formatInet(http), name],
      [NetAddress.formatInet(natPmp), name]
    ]
  })

/** Everything that an error or a mapping says. */
const outcomeOf = (result: Result.Result<Mapping, PortMapperError>, names: Names): string => {
  const named = (text: string) => names.reduce((text, [address, name]) => text.replaceAll(address, name), text)
  return Result.isSuccess(result)
    ? `mapped ${NetAddress.formatInet(result.success.external)}`
    : one(result.failure, named)
}

export interface Told {
  readonly options?: FakeRouter.Options
  readonly told: ReadonlyArray<Misbehaviour.Misbehaviour>
  /** How often it does that; for ever if it is not given. */
  readonly times?: number
}

/** What a case is about. */
export interface Scene {
  /** On one segment, in the order in which they answer. */
  readonly routers: ReadonlyArray<Router>
  /** Whom nobody may ask anything. */
  readonly traps?: ReadonlyArray<Router>
  readonly names?: Names
  /** Something is waited for in vain, although the outcome does not say so. */
  readonly hangs?: boolean
}

/** Routers on one segment, in the order in which they answer. */
export const makeRouters = Effect.fnUntraced(function* (
  tolds: ReadonlyArray<Told>
): Effect.fn.Return<Scene, SceneError, Scope.Scope> {
  const segment = yield* FakeRouter.makeSegment
  const routers = yield* Effect.forEach(tolds, ({ options, times, told }) =>
    Effect.gen(function* () {
      const router = yield* FakeRouter.make({ segment, ...options })
      yield* Effect.forEach(told, (each) => router.misbehave(each, times))
      return router
    })
  )
  return { routers }
})

type SceneError = Effect.Error<ReturnType<typeof FakeRouter.make>>

/** What a mapper says last in UDP it may say without waiting for an answer. */
export const unmapped = Effect.fnUntraced(function* ({ mappings }: Router) {
  for (let tries = 0; tries < 1_000 && (yield* mappings).length > 0; tries++) yield* Effect.sleep("10 millis")
  assert.deepStrictEqual(yield* mappings, [])
})

/**
 * Maps a port and unmaps it again, or fails to map it, within the bound. Either way nothing may be left on any router.
 * Yields what came of it, how many milliseconds all of it took, and what was on the routers in between.
 */
const attempt = Effect.fnUntraced(function* (
  routers: ReadonlyArray<Router>,
  map: Effect.Effect<Mapping, PortMapperError, Scope.Scope>
) {
  const started = performance.now()
  const result = yield* Effect.gen(function* () {
    const scope = yield* Scope.make()
    const result = yield* Effect.result(Scope.provide(map, scope))
    const here = yield* Effect.forEach(routers, ({ mappings }) => mappings)
    yield* Scope.close(scope, Exit.void)
    return { result, here: here.flat() }
  }).pipe(Effect.timeoutOrElse({ duration: bound, orElse: () => Effect.die(new Error("not over within its bound")) }))
  const millis = Math.round(performance.now() - started)
  yield* Effect.forEach(routers, ({ idle }) => idle)
  yield* Effect.forEach(routers, unmapped)
  return { ...result, millis }
})

/** Cases of one mapper, which come to the table. */
export const cases =
  (
    table: Table,
    mapperOf: (
      router: Router,
      options: { readonly requestTimeout?: Duration.Duration }
    ) => Effect.Effect<Mapper, never, Scope.Scope>
  ) =>
  (name: string, scene: Effect.Effect<Scene, SceneError, Scope.Scope>, expected: string) =>
    it.live(name, () =>
      Effect.gen(function* () {
        const { hangs = false, names = [], routers, traps = [] } = yield* scene
        const vain = hangs || /TimedOut|nothing that can be read/u.test(expected)
        const mapper = yield* mapperOf(routers[0]!, vain ? {} : { requestTimeout: ample })
        const { here, millis, result } = yield* attempt(routers, mapper.map({ internal, lease }))
        const outcome = outcomeOf(result, [...names, ...namesOf(routers)])
        assert.strictEqual(outcome, expected)
        if (Result.isSuccess(result) && !name.endsWith("not made")) {
          const { external } = result.success
          assert.include(
            here.map((mapping) => mapping.external.port),
            external.port
          )
        }
        for (const { requests } of [...routers, ...traps]) {
          const names = (yield* requests).map((request) => request.name)
          assert.notInclude(names, "/elsewhere")
        }
        table.push({ name, outcome, millis })
      }).pipe(quiet)
    )
