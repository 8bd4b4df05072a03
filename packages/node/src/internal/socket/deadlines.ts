/**
 * When connections want a turn, soonest first: a binary heap.
 *
 * A busy connection moves its deadline with each turn, nearly always to later. That leaves the heap as it is: an entry that
 * comes up too early goes back with the deadline of the day.
 */
export interface Due {
  /** In milliseconds; `Infinity` for never. */
  readonly deadline: number
}

interface Entry<A> {
  readonly item: A
  readonly at: number
}

/** Replaced entries that there may be, beyond one for each that counts. */
const slack = 64

const sooner = (one: Entry<unknown>, other: Entry<unknown>): number => one.at - other.at

export class Deadlines<A extends Due> {
  private heap: Array<Entry<A>> = []
  /** The soonest entry of each. */
  private readonly entries = new Map<A, Entry<A>>()

  /** The soonest, which may turn out to be too early. */
  get next(): number {
    return this.heap[0]?.at ?? Infinity
  }

  /** The item's deadline may have come closer. */
  update(item: A): void {
    const { deadline } = item
    if (deadline === Infinity) return
    const known = this.entries.get(item)
    if (known === undefined || deadline < known.at) this.push(item, deadline)
  }

  /** Takes out one whose deadline is not after `now`. */
  take(now: number): A | undefined {
    for (let first = this.heap[0]; first !== undefined && first.at <= now; first = this.heap[0]) {
      this.pop()
      const { item } = first
      // An item that came closer has left its former entry behind.
      if (this.entries.get(item) !== first) continue
      this.entries.delete(item)
      if (item.deadline <= now) return item
      this.update(item)
    }
    return undefined
  }

  delete(item: A): void {
    // What is left in the heap comes to nothing.
    this.entries.delete(item)
  }

  private push(item: A, at: number): void {
    const entry = { item, at }
    this.entries.set(item, entry)
    // Entries that have been replaced must not pile up. A sorted list is a heap.
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
