/**
 * A home router for tests of port mappers, on the loopback interface: it speaks UPnP (SSDP, HTTP, SOAP; versions 1 and 2
 * of InternetGatewayDevice), NAT-PMP and PCP, with one table of mappings for all of them, and misbehaves as told.
 *
 * It forwards nothing; for that there are `Gateway` and `TestPortMapper`. Its leases and pauses are on Effect's clock.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { SocketError } from "@qp2p/core/EndpointError"
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
import { anything, atLeast, parsed } from "./internal/given.ts"
import { wrongMisbehaviour } from "./internal/router/wrongMisbehaviour.ts"
import { descriptionPath } from "./internal/router/description.ts"
import { Device, type Protocol as DeviceProtocol } from "./internal/router/device.ts"
import { serve } from "./internal/router/http.ts"
import { answerDatagram } from "./internal/router/datagram.ts"
import { tcp, udp } from "./internal/router/sockets.ts"
import { answers } from "./internal/router/ssdp.ts"
import type { Misbehaviour } from "./Misbehaviour.ts"

/**
 * The protocols that ports are mapped in.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Protocol = DeviceProtocol

/**
 * A mapping that the router has. `internal` is as it was asked for, `left` what is left of its lease.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Mapping {
  readonly transport: "UDP" | "TCP"
  readonly internal: NetAddress.InetAddress
  readonly external: NetAddress.InetAddress
  /** The protocol that it was asked for in. */
  readonly by: Protocol
  /** The text to show to people, in UPnP. */
  readonly description: string
  readonly left: Duration.Duration
}

/**
 * What the router was asked:
 *
 * - `Search` (SSDP), with its `target`;
 * - `Description`, the path of another page, or `Connection` when it read nothing (HTTP);
 * - the name of an action (UPnP), with its arguments;
 * - `ExternalAddress`, `Map`, `Unmap` (NAT-PMP), `Announce`, `Map`, `Unmap` (PCP), with their fields;
 * - `UnknownVersion`, of NAT-PMP or PCP, when the router does not speak it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly protocol: "SSDP" | "HTTP" | Protocol
  readonly name: string
  /** Milliseconds, as `Clock.currentTimeMillis` says. */
  readonly time: number
  readonly details: Readonly<Record<string, string>>
}

/**
 * Where searches for routers go: it stands for the multicast group of UPnP, which a test should not talk to. Every router
 * of the segment answers, in the order in which they were made.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Segment {
  readonly address: NetAddress.InetAddress
  readonly routers: Set<(text: string) => ReadonlyArray<string>>
}

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Of InternetGatewayDevice and WANIPConnection; 1 by default. */
  readonly version?: 1 | 2 | undefined
  /** All by default. A router without any is silent. */
  readonly protocols?: ReadonlyArray<Protocol> | undefined
  /** Whether a host can map ports to itself only; true by default. Everybody in a test is 127.0.0.1. */
  readonly secure?: boolean | undefined
  /** The IPv4 address that it states; 203.0.113.1 by default, which is nobody's (RFC 5737). */
  readonly external?: NetAddress.Ipv4AddressInput | undefined
  /** The segment that it is on; one of its own by default. */
  readonly segment?: Segment | undefined
}

/**
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class FakeRouter extends Context.Service<
  FakeRouter,
  {
    /** Where to search for it. */
    readonly segment: Segment
    /** The URL of its description. */
    readonly location: string
    /** Where it takes connections (HTTP). */
    readonly http: NetAddress.InetAddress
    /** Where it takes packets of NAT-PMP and PCP. */
    readonly natPmp: NetAddress.InetAddress
    /** The mappings that it has now, in whatever protocol they were asked for. */
    readonly mappings: Effect.Effect<ReadonlyArray<Mapping>>
    /** What it was asked, oldest first; the latest 10,000. */
    readonly requests: Effect.Effect<ReadonlyArray<Request>>
    /** Waits until it has dealt with so many requests of that name, one by default, and gives the last of them. */
    readonly received: (name: string, count?: number) => Effect.Effect<Request>
    /** Waits until no connection to it is open. */
    readonly idle: Effect.Effect<void>
    /**
     * Misbehaves from now on, or only so many `times`. Where several ways are possible, it takes the one that it was told
     * last.
     */
    readonly misbehave: (misbehaviour: Misbehaviour, times?: number) => Effect.Effect<void>
    /** Behaves again; what was closed stays closed. */
    readonly behave: Effect.Effect<void>
    /** Forgets every mapping, counts its epoch from 0, and is controlled at another URL than before. */
    readonly restart: Effect.Effect<void>
    /** It has another external address, as when the provider gives it one. */
    readonly setExternal: (address: NetAddress.Ipv4AddressInput) => Effect.Effect<void, NetAddress.NetAddressError>
    /** Maps this external UDP port to another host, for ever. */
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

/** Whoever holds the ports that are occupied. */
const neighbour = "192.0.2.200"

/**
 * A segment without routers.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeSegment: Effect.Effect<Segment, SocketError, Scope.Scope> = Effect.gen(function* () {
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
 * A router that lives as long as the scope, on ports that the system chooses.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<FakeRouter["Service"], NetAddress.NetAddressError | SocketError, Scope.Scope> {
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
  const { journal, manners, table } = device
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
            manners.add(misbehaviour, times)
          })
      ),
    behave: Effect.sync(() => manners.clear()),
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
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<FakeRouter, NetAddress.NetAddressError | SocketError> =>
  Layer.effect(FakeRouter, make(options))
