/**
 * The receiving half of a stream.
 */
import { StreamStopped } from "../../StreamError.ts"
import type { BackingRecvStream, RecvEvents, StreamFailure } from "../../Transport.ts"
import { clampCode, codeOf } from "./errorCode.ts"
import type { NativeConnection } from "./native.ts"

/** What a receiving half needs of its connection. */
export interface RecvOwner {
  readonly native: NativeConnection
  readonly resumed: () => void
  readonly stopped: (half: RecvStream, code: number) => void
  /** Stream bytes handed on, for the connection's accounts. */
  readonly delivered: (bytes: number) => void
}

export class RecvStream implements BackingRecvStream {
  readonly id: number
  paused = false
  ended = false
  /** Set by the connection as soon as the owner of the events is known. */
  events: RecvEvents | undefined = undefined
  private readonly owner: RecvOwner

  constructor(owner: RecvOwner, id: number) {
    this.owner = owner
    this.id = id
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    if (!this.ended) this.owner.resumed()
  }

  stop(code: number): void {
    if (this.ended) return
    this.ended = true
    this.owner.stopped(this, clampCode(code))
  }

  /** Reads what has arrived, until there is no more or the owner pauses. `scratch` is lent for the call. */
  read(scratch: Uint8Array, regardless: boolean): void {
    while (!this.ended && (regardless || !this.paused)) {
      let result: [number, boolean] | null
      try {
        result = this.owner.native.streamRecv(this.id, scratch)
      } catch (error) {
        // The code comes once; asking again only says that the stream is in the wrong state.
        const code = codeOf(error, "StreamReset")
        return this.end(code === undefined ? undefined : new StreamStopped({ code }))
      }
      if (result === null) return
      const [length, fin] = result
      this.owner.delivered(length)
      if (length > 0 && !this.events!.onData(scratch.subarray(0, length))) this.paused = true
      if (fin) return this.end(undefined)
    }
  }

  end(failure: StreamFailure | undefined): void {
    if (this.ended) return
    this.ended = true
    this.events?.onEnd(failure)
  }
}
