/**
 * The receiving half of a stream that this side opens, which has no id before its sending half has one.
 */
import type { BackingRecvStream, RecvEvents } from "@qp2p/core/Transport"
import type { Incoming } from "./incoming.ts"
import type { RecvStream } from "./recvStream.ts"
import type { SendStream } from "./sendStream.ts"

/**
 * Implements `BackingRecvStream` before and after the stream has its id: it keeps the code of an
 * early stop and passes it on once the half exists.
 */
export class LocalRecvStream implements BackingRecvStream {
  private half: RecvStream | undefined = undefined
  private stopCode: number | undefined = undefined

  constructor(incoming: Incoming, send: SendStream, events: RecvEvents) {
    send.whenOpened(
      (id) => {
        const half = incoming.listen(id, events)
        this.half = half
        send.setPeerHalf(half)
        if (this.stopCode !== undefined) half.stop(this.stopCode)
      },
      (failure) => {
        if (this.stopCode === undefined) events.onEnd(failure)
      }
    )
  }

  resume(): void {
    this.half?.resume()
  }

  stop(code: number): void {
    if (this.half === undefined) this.stopCode = code
    else this.half.stop(code)
  }
}
