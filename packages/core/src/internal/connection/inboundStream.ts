/**
 * A stream that the peer opened. Its user messages go to the endpoint's queue, its control messages to their handler.
 */
import * as ErrorCode from "../../ErrorCode.ts"
import { microtask } from "../microtask.ts"
import * as Option from "effect/Option"
import type { SendStream } from "../../SendStream.ts"
import type { BackingRecvStream, BackingSendStream, RecvEvents, StreamFailure } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import * as controlBody from "../wire/controlBody.ts"
import * as header from "../wire/header.ts"
import { messageOverhead } from "./limits.ts"
import { maxSharedPayload } from "./outboundMessages.ts"
import type { PartialStream } from "./partialMessages.ts"
import { Reply } from "./reply.ts"
import type { WaitingStream } from "./waitingStreams.ts"

/** The size of the largest frame of a question to the endpoint, in bytes. */
const largestQuestion = header.length + controlBody.maxAddressLength

/** The view of a connection that an inbound stream needs. */
export interface InboundOwner {
  readonly maxMessageSize: number
  readonly hasRoom: () => boolean
  /**
   * Calls `stream.onRoom` when the queue has room. `isRead` says that messages of the stream have been read; then it goes before
   * streams whose bytes are still in their windows.
   */
  readonly waitForRoom: (stream: WaitingStream, isRead: boolean) => void
  /** Ends the wait of a stream, if it waits. */
  readonly stopWaiting: (stream: WaitingStream) => void
  /** Whether another stream of the connection may be read although the queue has no room. */
  readonly mayReadWithoutRoom: boolean
  /** Adds to the endpoint's bytes of messages that wait for room although their stream has ended. */
  readonly keep: (bytes: number) => void
  readonly user: (payload: Uint8Array, reply: Option.Option<SendStream>) => void
  readonly control: (message: WireMessage.ControlMessage, reply: Reply | undefined) => void
  /**
   * Adds `change` to the connection's bytes of incomplete messages; `now` is how many those of the stream are then. Returns
   * false when they exceed the limit.
   */
  readonly reassemble: (stream: PartialStream, change: number, now: number) => boolean
  readonly malformed: (reason: string) => void
  /** Incomplete messages take too much memory, or take it for too long. */
  readonly reassemblyOverflow: (reason: string) => void
  /** Makes the handle on which the application replies. */
  readonly sendStream: (stream: BackingSendStream) => SendStream
}

/** The receiving half of a stream that the peer opened, read as messages. */
export class InboundStream implements RecvEvents, WaitingStream, PartialStream {
  private readonly owner: InboundOwner
  private readonly receive: BackingRecvStream
  private readonly send: BackingSendStream | undefined
  private readonly reply: Reply | undefined
  /** The application's handle of the reply: the same for every message of the stream. */
  private handle: Option.Option<SendStream> = Option.none()
  private readonly decoder: WireMessage.Decoder
  private readonly decoded: Array<WireMessage.WireMessage> = []
  private delivered = 0
  private waiting = false
  /** Whether it is room that the stream waits for, and not its reply. */
  private waitsForRoom = false
  private partialBytes = 0
  /** The bytes of the messages that wait for room although the stream has ended. */
  private keptBytes = 0
  private isOver = false

  constructor(owner: InboundOwner, receive: BackingRecvStream, send: BackingSendStream | undefined) {
    this.owner = owner
    this.receive = receive
    this.send = send
    this.reply = send === undefined ? undefined : new Reply(send)
    if (send !== undefined) this.handle = Option.some(this.reply!.finishWhenAbandoned(owner.sendStream(send)))
    // Other messages may share the stream with one that is too large.
    this.decoder = new WireMessage.Decoder({ maxMessageSize: owner.maxMessageSize, leaveOut: maxSharedPayload })
  }

  /** Demands nothing when the application's queue is full, so that the bytes stay with the peer. */
  demand(): number {
    if (this.waiting) return 0
    if (this.owner.hasRoom()) return Infinity
    // A question to the endpoint must not wait for the application. A peer that stops the replies gets credit for further
    // streams although these wait, so that their number has a limit.
    const mayAsk = this.reply?.isShared === false && this.owner.mayReadWithoutRoom
    if (mayAsk && this.decoder.buffered < largestQuestion) return largestQuestion - this.decoder.buffered
    this.waitForRoom()
    return 0
  }

