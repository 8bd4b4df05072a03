/**
 * The CONNECTION_CLOSE frame of a connection that this side closes (RFC 9000, section 10.2.1).
 */
import { encodeReason } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"

/** How long the frame waits for room in the congestion window, in milliseconds. */
const patience = 100

/** The time limit for sending the frame, in milliseconds. */
const timeout = 1_000

/** Writes one CONNECTION_CLOSE frame once the congestion window has room. */
export class Closing {
  private readonly native: NativeConnection
  private readonly withdrawal: () => Uint8Array | undefined
  private readonly application: boolean
  private readonly code: number
  private readonly reason: string
  private readonly since = performance.now()
  private begun = false
  private sent: Uint8Array | undefined = undefined
  private withdrawn = false

  /**
   * `application` for a code of the application, else `code` is a transport error code (RFC 9000, section 20). `withdrawal`
   * makes the packet that takes the place of the binding's, if it must not or cannot send one.
   */
  constructor(
    native: NativeConnection,
    withdrawal: () => Uint8Array | undefined,
    application: boolean,
    code: number,
    reason: string
  ) {
    this.native = native
    this.withdrawal = withdrawal
    this.application = application
    this.code = code
    this.reason = reason
  }

  /** Whether a dial was withdrawn: the binding has sent no close frame, and is to send nothing any more. */
  get isWithdrawn(): boolean {
    return this.withdrawn
  }

  /**
   * The packet with the frame, if it was sent. Late packets are answered with it: the binding sends it once, and it may be
   * lost.
   */
  get packet(): Uint8Array | undefined {
    return this.sent
  }

  /** Whether the binding has been told to close. */
  get hasBegun(): boolean {
    return this.begun
  }

  /**
   * Whether to send the frame now. The binding sends no close frame while the congestion window is full, and after `close` no
   * acknowledgement empties the window any more. So the frame waits until one has just come (`heard`), or none seems to.
   */
  mayBegin(now: number, congested: boolean, heard: boolean): boolean {
    return this.begun || !congested || heard || now - this.since >= patience
  }

  /** Writes the packet with the frame into `buffer`, and returns its length: 0 when the binding writes none. */
  write(buffer: Uint8Array): number {
    try {
      if (!this.begun) {
        this.begun = true
        const withdrawal = this.withdrawal()
        if (withdrawal !== undefined) {
          this.withdrawn = true
          this.sent = withdrawal
          buffer.set(withdrawal)
          return withdrawal.length
        }
        this.native.close(this.application, this.code, encodeReason(this.reason))
      }
      if (this.withdrawn) return 0
      const sent = this.native.send(buffer)
      if (sent === null) return 0
      this.sent = buffer.slice(0, sent[0])
      return sent[0]
    } catch {
      // The connection closes for another reason already, or the peer has no keys to read the frame with.
      return 0
    }
  }

  /** Whether sending the frame has taken too long. */
  hasTimedOut(now: number): boolean {
    return now - this.since > timeout
  }
}
