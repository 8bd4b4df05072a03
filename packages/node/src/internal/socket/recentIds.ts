/**
 * The ids of connections that a socket has forgotten a moment ago. Late packets for them are no reason for a stateless reset: most are
 * repeated close frames.
 */
import { maxRecentIds, recentIdLifetime } from "../tunables/connectionIds.ts"

/** Remembers ids for `recentIdLifetime` milliseconds at least, and for twice as long at most. */
export class RecentIds {
  private young = new Set<string>()
  private old = new Set<string>()
  private since = -Infinity

  /** `now` is in milliseconds of Effect's clock. */
  add(keys: ReadonlyArray<string>, now: number): void {
    this.age(now)
    for (const key of keys) if (this.young.size < maxRecentIds) this.young.add(key)
  }

  has(key: string, now: number): boolean {
    this.age(now)
    return this.young.has(key) || this.old.has(key)
  }

  private age(now: number): void {
    const passed = now - this.since
    if (passed < recentIdLifetime) return
    this.old = passed < 2 * recentIdLifetime ? this.young : new Set()
    this.young = new Set()
    this.since = now
  }
}
