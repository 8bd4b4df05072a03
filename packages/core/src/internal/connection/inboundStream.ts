/**
 * A stream that the peer opened: its user messages go to the endpoint's queue, its control messages to their handler.
 */
import * as ErrorCode from "../../ErrorCode.ts"
import { microtask } from "../microtask.ts"
import * as Option from "effect/Option"
import type { SendStream } from "../../SendStream.ts"
import type { BackingRecvStream, BackingSendStream, RecvEvents, StreamFailure } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { longestShared } from "./outboundMessages.ts"
import { Reply } from "./reply.ts"

/** What an inbound stream needs of its connection. */
export interface InboundOwner {
  readonly maxMessageSize: number
  readonly hasRoom: () => boolean
  /** Calls back when there is room; before all others when `first`. */
  readonly onRoom: (callback: () => void, first: boolean) => void
  readonly user: (payload: Uint8Array, reply: Option.Option<SendStream>) => void
  readonly control: (message: WireMessage.ControlMessage, reply: Reply | undefined) => void
  /** Accounts for bytes of messages in part; false when that is too much. */
  readonly reassemble: (bytes: number) => boolean
  readonly malformed: (reason: string) => void
  readonly overcommitted: () => void
  /** What the application replies on. */
  readonly sendStream: (stream: BackingSendStream) => SendStream
}

export class InboundStream implements RecvEvents {
  private readonly owner: InboundOwner
  private readonly receive: BackingRecvStream
  private readonly send: BackingSendStream | undefined
  private readonly reply: Reply | undefined
  /** What the application gets of it: the same with every message of the stream. */
  private handle: Option.Option<SendStream> = Option.none()
  private readonly decoder: WireMessage.Decoder
  private readonly decoded: Array<WireMessage.WireMessage> = []
  private delivered = 0
  private waiting = false
  private partial = 0
  private over = false

  constructor(owner: InboundOwner, receive: BackingRecvStream, send: BackingSendStream | undefined) {
    this.owner = owner
    this.receive = receive
    this.send = send
    this.reply = send === undefined ? undefined : new Reply(send)
    if (send !== undefined) this.handle = Option.some(this.reply!.watch(owner.sendStream(send)))
    // Others may share a stream with a message that is too large.
    this.decoder = new WireMessage.Decoder({ maxMessageSize: owner.maxMessageSize, leaveOut: longestShared })
  }

  /** Asked before anything is read: what the application has no room for stays with the peer. */
  demand(): number {
    if (this.waiting) return 0
    if (this.owner.hasRoom()) return Infinity
    // A question to this endpoint, not to its application, must not wait for the application.
    if (this.reply?.isShared === false && this.decoder.buffered < WireMessage.largestControlFrame) {
      return WireMessage.largestControlFrame - this.decoder.buffered
    }
    this.waitForRoom()
    return 0
  }

  onData(chunk: Uint8Array): boolean {
    if (this.over) return true
    const error = this.decoder.push(chunk, this.decoded)
    const room = this.deliver()
    if (error !== undefined) {
      this.refuse(error.detail)
    } else if (!this.account(this.decoder.buffered)) {
      // The peer has sent no more than it may.
      this.owner.overcommitted()
      this.giveUp(ErrorCode.reassemblyOverflow)
    } else if (this.decoder.refused !== undefined) {
      if (this.decoder.hasOnlyRefused) this.refuse(this.decoder.refused.detail)
      else this.refuseSoon(this.decoder.refused.detail)
    }
    return room
  }

  onEnd(failure?: StreamFailure): void {
    if (this.over) return
    this.over = true
    const truncated = failure === undefined ? this.decoder.end() : undefined
    if (truncated !== undefined) this.owner.malformed(truncated.detail)
    this.account(0)
    if (!this.waiting) this.letGo()
  }

  /** Hands on what has been decoded, as far as there is room. */
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
      } else {
        if (this.reply?.hasRoom === false) {
          this.waitForAnswers(this.reply)
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
   * A stream with messages that are decoded goes before those that are still in their windows: so no more than one chunk
   * is ever decoded and has no room, however many streams wait.
   */
  private waitForRoom(): void {
    this.waiting = true
    this.owner.onRoom(() => this.takeUp(), this.delivered < this.decoded.length)
  }

  /** More questions have come than are taken at once. */
  private waitForAnswers(reply: Reply): void {
    this.waiting = true
    reply.onRoom(() => this.takeUp())
  }

  private takeUp(): void {
    this.waiting = false
    if (!this.deliver()) return
    if (this.over) return this.letGo()
    this.receive.resume()
    if (this.decoder.refused !== undefined) this.refuseSoon(this.decoder.refused.detail)
  }

  /** Refuses the stream once everything is delivered that has arrived: the sender may have been told of that. */
  private refuseSoon(reason: string): void {
    microtask(() => {
      if (!this.over && !this.waiting) this.refuse(reason)
    })
  }

  private refuse(reason: string): void {
    this.owner.malformed(reason)
    this.giveUp(ErrorCode.malformed)
  }

  /** The sending half refers to this one: who holds the handle here would keep it from ever being forgotten. */
  private letGo(): void {
    this.handle = Option.none()
    this.reply?.close()
  }

  private account(partial: number): boolean {
    const change = partial - this.partial
    this.partial = partial
    return change === 0 || this.owner.reassemble(change)
  }

  private giveUp(code: number): void {
    this.over = true
    this.account(0)
    this.receive.stop(code)
    this.send?.reset(code)
    if (!this.waiting) this.letGo()
  }
}
