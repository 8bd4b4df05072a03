/**
 * Telling the peer that a connection is over.
 */
import { encodeReason } from "../binding/errorCodes.ts"
import { withdrawal } from "../packets/initialClose.ts"
import type { NativeConnection } from "../binding/native.ts"

/** How long a close waits for room in the congestion window, in milliseconds. */
const patience = 100

/** How long it may take in all. */
const longest = 1_000

export class Closing {
  private readonly native: NativeConnection
  private readonly dialled: boolean
  private readonly application: boolean
  private readonly code: number
  private readonly reason: string
  private since = performance.now()
  /** Whether the binding knows. */
  told = false
  /** The close frame, to be repeated while late packets come: the binding sends it once, and it may be lost. */
  private packet: Uint8Array | undefined = undefined
  private lateArrivals = 0

  constructor(native: NativeConnection, dialled: boolean, application: boolean, code: number, reason: string) {
    this.native = native
    this.dialled = dialled
    this.application = application
    this.code = code
    this.reason = reason
  }

  /** There is no time to wait. */
  hurry(): void {
    this.since = -Infinity
  }

  /**
   * Whether now is the time to close. The binding sends no close frame while the congestion window is full, and
   * acknowledgements that come after `close` do not empty it any more. So it is called when one has just come, or when
   * none seems to.
   */
  mayTell(now: number, congested: boolean, heard: boolean): boolean {
    return this.told || !congested || heard || now - this.since >= patience
  }

  /** Writes the close frame into `buffer`; 0 when the binding writes none. */
  write(buffer: Uint8Array): number {
    try {
      if (!this.told) {
        this.told = true
        // A dial that has had no answer yet: the peer has it half open, and the binding would say nothing.
        if (this.dialled && !this.native.isEstablished() && this.native.stats().recv === 0) {
          this.packet = withdrawal(this.native.destinationId(), this.native.sourceId())
        }
        this.native.close(this.application, this.code, encodeReason(this.reason))
        if (this.packet !== undefined) {
          buffer.set(this.packet)
          return this.packet.length
        }
      }
      const sent = this.native.send(buffer)
      if (sent === null) return 0
      this.packet = buffer.slice(0, sent[0])
      return sent[0]
    } catch {
      // Closing for another reason already; or a peer without keys, to whom nothing can be said.
      return 0
    }
  }

  /** Whether it is no use to go on trying. */
  tooLate(now: number): boolean {
    return now - this.since > longest
  }

  /** The frame, when it is time to repeat it: less and less often as late packets come (RFC 9000, section 10.2.1). */
  answerLate(): Uint8Array | undefined {
    this.lateArrivals += 1
    return (this.lateArrivals & (this.lateArrivals - 1)) === 0 ? this.packet : undefined
  }
}
