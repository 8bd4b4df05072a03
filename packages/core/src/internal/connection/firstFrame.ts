/**
 * Dispatches a stream of the peer by its first bytes, when the application reads streams itself. A stream that begins with a
 * control message belongs to the endpoint, every other one to the application.
 */
import type { BackingRecvStream, BackingSendStream, RecvEvents, StreamFailure } from "../../Transport.ts"
import * as controlBody from "../wire/controlBody.ts"
import * as header from "../wire/header.ts"
import { type InboundOwner, InboundStream } from "./inboundStream.ts"
import { ReceiveBuffer, type ReceiveBufferOptions } from "./receiveBuffer.ts"
import { finish } from "./sendStream.ts"

/** The view of a connection that `FirstFrame` needs. */
export interface FirstFrameOwner extends InboundOwner {
  readonly streamErrorOf: ReceiveBufferOptions["streamErrorOf"]
  /** Whether the application's queue takes another stream. */
  readonly hasRoomForStream: () => boolean
  readonly onRoomForStream: (callback: () => void) => void
  readonly offerStream: (received: ReceiveBuffer, send: BackingSendStream | undefined) => void
}

/** The receiving half of a stream whose reader is not known yet. */
export class FirstFrame implements RecvEvents {
  private readonly owner: FirstFrameOwner
  private readonly receive: BackingRecvStream
  private readonly send: BackingSendStream | undefined
  private readonly head = new Uint8Array(header.length)
  private length = 0
  /** The reader of the stream, once it is known. */
  private reader: RecvEvents | undefined = undefined

  constructor(owner: FirstFrameOwner, receive: BackingRecvStream, send: BackingSendStream | undefined) {
    this.owner = owner
    this.receive = receive
    this.send = send
  }

  /** Demands only the first header: the application's bytes stay with the peer until the application reads. */
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
    // The stream ended empty: neither the endpoint nor the application gets it.
    if (this.send !== undefined) finish(this.send)
  }

  private handOver(head: Uint8Array, rest: Uint8Array): boolean {
    const { streamErrorOf, maxMessageSize, reassemble } = this.owner
    const malformed = (reason: string) => this.owner.malformed(reason)
    const received = new ReceiveBuffer({ maxMessageSize, streamErrorOf, reassemble, malformed, isLazy: true })
    received.backing = this.receive
    this.reader = received
    received.onData(head)
    if (rest.length > 0) received.onData(rest)
    this.offer(received)
    return true
  }

  private offer(received: ReceiveBuffer): void {
    if (this.owner.hasRoomForStream()) this.owner.offerStream(received, this.send)
    else this.owner.onRoomForStream(() => this.offer(received))
  }
}
