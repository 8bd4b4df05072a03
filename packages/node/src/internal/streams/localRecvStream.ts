/**
 * The receiving half of a stream that we opened: it has no id before its sending half has one.
 */
import type { BackingRecvStream, RecvEvents } from "@qp2p/core/Transport"
import type { Incoming } from "./incoming.ts"
import type { RecvStream } from "./recvStream.ts"
import type { SendStream } from "./sendStream.ts"

export class LocalRecvStream implements BackingRecvStream {
  private stream: RecvStream | undefined = undefined
  private stopCode: number | undefined = undefined

  constructor(incoming: Incoming, send: SendStream, events: RecvEvents) {
    send.onId = (id) => {
      const stream = incoming.listen(id, events)
      this.stream = stream
      send.answer = stream
      if (send.finWritten && send.written === 0) stream.held = true
      if (this.stopCode !== undefined) stream.stop(this.stopCode)
    }
    send.onNoId = (failure) => {
      if (this.stopCode === undefined) events.onEnd(failure)
    }
  }

  resume(): void {
    this.stream?.resume()
  }

  stop(code: number): void {
    if (this.stream === undefined) this.stopCode = code
    else this.stream.stop(code)
  }
}
