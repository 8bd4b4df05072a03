/**
 * The messages of a connection on their way to the peer.
 *
 * Small messages that wait for their turn at the same priority leave on one stream. A packet of quiche's carries one
 * stream only, so that messages on streams of their own take a packet each, however small they are.
 *
 * No message waits for others: a stream takes what there is when it is its turn to send. Each message still has its own
 * result: done when the peer has acknowledged the stream, which is over with its last message.
 */
import * as ErrorCode from "../../ErrorCode.ts"
import { microtask } from "../microtask.ts"
import { allocatePooled } from "../memory.ts"
import type { BackingConnection, BackingSendStream, StreamContent, StreamFailure } from "../../Transport.ts"
import { StreamClosed } from "../../StreamError.ts"
import * as WireMessage from "../../WireMessage.ts"
import { writeUserMessage } from "./sendStream.ts"

/** Longer messages have a stream of their own. In bytes. */
export const longestShared = 16 << 10

/** Bytes of one stream: what every peer of this library takes of a stream before it has read any of it. */
const mostShared = 64 << 10

/** What a packet within a machine has room for. Streams take more when that is little of what is under way. */
const leastShared = 16_320

/** What a receiver keeps of a message beside its payload, in bytes, about: an object or two, and a place in a queue. */
const messageWeight = 256

/** `collateral` when it may be another message of the same stream that the peer refused. */
export type Done = (failure?: StreamFailure, collateral?: boolean) => void

/** A message on its way. */
export interface OutboundMessage {
  /** Gives up on it, as far as it is not yet sent. */
  readonly cancel: () => void
}

export class OutboundMessages {
  private readonly connection: BackingConnection
  /** Shared streams that have not had their turn, by priority. */
  private readonly waiting = new Map<number, SharedStream>()
  private sharing = true
  /** Bytes of shared streams that take no more messages and are not acknowledged yet. */
  private underWay = 0

  constructor(connection: BackingConnection) {
    this.connection = connection
  }

  /** Sends a message that `WireMessage.checkPayload` has passed. */
  send(payload: Uint8Array, priority: number, done: Done): OutboundMessage {
    if (!this.sharing || payload.length > longestShared) {
      return this.sendAlone(this.connection.openUni(priority), payload, done)
    }
    const waiting = this.waiting.get(priority)
    if (waiting?.hasRoomFor(payload.length, this.share) === true) return waiting.add(payload, done)
    if (waiting !== undefined) this.depart(waiting, priority)
    const backing = this.connection.openUni(priority)
    if (backing.writeWhole !== undefined) return this.sendShared(backing as WritableWhole, payload, priority, done)
    this.sharing = false
    return this.sendAlone(backing, payload, done)
  }

  private sendAlone(backing: BackingSendStream, payload: Uint8Array, done: Done): OutboundMessage {
    writeUserMessage(backing, payload, true, done)
    return { cancel: () => backing.reset(ErrorCode.noError) }
  }

  /**
   * How many bytes a stream takes. It is acknowledged as a whole: were all that is under way one stream, the peer would be
   * idle until it is there, and this side until it is acknowledged. The transport knows whether other connections keep both
   * busy, and then says how many bytes it prefers.
   */
  private get share(): number {
    const preferred = this.connection.preferredBatchBytes
    if (preferred !== undefined) return Math.min(preferred, mostShared)
    return Math.min(Math.max(leastShared, this.underWay / 2), mostShared)
  }

  private sendShared(backing: WritableWhole, payload: Uint8Array, priority: number, done: Done): OutboundMessage {
    const stream = new SharedStream(backing)
    const message = stream.add(payload, done)
    this.waiting.set(priority, stream)
    this.begin(stream, priority)
    return message
  }

  private begin(stream: SharedStream, priority: number): void {
    const content = (most: number) => {
      this.depart(stream, priority)
      if (stream.weight > most) this.carryOver(stream, priority, most)
      return stream.encode()
    }
    stream.backing.writeWhole(content, (failure) => {
      this.depart(stream, priority)
      this.underWay -= stream.underWay
      const refused = failure?._tag === "StreamStopped" && stream.isShared
      // Whoever sends what the peer refuses should not spoil it for the others more than once.
      if (refused) this.sharing = false
      stream.settle(failure, refused)
    })
  }

  /** Leaves on the stream what may weigh `most`; the others follow on a stream of their own. */
  private carryOver(stream: SharedStream, priority: number, most: number): void {
    const rest = stream.split(most, () => this.connection.openUni(priority) as WritableWhole)
    if (rest === undefined) return
    stream.underWay = stream.bytes
    rest.underWay = rest.bytes
    this.begin(rest, priority)
  }

