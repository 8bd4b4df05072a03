/**
 * Dispatches a stream of the peer by its first bytes. A stream that begins with the header of a control message belongs to the
 * endpoint: one that opens a protocol goes to its handler, every other one is read as messages. A stream that begins in another way
 * is read as messages too, or belongs to the application where that reads streams itself. Then, a stream whose bytes may begin such
 * a header stays undecided until the rest arrives, until its end, or until `undecidedTimeout`: it is the application's then.
 */
import { constTrue, constVoid } from "effect/Function"
import * as ErrorCode from "../../ErrorCode.ts"
import type { BackingRecvStream, BackingSendStream, RecvEvents, StreamFailure } from "../../Transport.ts"
import { joined } from "../memory.ts"
import * as controlBody from "../wire/controlBody.ts"
import * as header from "../wire/header.ts"
import type { HeldBytes } from "./heldBytes.ts"
import { type InboundOwner, InboundStream } from "./inboundStream.ts"
import type { PartialStream } from "./partialMessages.ts"
import { ReceiveBuffer, type ReceiveBufferOptions } from "./receiveBuffer.ts"
import { finish } from "./sendStream.ts"
import type { UndecidedStream, UndecidedStreams } from "./undecidedStreams.ts"
import type { WaitingStream } from "./waitingStreams.ts"

/** The size of the frame whose header begins these bytes. */
const frameLength = (bytes: Uint8Array): number => header.length + header.bodyLength(bytes)

/** The view of a connection that `FirstFrame` needs. */
export interface FirstFrameOwner extends InboundOwner {
  readonly streamErrorOf: ReceiveBufferOptions["owner"]["streamErrorOf"]
  readonly held: Pick<HeldBytes, "change">
  readonly undecided: Pick<UndecidedStreams, "add" | "remove">
  /** Whether the application reads streams itself. */
  readonly readsStreams: boolean
  /** Takes a stream that the peer has opened for a protocol. Returns the handlers of the events of what follows. */
  readonly acceptProtocol: (protocol: string, receive: BackingRecvStream, send: BackingSendStream) => RecvEvents
  /** Whether the application's queue of streams has room. */
  readonly hasRoomForStream: () => boolean
  /** Calls `stream.onRoom` when the queue of streams has room. `isRead` says that bytes of the stream have been read. */
  readonly waitForStreamRoom: (stream: WaitingStream, isRead: boolean) => void
  readonly offerStream: (received: ReceiveBuffer, send: BackingSendStream | undefined) => void
}

const nothing = new Uint8Array(0)

/** The reader of a stream that was stopped. */
const ended: RecvEvents = { onData: constTrue, onEnd: constVoid }

/** The receiving half of a stream whose reader is not known yet. */
export class FirstFrame implements RecvEvents, WaitingStream, UndecidedStream, PartialStream {
  private readonly owner: FirstFrameOwner
  private readonly receive: BackingRecvStream
  private readonly send: BackingSendStream | undefined
  /** The first bytes, until the reader is known: less than one frame of a control message. */
  private part: Uint8Array = nothing
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
   * Demands no more than one frame of a control message, unless there is room for messages. Where the application reads streams
   * itself, it demands only the first header: the application's bytes stay with the peer until the application reads.
   *
   * Without room, it demands a header only where that may begin a question to the endpoint or open a protocol, which must not wait
   * for the application. A short stream would otherwise be read whole, and give the peer credit for another one that has to wait.
   */
  demand(): number {
    if (this.reader !== undefined) return this.reader.demand?.() ?? Infinity
    const { owner, part } = this
    if (part.length >= header.length) return frameLength(part) - part.length
    const hasRoom = owner.readsStreams ? owner.hasRoomForStream() : owner.hasRoom()
    if (hasRoom && !owner.readsStreams) return Infinity
    if (hasRoom || (this.send !== undefined && owner.mayReadWithoutRoom)) return header.length - part.length
    this.waitForRoom(false)
    return 0
  }