  onData(chunk: Uint8Array): boolean {
    if (this.isOver) return true
    const error = this.decoder.push(chunk, this.decoded)
    const room = this.deliver()
    if (this.isOver) return true
    if (error !== undefined) {
      this.refuse(error.detail)
    } else if (!this.updatePartial(this.decoder.buffered)) {
      // The peer kept to flow control, so the stream does not count as malformed.
      this.owner.reassemblyOverflow("too many messages in part")
      this.abort(ErrorCode.reassemblyOverflow)
    } else if (this.decoder.refused !== undefined) {
      if (this.decoder.hasOnlyRefused) this.refuse(this.decoder.refused.detail)
      else this.refuseLater(this.decoder.refused.detail)
    }
    return room
  }

  onEnd(failure?: StreamFailure): void {
    if (this.isOver) return
    this.isOver = true
    const truncated = failure === undefined ? this.decoder.end() : undefined
    if (truncated !== undefined) this.owner.malformed(truncated.detail)
    this.end()
  }

  onRoom(): void {
    this.waitsForRoom = false
    this.resume()
  }

  drop(): void {
    this.waiting = this.waitsForRoom = false
    this.decoded.length = this.delivered = 0
    this.end()
  }

  get takes(): boolean {
    return !this.waiting
  }

  expire(): void {
    this.owner.reassemblyOverflow("a message in part does not go on")
    this.abort(ErrorCode.reassemblyOverflow)
  }

  /** Delivers the decoded messages, as far as there is room. Returns false when one has to wait. */
  private deliver(): boolean {
    if (this.waiting) return false
    const { decoded, owner } = this
    while (this.delivered < decoded.length) {
      const message = decoded[this.delivered]!
      if (message._tag === "UserMessage") {
        if (!owner.hasRoom()) {
          this.waitForRoom()
          return false
        }
        if (this.reply !== undefined) this.reply.isShared = true
        owner.user(message.payload, this.handle)
      } else if (message._tag === "ProtocolOpenReq" || message._tag === "ProtocolOpenResp") {
        this.refuse(`a ${message._tag} where it does not begin a bidirectional stream`)
        return false
      } else {
        if (this.reply?.hasRoom === false) {
          this.waitForReply(this.reply)
          return false
        }
        owner.control(message, this.reply)
      }
      this.delivered += 1
    }
    decoded.length = 0
    this.delivered = 0
    return true
  }

  /**
   * Waits for room. A stream with decoded messages goes before streams whose bytes are still in their windows, so that at
   * most one chunk is decoded without room, for any number of waiting streams.
   */
  private waitForRoom(): void {
    this.waiting = this.waitsForRoom = true
    if (this.isOver) this.keep()
    this.owner.waitForRoom(this, this.delivered < this.decoded.length)
  }

  /** Waits until the reply takes another question. */
  private waitForReply(reply: Reply): void {
    this.unkeep()
    this.waiting = true
    reply.onRoom(() => this.resume())
  }

  private resume(): void {
    this.waiting = false
    if (!this.deliver()) return
    if (this.isOver) return this.release()
    this.receive.resume()
    if (this.decoder.refused !== undefined) this.refuseLater(this.decoder.refused.detail)
  }

  /** Refuses the stream after all arrived messages are delivered, since they may have been acknowledged. */
  private refuseLater(reason: string): void {
    microtask(() => {
      if (!this.isOver && !this.waiting) this.refuse(reason)
    })
  }

  private refuse(reason: string): void {
    this.owner.malformed(reason)
    this.abort(ErrorCode.malformed)
  }

  /** Ends the stream. Decoded messages go on waiting, since the peer may count them as confirmed. */
  private end(): void {
    this.isOver = true
    this.updatePartial(0)
    if (!this.waiting) return this.release()
    if (!this.waitsForRoom) return
    if (this.delivered < this.decoded.length) return this.keep()
    this.owner.stopWaiting(this)
    this.waiting = this.waitsForRoom = false
    this.release()
  }

  /** Counts the messages that wait for room: the connection's flow control may no longer bound them. */
  private keep(): void {
    if (this.keptBytes > 0) return
    for (let i = this.delivered; i < this.decoded.length; i++) {
      const message = this.decoded[i]!
      this.keptBytes += messageOverhead + (message._tag === "UserMessage" ? message.payload.length : 0)
    }
    this.owner.keep(this.keptBytes)
  }

  private unkeep(): void {
    if (this.keptBytes === 0) return
    this.owner.keep(-this.keptBytes)
    this.keptBytes = 0
  }

  /** Drops the application's handle. The transport references this object, so the handle could not be abandoned otherwise. */
  private release(): void {
    this.unkeep()
    this.handle = Option.none()
    this.reply?.close()
  }

  private updatePartial(partialBytes: number): boolean {
    const change = partialBytes - this.partialBytes
    this.partialBytes = partialBytes
    return change === 0 || this.owner.reassemble(this, change, partialBytes)
  }

  private abort(code: number): void {
    this.isOver = true
    this.receive.stop(code)
    this.send?.reset(code)
    this.end()
  }
}
