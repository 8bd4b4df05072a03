/**
 * Layers of connected endpoints.
 *
 * The endpoints live as long as the layer, on the `Transport` that the program provides: in memory or on real sockets.
 * A layer is built when all its connections are made, which takes round trips. With a latency under `TestClock`, the
 * clock must move meanwhile: build the layer first and set the latency then, or fork the program that needs the layer
 * and adjust the clock beside it.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { BootstrapError } from "@qp2p/core/Bootstrap"
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import { EndpointConfigError, type EndpointError } from "@qp2p/core/EndpointError"
import type { Identity } from "@qp2p/core/Identity"
import { type Fields, func, integer, ofRecord, optional, show } from "@qp2p/core/InvalidArgument"
import type { PortMapper } from "@qp2p/core/PortMapper"
import { Transport } from "@qp2p/core/Transport"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TestIdentity from "./TestIdentity.ts"

type Service = Endpoint.Endpoint["Service"]

/** How many dials of a mesh run at the same time. */
const concurrentDials = 16

/**
 * Options of every topology.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The address that the endpoint with this index (from 0) binds; `"127.0.0.1:0"` by default, which works for
   * `MemoryTransport` and for real sockets. The other endpoints dial the bound address, so it must not be a wildcard.
   */
  readonly address?: ((index: number) => NetAddress.InetAddressInput) | undefined
  /** The configuration of each endpoint. */
  readonly config?: EndpointConfig.Input | undefined
  /**
   * The identity of the endpoint with this index (from 0). By default, each endpoint on a transport has a `TestIdentity` of
   * its own, which is not secret.
   */
  readonly identity?: ((index: number) => Endpoint.Options["identity"]) | undefined
}

/**
 * Options of topologies with a size.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SizedOptions extends Options {
  /** The number of leaves or members. */
  readonly size: number
}

/**
 * The services that the layers need.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Requirements = Transport | PortMapper

/**
 * Two endpoints that are not connected yet: indices 0 and 1.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class Pair extends Context.Service<
  Pair,
  {
    /** The endpoint with the index 0. */
    readonly one: Service
    /** The endpoint with the index 1. */
    readonly two: Service
  }
>()("@qp2p/testkit/Topology/Pair") {}

/**
 * A hub, index 0, and leaves, from index 1. Each leaf has the hub as its contact and a connection with it.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class Star extends Context.Service<
  Star,
  {
    /** The endpoint with the index 0. */
    readonly hub: Service
    /** The other endpoints, in the order of their indices. */
    readonly leaves: ReadonlyArray<Service>
  }
>()("@qp2p/testkit/Topology/Star") {}

/**
 * Endpoints of which every two share one connection. The endpoint with the higher index dialled it, so the other one
 * finds it among its incoming connections.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class Mesh extends Context.Service<
  Mesh,
  {
    /** The endpoints, in the order of their indices. */
    readonly endpoints: ReadonlyArray<Service>
  }
>()("@qp2p/testkit/Topology/Mesh") {}

const place = (options: Options, index: number): Effect.Effect<NetAddress.InetAddress, EndpointConfigError> =>
  Effect.suspend(() => {
    const path = `address(${index})`
    try {
      const { address = () => "127.0.0.1:0" } = options
      return Effect.mapError(
        Effect.fromResult(NetAddress.inetAddressFromInput(address(index))),
        (error) => new EndpointConfigError({ path, detail: `${error.message}, got ${show(error.input)}` })
      )
    } catch (error) {
      return Effect.fail(new EndpointConfigError({ path, detail: `threw ${show(error)}` }))
    }
  })

const optionFields: Fields = { address: optional(func), config: () => undefined, identity: optional(func) }

/** The number of endpoints on each transport so far, which numbers their identities. */
const counts = new WeakMap<Transport["Service"], number>()

/** An identity that no other endpoint on the transport has. */
const nextIdentity = (transport: Transport["Service"]): Identity => {
  const count = (counts.get(transport) ?? 0) + 1
  counts.set(transport, count)
  return TestIdentity.make(`topology ${count}`)
}

/** What the option `identity` gives for an index. */
const identityAt = (
  { identity }: Options,
  index: number
): Effect.Effect<Endpoint.Options["identity"], EndpointConfigError, Transport> =>
  Effect.flatMap(Transport, (transport) =>
    Effect.try({
      try: () => identity?.(index) ?? nextIdentity(transport),
      catch: (error) => new EndpointConfigError({ path: `identity(${index})`, detail: `threw ${show(error)}` })
    })
  )

const size = integer(0, 100_000)

/** Checks the options before an endpoint starts. */
const checked = (options: unknown, fields: Fields): Effect.Effect<void, EndpointConfigError> => {
  const wrong = ofRecord("", options, fields)
  if (wrong === undefined) return Effect.void
  return Effect.fail(new EndpointConfigError({ path: wrong.argument.replace(/^\./u, ""), detail: wrong.detail }))
}

const endpoint = (
  options: Options,
  index: number,
  contacts: ReadonlyArray<NetAddress.InetAddress> = []
): Effect.Effect<Service, EndpointError, Scope.Scope | Requirements> =>
  Effect.flatMap(Effect.all([place(options, index), identityAt(options, index)]), ([localAddress, identity]) =>
    Endpoint.make({ localAddress, identity, contacts, config: options.config })
  )

/**
 * Two endpoints that are not connected yet.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerPair = (options: Options = {}): Layer.Layer<Pair, EndpointError, Requirements> =>
  Layer.effect(
    Pair,
    Effect.gen(function* () {
      yield* checked(options, optionFields)
      return { one: yield* endpoint(options, 0), two: yield* endpoint(options, 1) }
    })
  )

/**
 * A star with `size` leaves, which start one after the other. Fails when the hub does not answer one of them. The hub
 * dials a leaf to verify it; the leaf reports neither that connection nor its end.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerStar = (
  options: SizedOptions
): Layer.Layer<Star, EndpointError | BootstrapError | ConnectionError, Requirements> =>
  Layer.effect(
    Star,
    Effect.gen(function* () {
      yield* checked(options, { ...optionFields, size })
      const hub = yield* endpoint(options, 0)
      const leaves: Array<Service> = []
      for (let index = 1; index <= options.size; index++) {
        const leaf = yield* endpoint(options, index, [hub.localAddress])
        if (Option.isNone(leaf.bootstrapContact)) {
          // An endpoint starts even without a contact; this dial reports why there is none.
          yield* leaf.connectTo(hub.localAddress)
          yield* leaf.bootstrap()
        }
        leaves.push(leaf)
      }
      return { hub, leaves }
    })
  )

/**
 * A mesh of `size` endpoints. It is built when both ends of every connection have it. Fails when a dial fails, or when
 * a connection is lost before that.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerMesh = (options: SizedOptions): Layer.Layer<Mesh, EndpointError | ConnectionError, Requirements> =>
  Layer.effect(
    Mesh,
    Effect.gen(function* () {
      yield* checked(options, { ...optionFields, size })
      const { size: count } = options
      const indices = Array.from({ length: count }, (_, index) => index)
      const endpoints = yield* Effect.forEach(indices, (index) => endpoint(options, index))
      const dials = endpoints.flatMap((from, index) => endpoints.slice(0, index).map((to) => ({ from, to })))
      // A dial is over when the other end has accepted the connection, and has it.
      yield* Effect.forEach(dials, ({ from, to }) => from.connectTo(to.localAddress), { concurrency: concurrentDials })
      return { endpoints }
    })
  )
