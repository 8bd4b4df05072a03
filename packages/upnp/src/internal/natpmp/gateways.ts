/**
 * What is known of the gateways that hold mappings of ours: how far each has counted, and whom to wake when it has lost
 * its mappings.
 */
import type { PortMapperError } from "@qp2p/core/PortMapperError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Rule, Sample } from "./epoch.ts"
import { protocolError } from "./failures.ts"

/** Someone with a mapping to keep. */
export interface Keeper {
  /** The gateway that was asked last. */
  readonly gateway: string | undefined
  /** The gateway has lost the mapping. */
  readonly lost: (error: PortMapperError) => Effect.Effect<void>
  readonly renewNow: () => void
}

/**
 * Seconds in which a gateway that has lost its mappings is not believed to lose them again: mappings whose gateway counts
 * at random would wake each other for ever.
 */
const pause = 10

export class Gateways {
  readonly #keepers = new Set<Keeper>()
  readonly #samples = new Map<string, Sample & { readonly lostAt: number }>()

  add(keeper: Keeper) {
    this.#keepers.add(keeper)
  }

  /** A gateway that nobody has a mapping on is forgotten. */
  remove(keeper: Keeper) {
    this.#keepers.delete(keeper)
    for (const gateway of this.#samples.keys()) {
      if (![...this.#keepers].some((other) => other.gateway === gateway)) this.#samples.delete(gateway)
    }
  }

  /** An answer came to `asker`, who is about to have its mapping again; the others are told when theirs are lost. */
  answered(asker: Keeper, epoch: number, rule: Rule): Effect.Effect<void> {
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
      const theirs = [...this.#keepers].filter((keeper) => keeper.gateway === gateway)
      return Effect.logWarning(`the gateway at ${gateway} has lost its port mappings`).pipe(
        Effect.andThen(Effect.forEach(theirs, (keeper) => keeper.lost(error), { discard: true })),
        Effect.andThen(
          Effect.sync(() => {
            for (const keeper of theirs) {
              if (keeper !== asker) keeper.renewNow()
            }
          })
        )
      )
    })
  }
}
