/**
 * How large the packets to a peer may be (RFC 9000, section 14, and RFC 8899).
 *
 * Packets begin with what every path carries. Where more is allowed, one packet at a time is sent that is larger, with
 * whatever there is to send; when it has arrived, all may be as large. When packets get no answer, or hardly any of the
 * large ones arrives, the size falls back to the smallest, and larger ones are tried again later. Nothing is lost over
 * that but time: what a packet carried is sent again, in packets of the size of the day.
 *
 * The binding knows nothing of this. It fills the buffer it is given, up to its own maximum.
 */

/** What the binding knows of the path, since the connection was made. */
export interface PathCounts {
  /** Smoothed round-trip time, in milliseconds. */
  readonly rtt: number
  readonly recv: number
  readonly lost: number
  readonly lostBytes: number
}

/** Bytes that every QUIC path carries (RFC 9000, section 14). */
export const smallestPayload = 1_200

/** Sizes worth a try, in bytes: Ethernet with room for tunnels, Ethernet over IPv6, jumbo frames, and the largest there is. */
const steps = [1_350, 1_452, 8_952, 16_383]

/** Times that one size is tried, and how long to wait after the first failure, in milliseconds; the waits double. */
const maxTries = 3
const firstWait = 1_000

/** When to begin anew with sizes that did not get through (RFC 8899, section 5.1.1), in milliseconds. */
const raiseAfter = 600_000

/** Packets after the one that is tried, of which the peer must have seen some: loss shows by what arrives later. */
const packetsAfter = 4

/** What a peer may delay acknowledgements by (RFC 9000, section 18.2), with room for its scheduling; in milliseconds. */
const acknowledgementDelay = 50

/** Timers in a row that expire with nothing acknowledged, after which the size may be to blame. */
const maxExpirations = 3

/** Large packets that are looked at together, how long it takes for most of their losses to show, and the share that is too much. */
const sample = 16
const minLook = 200
const maxLoss = 0.75

interface Attempt {
  readonly size: number
  readonly lost: number
  readonly lostBytes: number
  /** Packets sent since. */
  after: number
  /** When there were enough of those, and what had been received. */
  readyAt: number
  heard: number
}

export class PayloadSize {
  /** Of packets to the peer, in bytes. */
  current: number
  private readonly allowed: number
  private largest: number
  private attempt: Attempt | undefined = undefined
  private failures = 0
  private nextTry = 0
  private expirations = 0
  private fallbacks = 0
  /** Packets sent above the smallest size since the last look, and in the time before it. */
  private large = 0
  private largeBefore = 0
  private lookedAt = 0
  private lostBefore = 0
  private lostBytesBefore = 0
  private trusted: boolean

  /** `trusted` paths, as those within a machine, begin with the largest size. */
  constructor(largest: number, trusted: boolean) {
    this.allowed = this.largest = Math.max(largest, smallestPayload)
    this.trusted = trusted
    this.current = trusted ? this.largest : smallestPayload
  }

  /** Whether it leads to this machine, as far as is known. */
  get isTrusted(): boolean {
    return this.trusted
  }

  /** Bytes that the next packet may have. */
  next(now: number): number {
    if (this.attempt !== undefined || this.current >= this.largest || now < this.nextTry) return this.current
    return this.step ?? this.current
  }

  /** Whether a packet of a size that is not yet known to get through is under way. */
  get isTrying(): boolean {
    return this.attempt !== undefined
  }

  /** Whether `observe` may have something to find out. */
  isUnsure(now: number): boolean {
    return this.attempt !== undefined || (this.large >= sample && now - this.lookedAt >= minLook)
  }

  /** The next size to try. */
  private get step(): number | undefined {
    const above = this.trusted ? this.largest : steps.find((size) => size > this.current)
    const size = Math.min(above ?? Infinity, this.largest)
    return size > this.current ? size : undefined
  }

