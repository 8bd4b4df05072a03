/**
 * The fibers that take from a queue of callbacks. They are woken once for all items of one turn of the event loop, so that a
 * stream gets batches.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { EndpointStopped } from "../ConnectionError.ts"
import { Fifo } from "../Fifo.ts"
import { microtask } from "./microtask.ts"

/** The view of a queue. Its `shift` and `shiftAll` are only called while it has items. */
export interface TakenQueue<A> {
  readonly length: number
  readonly shift: () => A
  /** Takes the next batch. */
  readonly shiftAll: () => NonEmptyReadonlyArray<A>
}

/** The fibers that take from one queue, and its end. */
export class Takers<A> {
  /** Whether the application has ever taken an item, or waited for one. */
  everTaken = false
  private readonly queue: TakenQueue<A>
  private readonly waiting = new Fifo<() => void>()
  private ended = false
  private waking = false

  constructor(queue: TakenQueue<A>) {
    this.queue = queue
  }

  /** Whether the queue takes no more items. */
  get hasEnded(): boolean {
    return this.ended
  }

  /** Takes one item. */
  readonly take: Effect.Effect<A, EndpointStopped> = Effect.suspend(() => {
    this.everTaken = true
    if (this.queue.length > 0) return Effect.succeed(this.queue.shift())
    return this.ended ? Effect.fail(new EndpointStopped()) : Effect.andThen(this.wait, this.take)
  })

  private readonly takeAll: Effect.Effect<NonEmptyReadonlyArray<A>, Cause.Done> = Effect.suspend(() => {
    this.everTaken = true
    if (this.queue.length > 0) return Effect.succeed(this.queue.shiftAll())
    return this.ended ? Cause.done() : Effect.andThen(this.wait, this.takeAll)
  })

  /** Takes batches until the end. */
  readonly stream: Stream.Stream<A> = Stream.fromPull(Effect.succeed(this.takeAll))

  private readonly wait: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const taker = () => resume(Effect.void)
    this.waiting.push(taker)
    return Effect.sync(() => this.waiting.remove(taker))
  })

  /** Ends the queue. Queued items can still be taken; then takers fail and streams end. */
  end(): void {
    this.ended = true
    this.wake()
  }

  /** Wakes fibers that wait: there are items, or the queue has ended. */
  wake(): void {
    if (this.waking || this.waiting.length === 0) return
    this.waking = true
    microtask(() => {
      this.waking = false
      // A taker may leave items for the next one, and all takers have to see the end.
      while (this.waiting.length > 0 && (this.queue.length > 0 || this.ended)) this.waiting.shift()!()
    })
  }
}
