/**
 * A queue of callbacks, each of which can be removed in constant time: a connection that ends may remove thousands of them.
 */

/** A callback in a `WaitList`. */
export class Wait {
  readonly call: () => void
  next: Wait = this
  previous: Wait = this

  constructor(call: () => void) {
    this.call = call
  }
}

/** A queue of callbacks, linked in a ring through `ends`. */
export class WaitList {
  private readonly ends = new Wait(() => {})
  private count = 0

  get length(): number {
    return this.count
  }

  /** Adds a callback at the end, or at the head when `first` is true. */
  add(wait: Wait, first: boolean): void {
    wait.previous = first ? this.ends : this.ends.previous
    wait.next = wait.previous.next
    wait.previous.next = wait
    wait.next.previous = wait
    this.count += 1
  }

  /** Takes the callback at the head; undefined when the queue is empty. */
  shift(): Wait | undefined {
    const { next } = this.ends
    if (next === this.ends) return undefined
    this.remove(next)
    return next
  }

  /** Removes a callback. It does nothing when the callback has been taken or removed. */
  remove(wait: Wait): void {
    if (wait.next === wait) return
    wait.previous.next = wait.next
    wait.next.previous = wait.previous
    wait.next = wait.previous = wait
    this.count -= 1
  }
}
