/**
 * Path MTU discovery: how large the packets to a peer may be (RFC 9000, section 14, and RFC 8899).
 *
 * Packets begin with the size that every path carries. Where more is allowed, one larger packet at a time probes the next
 * size, with stream data in it; when the probe has arrived, all packets may be as large. When packets stay unanswered, or
 * hardly any of the large ones arrive, the size falls back to the smallest, and later probes try again. A lost probe costs
 * only time: what it carried is sent again, in packets of the current size.
 *
 * The binding has no path MTU discovery. It fills the buffer that it is given, up to its own maximum.
 */
import { minDatagramSize } from "../packets/datagramSize.ts"

/** The binding's counters of the path, since the connection was made. */
export interface PathCounts {
  /** The smoothed round-trip time, in milliseconds. */
  readonly rtt: number
  readonly recv: number
  readonly lost: number
  readonly lostBytes: number
}

/** The view of the connection. */
export interface PathCounter {
  readonly pathCounts: () => PathCounts
}

/**
 * The sizes to probe, in bytes: Ethernet with room for tunnels, Ethernet with IPv6, jumbo frames, and the binding's maximum.
 */
const sizes = [1_350, 1_452, 8_952, 16_383]

/** How often one size is probed (RFC 8899, MAX_PROBES), and the wait after the first failure, in milliseconds; waits double. */
const maxProbes = 3
const firstWait = 1_000

/** When to probe again sizes that have failed (RFC 8899, section 5.1.1, PMTU_RAISE_TIMER), in milliseconds. */
const raiseAfter = 600_000

/** How many packets must follow a probe, of which the peer must have received some: loss shows by what arrives later. */
const packetsAfter = 4

/** How long a peer may delay acknowledgements (RFC 9000, section 18.2), with room for its scheduling; in milliseconds. */
const acknowledgementDelay = 50

/** After how many timeouts in a row, with nothing acknowledged, the size may be to blame. */
const maxTimeouts = 3

/**
 * Black hole detection: how many large packets it looks at, for how many milliseconds at least, and the share of losses that is
 * too much.
 */
const sample = 16
const minSampleTime = 200
const maxLoss = 0.75

interface Probe {
  readonly size: number
  readonly lost: number
  readonly lostBytes: number
  /** How many packets have been sent since. */
  after: number
  /** When there were enough of those, and how many packets had been received by then. */
  readyAt: number
  heard: number
}

/**
 * Keeps the current packet size of one path and the state of its probes, in bytes from `minDatagramSize` up (RFC 8899).
 */
export class MtuDiscovery {
  private size: number
  private readonly allowed: number
  private largest: number
  private probe: Probe | undefined = undefined
  private failures = 0
  private nextProbeAt = 0
  private timeouts = 0
  private fallbacks = 0
  /** How many packets above the smallest size were sent since the last sample, and in the sample before it. */
  private large = 0
  private largeBefore = 0
  private sampledAt = 0
  private lostBefore = 0
  private lostBytesBefore = 0
  private trusted: boolean

  /** `largest` in bytes. `trusted` paths, as those within a machine, begin with the largest size. */
  constructor(largest: number, trusted: boolean) {
    this.allowed = this.largest = Math.max(largest, minDatagramSize)
    this.trusted = trusted
    this.size = trusted ? this.largest : minDatagramSize
  }

  /** The size that packets to the peer may have, in bytes. */
  get current(): number {
    return this.size
  }

  /** Whether the path leads to this machine, as far as is known. */
  get isTrusted(): boolean {
    return this.trusted
  }

  /** The size that the next packet may have, in bytes: the current size, or that of a probe. */
  next(now: number): number {
    if (this.probe !== undefined || this.size >= this.largest || now < this.nextProbeAt) return this.size
    return this.nextSize ?? this.size
  }

  /** Whether a probe is under way. */
  get isProbing(): boolean {
    return this.probe !== undefined
  }

  /** Whether `observe` may come to a result. */
  hasPending(now: number): boolean {
    return this.probe !== undefined || (this.large >= sample && now - this.sampledAt >= minSampleTime)
  }

  /** The next size to probe. */
  private get nextSize(): number | undefined {
    const above = this.trusted ? this.largest : sizes.find((size) => size > this.size)
    const size = Math.min(above ?? Infinity, this.largest)
    return size > this.size ? size : undefined
  }

