/**
 * Limits the lines that peers can cause in the log: for each peer, and for all of them together.
 */
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import { ipPrefix } from "./ipPrefix.ts"

/** The interval for which the limits hold, in milliseconds. */
const interval = 1_000

/** The most lines in an interval about peers at one IP address, or in one /64 of IPv6. */
export const maxLinesPerIp = 4

/** The most lines in an interval about all peers. */
export const maxLines = 32

/** The options of `LogLimit`. */
export interface LogLimitOptions {
  /** The level of the lines. Each level has a limit of its own, so that debug lines leave no warning out. */
  readonly level: "Debug" | "Warn"
  /** Runs an effect in the endpoint's scope. */
  readonly background: (effect: Effect.Effect<void>) => unknown
}

/** Logs lines about peers. In each second, it counts the lines that exceed the limits, and logs the number afterwards. */
export class LogLimit {
  private readonly options: LogLimitOptions
  private readonly byIp = new Map<string, number>()
  private lines = 0
  private omitted = 0

  constructor(options: LogLimitOptions) {
    this.options = options
  }

  /** Logs a line about a peer at `address`, or counts it. */
  log(address: NetAddress.IpAddress, line: Effect.Effect<void>): void {
    const key = ipPrefix(address)
    const ofIp = this.byIp.get(key) ?? 0
    if (this.lines === 0) this.options.background(Effect.delay(this.next, interval))
    if (this.lines >= maxLines || ofIp >= maxLinesPerIp) {
      this.omitted += 1
      return
    }
    this.lines += 1
    this.byIp.set(key, ofIp + 1)
    this.options.background(line)
  }

  /** Begins the next interval. */
  private readonly next: Effect.Effect<void> = Effect.suspend(() => {
    const { omitted } = this
    this.byIp.clear()
    this.lines = this.omitted = 0
    if (omitted === 0) return Effect.void
    return Effect.logWithLevel(this.options.level)(`${omitted} further lines about peers were left out`)
  })
}
