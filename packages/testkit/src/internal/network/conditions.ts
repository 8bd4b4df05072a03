/** The conditions between two places: latency, bandwidth and cuts. */
import type { Place } from "./place.ts"

/** Returns the latency of a packet, in milliseconds. */
export type Sample = () => number

/** The conditions from one socket to another. */
interface Path {
  latency: Sample
  /** Bytes per millisecond. */
  rate: number
  /** The version of the rules that this path follows: they may have changed since. */
  rules: number
  /** When the last bit that was sent has left. */
  busyUntil: number
}

/** The maximum number of cached paths. When it is reached, the cache is cleared. */
const maxPaths = 65_536

/** The key of a rule for every place. */
export const anywhere = "*"

/**
 * A set of rules. A socket's own rule wins over its host's, and that over the one for every place; among equals the
 * latest wins.
 */
export class Rules<A> {
  private readonly rules = new Map<string, A>()
  private readonly fallback: A

  constructor(fallback: A) {
    this.fallback = fallback
  }

  set(from: string, to: string, value: A) {
    this.rules.delete(`${from}>${to}`)
    this.rules.set(`${from}>${to}`, value)
  }

  get(from: Place, to: Place): A {
    let best = this.fallback
    let weight = -1
    for (const [rule, value] of this.rules) {
      const [source, target] = rule.split(">") as [string, string]
      const match = weightOf(source, from) + weightOf(target, to)
      if (match >= weight) [best, weight] = [value, match]
    }
    return best
  }
}

/** How specific a rule's end is for a place. A mismatch weighs so much that the other end cannot outweigh it. */
const weightOf = (name: string, place: Place): number =>
  name === place.key ? 2 : name === place.host ? 1 : name === anywhere ? 0 : Number.NEGATIVE_INFINITY

/** The latency, bandwidth and cuts between places, which a test may change while packets are under way. */
export class Conditions {
  private readonly latencies = new Rules<Sample>(() => 0)
  private readonly rates = new Rules<number>(Number.POSITIVE_INFINITY)
  private readonly paths = new Map<string, Map<string, Path>>()
  private pathCount = 0
  private ruleCount = 0
  readonly refused = new Set<string>()
  readonly blackholes = new Set<string>()
  private readonly cuts = new Map<string, Set<string>>()

  setLatency(latency: Sample, from = anywhere, to = anywhere) {
    this.latencies.set(from, to, latency)
    this.ruleCount += 1
  }

  /** Sets the bandwidth in bytes per millisecond; with 0 or less nothing gets through. */
  setRate(rate: number, from = anywhere, to = anywhere) {
    this.rates.set(from, to, rate > 0 ? rate : 0)
    this.ruleCount += 1
  }

  /**
   * How long a packet that is sent now is in flight, in milliseconds, queueing included; infinite when nothing gets
   * through.
   */
  transit(from: Place, to: Place, size: number, now: number): number {
    const path = this.pathOf(from, to)
    if (path.rate === 0) return Number.POSITIVE_INFINITY
    if (path.rate === Number.POSITIVE_INFINITY) return path.latency()
    path.busyUntil = Math.max(path.busyUntil, now) + size / path.rate
    // Whole milliseconds: packets close to each other arrive together, so a test has fewer times to visit.
    return Math.ceil(path.busyUntil - now + path.latency())
  }

  /** How long a packet would queue, in milliseconds. */
  backlog(from: Place, to: Place, now: number): number {
    return Math.max(0, this.pathOf(from, to).busyUntil - now)
  }

  cut(from: string, to: string) {
    const targets = this.cuts.get(from)
    if (targets === undefined) this.cuts.set(from, new Set([to]))
    else targets.add(to)
  }

  mend(from: string, to: string) {
    this.cuts.get(from)?.delete(to)
  }

  heal() {
    for (const each of [this.refused, this.blackholes, this.cuts]) each.clear()
  }

  isRefused(place: Place) {
    return this.refused.has(place.key) || this.refused.has(place.host)
  }

  /**
   * Whether packets from any of the first places to any of the second ones are dropped: a socket behind a NAT has
   * several places.
   */
  isSevered(from: ReadonlyArray<Place>, to: ReadonlyArray<Place>) {
    if (this.blackholes.size > 0 && (from.some(this.isSwallowed) || to.some(this.isSwallowed))) return true
    if (this.cuts.size === 0) return false
    return from.some(({ host, key }) => {
      const [bySocket, byHost] = [this.cuts.get(key), this.cuts.get(host)]
      return to.some((target) =>
        [bySocket, byHost].some((targets) => targets?.has(target.key) === true || targets?.has(target.host) === true)
      )
    })
  }

  private readonly isSwallowed = ({ host, key }: Place) => this.blackholes.has(key) || this.blackholes.has(host)

  private pathOf(from: Place, to: Place): Path {
    const path = this.paths.get(from.key)?.get(to.key) ?? this.addPath(from, to)
    if (path.rules !== this.ruleCount) {
      path.latency = this.latencies.get(from, to)
      path.rate = this.rates.get(from, to)
      path.rules = this.ruleCount
    }
    return path
  }

  private addPath(from: Place, to: Place): Path {
    if (this.pathCount >= maxPaths) this.forgetPaths()
    this.pathCount += 1
    const path: Path = { latency: () => 0, rate: Number.POSITIVE_INFINITY, rules: -1, busyUntil: 0 }
    const leading = this.paths.get(from.key)
    if (leading === undefined) this.paths.set(from.key, new Map([[to.key, path]]))
    else leading.set(to.key, path)
    return path
  }

  private forgetPaths() {
    this.paths.clear()
    this.pathCount = 0
  }
}
