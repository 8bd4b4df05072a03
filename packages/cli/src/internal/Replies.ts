/**
 * The replies that wait for their acknowledgement: bounded, since a peer may acknowledge none.
 */
import type { SendStream } from "@qp2p/core/SendStream"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

/**
 * The replies of one command.
 */
export interface Replies {
  /**
   * Runs the effect that ends a reply, and does not wait. When too many replies wait already, and when this one waits too long,
   * the stream is reset instead. `network` is that of the peer. A reply that matters more is refused later: three times as
   * many may wait then.
   */
  readonly end: (
    reply: Pick<SendStream, "reset">,
    network: string,
    ending: Effect.Effect<unknown, unknown>,
    options?: { readonly matters?: boolean | undefined }
  ) => Effect.Effect<void>
  /** Runs an effect that ends in a reply, in a fiber of its own. */
  readonly run: (effect: Effect.Effect<void>) => Effect.Effect<Fiber.Fiber<void>>
  /** Waits until all is done and acknowledged or given up. */
  readonly done: Effect.Effect<void>
}

/** How long a reply waits for its acknowledgement. */
const timeout = Duration.seconds(10)

/** The most replies that wait, of all networks and of each, unless they matter. */
const maxWaiting = 256
const maxWaitingPerNetwork = 32

/** How many times as many may wait when they matter. */
const share = 3

const resetCode = 1

/**
 * No replies yet. They end with the scope.
 */
export const make: Effect.Effect<Replies, never, Scope.Scope> = Effect.gen(function* () {
  const fibers = yield* FiberSet.make<void>()
  const perNetwork = new Map<string, number>()
  let total = 0

  const add = (network: string, change: 1 | -1) => {
    total += change
    const count = (perNetwork.get(network) ?? 0) + change
    if (count === 0) perNetwork.delete(network)
    else perNetwork.set(network, count)
  }

  const end: Replies["end"] = Effect.fnUntraced(function* (reply, network, ending, options) {
    const factor = options?.matters === true ? share : 1
    if (total >= factor * maxWaiting || (perNetwork.get(network) ?? 0) >= factor * maxWaitingPerNetwork) {
      return yield* reply.reset(resetCode)
    }
    add(network, 1)
    yield* FiberSet.run(
      fibers,
      ending.pipe(
        Effect.timeoutOrElse({ duration: timeout, orElse: () => reply.reset(resetCode) }),
        Effect.ignore,
        Effect.ensuring(Effect.sync(() => add(network, -1)))
      )
    )
  })

  return { end, run: (effect) => FiberSet.run(fibers, effect), done: FiberSet.awaitEmpty(fibers) }
})
