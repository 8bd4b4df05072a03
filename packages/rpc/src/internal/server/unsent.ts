/**
 * The bytes of answers that a server holds until their callers take them, by peer.
 *
 * A peer that has its share full gets no further long answer. A server that is full drops answers of the peer that holds the most, so
 * that a peer that reads does not notice those that do not.
 */
import * as Effect from "effect/Effect"

/** Something whose bytes are counted. */
export interface Holder {
  /** Lets go of the bytes, and of the stream that they wait for. What is counted for the holder is forgotten before. */
  readonly drop: () => void
}

/** What a server holds in all. */
export class Unsent {
  private readonly maxPerPeer: number
  private readonly maxInAll: number
  /** The shares with bytes. */
  private readonly shares = new Set<UnsentShare>()
  private total = 0

  constructor(maxPerPeer: number, maxInAll: number) {
    this.maxPerPeer = maxPerPeer
    this.maxInAll = maxInAll
  }

  /** How many bytes are held. */
  get bytes(): number {
    return this.total
  }

  /** The share of a peer that has none yet. */
  share(): UnsentShare {
    return new UnsentShare(this.maxPerPeer, (share, change) => this.onChange(share, change))
  }

  private onChange(share: UnsentShare, change: number): void {
    this.total += change
    if (share.bytes === 0) this.shares.delete(share)
    else this.shares.add(share)
    if (change <= 0) return
    while (this.total > this.maxInAll) this.largest().dropLargest()
  }

  private largest(): UnsentShare {
    const [first, ...others] = this.shares
    return others.reduce((largest, share) => (share.bytes > largest.bytes ? share : largest), first!)
  }
}

/** What a server holds for one peer. */
export class UnsentShare {
  private readonly max: number
  private readonly onChange: (share: UnsentShare, change: number) => void
  private readonly held = new Map<Holder, number>()
  private readonly waiters = new Set<() => void>()
  private total = 0

  constructor(max: number, onChange: (share: UnsentShare, change: number) => void) {
    this.max = max
    this.onChange = onChange
  }

  /** How many bytes are held. */
  get bytes(): number {
    return this.total
  }

  /** Whether the peer may have no further long answer. The one before may exceed the share. */
  get isFull(): boolean {
    return this.total >= this.max
  }

  /** Counts more bytes of a holder. It may be dropped at once, when the server is full. */
  add(holder: Holder, bytes: number): void {
    this.held.set(holder, (this.held.get(holder) ?? 0) + bytes)
    this.change(bytes)
  }

  /** Counts fewer bytes of a holder. One that was dropped has none. */
  remove(holder: Holder, bytes: number): void {
    const held = this.held.get(holder)
    if (held === undefined) return
    if (held > bytes) this.held.set(holder, held - bytes)
    else this.held.delete(holder)
    this.change(-Math.min(held, bytes))
  }

  /** Whether bytes are counted for a holder: it was not dropped. */
  has(holder: Holder): boolean {
    return this.held.has(holder)
  }

  /** Forgets a holder. */
  clear(holder: Holder): void {
    this.remove(holder, this.held.get(holder) ?? 0)
  }

  /** Drops the holder with the most bytes. */
  dropLargest(): void {
    const [first, ...others] = this.held
    const [holder] = others.reduce((largest, one) => (one[1] > largest[1] ? one : largest), first!)
    this.clear(holder)
    holder.drop()
  }

  /** Whether further calls on streams of their own should wait: half of the share is in use. */
  get isHalfFull(): boolean {
    return this.total >= this.max / 2
  }

  /** Waits until less than half of the share is in use. */
  readonly room: Effect.Effect<void> = Effect.suspend(() =>
    this.isHalfFull ? Effect.andThen(this.waitForChange, this.room) : Effect.void
  )

  private readonly waitForChange: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const waiter = () => resume(Effect.void)
    this.waiters.add(waiter)
    return Effect.sync(() => this.waiters.delete(waiter))
  })

  private change(bytes: number): void {
    this.total += bytes
    this.onChange(this, bytes)
    if (this.waiters.size === 0 || this.isHalfFull) return
    // Each looks again: the answer of the one before it may fill the share.
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter()
  }
}
