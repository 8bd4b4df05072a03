/**
 * The answering half of a stream that the peer opened. It belongs to the application, which gets it with each message of
 * the stream, and to the questions that the endpoint is answering on it, one after the other.
 */
import { microtask } from "../microtask.ts"
import { constVoid } from "effect/Function"
import type { SendStream } from "../../SendStream.ts"
import type { BackingSendStream } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { Fifo } from "../../Fifo.ts"
import { whenLetGo } from "./letGo.ts"
import { finish } from "./sendStream.ts"

/** Questions of one stream that are taken before the first of them is answered. The others stay with the peer. */
const mostQuestions = 16

export class Reply {
  /** Whether the application has been handed the half. Then it is for the application to end it. */
  isShared = false
  private readonly stream: BackingSendStream
  /** Start answering. The first of them has begun to. */
  private readonly questions = new Fifo<() => void>()
  private roomWaiter: (() => void) | undefined = undefined
  /** Whether all questions have come. */
  private asked = false
  private forgotten = false

  constructor(stream: BackingSendStream) {
    this.stream = stream
  }

  /**
   * Ends the stream when the application has let go of `handle` without finishing it: an open stream costs the peer a
   * place among those that it may have open. (In qp2p, dropping a stream ends it.)
   */
  watch(handle: SendStream): SendStream {
    whenLetGo(handle, () => this.forget())
    return handle
  }

  /** Whether another question is taken now; when not, `onRoom` tells once. */
  get hasRoom(): boolean {
    return this.questions.length < mostQuestions
  }

  onRoom(callback: () => void): void {
    this.roomWaiter = callback
  }

  /** A question came: `start` is called when it is its turn, and `answer` must follow. */
  question(start: () => void): void {
    this.questions.push(start)
    // The end of the stream may come with the question: then it goes with the answer, too.
    if (this.questions.length === 1) microtask(start)
  }

  /** Sends the answer; none if the question turned out to be none. The next one has its turn when there is room for more. */
  readonly answer = (message: WireMessage.ControlMessage | undefined): void => {
    if (message === undefined) return this.answered()
    const last = this.isOver && this.questions.length === 1
    // Whether the answer arrives is the asker's concern.
    this.stream.write(WireMessage.encode(message), last, last ? constVoid : this.answered)
    if (last) this.questions.shift()
  }

  /** No more questions will come. */
  close(): void {
    this.asked = true
    this.endIfOver()
  }

  private readonly answered = (): void => {
    this.questions.shift()
    const { roomWaiter } = this
    this.roomWaiter = undefined
    this.questions.first?.()
    roomWaiter?.()
    this.endIfOver()
  }

  private forget(): void {
    this.forgotten = true
    this.endIfOver()
  }

  /** Whether nobody has anything to say but the endpoint, on what it has been asked. */
  private get isOver(): boolean {
    return this.forgotten || (this.asked && !this.isShared)
  }

  private endIfOver(): void {
    if (this.isOver && this.questions.length === 0) finish(this.stream)
  }
}
