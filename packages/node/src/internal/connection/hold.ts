/**
 * Which datagrams of a peer are taken while its connection is held back.
 */
import * as tunables from "../tunables/memory.ts"

/** Decides on each datagram of one connection. */
export class Hold {
  private largeFrom = 0
  private smallFrom = 0

  /**
   * Returns whether a datagram of `bytes` is taken at `now`, in milliseconds, when the part `fill` of the limit is in use. It
   * counts as taken then. The interval to the next one is the longest when the limit is reached.
   */
  admit(bytes: number, now: number, fill: number): boolean {
    if (bytes <= tunables.smallDatagram) {
      if (now < this.smallFrom) return false
      this.smallFrom = now + tunables.smallDatagramInterval
      return true
    }
    if (now < this.largeFrom) return false
    const interval = Math.max(tunables.heldBackInterval, bytes / tunables.heldBackRate) * slowdown(fill)
    this.largeFrom = now + Math.min(interval, tunables.longestHeldBackInterval)
    return true
  }
}

/** From 1, where connections begin to be held back, to infinity, where the limit is reached. */
const slowdown = (fill: number): number => {
  const left = Math.max(0, 1 - fill) / (1 - tunables.holdBackAbove)
  return left >= 1 ? 1 : 1 / left ** 2
}
