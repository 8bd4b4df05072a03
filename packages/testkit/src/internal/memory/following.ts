/**
 * Follows the peer of a memory connection to another place, once it has received there: packets alone prove nothing about where
 * they came from.
 */
import type { Place } from "../network/place.ts"
import type { Timeline } from "../network/timeline.ts"

/** How long a lost probe waits before it is sent again, in milliseconds. Each further one waits twice as long. */
const firstPause = 250

/** The most probes to one place. The next packet from there begins anew. */
const maxProbes = 6

/** What following needs of its connection. */
export interface FollowingHost {
  readonly timeline: Timeline
  readonly isClosed: () => boolean
  /** Where the peer has proven to receive. */
  readonly place: () => Place
  /** Sends a packet to a place. `answered` is called when the peer has received it there and its answer has come, else `lost`. */
  readonly probe: (to: Place, answered: () => void, lost: () => void) => void
  readonly moveTo: (place: Place) => void
}

/** Keeps the place at which the peer of one connection may be. */
export class Following {
  private readonly host: FollowingHost
  private candidate: Place | undefined

  constructor(host: FollowingHost) {
    this.host = host
  }

  /** A packet of the peer's has come from `source`. */
  heardFrom(source: Place) {
    if (source.key === this.host.place().key) this.candidate = undefined
    else if (source.key !== this.candidate?.key) {
      this.candidate = source
      this.probe(source, 0)
    }
  }

  private probe(place: Place, before: number) {
    const { host } = this
    const isCurrent = () => this.candidate === place && !host.isClosed()
    host.probe(
      place,
      () => {
        if (!isCurrent()) return
        this.candidate = undefined
        host.moveTo(place)
      },
      () => {
        if (!isCurrent()) return
        if (before + 1 >= maxProbes) this.candidate = undefined
        else host.timeline.schedule(firstPause * 2 ** before, () => isCurrent() && this.probe(place, before + 1))
      }
    )
  }
}
