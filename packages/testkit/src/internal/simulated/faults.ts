/** Faults that datagrams meet on their way. */
import { anywhere, Rules } from "../network/conditions.ts"
import type { Place } from "../network/place.ts"

/** The faults of one direction: probabilities from 0 to 1, the reordering delay in milliseconds, the MTU in bytes. */
export interface Faults {
  readonly loss: number
  readonly duplication: number
  readonly reordering: number
  readonly reorderingDelay: number
  readonly corruption: number
  readonly mtu: number
}

const none = {
  loss: 0,
  duplication: 0,
  reordering: 0,
  reorderingDelay: 10,
  corruption: 0,
  // The maximum payload of UDP over IPv4.
  mtu: 65_507
} satisfies Faults

const names = Object.keys(none) as ReadonlyArray<keyof Faults>

const maxRemembered = 65_536

/** Rules for each fault: changing one fault keeps the others, wherever those were set. */
export class FaultRules {
  private readonly rules = new Map(names.map((name) => [name, new Rules<number>(none[name])]))
  private readonly known = new Map<string, Faults>()

  change(change: Partial<Faults>, from = anywhere, to = anywhere) {
    for (const [name, rules] of this.rules) {
      const value = change[name]
      if (value !== undefined) rules.set(from, to, value)
    }
    this.known.clear()
  }

  get(from: Place, to: Place): Faults {
    const way = `${from.key}>${to.key}`
    const known = this.known.get(way)
    if (known !== undefined) return known
    if (this.known.size >= maxRemembered) this.known.clear()
    const found = { ...none }
    for (const [name, rules] of this.rules) found[name] = rules.get(from, to)
    this.known.set(way, found)
    return found
  }
}

/** A copy with one bit flipped, at the position `where`, from 0 up to but not including 1. */
export const corrupted = (payload: Uint8Array, where: number): Uint8Array => {
  const copy = payload.slice()
  const bit = Math.floor(where * copy.length * 8)
  if (copy.length > 0) copy[bit >> 3] = copy[bit >> 3]! ^ (1 << (bit & 7))
  return copy
}
