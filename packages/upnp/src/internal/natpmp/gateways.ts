/** The epochs of the gateways that hold mappings of this process, and the mappings to notify when a gateway has lost them. */
import type { PortMapperError } from "@qp2p/core/PortMapperError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Rule, Sample } from "./epoch.ts"
import { protocolError } from "./failures.ts"

/** A mapping that is kept on a gateway. */
export interface GatewayMapping {
  /** The gateway that was asked last. */
  readonly gateway: string | undefined
  /** Is called when the gateway has lost the mapping. */
  readonly lost: (error: PortMapperError) => Effect.Effect<void>
  readonly renewNow: () => void
}

/**
 * Seconds after a loss in which another loss at the same gateway is ignored. Otherwise the mappings on a gateway with a
 * random epoch would renew each other without end.
 */
const pause = 10

/**
 * Compares each new epoch of a gateway with the one before, and makes its mappings renew when the gateway lost them.
 */
export class Gateways {
  readonly #mappings = new Set<GatewayMapping>()
  readonly #samples = new Map<string, Sample & { readonly lostAt: number }>()

  add(mapping: GatewayMapping) {
    this.#mappings.add(mapping)
  }

  /** Removes a mapping, and the gateway with its last one. */
  remove(mapping: GatewayMapping) {
    this.#mappings.delete(mapping)
    for (const gateway of this.#samples.keys()) {
      if (![...this.#mappings].some((other) => other.gateway === gateway)) this.#samples.delete(gateway)
    }
  }

  /**
   * Records the epoch of an answer to `asker`, which renews its own mapping. When the epoch shows a loss, the other
   * mappings on that gateway are notified.
   */
  answered(asker: GatewayMapping, epoch: number, rule: Rule): Effect.Effect<void> {
    const { gateway } = asker
    if (gateway === undefined) return Effect.void
    return Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
      const at = Number(now) / 1e9
      const sample = { epoch, at }
      const previous = this.#samples.get(gateway)
      const goesOn = previous === undefined || at - previous.lostAt < pause || rule(previous, sample)
      this.#samples.set(gateway, { ...sample, lostAt: goesOn ? (previous?.lostAt ?? -Infinity) : at })
      if (goesOn) return Effect.void
      const error = protocolError(gateway, "it has lost its port mappings")
      const theirs = [...this.#mappings].filter((mapping) => mapping.gateway === gateway)
      return Effect.logWarning(`the gateway at ${gateway} has lost its port mappings`).pipe(
        Effect.andThen(Effect.forEach(theirs, (mapping) => mapping.lost(error), { discard: true })),
        Effect.andThen(
          Effect.sync(() => {
            for (const mapping of theirs) {
              if (mapping !== asker) mapping.renewNow()
            }
          })
        )
      )
    })
  }
}
