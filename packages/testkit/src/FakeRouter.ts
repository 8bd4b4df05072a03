/**
 * A home router for tests of port mappers, on the loopback interface.
 *
 * It speaks UPnP (SSDP, HTTP and SOAP, versions 1 and 2 of InternetGatewayDevice), NAT-PMP (RFC 6886) and PCP (RFC
 * 6887) with one table of mappings for all of them, and misbehaves on request. It forwards no packets: `Gateway` and
 * `TestPortMapper` do that. Its leases and pauses run on Effect's clock.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { BindError } from "@qp2p/core/EndpointError"
import {
  check,
  type Fields,
  flag,
  integer,
  isRecord,
  ofOptions,
  ofValue,
  oneOf,
  optional,
  text,
  unless,
  untyped
} from "@qp2p/core/InvalidArgument"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import { anything, atLeast, parsed } from "./internal/checks.ts"
import { wrongMisbehaviour } from "./internal/router/misbehaviourChecks.ts"
import { descriptionPath } from "./internal/router/description.ts"
import { Device, type Protocol as DeviceProtocol } from "./internal/router/device.ts"
import { serve } from "./internal/router/http.ts"
import { answerDatagram } from "./internal/router/datagram.ts"
import { tcp, udp } from "./internal/router/sockets.ts"
import { answers } from "./internal/router/ssdp.ts"
import type { Misbehaviour } from "./Misbehaviour.ts"

/**
 * A protocol in which ports are mapped.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Protocol = DeviceProtocol

/**
 * A mapping in the router's table.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Mapping {
  /** The transport protocol of the mapped port. */
  readonly transport: "UDP" | "TCP"
  /** The internal address and port, as they were requested. */
  readonly internal: NetAddress.InetAddress
  /** The external address and port. */
  readonly external: NetAddress.InetAddress
  /** The protocol of the request that made the mapping. */
  readonly by: Protocol
  /** The description for people; only UPnP has one. */
  readonly description: string
  /** The time until the lease expires; infinite for a permanent mapping. */
  readonly left: Duration.Duration
}

/**
 * A request that the router received. Its `name` depends on the protocol.
 *
 * - SSDP: `Search`, with its `target`.
 * - HTTP: `Description`, the path of another page, or `Connection` when nothing was read.
 * - UPnP: the name of the action, with its arguments.
 * - NAT-PMP: `ExternalAddress`, `Map`, `Unmap`, with their fields.
 * - PCP: `Announce`, `Map`, `Unmap`, with their fields.
 * - `UnknownVersion` in NAT-PMP or PCP, when the router does not speak that version.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Request {
  /** The protocol of the request. */
  readonly protocol: "SSDP" | "HTTP" | Protocol
  /** The name of the request. */
  readonly name: string
  /** The time of the request, in milliseconds of `Clock.currentTimeMillis`. */
  readonly time: number
  /** The fields or arguments of the request, as text. */
  readonly details: Readonly<Record<string, string>>
}

/**
 * The destination of searches for routers. It replaces UPnP's multicast group, which a test should not use. Every
 * router of the segment answers, in the order of their construction.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Segment {
  /** The address that searches are sent to. */
  readonly address: NetAddress.InetAddress
  /** Answers searches: one function for each router, from the text of a search to the texts of its answers. */
  readonly routers: Set<(text: string) => ReadonlyArray<string>>
}

/**
 * How a fake router is set up.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The version of InternetGatewayDevice and WANIPConnection; 1 by default. */
  readonly version?: 1 | 2 | undefined
  /** The protocols that the router speaks; all by default. A router without protocols is silent. */
  readonly protocols?: ReadonlyArray<Protocol> | undefined
  /** Whether a host can map ports only to itself; true by default. In a test every host is 127.0.0.1. */
  readonly secure?: boolean | undefined
  /**
   * The external IPv4 address that the router reports; 203.0.113.1 by default, which is reserved for documentation (RFC
   * 5737).
   */
  readonly external?: NetAddress.Ipv4AddressInput | undefined
  /** The segment that the router is on; a segment of its own by default. */
  readonly segment?: Segment | undefined
}

/**
 * A running fake router, and what a test does with it.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class FakeRouter extends Context.Service<
  FakeRouter,
  {
    /** The segment to search for the router. */
    readonly segment: Segment
    /** The URL of the router's description. */
    readonly location: string
    /** The address of the HTTP server. */
    readonly http: NetAddress.InetAddress
    /** The address of the NAT-PMP and PCP server. */
    readonly natPmp: NetAddress.InetAddress
    /** The current mappings of all protocols. */
    readonly mappings: Effect.Effect<ReadonlyArray<Mapping>>
    /** The latest 10,000 requests, oldest first. */
    readonly requests: Effect.Effect<ReadonlyArray<Request>>
    /** Waits until the router has handled `count` requests of that name, 1 by default, and returns the last of them. */
    readonly received: (name: string, count?: number) => Effect.Effect<Request>
    /** Waits until no HTTP connection is open. */
    readonly idle: Effect.Effect<void>
    /**
     * Makes the router misbehave from now on, or only the next `times` times. Where several misbehaviours apply, the
     * latest one wins.
     */
    readonly misbehave: (misbehaviour: Misbehaviour, times?: number) => Effect.Effect<void>
    /** Ends every misbehaviour. Sockets that were closed stay closed. */
    readonly behave: Effect.Effect<void>
    /** Removes every mapping, resets the epoch to 0 and moves the control URL. */
    readonly restart: Effect.Effect<void>
    /** Changes the external address. Fails when the text is not an IPv4 address. */
    readonly setExternal: (address: NetAddress.Ipv4AddressInput) => Effect.Effect<void, NetAddress.NetAddressError>
    /** Maps an external UDP port to another host, permanently. */
    readonly occupy: (externalPort: number) => Effect.Effect<void>
  }
