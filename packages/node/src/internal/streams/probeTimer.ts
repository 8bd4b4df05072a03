/**
 * What may be written after a probe timeout, when the binding takes any number of bytes (RFC 9002, section 7.5).
 *
 * It goes on to do so until it has taken a packet of the peer after the probes have left. For a peer that acknowledges nothing it
 * would copy all that is queued. So only a few bytes are written until then.
 */
import type { NativeConnection } from "../binding/native.ts"
import { maxWrittenUnanswered } from "../tunables/streams.ts"

/** Follows the binding's timers of one connection. The binding does not tell which of them has expired. */
export class ProbeTimer {
  private readonly native: NativeConnection
  private state: "none" | "expired" | "sent" = "none"
  /** How many packets of the peer the binding had taken when the probes had left. */
  private packetsBefore = 0
  private left = 0
  private isAsked = false

  constructor(native: NativeConnection) {
    this.native = native
  }

  /** Records that a timer has expired. */
  expired(): void {
    this.state = "expired"
    this.left = maxWrittenUnanswered
    this.isAsked = false
  }

  /**
   * Records that what the binding had to send has left. Returns whether to ask the peer for a packet, if something waits: what has
   * left may ask for no acknowledgement. It does so once.
   */
  flushed(isWaiting: boolean): boolean {
    if (this.state === "none") return false
    if (this.state === "expired") {
      this.state = "sent"
      this.packetsBefore = this.native.stats().recv
    }
    if (this.isAsked || !isWaiting) return false
    return (this.isAsked = true)
  }

  /** Looks whether the peer has answered. Returns how many bytes may be written: any number, once it has. */
  room(): number {
    if (this.state === "sent" && this.native.stats().recv > this.packetsBefore) this.state = "none"
    return this.state === "none" ? Infinity : this.left
  }

  /** Whether an answer was awaited when `room` was called last. */
  get awaitsAnswer(): boolean {
    return this.state !== "none"
  }

  /** Records what was written. */
  wrote(bytes: number): void {
    this.left -= bytes
  }
}