  /** Counts a packet of `length` bytes that was sent. */
  sent(length: number, path: PathCounter): void {
    if (length > minDatagramSize) this.large += 1
    const { probe } = this
    if (probe !== undefined) probe.after += 1
    else if (length > this.size) {
      const { lost, lostBytes } = path.pathCounts()
      this.probe = { size: length, lost, lostBytes, after: 0, readyAt: 0, heard: 0 }
    }
  }

  /** Decides whether the probe and the large packets were acknowledged or lost. */
  observe(now: number, counts: PathCounts): void {
    if (this.probe !== undefined) this.checkProbe(this.probe, now, counts)
    if (this.large >= sample) this.checkLosses(now, counts)
  }

  /** Restarts the discovery: the path to the peer has changed. */
  pathChanged(): void {
    this.trusted = false
    this.largest = this.allowed
    this.size = minDatagramSize
    this.probe = undefined
    this.failures = 0
    this.nextProbeAt = 0
  }

  /** The system refuses packets of `bytes`: a probe of that size would only be lost. */
  refused(bytes: number): void {
    if (bytes <= minDatagramSize || bytes > this.largest) return
    this.largest = Math.max(...sizes.filter((size) => size < bytes), minDatagramSize)
    if (this.probe !== undefined && this.probe.size > this.largest) {
      this.probe = undefined
      this.failures = 0
    }
    if (this.size <= this.largest) return
    this.size = this.trusted ? this.largest : minDatagramSize
    this.timeouts = 0
    this.large = this.largeBefore = 0
  }

  /** Something has been acknowledged. */
  acknowledged(): void {
    this.timeouts = 0
  }

  /** A timer of the binding has expired: something was not acknowledged in time. */
  timedOut(now: number): void {
    this.timeouts += 1
    if (this.timeouts >= maxTimeouts && this.large > 0) this.fallBack(now)
  }

  private checkProbe(probe: Probe, now: number, { lost, lostBytes, recv, rtt }: PathCounts): void {
    // All other packets had the current size at most, so the probe is among losses that are larger on average.
    if (lostBytes - probe.lostBytes > (lost - probe.lost) * this.size) return this.probeFailed(now)
    if (probe.after < packetsAfter) return
    if (probe.readyAt === 0) {
      probe.readyAt = now
      probe.heard = recv
    } else if (now - probe.readyAt > 2 * rtt + acknowledgementDelay && recv >= probe.heard + 2) {
      this.probe = undefined
      this.failures = 0
      this.size = probe.size
      this.large = this.largeBefore = 0
    }
  }

  private probeFailed(now: number): void {
    this.probe = undefined
    this.failures += 1
    if (this.failures < maxProbes) this.nextProbeAt = now + firstWait * 2 ** (this.failures - 1)
    else {
      this.failures = 0
      // Within a machine a smaller size may do.
      this.nextProbeAt = this.trusted ? now : now + raiseAfter
      this.trusted = false
    }
  }

  private checkLosses(now: number, { lost, lostBytes, rtt }: PathCounts): void {
    if (now - this.sampledAt < Math.max(minSampleTime, 3 * rtt)) return
    const small = (lost - this.lostBefore) * minDatagramSize
    const excess = lostBytes - this.lostBytesBefore - small
    // At least this many lost packets were large. Most of them were sent before the last sample.
    const large = this.size > minDatagramSize ? excess / (this.size - minDatagramSize) : 0
    const before = this.largeBefore
    this.sampledAt = now
    this.largeBefore = this.large
    this.large = 0
    this.lostBefore = lost
    this.lostBytesBefore = lostBytes
    if (before >= sample && large >= maxLoss * before) this.fallBack(now)
  }

  private fallBack(now: number): void {
    if (this.size === minDatagramSize) return
    if (now - this.nextProbeAt > raiseAfter) this.fallbacks = 0
    this.size = minDatagramSize
    this.probe = undefined
    this.failures = 0
    this.timeouts = 0
    this.large = 0
    this.largeBefore = 0
    this.nextProbeAt = now + Math.min(firstWait * 2 ** this.fallbacks, raiseAfter)
    this.fallbacks += 1
  }
}
