/**
 * Has memory collected that peers have made a socket take and that is not used any more.
 *
 * A node that was attacked, or that has received long messages, may do little afterwards. Then it makes so little garbage that
 * the engine collects none for minutes, and keeps what the messages and the ended connections took. A collection stops the
 * whole process, so one is requested once a minute at most, and only while the heap is small.
 */
import { collectionInterval, minCollected, quietRate, quietTime } from "../tunables/garbage.ts"
import { connectionAllowance } from "../tunables/memory.ts"

/** Requests one collection when much was freed, and the socket has become quiet. */
export class FreedMemory {
  private readonly collect: () => void
  private freed = 0
  private freedBefore = 0
  /** For how long little was freed, in milliseconds, and how long ago the last collection was. */
  private quietFor = 0
  private collectedFor = Infinity

  constructor(collect: () => void) {
    this.collect = collect
  }

  /** So many bytes are not used any more. */
  add(bytes: number): void {
    this.freed += bytes
  }

  connectionEnded(): void {
    this.freed += connectionAllowance
  }

  /** Called by the sweep; the last call was `elapsed` milliseconds ago. */
  tick(elapsed: number): void {
    const isQuiet = this.freed - this.freedBefore <= quietRate * elapsed
    this.freedBefore = this.freed
    this.quietFor = isQuiet ? this.quietFor + elapsed : 0
    this.collectedFor += elapsed
    if (this.quietFor < quietTime || this.freed < minCollected || this.collectedFor < collectionInterval) return
    this.collectedFor = 0
    this.freed = this.freedBefore = 0
    this.collect()
  }
}
