/**
 * Reads what the binding says of a stream's sending half: in results, and in the texts of errors.
 */
import { StreamClosed, StreamStopped } from "@qp2p/core/StreamError"
import type { StreamFailure } from "@qp2p/core/Transport"
import { codeOf, untraced } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"
import type { StopCodes } from "./stopCodes.ts"
import { sendQuantum } from "../tunables/streams.ts"

/**
 * The failure of a stream that was reset here, or that the binding does not know any more. It carries nothing, and one is made
 * whenever a stream that is over is finished once more, so all share it.
 */
const closed = untraced(() => new StreamClosed())

/** Returns that failure. */
export const streamClosed = (): StreamClosed => closed

/** What ended a stream, by the error that writing it has thrown. */
export const failureOf = (error: unknown): StreamFailure => {
  const code = codeOf(error, "StreamStopped")
  return code === undefined ? streamClosed() : new StreamStopped({ code })
}

/**
 * How the peer has stopped a stream, by the error that the binding has thrown. The binding may have dropped the stream, and the
 * code with it; then the code is that of the peer's frame, or 0 when that frame could not be read.
 */
export const stoppedBy = (error: unknown, id: number, stopCodes: StopCodes): StreamStopped =>
  new StreamStopped({ code: codeOf(error, "StreamStopped") ?? stopCodes.of(id) ?? 0 })

/** Whether the peer has stopped a stream. Only right before its fin was written: later its end looks the same. */
export const findStop = (native: NativeConnection, id: number, stopCodes: StopCodes): StreamStopped | undefined => {
  try {
    native.streamWritable(id, 0)
    return undefined
  } catch (error) {
    return stoppedBy(error, id, stopCodes)
  }
}

/**
 * Whether the peer has acknowledged everything, fin included; or that it has stopped the stream. Only right after the fin
 * was written.
 *
 * The binding drops a stream when all of it is acknowledged. For a unidirectional stream of this side's, that is when
 * `streamFinished` turns true: its receiving half never finishes. (An empty `streamSend`, the other way to see it, puts an
 * empty frame on the wire each time.) Long streams are also watched for a peer that stops them, which `streamFinished`
 * would hide.
 */
export const findAcknowledged = (
  native: NativeConnection,
  id: number,
  bidirectional: boolean,
  written: number
): boolean | StreamStopped => {
  if (!bidirectional && written <= sendQuantum) return native.streamFinished(id)
  try {
    untraced(() => native.streamWritable(id, 0))
    return false
  } catch (error) {
    const code = codeOf(error, "StreamStopped")
    return code === undefined ? true : new StreamStopped({ code })
  }
}
