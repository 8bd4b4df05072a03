/**
 * A first-in, first-out queue for transports. Taking an item moves the head, not the other items.
 *
 * @stability unstable
 * @since 0.1.0
 */

/**
 * A first-in, first-out queue in memory. It has no limit: its owner bounds it. Taking the head takes constant time.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export class Fifo<A> {
  private items: Array<A> = []
  private head = 0

  /** The number of items. */
  get length(): number {
    return this.items.length - this.head
  }

  /** The item at the head, which `shift` takes next; undefined when the queue is empty. */
  get first(): A | undefined {
    return this.items[this.head]
  }

  /** Adds an item at the end. */
  push(item: A): void {
    this.items.push(item)
  }

  /** Adds an item at the head, which `shift` takes next. */
  unshift(item: A): void {
    if (this.head > 0) this.items[--this.head] = item
    else this.items.unshift(item)
  }

  /** Takes the item at the head; undefined when the queue is empty. */
  shift(): A | undefined {
    if (this.head === this.items.length) return undefined
    const item = this.items[this.head]
    // The queue must not keep a taken item alive.
    this.items[this.head] = undefined as A
    this.head += 1
    if (this.head === this.items.length) {
      this.items.length = 0
      this.head = 0
    } else if (this.head >= 1_024 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head)
      this.head = 0
    }
    return item
  }

  /** Takes all items, in order. */
  drain(): Array<A> {
    const items = this.head === 0 ? this.items : this.items.slice(this.head)
    this.items = []
    this.head = 0
    return items
  }

  /** Removes the first occurrence of an item. Returns false when the queue does not have it. */
  remove(item: A): boolean {
    const i = this.items.indexOf(item, this.head)
    if (i === -1) return false
    this.items.splice(i, 1)
    return true
  }

  /** Returns the first item that satisfies `is`; undefined when none does. */
  find(is: (item: A) => boolean): A | undefined {
    for (let i = this.head; i < this.items.length; i++) if (is(this.items[i]!)) return this.items[i]
    return undefined
  }
}