  onData(chunk: Uint8Array): boolean {
    if (this.reader !== undefined) return this.reader.onData(chunk)
    const bytes = this.part.length === 0 ? chunk : joined(this.part, chunk)
    if (!header.mayBegin(bytes, header.controlFlag, controlBody.minLength, controlBody.maxLength)) {
      return this.owner.readsStreams ? this.handOver(bytes) : this.readMessages(bytes)
    }
    if (bytes.length < header.length) {
      if (this.owner.readsStreams) this.awaitRest()
      return this.keep(bytes)
    }
    this.decide()
    this.stopWaiting()
    return this.onControl(bytes)
  }

  onEnd(failure?: StreamFailure): void {
    if (this.reader === undefined) {
      if (!this.owner.readsStreams || this.part.length >= header.length) this.readMessages(this.part)
      else if (failure === undefined && this.part.length > 0) this.handOver(this.part)
    }
    if (this.reader !== undefined) return this.reader.onEnd(failure)
    // The stream ended empty, or failed: neither the endpoint nor the application gets it.
    this.setPart(nothing)
    this.decide()
    this.stopWaiting()
    if (this.send === undefined) return
    // A clean end would look like an empty answer to a peer that has reset its half.
    if (failure === undefined) finish(this.send)
    else this.send.reset(ErrorCode.noError)
  }

  onTimeout(): void {
    this.isUndecided = false
    this.handOver(this.part)
  }

  get takes(): boolean {
    return !this.isWaiting
  }

  expire(): void {
    this.decide()
    this.stopWaiting()
    this.reader = ended
    this.receive.stop(ErrorCode.reassemblyOverflow)
    this.send?.reset(ErrorCode.reassemblyOverflow)
    this.setPart(nothing)
    this.owner.reassemblyOverflow("the first bytes of a stream do not go on")
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

  /** Reads a stream that begins with the header of a control message. */
  private onControl(bytes: Uint8Array): boolean {
    const { owner, receive, send } = this
    const end = frameLength(bytes)
    if (send === undefined || !controlBody.mayBeginOpenReq(bytes, header.length, end)) return this.readMessages(bytes)
    if (bytes.length < end) return this.keep(bytes)
    const message = controlBody.decode(bytes, header.length, end - header.length)
    // Messages are read of a malformed one, which finds what is wrong.
    if (typeof message === "string" || message._tag !== "ProtocolOpenReq") return this.readMessages(bytes)
    this.setPart(nothing)
    const reader = (this.reader = owner.acceptProtocol(message.protocol, receive, send))
    return bytes.length === end || reader.onData(bytes.subarray(end))
  }

  /** Keeps the first bytes. The transport owns the chunk that they are of. */
  private keep(bytes: Uint8Array): boolean {
    this.setPart(new Uint8Array(bytes))
    return true
  }

  /** The first bytes count as a message in part: a peer that does not go on would keep the stream for nothing. */
  private setPart(part: Uint8Array): void {
    const change = part.length - this.part.length
    this.part = part
    if (change === 0) return
    if (!this.owner.reassemble(this, change, part.length) && part.length > 0) this.expire()
  }

  private readMessages(bytes: Uint8Array): boolean {
    this.stopWaiting()
    this.setPart(nothing)
    const reader = (this.reader = new InboundStream(this.owner, this.receive, this.send))
    return bytes.length === 0 || reader.onData(bytes)
  }

  /** Passes the stream to the application, which reads it itself. */
  private handOver(bytes: Uint8Array): boolean {
    this.decide()
    this.setPart(nothing)
    const { owner } = this
    const { held, maxMessageSize } = owner
    const malformed = (reason: string) => owner.malformed(reason)
    const received = new ReceiveBuffer({ maxMessageSize, owner, held, partial: owner, malformed, isLazy: true })
    received.backing = this.receive
    this.reader = received
    received.onData(bytes)
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
    if (this.owner.readsStreams) this.owner.waitForStreamRoom(this, isRead)
    else this.owner.waitForRoom(this, isRead)
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