  /** It takes no more messages. */
  private depart(stream: SharedStream, priority: number): void {
    if (this.waiting.get(priority) !== stream) return
    this.waiting.delete(priority)
    stream.underWay = stream.bytes
    this.underWay += stream.underWay
  }
}

type WritableWhole = BackingSendStream & { readonly writeWhole: NonNullable<BackingSendStream["writeWhole"]> }

class SharedStream {
  readonly backing: WritableWhole
  /** Of the messages that nobody has given up on, headers included. */
  bytes = 0
  /** How many bytes of it count as under way. */
  underWay = 0
  private messages: Array<SharedMessage> = []
  /** Messages that nobody has given up on. */
  private left = 0
  private written = 0
  private over = false

  constructor(backing: WritableWhole) {
    this.backing = backing
  }

  get weight(): number {
    return this.bytes + messageWeight * this.left
  }

  hasRoomFor(length: number, most: number): boolean {
    return !this.over && this.bytes + WireMessage.headerLength + length <= most
  }

  add(payload: Uint8Array, done: Done): OutboundMessage {
    const message = new SharedMessage(this, payload, done)
    this.messages.push(message)
    this.bytes += WireMessage.headerLength + payload.length
    this.left += 1
    return message
  }

  /**
   * Keeps the first messages, at least one and as many as weigh `most`, and yields a stream with the others: on `open` if
   * there are any.
   */
  split(most: number, open: () => WritableWhole): SharedStream | undefined {
    let weight = 0
    const end = this.messages.findIndex(({ length, payload }, i) => {
      if (payload !== undefined) weight += messageWeight + WireMessage.headerLength + length
      return i > 0 && weight > most
    })
    const others = end === -1 ? [] : this.messages.splice(end).filter(({ payload }) => payload !== undefined)
    if (others.length === 0) return undefined
    const rest = new SharedStream(open())
    rest.messages = others
    for (const message of others) {
      const bytes = WireMessage.headerLength + message.length
      this.bytes -= bytes
      this.left -= 1
      rest.bytes += bytes
      rest.left += 1
      message.stream = rest
    }
    return rest
  }

  /** Whether more than one message was written. */
  get isShared(): boolean {
    return this.written > 1
  }

  /** The frames of all messages. They may be cancelled later, but nothing changes here any more. */
  encode(): StreamContent {
    let { weight } = this
    this.written = this.left
    const frames = allocatePooled(this.bytes)
    let at = 0
    for (const message of this.messages) {
      const { payload } = message
      if (payload === undefined) continue
      message.payload = undefined
      // The room and the header are those of the message as it was handed over.
      if (payload.length !== message.length) {
        this.spoilt(message)
        weight -= messageWeight + WireMessage.headerLength + message.length
        continue
      }
      at = WireMessage.encodeUserInto(payload, frames, at)
    }
    return { bytes: at === frames.length ? frames : frames.subarray(0, at), weight }
  }

  /** It is left out, and its sender told: not from within the transport's turn. */
  private spoilt(message: SharedMessage): void {
    const { done } = message
    message.done = undefined
    this.written -= 1
    microtask(() => done?.(new StreamClosed()))
  }

  /** Tells everybody how it went. */
  settle(failure: StreamFailure | undefined, collateral: boolean): void {
    this.over = true
    for (const { done } of this.messages) done?.(failure, collateral)
  }

  cancelled(unwritten: number): void {
    if (this.over) return
    this.bytes -= unwritten
    this.left -= 1
    if (this.left > 0) return
    this.over = true
    this.backing.reset(ErrorCode.noError)
  }
}

class SharedMessage implements OutboundMessage {
  /** Undefined once it is written, or nobody wants it to be. */
  payload: Uint8Array | undefined
  done: Done | undefined
  /** Bytes of the payload when it was handed over. */
  readonly length: number
  /** The one that carries it. */
  stream: SharedStream

  constructor(stream: SharedStream, payload: Uint8Array, done: Done) {
    this.stream = stream
    this.payload = payload
    this.done = done
    this.length = payload.length
  }

  cancel(): void {
    if (this.done === undefined) return
    const { payload } = this
    this.done = undefined
    this.payload = undefined
    this.stream.cancelled(payload === undefined ? 0 : WireMessage.headerLength + this.length)
  }
}
