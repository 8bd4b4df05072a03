/**
 * The deadlines of connections, soonest first: a binary heap.
 *
 * A busy connection moves its deadline with each turn, nearly always to a later time. That leaves the heap as it is: an entry
 * that comes up too early is put back with the current deadline.
 */

/** The view of an item. */
export interface Due {
  /** In milliseconds; `Infinity` for never. */
  readonly deadline: number
}

interface Entry<A> {
  /** Undefined once another entry has taken its place, or the item has none: it must not keep an item that is over. */
  item: A | undefined
  readonly at: number
}

/** How many replaced entries the heap may have, beyond one for each current entry. */
const slack = 64

const sooner = (one: Entry<unknown>, other: Entry<unknown>): number => one.at - other.at

/**
 * A priority queue of items by deadline, in milliseconds. An item has one current entry; replaced entries are skipped.
 */
export class Deadlines<A extends Due> {
  private heap: Array<Entry<A>> = []
  /** The current entry of each item. */
  private readonly entries = new Map<A, Entry<A>>()

  /** The soonest deadline. The item's deadline may be later meanwhile. */
  get next(): number {
    return this.heap[0]?.at ?? Infinity
  }

  /** Enters the item's deadline again if it is sooner than its entry. */
  update(item: A): void {
    const { deadline } = item
    if (deadline === Infinity) return
    const known = this.entries.get(item)
    if (known !== undefined && deadline >= known.at) return
    if (known !== undefined) known.item = undefined
    this.push(item, deadline)
  }

  /** Takes out an item whose deadline is not after `now`. */
  take(now: number): A | undefined {
    for (let first = this.heap[0]; first !== undefined && first.at <= now; first = this.heap[0]) {
      this.pop()
      const { item } = first
      if (item === undefined) continue
      this.entries.delete(item)
      if (item.deadline <= now) return item
      this.update(item)
    }
    return undefined
  }

  delete(item: A): void {
    const known = this.entries.get(item)
    if (known === undefined) return
    // `take` skips the entry, which is left in the heap.
    known.item = undefined
    this.entries.delete(item)
  }

  private push(item: A, at: number): void {
    const entry = { item, at }
    this.entries.set(item, entry)
    // Replaced entries must not pile up. A sorted list is a heap.
    if (this.heap.length > 2 * this.entries.size + slack) this.heap = [...this.entries.values()].toSorted(sooner)
    else this.insert(entry)
  }

  private insert(entry: Entry<A>): void {
    const { heap } = this
    const { at } = entry
    let i = heap.length
    heap.push(entry)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (heap[parent]!.at <= at) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = entry
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop()!
    const { length } = heap
    if (length === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= length) break
      if (child + 1 < length && heap[child + 1]!.at < heap[child]!.at) child += 1
      if (heap[child]!.at >= last.at) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
  }
}
