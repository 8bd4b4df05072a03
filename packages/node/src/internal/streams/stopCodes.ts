/**
 * The codes with which the peer has stopped streams, read from its STOP_SENDING frames (RFC 9000, section 19.5).
 *
 * The binding drops a stopped stream, and the code with it, as soon as something that was sent on the stream is acknowledged,
 * and as soon as the peer's half has been read to its end. A peer that stops a stream at once acknowledges in the same packet
 * what has arrived, so the binding could not be asked for the code in time.
 */
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { maxStopCodes } from "../tunables/streams.ts"

/** Maps stream ids to the error codes of STOP_SENDING frames, at most `maxStopCodes` of one turn. */
export class StopCodes {
  /** Made when the first code comes: most connections have none. */
  private codes: Map<number, number> | undefined = undefined

  /** A STOP_SENDING frame has come. */
  add(id: number, code: number): void {
    const codes = (this.codes ??= new Map())
    if (codes.size < maxStopCodes) codes.set(id, ErrorCode.clamp(code))
  }

  /** Whether no stop has come since the last `clear`. */
  get isEmpty(): boolean {
    return this.codes === undefined
  }

  /** The code with which the peer has stopped a stream, if its frame has come since the last `clear`. */
  of(id: number): number | undefined {
    return this.codes?.get(id)
  }

  /** Forgets all codes: the streams that were stopped have ended. */
  clear(): void {
    this.codes = undefined
  }
}
