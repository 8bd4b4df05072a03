/**
 * The messages of a connection that have arrived in part: what they take of memory, and those whose sender does not go on.
 *
 * They count against the memory of all connections, through the transport. A peer that begins long messages and completes none
 * would keep that memory: when it sends less than `minPartialRate` for `slowPartialTime`, although nothing holds it back, its
 * messages end. First bytes of a stream that do not tell yet what it is for count alike. A connection from which nothing arrives at
 * all is left to the idle timeout: its path may be down.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { BackingConnection } from "../../Transport.ts"
import type { HeldBytes } from "./heldBytes.ts"
import { minPartialRate, partialAllowance, partialCheckInterval, partialStreamCost, slowPartialTime } from "./limits.ts"
import type { TimerOwner } from "./undecidedStreams.ts"

/** A stream on which a message has arrived in part. */
export interface PartialStream {
  /** Whether the peer may send: this side takes what arrives. */
  readonly takes: boolean
  /** Ends the stream: the peer sends too slowly. */
  readonly expire: () => void
}

/** The view of an endpoint. */
export interface PartialOwner extends Pick<TimerOwner, "background"> {
  readonly config: { readonly reassemblyBuffer: number }
}

/** Counts the bytes of incomplete messages of one connection, and ends those that do not go on. */
export class PartialMessages {
  private readonly owner: PartialOwner
  private readonly backing: Pick<BackingConnection, "isHeldBack" | "stats">
  private readonly held: HeldBytes
  /** Made with the first one: most messages arrive whole. */
  private streams: Set<PartialStream> | undefined = undefined
  private bytes = 0
  private timer: Fiber.Fiber<void> | undefined = undefined
  /** How many bytes the peer had sent at the last check, and for how long it has been too slow, in milliseconds. */
  private received = 0
  private slowFor = 0

  constructor(owner: PartialOwner, backing: Pick<BackingConnection, "isHeldBack" | "stats">, held: HeldBytes) {
    this.owner = owner
    this.backing = backing
    this.held = held
  }

  /**
   * The bytes of an incomplete message have changed by `change`, to `now`. Returns false when those of all messages exceed the
   * limit.
   */
  change(stream: PartialStream, change: number, now: number): boolean {
    this.bytes += change
    if (now === 0) this.streams?.delete(stream)
    else if (now === change) (this.streams ??= new Set()).add(stream)
    this.held.change(change)
    if (this.timer === undefined && this.isLong) this.start()
    return this.bytes <= this.owner.config.reassemblyBuffer
  }

  /** The connection has ended. */
  clear(): void {
    this.streams = undefined
    this.bytes = 0
    this.timer?.interruptUnsafe()
    this.timer = undefined
  }

  /** Whether the peer has to go on. A byte on each of many streams is long, too. */
  private get isLong(): boolean {
    return this.bytes + (this.streams?.size ?? 0) * partialStreamCost > partialAllowance
  }

  private start(): void {
    this.slowFor = 0
    this.received = this.backing.stats().bytesReceived
    this.timer = this.owner.background(
      Effect.andThen(
        Effect.sleep(partialCheckInterval),
        Effect.sync(() => this.check())
      )
    )
  }

  private next(): void {
    const { slowFor } = this
    this.start()
    this.slowFor = slowFor
  }

  private check(): void {
    this.timer = undefined
    if (!this.isLong) return
    const arrived = this.backing.stats().bytesReceived - this.received
    const slow = [...(this.streams ?? [])].filter(({ takes }) => takes)
    const isFast = arrived >= (minPartialRate * partialCheckInterval) / 1_000
    if (isFast || slow.length === 0 || this.backing.isHeldBack === true) this.slowFor = 0
    // Silence is neither fast nor slow: else one packet in every other interval would keep the messages for ever.
    else if (arrived > 0) this.slowFor += partialCheckInterval
    if (this.slowFor < slowPartialTime) return this.next()
    for (const stream of slow) stream.expire()
    // The end of a stream is a change, which may have started the timer.
    if (this.timer === undefined && this.isLong) this.start()
  }
}
