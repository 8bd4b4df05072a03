/**
 * A bounded queue from callbacks to fibers, in the order of its items.
 *
 * Producers are callbacks and cannot wait: they check `hasRoom` before they offer, and register a callback with `onRoom` when
 * there is no room.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { EndpointStopped } from "../ConnectionError.ts"
import { Fifo } from "../Fifo.ts"
import { type TakenQueue, Takers } from "./takers.ts"
import { Wait, WaitList } from "./waitList.ts"

/** A bounded queue from callbacks to fibers. */
export class Inbox<A> implements TakenQueue<A> {
  readonly take: Effect.Effect<A, EndpointStopped>
  readonly stream: Stream.Stream<A>
  private readonly items = new Fifo<A>()
  private bytes = 0
  private readonly takers = new Takers<A>(this)
  private readonly roomWaiters = new WaitList()
  private readonly capacity: number
  private readonly byteCapacity: number
  private readonly sizeOf: (item: A) => number

  constructor(options: {
    readonly capacity: number
    readonly byteCapacity?: number
    readonly sizeOf?: (item: A) => number
  }) {
    this.capacity = options.capacity
    this.byteCapacity = options.byteCapacity ?? Infinity
    this.sizeOf = options.sizeOf ?? (() => 0)
    this.take = this.takers.take
    this.stream = this.takers.stream
  }

  /** Whether the application has ever taken an item, or waited for one. */
  get everTaken(): boolean {
    return this.takers.everTaken
  }

  get length(): number {
    return this.items.length
  }

  /** Whether the queue has room. An empty queue takes an item of any size. */
  get hasRoom(): boolean {
    return this.length === 0 || (this.length < this.capacity && this.bytes < this.byteCapacity)
  }

  /** Whether the queue has room for an item after `others` further items, whose sizes do not count. */
  hasRoomAfter(others: number): boolean {
    return this.length + others === 0 || (this.length + others < this.capacity && this.bytes < this.byteCapacity)
  }

  offer(item: A): void {
    if (this.takers.hasEnded) return
    this.items.push(item)
    this.bytes += this.sizeOf(item)
    this.takers.wake()
  }

  /** The number of producers that wait for room. */
  get waiting(): number {
    return this.roomWaiters.length
  }

  /** Calls back once, when there is room; before all other callbacks when `first` is true. `cancelRoom` ends the wait. */
  onRoom(callback: () => void, first = false): Wait {
    const wait = new Wait(callback)
    this.roomWaiters.add(wait, first)
    return wait
  }

  /** Ends a wait for room. It does nothing when the wait is over. */
  cancelRoom(wait: Wait): void {
    this.roomWaiters.remove(wait)
  }

  /** Removes an item that is still queued. */
  remove(item: A): void {
    if (!this.items.remove(item)) return
    this.bytes -= this.sizeOf(item)
    this.admit()
  }

  /** Removes all queued items that satisfy `is`. */
  removeAll(is: (item: A) => boolean): void {
    if (this.items.find(is) === undefined) return
    for (const item of this.items.drain()) {
      if (is(item)) this.bytes -= this.sizeOf(item)
      else this.items.push(item)
    }
    this.admit()
  }

  /** Returns the oldest queued item that satisfies `is`. */
  find(is: (item: A) => boolean): A | undefined {
    return this.items.find(is)
  }

  dropOldest(): void {
    if (this.length > 0) this.shift()
  }

  /** Ends the queue. Queued items can still be taken; then takers fail and streams end. */
  end(): void {
    this.takers.end()
  }

  shift(): A {
    const item = this.items.shift()!
    this.bytes -= this.sizeOf(item)
    this.admit()
    return item
  }

  shiftAll(): NonEmptyReadonlyArray<A> {
    const items = this.items.drain()
    this.bytes = 0
    this.admit()
    return items as unknown as NonEmptyReadonlyArray<A>
  }

  private admit(): void {
    // A producer that still has not enough room waits again, behind the others.
    for (let left = this.roomWaiters.length; left > 0 && this.hasRoom; left--) this.roomWaiters.shift()?.call()
  }
}
