/**
 * The streams of a connection whose first bytes may begin a control message, when the application reads streams itself. Each
 * goes to the application when the rest of the header has not arrived in time, since the peer may wait for an answer.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { undecidedTimeout } from "./limits.ts"

/** A stream whose first bytes may begin a control message. */
export interface UndecidedStream {
  /** The time is over: the stream belongs to the application. */
  readonly onTimeout: () => void
}

/** The view of an endpoint that `UndecidedStreams` needs. */
export interface TimerOwner {
  /** Returns the time of a monotonic clock, in milliseconds. */
  readonly now: () => number
  /** Runs an effect in the endpoint's scope. */
  readonly background: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
}

/** The undecided streams of a connection. They share one timer, which runs only while there are some. */
export class UndecidedStreams {
  private readonly owner: TimerOwner
  /** The deadline of each stream, earliest first, in milliseconds. Made with the first one. */
  private deadlines: Map<UndecidedStream, number> | undefined = undefined
  private timer: Fiber.Fiber<void> | undefined = undefined

  constructor(owner: TimerOwner) {
    this.owner = owner
  }

  add(stream: UndecidedStream): void {
    ;(this.deadlines ??= new Map()).set(stream, this.owner.now() + undecidedTimeout)
    if (this.timer === undefined) this.start()
  }

  /** The stream is decided, or has ended. */
  remove(stream: UndecidedStream): void {
    const { deadlines } = this
    deadlines?.delete(stream)
    if (deadlines === undefined || deadlines.size === 0) this.stop()
  }

  /** The connection has ended. */
  clear(): void {
    this.deadlines?.clear()
    this.stop()
  }

  private start(): void {
    const [first] = this.deadlines?.values() ?? []
    if (first === undefined) return
    const delay = Math.max(0, Math.ceil(first - this.owner.now()))
    this.timer = this.owner.background(
      Effect.andThen(
        Effect.sleep(delay),
        Effect.sync(() => this.expire())
      )
    )
  }

  private stop(): void {
    this.timer?.interruptUnsafe()
    this.timer = undefined
  }

  private expire(): void {
    this.timer = undefined
    const now = this.owner.now()
    const { deadlines } = this
    if (deadlines === undefined) return
    try {
      for (const [stream, deadline] of deadlines) {
        if (deadline > now) break
        deadlines.delete(stream)
        stream.onTimeout()
      }
    } finally {
      // A defect of the program's pool, which gets the connection with its first stream, must not keep other streams waiting.
      if (this.timer === undefined) this.start()
    }
  }
}
