/** A mapping on a PCP or NAT-PMP gateway: obtains, renews and removes it. */
import type * as PortMapper from "@qp2p/core/PortMapper"
import type { PortMapperError } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import { type Grant, type Renewable, Lease, leaseOf, removeTimeout } from "../lease.ts"
import type { Converse } from "./access.ts"
import { fromRefusal, type Protocol } from "./failures.ts"
import type { Gateways, GatewayMapping } from "./gateways.ts"
import * as pcp from "./pcp.ts"
import * as requests from "./requests.ts"

/** How a mapping finds its gateway, speaks to it, and how long each request may take. */
export interface Settings {
  /** Finds the gateway. */
  readonly locate: Effect.Effect<NetAddress.InetAddressV4, PortMapperError>
  readonly converse: Converse
  readonly timeout: Duration.Input
  readonly gateways: Gateways
}

/** The mapping to ask for: the internal address, the preferred external one and the lease. */
export interface Wanted {
  readonly internal: NetAddress.InetAddressV4
  readonly external: NetAddress.InetAddressV4
  readonly lease: Duration.Duration
}

/** Requests the mapping, renews it while the scope is open and removes it when the scope closes. */
export const keep = Effect.fnUntraced(function* (
  wanted: Wanted,
  settings: Settings
): Effect.fn.Return<PortMapper.Mapping, PortMapperError, Scope.Scope> {
  const mapping = new KeptMapping(wanted, settings)
  yield* Effect.acquireRelease(
    Effect.sync(() => settings.gateways.add(mapping)),
    () => Effect.sync(() => settings.gateways.remove(mapping))
  )
  return yield* mapping.lease.keep()
})

/** A mapping that may exist on a gateway, with what its removal needs. */
interface PossibleMapping {
  readonly gateway: NetAddress.InetAddressV4
  readonly protocol: Protocol
}

class KeptMapping implements Renewable, GatewayMapping {
  readonly #wanted: Wanted
  readonly #settings: Settings
  readonly #nonce = crypto.getRandomValues(new Uint8Array(pcp.nonceLength))
  readonly lease = new Lease(this)
  #granted: requests.Grant | undefined
  /** Is set before a request is sent: a request that was interrupted or timed out may have reached the gateway. */
  #possible: PossibleMapping | undefined
  /** Whether the gateway of the trace has ever answered. */
  #heard = false
  /** The gateway and the protocol for the next request; undefined at first, and again after a request that failed. */
  #known: { readonly gateway: NetAddress.InetAddressV4; readonly protocol: Protocol | undefined } | undefined
  gateway: string | undefined

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

  lost(error: PortMapperError): Effect.Effect<void> {
    return this.lease.lost(error)
  }

  renewNow() {
    this.lease.renewNow()
  }

  get obtain(): Effect.Effect<Grant, PortMapperError> {
    const { converse, gateways, locate, timeout } = this.#settings
    return Effect.gen({ self: this }, function* () {
      const known = this.#known ?? { gateway: yield* locate, protocol: undefined }
      const { gateway } = known
      const name = (this.gateway = NetAddress.formatInet(gateway))
      const observer: requests.Observer = {
        asking: (protocol) => {
          if (this.#granted === undefined) this.#possible = { gateway, protocol }
        },
        answered: (epoch, rule) => {
          this.#heard = true
          return gateways.answered(this, epoch, rule)
        },
        onlyNatPmp: () => {
          this.#heard = true
          if (this.#granted === undefined) this.#possible = undefined
        }
      }
      const granted = yield* converse(gateway, this.#wanted.internal.address, timeout, (conversation) =>
        requests.obtain(conversation, this.#request(), known.protocol, observer)
      ).pipe(
        Effect.catchTag("Refusal", (refusal) => {
          // A refused request made no mapping. A refused renewal leaves the mapping that was granted before.
          if (this.#granted === undefined) this.#possible = undefined
          return Effect.fail(fromRefusal(name, refusal, this.#wanted.external.port))
        })
      )
      this.#known = { gateway, protocol: granted.protocol }
      this.#possible = { gateway, protocol: granted.protocol }
      this.#granted = granted
      const { external, internal, lifetime } = granted
      return { internal, external, lease: leaseOf(Duration.seconds(lifetime)) }
    }).pipe(Effect.tapError(() => Effect.sync(() => (this.#known = undefined))))
  }

  /**
   * The request: it names the external address and port that were granted before, because a restarted gateway may grant
   * them again.
   */
  #request(): requests.MapRequest {
    return {
      nonce: this.#nonce,
      internalPort: this.#wanted.internal.port,
      external: this.#granted?.external ?? this.#wanted.external,
      lifetime: Duration.toSeconds(this.#wanted.lease)
    }
  }

  get remove(): Effect.Effect<void, PortMapperError> {
    const trace = this.#possible
    if (trace === undefined) return Effect.void
    const { converse } = this.#settings
    const { gateway, protocol } = trace
    const local = this.#granted?.internal.address ?? this.#wanted.internal.address
    return converse(gateway, local, removeTimeout, (conversation) =>
      // A gateway that never answered will not answer now either, so nothing waits for it.
      this.#heard
        ? requests.remove(conversation, this.#request(), protocol)
        : requests.abandon(conversation, this.#request(), protocol)
    ).pipe(
      Effect.catchTag("Refusal", (refusal) =>
        Effect.fail(fromRefusal(NetAddress.formatInet(gateway), refusal, this.#request().external.port))
      )
    )
  }
}