>()("@qp2p/testkit/FakeRouter") {}

const defaultExternal = "203.0.113.1"

const allProtocols: ReadonlyArray<Protocol> = ["UPnP", "NAT-PMP", "PCP"]

const optionFields: Fields = {
  version: optional(oneOf(1, 2)),
  protocols: optional(
    check(
      `must be an array of ${allProtocols.join(", ")}`,
      (value) =>
        Array.isArray(value) && Array.from<unknown>(value).every((each) => allProtocols.some((one) => one === each))
    )
  ),
  secure: optional(flag),
  external: anything,
  segment: optional(
    check(
      "must be a Segment",
      (value) => isRecord(value) && NetAddress.isInetAddress(value["address"]) && value["routers"] instanceof Set
    )
  )
}

/** The internal address of mappings that `occupy` makes. */
const neighbour = "192.0.2.200"

/**
 * A segment without routers. Fails with `BindError` when no loopback socket can be bound.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeSegment: Effect.Effect<Segment, BindError, Scope.Scope> = Effect.gen(function* () {
  const routers: Segment["routers"] = new Set()
  const socket = yield* udp(({ payload, port }) => {
    const text = new TextDecoder().decode(payload)
    for (const answer of routers) {
      for (const datagram of answer(text)) socket.send(new TextEncoder().encode(datagram), port)
    }
  })
  return { address: socket.address, routers }
})

/**
 * A router on ports that the system chooses. It stops when the scope closes.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<FakeRouter["Service"], NetAddress.NetAddressError | BindError, Scope.Scope> {
  const wrong = ofOptions(options, optionFields)
  if (wrong !== undefined) return yield* untyped(wrong)
  const { external = defaultExternal } = options
  const clock = yield* Clock.Clock
  const device = new Device({
    version: options.version ?? 1,
    protocols: options.protocols ?? allProtocols,
    secure: options.secure ?? true,
    external: yield* Effect.fromResult(parsed(NetAddress.ipv4FromInput, external)),
    now: () => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000,
    date: () => clock.currentTimeMillisUnsafe()
  })
  const { journal, misbehaviours, table } = device
  const segment = options.segment ?? (yield* makeSegment)
  const run = yield* FiberSet.makeRuntime<never, void>()
  const server = yield* tcp(
    (connection) => serve(device, connection, run),
    () => journal.changed()
  )
  const elsewhere = yield* udp(() => {})
  const gateway = yield* udp(({ host, payload, port }) =>
    answerDatagram(device, payload, host, port, gateway, elsewhere)
  )

  const location = `http://${NetAddress.formatInet(server.address)}${descriptionPath}`
  const onSearch = (text: string) => answers(device, text, location)
  yield* Effect.acquireRelease(
    Effect.sync(() => segment.routers.add(onSearch)),
    () => Effect.sync(() => segment.routers.delete(onSearch))
  )

  return FakeRouter.of({
    segment,
    location,
    http: server.address,
    natPmp: gateway.address,
    mappings: Effect.sync(() =>
      table.live.map(({ by, description, expires, externalPort, host, port, transport }) => ({
        transport,
        internal: NetAddress.inetAddressFromStringUnsafe(`${host}:${port}`),
        external: NetAddress.inetAddressUnsafe(device.external, externalPort),
        by,
        description,
        left: Duration.millis(expires - Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)
      }))
    ),
    requests: Effect.sync(() => [...journal.entries]),
    received: (name, count = 1) =>
      unless(
        () => ofValue("name", name, text) ?? ofValue("count", count, integer(1, Number.MAX_SAFE_INTEGER)),
        () => journal.until(() => journal.entries.filter((entry) => entry.name === name)[count - 1])
      ),
    idle: Effect.asVoid(journal.until(() => (server.connections() === 0 ? true : undefined))),
    misbehave: (misbehaviour, times = Infinity) =>
      unless(
        () => wrongMisbehaviour(misbehaviour) ?? ofValue("times", times, atLeast(0)),
        () =>
          Effect.sync(() => {
            if (misbehaviour._tag === "ClosedPort") gateway.stop()
            misbehaviours.add(misbehaviour, times)
          })
      ),
    behave: Effect.sync(() => misbehaviours.clear()),
    restart: Effect.sync(() => device.restart()),
    setExternal: (address) =>
      Effect.map(Effect.fromResult(parsed(NetAddress.ipv4FromInput, address)), (found) => {
        device.external = found
      }),
    occupy: (externalPort) =>
      unless(
        () => ofValue("externalPort", externalPort, integer(1, 65_535)),
        () =>
          Effect.sync(() =>
            table.put({
              transport: "UDP",
              host: neighbour,
              port: externalPort,
              externalPort,
              by: "UPnP",
              nonce: "",
              description: "another host",
              lease: Infinity
            })
          )
      )
  })
})

/**
 * The layer of `make`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<FakeRouter, NetAddress.NetAddressError | BindError> =>
  Layer.effect(FakeRouter, make(options))
