/**
 * The codes with which the peer has stopped streams, read from its STOP_SENDING frames (RFC 9000, section 19.5).
 *
 * The binding drops a stopped stream, and the code with it, as soon as something that was sent on the stream is acknowledged,
 * and as soon as the peer's half has been read to its end. A peer that stops a stream at once acknowledges in the same packet
 * what has arrived, so the binding could not be asked for the code in time.
 */
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { cursor, readVarint, tagLength } from "../packets/frames.ts"
import { maxStopCodes } from "../tunables.ts"

/** Frame types (RFC 9000, section 19). */
const stopSending = 0x05
const newConnectionId = 0x18
const pathChallenge = 0x1a
const pathResponse = 0x1b

/** In bytes (RFC 9000, sections 19.15 and 19.17). */
const resetTokenLength = 16
const pathDataLength = 8

/**
 * How many numbers follow the type of a frame, for the frames that a packet may have before its STOP_SENDING frames; the
 * other types are not in it. Nothing is read behind a frame with data.
 */
const numbersOf: Partial<Record<number, number>> = {
  0x01: 0, // PING
  0x04: 3,
  [stopSending]: 2,
  0x10: 1, // MAX_DATA
  0x11: 2, // MAX_STREAM_DATA
  0x12: 1, // MAX_STREAMS, bidirectional
  0x13: 1, // MAX_STREAMS, unidirectional
  0x14: 1, // DATA_BLOCKED
  0x15: 2, // STREAM_DATA_BLOCKED
  0x16: 1, // STREAMS_BLOCKED, bidirectional
  0x17: 1, // STREAMS_BLOCKED, unidirectional
  [newConnectionId]: 2,
  0x19: 1, // RETIRE_CONNECTION_ID
  [pathChallenge]: 0,
  [pathResponse]: 0,
  0x1e: 0 // HANDSHAKE_DONE
}

/** Maps stream ids to the error codes of STOP_SENDING frames, at most `maxStopCodes` of one turn. */
export class StopCodes {
  /** Made when the first code comes: most connections have none. */
  private codes: Map<number, number> | undefined = undefined

  /** Reads the frames of a decrypted packet, beginning `at` that byte. */
  read(packet: Uint8Array, at: number): void {
    const end = packet.length - tagLength
    cursor.at = at
    while (cursor.at < end) {
      const type = packet[cursor.at]!
      const numbers = numbersOf[type]
      if (numbers === undefined) return
      cursor.at += 1
      if (type !== stopSending) {
        for (let i = 0; i < numbers; i++) readVarint(packet)
        if (type === newConnectionId) cursor.at += 1 + packet[cursor.at]! + resetTokenLength
        else if (type === pathChallenge || type === pathResponse) cursor.at += pathDataLength
      } else {
        const id = readVarint(packet)
        const code = readVarint(packet)
        if (cursor.at <= end) this.add(id, ErrorCode.clamp(code))
      }
    }
  }

  private add(id: number, code: number): void {
    const codes = (this.codes ??= new Map())
    if (codes.size < maxStopCodes) codes.set(id, code)
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
