/**
 * Sorts a stream that the peer opened by its first bytes, where the application reads streams itself: one that begins with
 * a control message is the endpoint's, every other one is the application's.
 */
import type { BackingRecvStream, BackingSendStream, RecvEvents, StreamFailure } from "../../Transport.ts"
import * as controlBody from "../wire/controlBody.ts"
import * as header from "../wire/header.ts"
import { type InboundOwner, InboundStream } from "./inboundStream.ts"
import { Received, type ReceivedOptions } from "./received.ts"
import { finish } from "./sendStream.ts"

/** What a stream that is sorted needs of its connection. */
export interface SortedOwner extends InboundOwner {
  readonly lossOf: ReceivedOptions["lossOf"]
  /** Whether the application can be handed another stream. */
  readonly hasRoomForStream: () => boolean
  readonly onRoomForStream: (callback: () => void) => void
  readonly offerStream: (received: Received, send: BackingSendStream | undefined) => void
}

export class FirstFrame implements RecvEvents {
  private readonly owner: SortedOwner
  private readonly receive: BackingRecvStream
  private readonly send: BackingSendStream | undefined
  private readonly head = new Uint8Array(header.length)
  private length = 0
  /** Who reads it, once that is known. */
  private reader: RecvEvents | undefined = undefined

  constructor(owner: SortedOwner, receive: BackingRecvStream, send: BackingSendStream | undefined) {
    this.owner = owner
    this.receive = receive
    this.send = send
  }

  /** No more than it takes to find out: what is the application's stays with the peer until the application reads. */
  demand(): number {
    if (this.reader === undefined) return header.length - this.length
    return this.reader.demand?.() ?? Infinity
  }

  onData(chunk: Uint8Array): boolean {
    if (this.reader !== undefined) return this.reader.onData(chunk)
    let taken = 0
    while (taken < chunk.length && this.length < header.length) this.head[this.length++] = chunk[taken++]!
    const head = this.head.subarray(0, this.length)
    if (!header.mayBegin(head, header.controlFlag, controlBody.minLength, controlBody.maxLength)) {
      return this.handOver(head, chunk.subarray(taken))
    }
    if (this.length < header.length) return true
    const reader = (this.reader = new InboundStream(this.owner, this.receive, this.send))
    const wantsMore = reader.onData(head)
    return taken === chunk.length ? wantsMore : reader.onData(chunk.subarray(taken))
  }

  onEnd(failure?: StreamFailure): void {
    if (this.reader === undefined && failure === undefined && this.length > 0) {
      this.handOver(this.head.subarray(0, this.length), this.head.subarray(0, 0))
    }
    if (this.reader !== undefined) return this.reader.onEnd(failure)
    // It has ended, and nobody will know that it was there.
    if (this.send !== undefined) finish(this.send)
  }

  private handOver(head: Uint8Array, rest: Uint8Array): boolean {
    const { lossOf, maxMessageSize, reassemble } = this.owner
    const received = new Received({ maxMessageSize, lossOf, reassemble, isLazy: true })
    received.backing = this.receive
    this.reader = received
    received.onData(head)
    if (rest.length > 0) received.onData(rest)
    this.offer(received)
    return true
  }

  private offer(received: Received): void {
    if (this.owner.hasRoomForStream()) this.owner.offerStream(received, this.send)
    else this.owner.onRoomForStream(() => this.offer(received))
  }
}
