/**
 * Limits what is under way to each peer.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

interface Entry {
  readonly semaphore: Semaphore.Semaphore
  users: number
}

/** What is under way to peers, by name. Whoever asks for more than the limit waits for the others of the same peer. */
export class UnderWay {
  private readonly limit: number
  private readonly entries = new Map<string, Entry>()

  constructor(limit: number) {
    this.limit = limit
  }

  /** Runs an effect when fewer than the limit run for the peer. */
  within<A, E, R>(peer: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.enter(peer)),
      ({ semaphore }) => Semaphore.withPermit(semaphore, effect),
      (entry) =>
        Effect.sync(() => {
          entry.users -= 1
          if (entry.users === 0) this.entries.delete(peer)
        })
    )
  }

  private enter(peer: string): Entry {
    let entry = this.entries.get(peer)
    if (entry === undefined) {
      entry = { semaphore: Semaphore.makeUnsafe(this.limit), users: 0 }
      this.entries.set(peer, entry)
    }
    entry.users += 1
    return entry
  }
}
