/**
 * A bounded queue from callbacks to fibers.
 *
 * Producers are callbacks and cannot wait: they check `hasRoom` before they offer, and register a callback with `onRoom` when
 * there is no room. Takers are woken once for all items of one turn of the event loop, so that a stream gets batches.
 */
import { microtask } from "./microtask.ts"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { EndpointStopped } from "../ConnectionError.ts"
import { Fifo } from "../Fifo.ts"
import { Wait, WaitList } from "./waitList.ts"

/** A bounded queue from callbacks to fibers. */
export class Inbox<A> {
  /** Whether the application has ever taken an item, or waited for one. */
  everTaken = false
  private readonly items = new Fifo<A>()
  private bytes = 0
  private ended = false
  private waking = false
  private readonly takers = new Fifo<() => void>()
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
    if (this.ended) return
    this.items.push(item)
    this.bytes += this.sizeOf(item)
    this.wake()
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
    this.ended = true
    this.wake()
  }

  readonly take: Effect.Effect<A, EndpointStopped> = Effect.suspend(() => {
    this.everTaken = true
    if (this.length > 0) return Effect.succeed(this.shift())
    return this.ended ? Effect.fail(new EndpointStopped()) : Effect.andThen(this.wait, this.take)
  })

  private readonly takeAll: Effect.Effect<NonEmptyReadonlyArray<A>, Cause.Done> = Effect.suspend(() => {
    this.everTaken = true
    if (this.length > 0) return Effect.succeed(this.shiftAll())
    return this.ended ? Cause.done() : Effect.andThen(this.wait, this.takeAll)
  })

  readonly stream: Stream.Stream<A> = Stream.fromPull(Effect.succeed(this.takeAll))

  private readonly wait: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const taker = () => resume(Effect.void)
    this.takers.push(taker)
    return Effect.sync(() => this.takers.remove(taker))
  })

  private shift(): A {
    const item = this.items.shift()!
    this.bytes -= this.sizeOf(item)
    this.admit()
    return item
  }

  private shiftAll(): NonEmptyReadonlyArray<A> {
    const items = this.items.drain()
    this.bytes = 0
    this.admit()
    return items as unknown as NonEmptyReadonlyArray<A>
  }

  private admit(): void {
    // A producer that still has not enough room waits again, behind the others.
    for (let left = this.roomWaiters.length; left > 0 && this.hasRoom; left--) this.roomWaiters.shift()?.call()
  }

  private wake(): void {
    if (this.waking || this.takers.length === 0) return
    this.waking = true
    microtask(() => {
      this.waking = false
      // A taker may leave items for the next one, and all takers have to see the end.
      while (this.takers.length > 0 && (this.length > 0 || this.ended)) this.takers.shift()!()
    })
  }
}
