/** The requests that the router received, and the fibers that wait for one. */
import * as Effect from "effect/Effect"

/** A request that the fake router received. `time` is in milliseconds. */
export interface Entry {
  readonly protocol: "SSDP" | "HTTP" | "UPnP" | "NAT-PMP" | "PCP"
  readonly name: string
  readonly time: number
  readonly details: Readonly<Record<string, string>>
}

const entriesKept = 10_000

/** Keeps the last 10,000 requests of a fake router in order, and wakes the tests that wait for one. */
export class Journal {
  readonly entries: Array<Entry> = []
  private readonly now: () => number
  private readonly waiting = new Set<() => void>()
  private telling = false

  constructor(now: () => number) {
    this.now = now
  }

  record(protocol: Entry["protocol"], name: string, details: Entry["details"] = {}) {
    if (this.entries.length === entriesKept) this.entries.shift()
    this.entries.push({ protocol, name, time: this.now(), details })
    this.changed()
  }

  /** Wakes the waiting fibers, after the router has handled the event. */
  changed() {
    if (this.telling) return
    this.telling = true
    queueMicrotask(() => {
      this.telling = false
      for (const look of this.waiting) look()
    })
  }

  /** Calls `look` now and after each change, until it returns a value. */
  until<A>(look: () => A | undefined): Effect.Effect<A> {
    return Effect.callback((resume) => {
      const again = () => {
        const found = look()
        if (found === undefined) return
        this.waiting.delete(again)
        resume(Effect.succeed(found))
      }
      this.waiting.add(again)
      again()
      return Effect.sync(() => this.waiting.delete(again))
    })
  }
}
