/**
 * The sending half of a stream that the peer opened. The application gets it with each message of the stream, and the
 * endpoint answers the peer's questions on it, one after the other.
 */
import { microtask } from "../microtask.ts"
import { constVoid } from "effect/Function"
import type { SendStream } from "../../SendStream.ts"
import type { BackingSendStream } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { Fifo } from "../../Fifo.ts"
import { onAbandoned } from "./abandoned.ts"
import { finish } from "./sendStream.ts"

/** The most unanswered questions that are taken from one stream. Further ones stay with the peer. */
const maxQuestions = 16

/** The reply of one stream. */
export class Reply {
  /** Whether the application has the reply. Then the application finishes it. */
  isShared = false
  private readonly stream: BackingSendStream
  /** The functions that start answering. The first one has been called. */
  private readonly questions = new Fifo<() => void>()
  private onRoomCallback: (() => void) | undefined = undefined
  /** Whether the peer can ask no more questions. */
  private isClosed = false
  private isAbandoned = false

  constructor(stream: BackingSendStream) {
    this.stream = stream
  }

  /**
   * Finishes the stream when the application has abandoned `handle`, since an unfinished stream counts against the peer's
   * stream limit. (In qp2p, dropping a stream ends it.)
   */
  finishWhenAbandoned(handle: SendStream): SendStream {
    onAbandoned(handle, () => this.abandon())
    return handle
  }

  /** Whether the reply takes another question. When it does not, `onRoom` calls back once. */
  get hasRoom(): boolean {
    return this.questions.length < maxQuestions
  }

  onRoom(callback: () => void): void {
    this.onRoomCallback = callback
  }

  /** Queues a question. `start` is called when it is the question's turn; `answer` must follow. */
  question(start: () => void): void {
    this.questions.push(start)
    // The end of the stream may arrive with the question: then the answer carries the end of the reply.
    if (this.questions.length === 1) microtask(start)
  }

  /** Sends the answer, if there is one. The next question has its turn when the stream has room. */
  readonly answer = (message: WireMessage.ControlMessage | undefined): void => {
    if (message === undefined) return this.answered()
    const last = this.isOver && this.questions.length === 1
    // The asker handles a lost answer.
    this.stream.write(WireMessage.encode(message), last, last ? constVoid : this.answered)
    if (last) this.questions.shift()
  }

  /** The peer asks no more questions. */
  close(): void {
    this.isClosed = true
    this.endIfOver()
  }

  private readonly answered = (): void => {
    this.questions.shift()
    const { onRoomCallback } = this
    this.onRoomCallback = undefined
    this.questions.first?.()
    onRoomCallback?.()
    this.endIfOver()
  }

  private abandon(): void {
    this.isAbandoned = true
    this.endIfOver()
  }

  /** Whether only the endpoint's answers to the queued questions remain to be sent. */
  private get isOver(): boolean {
    return this.isAbandoned || (this.isClosed && !this.isShared)
  }

  private endIfOver(): void {
    if (this.isOver && this.questions.length === 0) finish(this.stream)
  }
}
