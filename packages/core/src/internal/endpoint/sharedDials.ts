/**
 * Joins callers of one peer in one dial, and dials once more for a caller that knows other addresses of the peer.
 *
 * A pool shares dials by the peer's key. The caller that comes first chooses the addresses, which may be wrong ones; without a
 * dial of their own, the others would fail with it.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type { Connection } from "../../Connection.ts"
import type { ConnectionError } from "../../ConnectionError.ts"
import type { PeerId } from "../../PeerId.ts"
import { moreTelling } from "./dials.ts"
import type { TargetAddress } from "./target.ts"

type Dial = Effect.Effect<Connection, ConnectionError>

/** The options of `SharedDials`. */
export interface SharedDialsOptions {
  /** Dials a peer at each address, in order. */
  readonly dial: (addresses: ReadonlyArray<TargetAddress>, peerId: PeerId) => Dial
  /** Returns the connection of the pool with a peer, or the result of `dial`, or that of a dial which is under way. */
  readonly join: (peerId: PeerId, dial: Dial) => Dial
}

/** The dials of one pool, by the keys of the peers. */
export class SharedDials {
  private readonly options: SharedDialsOptions
  /** The addresses of the dials that are under way. */
  private readonly ongoing = new Map<PeerId, ReadonlyArray<TargetAddress>>()

  constructor(options: SharedDialsOptions) {
    this.options = options
  }

  /** Connects with a peer. After a joined dial that has failed, it dials the addresses that were not tried. */
  connect(peerId: PeerId, addresses: ReadonlyArray<TargetAddress>): Dial {
    const { dial, join } = this.options
    const dialAt = (some: ReadonlyArray<TargetAddress>) => this.noted(peerId, some, dial(some, peerId))
    return Effect.suspend(() => {
      const tried = this.ongoing.get(peerId)
      let isOwn = false
      const own = Effect.suspend(() => {
        isOwn = true
        return dialAt(addresses)
      })
      const connecting = join(peerId, own)
      if (tried === undefined) return connecting
      const others = addresses.filter((each) => !tried.some((other) => Equal.equals(other, each)))
      if (others.length === 0) return connecting
      return Effect.catch(connecting, (error) =>
        isOwn || error._tag === "EndpointStopped"
          ? Effect.fail(error)
          : Effect.mapError(join(peerId, dialAt(others)), (later) => moreTelling(error, later))
      )
    })
  }

  /** Notes the addresses of a dial while it is under way. */
  noted<A, E>(peerId: PeerId, addresses: ReadonlyArray<TargetAddress>, dial: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      this.ongoing.set(peerId, addresses)
      return Effect.ensuring(
        dial,
        Effect.sync(() => {
          if (this.ongoing.get(peerId) === addresses) this.ongoing.delete(peerId)
        })
      )
    })
  }
}
