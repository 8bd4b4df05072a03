/**
 * The answering half of a stream that the peer opened. It belongs to the application, which gets it with each message of
 * the stream, and to the questions that the endpoint is answering on it.
 */
import type { SendStream } from "../../SendStream.ts"
import type { BackingSendStream } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"

export class Reply {
  private readonly stream: BackingSendStream
  private answering = 0
  private forgotten = false

  constructor(stream: BackingSendStream) {
    this.stream = stream
  }

  /**
   * Ends the stream when the application has let go of `handle` without finishing it: an open stream costs the peer a
   * place among those that it may have open. (In qp2p, dropping a stream ends it.)
   */
  watch(handle: SendStream): SendStream {
    handles.register(handle, this)
    return handle
  }

  /** A question came; `answer` must follow. */
  readonly question = (): void => {
    this.answering += 1
  }

  /** Sends the answer, which ends the stream; none if the question turned out to be none. */
  readonly answer = (message: WireMessage.ControlMessage | undefined): void => {
    this.answering -= 1
    // Whether the answer arrives is the asker's concern.
    if (message !== undefined) this.stream.write(WireMessage.encode(message), true, () => {})
    else if (this.forgotten) this.end()
  }

  forget(): void {
    this.forgotten = true
    if (this.answering === 0) this.end()
  }

  private end(): void {
    this.stream.write(new Uint8Array(0), true, () => {})
  }
}

const handles = new FinalizationRegistry<Reply>((reply) => reply.forget())
