/**
 * The rumours that a node remembers: the latest, up to a number. Two nodes that have exchanged all rumours remember the same
 * ones.
 */
import { Array, Order } from "effect"
import type { Rumour } from "./Message.ts"

const byTime = Order.Struct({ at: Order.Number, id: Order.String })

/** The rumours of one node. */
export class Rumours {
  private readonly capacity: number
  private readonly known = new Map<string, Rumour>()
  /** The rumours, oldest first. */
  private sorted: ReadonlyArray<Rumour> = []

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get all(): ReadonlyArray<Rumour> {
    return this.sorted
  }

  has(id: string): boolean {
    return this.known.has(id)
  }

  /** Adds rumours and drops the oldest beyond the capacity. Returns the new ones that were kept. */
  add(rumours: ReadonlyArray<Rumour>): ReadonlyArray<Rumour> {
    const added = Array.dedupeWith(rumours, (a, b) => a.id === b.id).filter(({ id }) => !this.known.has(id))
    if (added.length === 0) return added
    const sorted = Array.sort([...this.sorted, ...added], byTime)
    const forgotten = sorted.splice(0, Math.max(0, sorted.length - this.capacity))
    this.sorted = sorted
    for (const rumour of added) this.known.set(rumour.id, rumour)
    for (const { id } of forgotten) this.known.delete(id)
    return added.filter(({ id }) => this.known.has(id))
  }

  /** Returns the rumours whose ids are not in `ids`. */
  missing(ids: ReadonlyArray<string>): ReadonlyArray<Rumour> {
    const there = new Set(ids)
    return this.sorted.filter(({ id }) => !there.has(id))
  }

  /** Returns the rumours whose ids are in `ids`. */
  pick(ids: ReadonlyArray<string>): ReadonlyArray<Rumour> {
    const wanted = new Set(ids)
    return this.sorted.filter(({ id }) => wanted.has(id))
  }
}
