/**
 * Random numbers from a seed: the same seed makes the same numbers on every machine.
 */

/** A source of random numbers. */
export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed | 0
  }

  /** A number of 32 bits: mulberry32. */
  u32(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** An integer of 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor((this.u32() / 2 ** 32) * below)
  }

  /** An integer of 0 to `below` - 1, small ones more often. */
  small(below: number): number {
    return this.below(1 + this.below(below))
  }

  /** One of the items, of which there is one at least. */
  pick<A>(items: ReadonlyArray<A>): A {
    return items[this.below(items.length)]!
  }
}

/** A seed that follows from bytes alone (FNV-1a). */
export const seedOf = (bytes: Uint8Array): number => {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash
}

/** Cuts bytes at random places: into one part, into single bytes, or into parts in between. Some may be empty. */
export const split = (bytes: Uint8Array, random: Random): ReadonlyArray<Uint8Array> => {
  const parts: Array<Uint8Array> = []
  const most = random.pick([1, 2, 7, 40, bytes.length])
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + random.below(most + 1))
    parts.push(bytes.slice(at, end))
    at = end
  }
  return parts
}
