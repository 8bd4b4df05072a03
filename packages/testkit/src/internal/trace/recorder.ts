/** The lines of a trace, and the numbers of connections in them. */
import type * as Clock from "effect/Clock"
import type { Text } from "./text.ts"

interface Entry {
  readonly nanos: bigint
  readonly text: Text
}

const pad = (value: number, digits: number) => String(value).padStart(digits, "0")

const formatTime = (nanos: bigint): string => {
  const millis = Number(nanos / 1_000_000n)
  const seconds = Math.floor(millis / 1000)
  const minutes = Math.floor(seconds / 60)
  return `${pad(Math.floor(minutes / 60), 2)}:${pad(minutes % 60, 2)}:${pad(seconds % 60, 2)}.${pad(millis % 1000, 3)}`
}

/** Keeps the last `capacity` lines of a trace, and numbers connections in the order in which it first sees them. */
export class Recorder {
  /** The number of lines that were dropped. */
  dropped = 0
  private readonly capacity: number
  private readonly clock: Clock.Clock
  private readonly start: bigint
  /** A ring buffer once it is full. */
  private readonly entries: Array<Entry> = []
  private oldest = 0
  private connections = 0
  private dials = 0
  private readonly numbers = new Map<string, number>()

  constructor(clock: Clock.Clock, capacity: number) {
    this.clock = clock
    this.capacity = Math.max(1, Math.floor(capacity))
    this.start = clock.monotonicTimeNanosUnsafe()
  }

  add(text: Text): void {
    const entry = { nanos: this.clock.monotonicTimeNanosUnsafe() - this.start, text }
    if (this.entries.length < this.capacity) return void this.entries.push(entry)
    this.entries[this.oldest] = entry
    this.oldest = (this.oldest + 1) % this.capacity
    this.dropped += 1
  }

  lines(): ReadonlyArray<string> {
    const inOrder = [...this.entries.slice(this.oldest), ...this.entries.slice(0, this.oldest)]
    return inOrder.map(({ nanos, text }) => `${formatTime(nanos)}  ${typeof text === "string" ? text : text()}`)
  }

  nextDial(): number {
    return (this.dials += 1)
  }

  /** The number of a connection. Both ends have the same seniority, which identifies them as one connection. */
  connectionNumber(seniority: string | undefined): number {
    const known = seniority === undefined ? undefined : this.numbers.get(seniority)
    if (known !== undefined) return known
    const number = (this.connections += 1)
    if (seniority !== undefined) {
      this.numbers.set(seniority, number)
      // The other end arrives soon or never, so the oldest entry can go.
      if (this.numbers.size > this.capacity) this.numbers.delete(this.numbers.keys().next().value!)
    }
    return number
  }
}
