/**
 * What happens to datagrams on their way.
 *
 * @since 0.1.0
 */
import { anywhere, Rules } from "../network/conditions.ts"
import type { Place } from "../network/place.ts"

/** Probabilities from 0 to 1, milliseconds, and bytes. */
export interface Faults {
  readonly loss: number
  readonly duplication: number
  readonly reordering: number
  readonly reorderingDelay: number
  readonly corruption: number
  readonly mtu: number
}

const none: Faults = {
  loss: 0,
  duplication: 0,
  reordering: 0,
  reorderingDelay: 10,
  corruption: 0,
  // The most that UDP over IPv4 carries.
  mtu: 65_507
}

const maxRemembered = 65_536

export class FaultRules {
  private readonly rules = new Rules<Faults>(none)
  private readonly known = new Map<string, Faults>()
  private readonly set = new Map<string, Faults>()

  /** What `change` leaves out stays as it was set for the same direction before. */
  change(change: Partial<Faults>, from = anywhere, to = anywhere) {
    const name = `${from}>${to}`
    const faults = { ...(this.set.get(name) ?? this.set.get(`${anywhere}>${anywhere}`) ?? none), ...change }
    this.set.set(name, faults)
    this.rules.set(from, to, faults)
    this.known.clear()
  }

  get(from: Place, to: Place): Faults {
    const name = `${from.key}>${to.key}`
    const known = this.known.get(name)
    if (known !== undefined) return known
    if (this.known.size >= maxRemembered) this.known.clear()
    const found = this.rules.get(from, to)
    this.known.set(name, found)
    return found
  }
}

/** A copy with one bit flipped. */
export const corrupted = (payload: Uint8Array, random: () => number): Uint8Array => {
  const copy = payload.slice()
  const at = Math.floor(random() * copy.length)
  if (copy.length > 0) copy[at] = copy[at]! ^ (1 << Math.floor(random() * 8))
  return copy
}
