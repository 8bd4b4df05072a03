/**
 * The receiving half of a stream.
 */
import { StreamClosed, StreamReset } from "@qp2p/core/StreamError"
import type { BackingRecvStream, RecvEvents, StreamFailure } from "@qp2p/core/Transport"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { codeOf } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"
import { maxStreamRead } from "../tunables/streams.ts"

/** What a receiving half needs of its connection. */
export interface RecvOwner {
  readonly native: NativeConnection
  /** Whether the connection's owner has closed it: then no stream reports anything any more. */
  readonly isClosing: boolean
  /** The half may be read again. */
  readonly onReadable: () => void
  /** The half has more than one turn reads. */
  readonly onMore: () => void
  /** The half was stopped, with this code for the peer. */
  readonly onStop: (half: RecvStream, code: number) => void
  /** The peer has reset the stream: what was not read of it never will be. */
  readonly onReset: () => void
  /** `bytes` of the half were read, which has been read up to `offset` now. */
  readonly onRead: (half: RecvStream, bytes: number, offset: number) => void
}

/**
 * Implements `BackingRecvStream`: it delivers the bytes, the end or the failure of one stream to its events, and pauses,
 * stops or discards.
 */
export class RecvStream implements BackingRecvStream {
  readonly id: number
  /** Whether its owner reads no more for now. */
  paused = false
  /** Whether it reports nothing any more: its end was reported, or this side has stopped it. */
  ended = false
  /** Whether its end has been read, or the binding has dropped it. */
  isRead = false
  /** Whether it must not be read: the binding would drop the stream at its end, and with it the sending half's fin. */
  isDeferred = false
  /** The code for the peer, when the half was stopped while its reading is deferred. */
  private stopCode: number | undefined = undefined
  /** The connection's last pass of reading in which the half had its share. */
  private lastPass = 0
  /** How many bytes have been read. */
  private offset = 0
  private events: RecvEvents | undefined = undefined
  private readonly owner: RecvOwner

  constructor(owner: RecvOwner, id: number) {
    this.owner = owner
    this.id = id
  }

  /** Reports to `events` from now on. */
  listen(events: RecvEvents): void {
    this.events = events
  }

  /** Reports nothing: what arrives is discarded. */
  ignore(): void {
    this.ended = true
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    if (!this.ended) this.owner.onReadable()
  }

  /** Keeps the half from being read until `allowReading`. */
  deferReading(): void {
    this.isDeferred = true
  }

  allowReading(): void {
    if (!this.isDeferred) return
    this.isDeferred = false
    if (this.stopCode === undefined) this.owner.onReadable()
    else this.owner.onStop(this, this.stopCode)
  }

  stop(code: number): void {
    if (this.ended) return
    this.ended = true
    if (this.isDeferred) this.stopCode = ErrorCode.clamp(code)
    else this.owner.onStop(this, ErrorCode.clamp(code))
  }

  /** Whether it has had its share in this pass of reading. */
  hasHadShare(pass: number): boolean {
    return this.lastPass === pass
  }

  /** Takes its share in this pass of reading: false if it had that already. */
  takeShare(pass: number): boolean {
    if (this.lastPass === pass) return false
    this.lastPass = pass
    return true
  }

  /** Reads what has arrived, until there is no more or the owner pauses. `scratch` is lent for the call. */
  read(scratch: Uint8Array, regardless: boolean): void {
    const events = this.events!
    let left = regardless ? Infinity : maxStreamRead
    while (!this.ended && !this.owner.isClosing && (regardless || !this.paused)) {
      if (left <= 0) return this.owner.onMore()
      let room = scratch
      if (!regardless && events.demand !== undefined) {
        const demand = events.demand()
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
        if (code !== undefined) this.owner.onReset()
        return this.end(code === undefined ? new StreamClosed() : new StreamReset({ code }))
      }
      if (result === null) return
      const [length, fin] = result
      this.offset += length
      this.owner.onRead(this, length, this.offset)
      left -= length
      if (length > 0 && !events.onData(room.subarray(0, length))) this.paused = true
      if (this.owner.isClosing) return
      if (fin) return this.end(undefined)
    }
  }

  /** Reads and drops what has arrived, which gives its window back to the peer. True at the stream's end. */
  discard(scratch: Uint8Array): boolean {
    try {
      for (;;) {
        const result = this.owner.native.streamRecv(this.id, scratch)
        if (result === null) return false
        this.offset += result[0]
        this.owner.onRead(this, result[0], this.offset)
        if (result[1]) return true
      }
    } catch {
      return true
    }
  }

  /** Its end has been read, or it failed. */
  end(failure: StreamFailure | undefined): void {
    this.isRead = true
    if (this.ended) return
    this.ended = true
    this.events?.onEnd(failure)
  }
}
