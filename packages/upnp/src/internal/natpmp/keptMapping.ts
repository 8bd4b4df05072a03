import type { PortMapperError } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as NetAddress from "effect/net/NetAddress"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as client from "./client.ts"
import { fromRefusal, type Protocol } from "./failures.ts"
import type { Gateways, Keeper } from "./gateways.ts"
import * as pcp from "./pcp.ts"
import * as requests from "./requests.ts"

const removeTimeout = Duration.seconds(3)

/** What a lease may last, in seconds: 0 removes a mapping, and past a week there is no use in having one. */
const leaseRange = { minimum: 1, maximum: 604_800 }

/** A lease that is worth having. */
export const leaseOf = (seconds: number): Duration.Duration =>
  Duration.seconds(Math.min(Math.max(seconds, leaseRange.minimum), leaseRange.maximum))

/** Half the lease is left when a renewal is due, so that a gateway that restarts or is busy has time to come back. */
export const renewalDelay = (lease: Duration.Duration): Duration.Duration => Duration.times(lease, 1 / 2)

/** A renewal that failed is tried again while the lease still runs, and after it. */
export const retrySchedule = (lease: Duration.Duration) => Schedule.spaced(Duration.times(lease, 1 / 8))

export interface Settings {
  /** The gateway to ask. */
  readonly locate: Effect.Effect<NetAddress.InetAddressV4, PortMapperError>
  readonly converse: <A, E>(
    gateway: NetAddress.InetAddressV4,
    local: NetAddress.Ipv4Address,
    timeout: Duration.Input,
    use: (conversation: client.Conversation) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | client.ConversationError>
  readonly timeout: Duration.Input
  readonly gateways: Gateways
}

export interface Wanted {
  readonly internal: NetAddress.InetAddressV4
  readonly external: NetAddress.InetAddressV4
  readonly lease: Duration.Duration
}

/** Makes the mapping, renews it while the scope lives and removes it when the scope closes. */
export const keep = Effect.fnUntraced(function* (
  wanted: Wanted,
  settings: Settings
): Effect.fn.Return<requests.Grant, PortMapperError, Scope.Scope> {
  const mapping = new KeptMapping(wanted, settings)
  yield* Effect.acquireRelease(
    Effect.sync(() => settings.gateways.add(mapping)),
    () =>
      Effect.ensuring(
        mapping.remove(),
        Effect.sync(() => settings.gateways.remove(mapping))
      )
  )
  const granted = yield* mapping.obtain()
  yield* Effect.forkScoped(mapping.renew())
  return granted
})

/** A mapping that may be on a gateway, and how to remove it from there. */
interface Trace {
  readonly gateway: NetAddress.InetAddressV4
  readonly protocol: Protocol
}

class KeptMapping implements Keeper {
  readonly #wanted: Wanted
  readonly #settings: Settings
  readonly #nonce = crypto.getRandomValues(new Uint8Array(pcp.nonceLength))
  readonly #due = Latch.makeUnsafe()
  #granted: requests.Grant | undefined
  /** Set from before a request is sent: one that was interrupted or timed out may have reached the gateway. */
  #trace: Trace | undefined
  /** Whether the gateway of the trace has ever said anything. */
  #heard = false
  /** Where to ask next, and in which protocol; unknown at first, and again when a request has failed. */
  #known: { readonly gateway: NetAddress.InetAddressV4; readonly protocol: Protocol | undefined } | undefined
  gateway: string | undefined

  constructor(wanted: Wanted, settings: Settings) {
    this.#wanted = wanted
    this.#settings = settings
  }

  lost() {
    this.#due.openUnsafe()
  }

  obtain(): Effect.Effect<requests.Grant, PortMapperError> {
    const { converse, gateways, locate, timeout } = this.#settings
    return Effect.gen({ self: this }, function* () {
      const known = this.#known ?? { gateway: yield* locate, protocol: undefined }
      const { gateway } = known
      const name = (this.gateway = NetAddress.formatInet(gateway))
      const observer: requests.Observer = {
        asking: (protocol) => {
          if (this.#granted === undefined) this.#trace = { gateway, protocol }
        },
        answered: (epoch, rule) => {
          this.#heard = true
          return gateways.answered(this, epoch, rule)
        },
        onlyNatPmp: () => {
          this.#heard = true
          if (this.#granted === undefined) this.#trace = undefined
        }
      }
      const granted = yield* converse(gateway, this.#wanted.internal.address, timeout, (conversation) =>
        requests.obtain(conversation, this.#ticket(), known.protocol, observer)
      ).pipe(
        Effect.catchTag("Refusal", (refusal) => {
          // After a clear refusal there is nothing to remove. A renewal that is refused leaves what was granted before.
          if (this.#granted === undefined) this.#trace = undefined
          return Effect.fail(fromRefusal(name, refusal, this.#wanted.external.port))
        })
      )
      this.#known = { gateway, protocol: granted.protocol }
      this.#trace = { gateway, protocol: granted.protocol }
      this.#granted = granted
      return granted
    }).pipe(Effect.tapError(() => Effect.sync(() => (this.#known = undefined))))
  }

  /** Asks for what was granted before, if anything was: a gateway that has restarted may give it again. */
  #ticket(): requests.Ticket {
    return {
      nonce: this.#nonce,
      internalPort: this.#wanted.internal.port,
      external: this.#granted?.external ?? this.#wanted.external,
      lifetime: Duration.toSeconds(this.#wanted.lease)
    }
  }

  renew(): Effect.Effect<never> {
    const port = this.#wanted.internal.port
    const renewal = Effect.gen({ self: this }, function* () {
      const before = this.#granted
      const after = yield* this.obtain()
      if (before === undefined || NetAddress.formatInet(before.external) === NetAddress.formatInet(after.external))
        return
      yield* Effect.logWarning(`the gateway now maps ${NetAddress.formatInet(after.external)} to port ${port}`)
    })
    return Effect.gen({ self: this }, function* () {
      while (true) {
        const lease = leaseOf(this.#granted?.lifetime ?? 0)
        yield* Effect.raceFirst(Effect.sleep(renewalDelay(lease)), this.#due.await)
        this.#due.closeUnsafe()
        yield* renewal.pipe(
          Effect.tapError((error) => Effect.logWarning(`the mapping of port ${port} was not renewed`, error)),
          Effect.retry(retrySchedule(lease)),
          Effect.ignore
        )
      }
    })
  }

  remove(): Effect.Effect<void> {
    const trace = this.#trace
    if (trace === undefined) return Effect.void
    const { converse } = this.#settings
    const { gateway, protocol } = trace
    const local = this.#granted?.internal.address ?? this.#wanted.internal.address
    return converse(gateway, local, removeTimeout, (conversation) =>
      // A gateway that has said nothing so far would be waited for in vain.
      this.#heard
        ? requests.remove(conversation, this.#ticket(), protocol)
        : requests.abandon(conversation, this.#ticket(), protocol)
    ).pipe(
      Effect.catch((error) =>
        Effect.logWarning(
          `port ${this.#wanted.internal.port} was not unmapped`,
          error._tag === "Refusal" ? fromRefusal(NetAddress.formatInet(gateway), error, 0) : error
        )
      )
    )
  }
}
