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
  /** Whether the stream waits for room before its first bytes are read. */
  private isWaiting = false

  constructor(owner: FirstFrameOwner, receive: BackingRecvStream, send: BackingSendStream | undefined) {
    this.owner = owner
    this.receive = receive
    this.send = send
  }

  /**
   * Demands only the first header: the application's bytes stay with the peer until the application reads. Without room for
   * the stream, it demands a header only where that may begin a question to the endpoint, which must not wait for the
   * application. A short stream would otherwise be read whole, and give the peer credit for another one that has to wait.
   */
  demand(): number {
    if (this.reader !== undefined) return this.reader.demand?.() ?? Infinity
    const { owner, send } = this
    if (owner.hasRoomForStream() || (send !== undefined && owner.mayHold)) return header.length - this.length
    if (!this.isWaiting) {
      this.isWaiting = true
      owner.onRoomForStream(() => {
        this.isWaiting = false
        this.receive.resume()
      })
    }
    return 0
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
    const received = new ReceiveBuffer({ maxMessageSize, streamErrorOf, reassemble, isLazy: true })
    received.backing = this.receive
    this.reader = received
    received.onData(head)
    if (rest.length > 0) received.onData(rest)
    if (this.owner.hasRoomForStream()) this.owner.offerStream(received, this.send)
    else this.hold(received)
    return true
  }

  /** Offers the stream when there is room. */
  private hold(received: ReceiveBuffer): void {
    const { owner, send } = this
    const offer = () => {
      if (!owner.hasRoomForStream()) return owner.onRoomForStream(offer)
      owner.release()
      owner.offerStream(received, send)
    }
    owner.hold()
    owner.onRoomForStream(offer)
  }
}
