/** A mapping on a UPnP gateway: obtains, renews and removes it. */
import { MappingConflict, type PortMapperError, type PortMapperUnsupported } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Grant, Renewable } from "../lease.ts"
import { Builder } from "./actions.ts"
import * as candidates from "./candidates.ts"
import { withClient } from "./client.ts"
import * as externalAddress from "./externalAddress.ts"
import { errorOf, faults, isConflict } from "./faults.ts"
import { type Form, type Variant, plainOf, request } from "./forms.ts"
import { ownerOf } from "./owner.ts"
import * as route from "./route.ts"
import type { Discover } from "./search.ts"
import type { Found } from "./ssdp.ts"
import * as services from "./services.ts"
import * as soap from "./soap.ts"

/** How a mapping finds gateways, how long each request may take, and what to do on a conflict. */
export interface Settings {
  readonly discover: Discover
  readonly requestTimeout: Duration.Input
  readonly description: string
  readonly onConflict: "nextPort" | "fail"
}

/** The mapping to ask for: the internal address, the preferred external port and the lease. */
export interface Wanted {
  readonly internal: NetAddress.InetAddressV4
  readonly externalPort: number
  readonly lease: Duration.Duration
}

/** How many further ports are tried after one that belongs to another host. */
const furtherPorts = 8

/** The range of ports that no service of the gateway itself is expected to use. */
const freePorts = { first: 1024, last: 65_535 }

/** The requested port, followed by those that are tried when it is taken. */
export const portsFrom = (port: number): ReadonlyArray<number> => {
  const ports = [port]
  for (let i = 0; i < furtherPorts; i++) {
    const next = ports[i]! + 1
    ports.push(next < freePorts.first || next > freePorts.last ? freePorts.first : next)
  }
  return ports
}

/** A gateway that was found, and how to ask it. */
interface Place {
  readonly found: Found
  readonly builder: Builder
  readonly control: soap.Control
  /** The variant of the request that this gateway accepts, as far as it is known. */
  variant: Variant
}

/** A mapping that may exist on a gateway, with the action that removes it. */
interface PossibleMapping {
  readonly control: soap.Control
  readonly remove: soap.Action
  granted: boolean
}

/**
 * The maximum number of traces; the oldest is dropped. Gateways come and go during the months of an endpoint's life.
 */
const maxTraces = 32

/** Obtains one mapping from the first gateway that grants it, and keeps the state that renewal and removal need. */
export class KeptMapping implements Renewable {
  readonly #wanted: Wanted
  readonly #settings: Settings
  /**
   * By host, from before a request is sent: a request that was interrupted or timed out may have reached the gateway.
   */
  readonly #traces = new Map<string, PossibleMapping>()
  #granted: Grant | undefined
  /** The host of the gateway that granted the mapping last. */
  #lastGranter: string | undefined
  /** The gateway for the next request; undefined at first, and again after a request that failed. */
  #known: Place | undefined
  /** The gateway that was asked last. */
  #last: soap.Control | undefined

  constructor(wanted: Wanted, settings: Settings) {
    this.#wanted = wanted
    this.#settings = settings
  }

  get internalPort() {
    return this.#wanted.internal.port
  }

  get requestedLease() {
    return this.#wanted.lease
  }

  get gateway() {
    return this.#last?.gateway
  }

