/**
 * Limits the lines that peers can cause in the log: in each second so many for each IP address, and so many for all. Those over
 * a limit are counted, and a line tells their number afterwards.
 */
import { logInterval, maxLogLines, maxLogLinesPerIp } from "../tunables/logs.ts"

/** Writes lines or counts them. */
export class LogLimit {
  private readonly now: () => number
  private readonly warn: (text: string) => void
  private readonly byIp = new Map<string, number>()
  private lines = 0
  private omitted = 0
  private since = -Infinity

  /** `now` is in milliseconds of Effect's clock. `warn` writes the line that tells how many were left out. */
  constructor(now: () => number, warn: (text: string) => void) {
    this.now = now
    this.warn = warn
  }

  /** Calls `write`, or counts the line. `ip` is the name under which the peer's IP address counts; it is empty for no peer. */
  log(ip: string, write: () => void): void {
    this.tick()
    const ofIp = this.byIp.get(ip) ?? 0
    if (this.lines >= maxLogLines || ofIp >= maxLogLinesPerIp) {
      this.omitted += 1
      return
    }
    this.lines += 1
    this.byIp.set(ip, ofIp + 1)
    write()
  }

  /** Begins the next interval when the last one is over. Called by the sweep, too, so that the last lines are told of. */
  tick(): void {
    if (this.lines === 0) {
      this.since = this.now()
      return
    }
    const now = this.now()
    if (now - this.since < logInterval) return
    const { omitted } = this
    this.since = now
    this.byIp.clear()
    this.lines = this.omitted = 0
    if (omitted > 0) this.warn(`${omitted} further lines about peers were left out`)
  }
}