  /** A packet of `length` bytes was sent. */
  sent(length: number, counts: () => PathCounts): void {
    if (length > smallestPayload) this.large += 1
    const { attempt } = this
    if (attempt !== undefined) attempt.after += 1
    else if (length > this.current) {
      const { lost, lostBytes } = counts()
      this.attempt = { size: length, lost, lostBytes, after: 0, readyAt: 0, heard: 0 }
    }
  }

  /** Looks at what has become of the packets. */
  observe(now: number, counts: PathCounts): void {
    if (this.attempt !== undefined) this.judge(this.attempt, now, counts)
    if (this.large >= sample) this.countLosses(now, counts)
  }

  /** The peer is reached by another path now. */
  moved(): void {
    this.trusted = false
    this.largest = this.allowed
    this.current = smallestPayload
    this.attempt = undefined
    this.failures = 0
    this.nextTry = 0
  }

  /** The system takes no packets of so many bytes: no use in finding out by losing some. */
  refused(bytes: number): void {
    if (bytes <= smallestPayload || bytes > this.largest) return
    this.largest = Math.max(...steps.filter((size) => size < bytes), smallestPayload)
    if (this.attempt !== undefined && this.attempt.size > this.largest) {
      this.attempt = undefined
      this.failures = 0
    }
    if (this.current <= this.largest) return
    this.current = this.trusted ? this.largest : smallestPayload
    this.expirations = 0
    this.large = this.largeBefore = 0
  }

  /** Something has been acknowledged. */
  progressed(): void {
    this.expirations = 0
  }

  /** A timer of the binding's has expired: something was not acknowledged in time. */
  expired(now: number): void {
    this.expirations += 1
    if (this.expirations >= maxExpirations && this.large > 0) this.fallBack(now)
  }

  private judge(attempt: Attempt, now: number, { lost, lostBytes, recv, rtt }: PathCounts): void {
    // All others were at most of the current size, so losses that are larger on average include the one that was tried.
    if (lostBytes - attempt.lostBytes > (lost - attempt.lost) * this.current) return this.failed(now)
    if (attempt.after < packetsAfter) return
    if (attempt.readyAt === 0) {
      attempt.readyAt = now
      attempt.heard = recv
    } else if (now - attempt.readyAt > 2 * rtt + acknowledgementDelay && recv >= attempt.heard + 2) {
      this.attempt = undefined
      this.failures = 0
      this.current = attempt.size
      this.large = this.largeBefore = 0
    }
  }

  private failed(now: number): void {
    this.attempt = undefined
    this.failures += 1
    if (this.failures < maxTries) this.nextTry = now + firstWait * 2 ** (this.failures - 1)
    else {
      this.failures = 0
      // Within a machine it may be that a smaller one would do.
      this.nextTry = this.trusted ? now : now + raiseAfter
      this.trusted = false
    }
  }

  private countLosses(now: number, { lost, lostBytes, rtt }: PathCounts): void {
    if (now - this.lookedAt < Math.max(minLook, 3 * rtt)) return
    const small = (lost - this.lostBefore) * smallestPayload
    const excess = lostBytes - this.lostBytesBefore - small
    // At least so many of what was lost were large. Most of them were sent before the last look.
    const large = this.current > smallestPayload ? excess / (this.current - smallestPayload) : 0
    const before = this.largeBefore
    this.lookedAt = now
    this.largeBefore = this.large
    this.large = 0
    this.lostBefore = lost
    this.lostBytesBefore = lostBytes
    if (before >= sample && large >= maxLoss * before) this.fallBack(now)
  }

  private fallBack(now: number): void {
    if (this.current === smallestPayload) return
    if (now - this.nextTry > raiseAfter) this.fallbacks = 0
    this.current = smallestPayload
    this.attempt = undefined
    this.failures = 0
    this.expirations = 0
    this.large = 0
    this.largeBefore = 0
    this.nextTry = now + Math.min(firstWait * 2 ** this.fallbacks, raiseAfter)
    this.fallbacks += 1
  }
}
