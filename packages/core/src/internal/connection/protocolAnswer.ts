/**
 * Reads the peer's answer to the name of a protocol, with which the returning half of a stream begins.
 */
import type { ProtocolRefused } from "../../ProtocolError.ts"
import type { RecvEvents, StreamFailure } from "../../Transport.ts"
import { joined } from "../memory.ts"
import * as controlBody from "../wire/controlBody.ts"
import * as header from "../wire/header.ts"

const { openRespLength } = controlBody

/** The size of the frame of an answer, in bytes. */
const answerLength = header.length + openRespLength

/** The view of a stream of a protocol. */
export interface AnswerOwner {
  /** The peer has refused the stream. */
  readonly refuse: (kind: ProtocolRefused["kind"]) => void
  /** What the peer has sent is no answer. */
  readonly malformed: (problem: string) => void
}

/** The events of the returning half: the answer goes to the owner, the bytes after it to the buffer of the stream. */
export class ProtocolAnswer implements RecvEvents {
  /** The stream, set before the first event. */
  owner: AnswerOwner | undefined = undefined
  private readonly received: RecvEvents
  private isAnswered = false
  /** The bytes of an answer that has arrived in part. */
  private part: Uint8Array | undefined = undefined

  constructor(received: RecvEvents) {
    this.received = received
  }

  onData(chunk: Uint8Array): boolean {
    if (this.isAnswered) return this.received.onData(chunk)
    const bytes = this.part === undefined ? chunk : joined(this.part, chunk)
    if (bytes.length < answerLength) {
      // The transport owns the chunk.
      this.part = new Uint8Array(bytes)
      return true
    }
    this.isAnswered = true
    this.part = undefined
    this.answer(bytes)
    return bytes.length === answerLength || this.received.onData(bytes.subarray(answerLength))
  }

  onEnd(failure?: StreamFailure): void {
    if (!this.isAnswered && failure === undefined) {
      // A peer that knows no protocols ends the stream without a byte.
      if (this.part === undefined) this.owner!.refuse("NotServed")
      else this.owner!.malformed("it is cut off")
    }
    this.received.onEnd(failure)
  }

  private answer(bytes: Uint8Array): void {
    const message = header.mayBegin(bytes, header.controlFlag, openRespLength, openRespLength)
      ? controlBody.decode(bytes, header.length, openRespLength)
      : "it must begin with a ProtocolOpenResp"
    if (typeof message === "string") return this.owner!.malformed(message)
    if (message._tag !== "ProtocolOpenResp") return this.owner!.malformed(`it is a ${message._tag}`)
    if (message.outcome !== "Accepted") this.owner!.refuse(message.outcome)
  }
}