  get obtain(): Effect.Effect<Grant, PortMapperError> {
    return Effect.suspend(() => (this.#known === undefined ? this.#search() : this.#ask(this.#known))).pipe(
      Effect.tap((grant) => Effect.sync(() => void (this.#granted = grant))),
      Effect.tapError(() => Effect.sync(() => void (this.#known = undefined)))
    )
  }

  /** Searches for gateways and asks each until one grants the mapping. */
  #search(): Effect.Effect<Grant, PortMapperError> {
    const { discover, requestTimeout } = this.#settings
    return withClient((client) => {
      const builder = new Builder(client)
      return candidates.firstOf(this.#lastGranterFirst(discover(client)), (found) =>
        Effect.flatMap(candidates.describe(found, requestTimeout), (all) => {
          this.#last = all[0]?.[0]
          return services.firstOf(all, builder.externalAddress(), (control, address) =>
            this.#mapAt({ found, builder, control, variant: { permanent: false, plain: false } }, address)
          )
        })
      )
    })
  }

  /** Moves the gateway that granted the mapping before to the front, with the port that it serves now. */
  #lastGranterFirst(found: Stream.Stream<Found>): Stream.Stream<Found> {
    const home = this.#lastGranter
    if (home === undefined) return found
    const others: Array<Found> = []
    return found.pipe(
      Stream.filter((each) => {
        if (candidates.hostOf(each.location) === home) return true
        others.push(each)
        return false
      }),
      Stream.concat(Stream.suspend(() => Stream.fromIterable(others)))
    )
  }

  #ask(place: Place): Effect.Effect<Grant, candidates.GatewayError> {
    const { builder, control } = place
    this.#last = control
    return externalAddress.ask(control, builder.externalAddress()).pipe(
      Effect.mapError((error) => errorOf(control, this.#wanted.externalPort, error)),
      Effect.flatMap((address) => this.#mapAt(place, address))
    )
  }

  #mapAt(place: Place, address: NetAddress.Ipv4Address): Effect.Effect<Grant, candidates.GatewayError> {
    const { control } = place
    this.#last = control
    return Effect.gen({ self: this }, function* () {
      const internal = yield* this.#internal(place)
      const port = yield* this.#addAny(place, internal)
      const external = yield* at(address, port)
      this.#known = place
      this.#lastGranter = control.url.hostname
      return { internal, external, lease: place.variant.permanent ? Duration.infinity : this.#wanted.lease }
    })
  }

  /** The internal address of the mapping. For `0.0.0.0` it is the local address of the route to the gateway. */
  #internal({ control, found }: Place): Effect.Effect<NetAddress.InetAddressV4, PortMapperUnsupported> {
    const { internal } = this.#wanted
    if (!NetAddress.isUnspecified(internal.address)) return Effect.succeed(internal)
    return Effect.flatMap(route.localAddress(found, control.url.hostname), (address) => at(address, internal.port))
  }

  /** Adds the mapping at the granted or requested port, or at a further one if the options allow that. */
  #addAny(place: Place, internal: NetAddress.InetAddressV4): Effect.Effect<number, candidates.GatewayError> {
    const wished = this.#granted?.external.port ?? this.#wanted.externalPort
    const ports = this.#settings.onConflict === "fail" ? [wished] : portsFrom(wished)
    return Effect.gen({ self: this }, function* () {
      for (const port of ports) {
        const added = yield* Effect.result(this.#add(place, internal, port))
        if (Result.isSuccess(added)) return port
        const error = added.failure
        if (error._tag === "Fault" && isConflict(error.code)) {
          if (yield* this.#replace(place, internal, port)) return port
          continue
        }
        // The gateway requires the external port to equal the internal one, which is taken.
        if (error._tag === "Fault" && error.code === faults.samePortsRequired && port !== wished) break
        return yield* errorOf(place.control, port, error)
      }
      return yield* new MappingConflict({ gateway: place.control.gateway, externalPort: wished })
    })
  }

  /** Removes a mapping of this host and adds it again. */
  #replace(place: Place, internal: NetAddress.InetAddressV4, externalPort: number): Effect.Effect<boolean> {
    const { builder, control } = place
    return Effect.gen({ self: this }, function* () {
      if ((yield* ownerOf(control, internal, externalPort)) !== "Ours") return false
      yield* Effect.ignore(soap.call(control, builder.remove(externalPort)))
      return yield* Effect.isSuccess(this.#add(place, internal, externalPort))
    })
  }

  #add(place: Place, internal: NetAddress.InetAddressV4, externalPort: number): Effect.Effect<void, soap.CallError> {
    const { builder, control } = place
    const { description } = this.#settings
    const lease = Duration.toSeconds(this.#wanted.lease)
    const actionOf = ({ permanent, plain }: Variant): soap.Action => {
      const text = plain ? plainOf(description) : description
      const { add, addForEver } = builder.port({ internal, externalPort, lease, description: text })
      return permanent ? addForEver : add
    }
    const key = `${control.url.href} ${externalPort}`
    const remove = builder.remove(externalPort)
    const trace: PossibleMapping = { control, remove, granted: this.#traces.get(key)?.granted ?? false }
    const form: Form = {
      variant: place.variant,
      hasPlain: plainOf(description) !== description,
      send: (variant) => soap.call(control, actionOf(variant)),
      owner: ownerOf(control, internal, externalPort)
    }
    return Effect.suspend(() => {
      this.#remember(key, trace)
      return request(form)
    }).pipe(
      Effect.tap((variant) =>
        Effect.sync(() => {
          place.variant = variant
          trace.granted = true
        })
      ),
      // After a refusal the port may belong to another host, whose mapping must not be removed. A renewal that was
      // refused for another reason than a conflict leaves the mapping that was granted before.
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (error._tag === "Fault" && (!trace.granted || isConflict(error.code))) this.#traces.delete(key)
        })
      ),
      Effect.asVoid
    )
  }

  #remember(key: string, trace: PossibleMapping) {
    this.#traces.delete(key)
    this.#traces.set(key, trace)
    const [oldest] = this.#traces.keys()
    if (this.#traces.size > maxTraces && oldest !== undefined) this.#traces.delete(oldest)
  }

  /**
   * Removes the mapping from every gateway at the same time. Only a failure at the gateway that holds it now is
   * reported.
   */
  get remove(): Effect.Effect<void, PortMapperError> {
    return Effect.suspend(() => {
      const traces = [...this.#traces.values()]
      return Effect.forEach(traces, (trace) => Effect.result(unmap(trace)), { concurrency: "unbounded" })
    }).pipe(
      Effect.flatMap((results) => {
        const last = results.at(-1)
        return last === undefined || Result.isSuccess(last) ? Effect.void : Effect.fail(last.failure)
      })
    )
  }
}

/** Removes one mapping. NoSuchEntryInArray counts as removed, and so does an HTTP 200 whose body cannot be read. */
const unmap = ({ control, remove }: PossibleMapping): Effect.Effect<void, PortMapperError> =>
  soap.call(control, remove).pipe(
    Effect.asVoid,
    Effect.catchIf(
      (error) =>
        (error._tag === "Fault" && error.code === faults.noSuchEntry) ||
        (error._tag === "Unreadable" && error.status === 200),
      () => Effect.void
    ),
    Effect.mapError((error) => errorOf(control, 0, error))
  )

/** Cannot fail: the port of a mapping is always valid. */
const at = (address: NetAddress.Ipv4Address, port: number): Effect.Effect<NetAddress.InetAddressV4> =>
  Effect.orDie(Effect.fromResult(NetAddress.inetAddressV4(address, port)))
