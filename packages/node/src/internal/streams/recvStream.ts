/**
 * The receiving half of a stream.
 */
import { StreamClosed, StreamReset } from "@qp2p/core/StreamError"
import type { BackingRecvStream, RecvEvents, StreamFailure } from "@qp2p/core/Transport"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { codeOf } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"
import { maxStreamRead } from "../tunables.ts"

/** What a receiving half needs of its connection. */
export interface RecvOwner {
  readonly native: NativeConnection
  /** Whether nobody is to hear any more of anything. */
  readonly isClosing: boolean
  readonly resumed: () => void
  /** There is more than one turn reads. */
  readonly unread: () => void
  readonly stopped: (half: RecvStream, code: number) => void
  /** The peer took back what it had sent: what was not read of it never will be. */
  readonly wasReset: () => void
  /** Stream bytes handed on, for the connection's accounts. */
  readonly delivered: (bytes: number) => void
}

export class RecvStream implements BackingRecvStream {
  readonly id: number
  paused = false
  /** Nobody is to hear more of it: it is over, or this side has stopped it. */
  ended = false
  /** Not to be read to its end now, so not at all: its sending half's fin would be lost. */
  held = false
  /** With what the peer is to be asked to stop, once it is held no more. */
  private stopCode: number | undefined = undefined
  /** Its end has been read. */
  over = false
  /** The last read of the connection in which it had its share. */
  pass = 0
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

  release(): void {
    if (!this.held) return
    this.held = false
    if (this.stopCode === undefined) this.owner.resumed()
    else this.owner.stopped(this, this.stopCode)
  }

  stop(code: number): void {
    if (this.ended) return
    this.ended = true
    if (this.held) this.stopCode = ErrorCode.clamp(code)
    else this.owner.stopped(this, ErrorCode.clamp(code))
  }

  /** Reads what has arrived, until there is no more or the owner pauses. `scratch` is lent for the call. */
  read(scratch: Uint8Array, regardless: boolean): void {
    let left = regardless ? Infinity : maxStreamRead
    while (!this.ended && !this.owner.isClosing && (regardless || !this.paused)) {
      if (left <= 0) return this.owner.unread()
      let room = scratch
      if (!regardless && this.events!.demand !== undefined) {
        const demand = this.events!.demand()
        if (demand <= 0) {
          this.paused = true
          return
        }
        if (demand < scratch.length) room = scratch.subarray(0, demand)
      }
      let result: [number, boolean] | null
      try {
        result = this.owner.native.streamRecv(this.id, room)
      } catch (error) {
        // The code comes once; asking again only says that the stream is in the wrong state.
        const code = codeOf(error, "StreamReset")
        if (code !== undefined) this.owner.wasReset()
        return this.end(code === undefined ? new StreamClosed() : new StreamReset({ code }))
      }
      if (result === null) return
      const [length, fin] = result
      this.owner.delivered(length)
      left -= length
      if (length > 0 && !this.events!.onData(room.subarray(0, length))) this.paused = true
      if (this.owner.isClosing) return
      if (fin) return this.end(undefined)
    }
  }

  /** Reads what has arrived of a stream that nobody wants any more, which gives its window back. True at its end. */
  discard(scratch: Uint8Array): boolean {
    try {
      for (;;) {
        const result = this.owner.native.streamRecv(this.id, scratch)
        if (result === null) return false
        this.owner.delivered(result[0])
        if (result[1]) return true
      }
    } catch {
      return true
    }
  }

  end(failure: StreamFailure | undefined): void {
    this.over = true
    if (this.ended) return
    this.ended = true
    this.events?.onEnd(failure)
  }
}
