/**
 * When the peer was last heard, and the idle timeout that both sides agreed on.
 */
import type { NativeConnection } from "../binding/native.ts"

/** Reads from the binding's counters when the peer sent a packet last, and reads both idle timeouts once. */
export class PeerActivity {
  private readonly native: NativeConnection
  private readonly ownIdleTimeout: number
  private agreedIdleTimeout: number | undefined = undefined
  /** When packets came last, in `performance.now()` milliseconds. */
  private receivedAt = performance.now()
  private count = 0
  private countedAt = 0

  /** `idleTimeout` is this side's, in milliseconds; `Infinity` for none. */
  constructor(native: NativeConnection, idleTimeout: number) {
    this.native = native
    this.ownIdleTimeout = idleTimeout
  }

  /** Records that packets came in the turn that began at `now`. */
  received(now: number): void {
    this.receivedAt = now
  }

  /** How many packets have come that the peer did send, as the binding has authenticated them. */
  heard(): number {
    return this.native.stats().recv
  }

  /**
   * When the last of the `recv` packets came that the peer did send, in `performance.now()` milliseconds. Exact only if it is
   * asked in each turn of the time in question.
   */
  heardAt(recv: number): number {
    if (recv !== this.count) {
      this.count = recv
      this.countedAt = this.receivedAt
    }
    return this.countedAt
  }

  /** The smaller idle timeout of both sides (RFC 9000, section 10.1), in milliseconds; `Infinity` if neither has one. */
  idleTimeout(): number {
    if (this.agreedIdleTimeout === undefined) {
      const peer = this.native.stats().peerMaxIdleTimeout
      this.agreedIdleTimeout = peer > 0 ? Math.min(peer, this.ownIdleTimeout) : this.ownIdleTimeout
    }
    return this.agreedIdleTimeout
  }

  /**
   * The probe timeout (RFC 9002, section 6.2), if that is what the binding's timer is set to. With nothing in flight the only
   * timer is the idle one; while something is in flight, the probe timeout is sooner.
   */
  probeTimeout(now: number, timeout: number | null): number | undefined {
    const idle = this.agreedIdleTimeout ?? this.ownIdleTimeout
    const left = idle - (now - this.receivedAt) - Math.min(50, idle / 10)
    return timeout !== null && timeout < left ? timeout : undefined
  }
}
