/**
 * Dispatches a stream of the peer by its first bytes, when the application reads streams itself. A stream that begins with the
 * header of a control message belongs to the endpoint, every other one to the application. A stream whose bytes may begin such
 * a header stays undecided until the rest arrives, until its end, or until `undecidedTimeout`: then it is the application's.
 */
import * as ErrorCode from "../../ErrorCode.ts"
import type { BackingRecvStream, BackingSendStream, RecvEvents, StreamFailure } from "../../Transport.ts"
import * as controlBody from "../wire/controlBody.ts"
import * as header from "../wire/header.ts"
import { type InboundOwner, InboundStream } from "./inboundStream.ts"
import { ReceiveBuffer, type ReceiveBufferOptions } from "./receiveBuffer.ts"
import { finish } from "./sendStream.ts"
import type { UndecidedStream, UndecidedStreams } from "./undecidedStreams.ts"
import type { WaitingStream } from "./waitingStreams.ts"

/** The view of a connection that `FirstFrame` needs. */
export interface FirstFrameOwner extends InboundOwner {
  readonly streamErrorOf: ReceiveBufferOptions["streamErrorOf"]
  readonly undecided: Pick<UndecidedStreams, "add" | "remove">
  /** Whether the application's queue of streams has room. */
  readonly hasRoomForStream: () => boolean
  /** Calls `stream.onRoom` when the queue of streams has room. `isRead` says that bytes of the stream have been read. */
  readonly waitForStreamRoom: (stream: WaitingStream, isRead: boolean) => void
  readonly offerStream: (received: ReceiveBuffer, send: BackingSendStream | undefined) => void
}

/** The receiving half of a stream whose reader is not known yet. */
export class FirstFrame implements RecvEvents, WaitingStream, UndecidedStream {
  private readonly owner: FirstFrameOwner
  private readonly receive: BackingRecvStream
  private readonly send: BackingSendStream | undefined
  private readonly head = new Uint8Array(header.length)
  private length = 0
  /** The reader of the stream, once it is known. */
  private reader: RecvEvents | undefined = undefined
  /** The buffer for the application, while the stream waits to be offered. */
  private unoffered: ReceiveBuffer | undefined = undefined
  private isWaiting = false
  private isUndecided = false

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
    const { owner } = this
    if (owner.hasRoomForStream() || (this.send !== undefined && owner.mayReadWithoutRoom)) {
      return header.length - this.length
    }
    this.waitForRoom(false)
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
    if (this.length < header.length) {
      this.awaitRest()
      return true
    }
    this.decide()
    this.stopWaiting()
    const reader = (this.reader = new InboundStream(this.owner, this.receive, this.send))
    const wantsMore = reader.onData(head)
    return taken === chunk.length ? wantsMore : reader.onData(chunk.subarray(taken))
  }

  onEnd(failure?: StreamFailure): void {
    if (this.reader === undefined && failure === undefined && this.length > 0) this.handOverHead()
    if (this.reader !== undefined) return this.reader.onEnd(failure)
    // The stream ended empty, or failed: neither the endpoint nor the application gets it.
    this.decide()
    this.stopWaiting()
    if (this.send === undefined) return
    // A clean end would look like an empty answer to a peer that has reset its half.
    if (failure === undefined) finish(this.send)
    else this.send.reset(ErrorCode.noError)
  }

  onTimeout(): void {
    this.isUndecided = false
    this.handOverHead()
  }

  onRoom(): void {
    this.isWaiting = false
    const { unoffered } = this
    if (unoffered === undefined) return this.receive.resume()
    this.unoffered = undefined
    this.owner.offerStream(unoffered, this.send)
  }

  drop(): void {
    this.isWaiting = false
    this.unoffered?.drop()
    this.unoffered = undefined
  }

  private handOverHead(): void {
    this.handOver(this.head.subarray(0, this.length), this.head.subarray(0, 0))
  }

  private handOver(head: Uint8Array, rest: Uint8Array): boolean {
    this.decide()
    const { maxMessageSize, reassemble, streamErrorOf } = this.owner
    const malformed = (reason: string) => this.owner.malformed(reason)
    const received = new ReceiveBuffer({ maxMessageSize, streamErrorOf, reassemble, malformed, isLazy: true })
    received.backing = this.receive
    this.reader = received
    received.onData(head)
    if (rest.length > 0) received.onData(rest)
    if (this.owner.hasRoomForStream()) {
      this.stopWaiting()
      this.owner.offerStream(received, this.send)
    } else {
      this.unoffered = received
      this.waitForRoom(true)
    }
    return true
  }

  private waitForRoom(isRead: boolean): void {
    if (this.isWaiting) return
    this.isWaiting = true
    this.owner.waitForStreamRoom(this, isRead)
  }

  private stopWaiting(): void {
    if (!this.isWaiting) return
    this.isWaiting = false
    this.owner.stopWaiting(this)
  }

  private awaitRest(): void {
    if (this.isUndecided) return
    this.isUndecided = true
    this.owner.undecided.add(this)
  }

  private decide(): void {
    if (!this.isUndecided) return
    this.isUndecided = false
    this.owner.undecided.remove(this)
  }
}
