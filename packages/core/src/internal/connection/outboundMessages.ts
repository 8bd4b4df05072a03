/**
 * The outbound messages of a connection, in batches.
 *
 * Small messages that wait at the same priority share one stream. A packet of quiche carries data of one stream only, so a
 * message on its own stream takes a packet of its own, however small it is.
 *
 * No message waits for a batch to fill: when it is the stream's turn to send, it takes the messages that wait. Each message
 * has its own result, which is known when the peer has acknowledged the stream.
 */
import * as ErrorCode from "../../ErrorCode.ts"
import { microtask } from "../microtask.ts"
import { allocatePooled } from "../memory.ts"
import type { BackingConnection, BackingSendStream, StreamContent, StreamFailure } from "../../Transport.ts"
import { StreamClosed } from "../../StreamError.ts"
import * as WireMessage from "../../WireMessage.ts"
import { writeUserMessage } from "./sendStream.ts"

/** The largest payload that shares a stream, in bytes. A larger message has a stream of its own. */
export const maxSharedPayload = 16 << 10

/** The largest batch, in bytes: every endpoint of this library accepts that much of a stream before it reads. */
const maxBatch = 64 << 10

/** The smallest limit of a batch, in bytes: what one packet on loopback carries. The limit grows with the bytes in flight. */
const minBatch = 16_320

/** The receiver's memory for a message beside its payload, in bytes, estimated: objects and a place in a queue. */
const messageOverhead = 256

/** The callback for a message's result. `sharedRefusal` is true when the peer may have refused another message of the stream. */
export type Done = (failure?: StreamFailure, sharedRefusal?: boolean) => void

/** A message that is being sent. */
export interface OutboundMessage {
  /** Cancels what is not sent yet. */
  readonly cancel: () => void
}

/** Sends the messages of one connection. */
export class OutboundMessages {
  private readonly connection: BackingConnection
  /** The shared streams that wait for their turn, by priority. Made with the first one. */
  private waiting: Map<number, SharedStream> | undefined = undefined
  private sharing = true
  /** The bytes on sealed shared streams that are not acknowledged yet. */
  private inFlight = 0

  constructor(connection: BackingConnection) {
    this.connection = connection
  }

  /** Sends a message that `WireMessage.checkPayload` accepts. */
  send(payload: Uint8Array, priority: number, done: Done): OutboundMessage {
    if (!this.sharing || payload.length > maxSharedPayload) {
      return this.sendAlone(this.connection.openUni(priority), payload, done)
    }
    const waiting = this.waiting?.get(priority)
    if (waiting?.hasRoomFor(payload.length, this.batchLimit) === true) return waiting.add(payload, done)
    if (waiting !== undefined) this.seal(waiting, priority)
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
   * The limit of a batch, in bytes. A stream is acknowledged as a whole: with all bytes in flight on one stream, the peer
   * would be idle until it arrives, and this side until it is acknowledged. When other connections keep both sides busy,
   * the transport gives the limit that it prefers.
   */
  private get batchLimit(): number {
    const preferred = this.connection.preferredBatchBytes
    if (preferred !== undefined) return Math.min(preferred, maxBatch)
    return Math.min(Math.max(minBatch, this.inFlight / 2), maxBatch)
  }

  private sendShared(backing: WritableWhole, payload: Uint8Array, priority: number, done: Done): OutboundMessage {
    const stream = new SharedStream(backing)
    const message = stream.add(payload, done)
    ;(this.waiting ??= new Map()).set(priority, stream)
    this.queue(stream, priority)
    return message
  }

  private queue(stream: SharedStream, priority: number): void {
    const content = (most: number) => {
      this.seal(stream, priority)
      if (stream.weight > most) this.moveExcess(stream, priority, most)
      return stream.encode()
    }
    stream.backing.writeWhole(content, (failure) => {
      this.seal(stream, priority)
      this.inFlight -= stream.inFlight
      const refused = failure?._tag === "StreamStopped" && stream.isShared
      // After a refusal, each message has its own stream, so that a refused message fails no others again.
      if (refused) this.sharing = false
      stream.complete(failure, refused)
    })
  }

  /** Keeps the messages of a weight up to `most` on the stream and moves the others to a new stream. */
  private moveExcess(stream: SharedStream, priority: number, most: number): void {
    const rest = stream.split(most, () => this.connection.openUni(priority) as WritableWhole)
    if (rest === undefined) return
    stream.inFlight = stream.bytes
    rest.inFlight = rest.bytes
    this.queue(rest, priority)
  }

  /** Closes a shared stream to further messages. */
  private seal(stream: SharedStream, priority: number): void {
    if (this.waiting?.get(priority) !== stream) return
    this.waiting.delete(priority)
    stream.inFlight = stream.bytes
    this.inFlight += stream.inFlight
  }
}

type WritableWhole = BackingSendStream & { readonly writeWhole: NonNullable<BackingSendStream["writeWhole"]> }

/** A stream that carries a batch of messages. */
class SharedStream {
  readonly backing: WritableWhole
  /** The bytes of the messages that are not cancelled, with headers. */
  bytes = 0
  /** The bytes of the stream that count as in flight. */
  inFlight = 0
  private messages: Array<SharedMessage> = []
  /** The number of messages that are not cancelled. */
  private left = 0
  private written = 0
  private over = false

  constructor(backing: WritableWhole) {
    this.backing = backing
  }

  get weight(): number {
    return this.bytes + messageOverhead * this.left
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
   * Keeps the first messages, at least one, up to the weight `most`. Returns a stream with the others, which `open` makes;
   * undefined when there are no others.
   */
  split(most: number, open: () => WritableWhole): SharedStream | undefined {
    let weight = 0
    const end = this.messages.findIndex(({ length, payload }, i) => {
      if (payload !== undefined) weight += messageOverhead + WireMessage.headerLength + length
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

  /** Whether the stream carries more than one message. */
  get isShared(): boolean {
    return this.written > 1
  }

  /** Encodes the frames of all messages. A later cancellation does not change the content. */
  encode(): StreamContent {
    let { weight } = this
    this.written = this.left
    const frames = allocatePooled(this.bytes)
    let at = 0
    for (const message of this.messages) {
      const { payload } = message
      if (payload === undefined) continue
      message.payload = undefined
      // The buffer was sized for the payload's length at the call.
      if (payload.length !== message.length) {
        this.failResized(message)
        weight -= messageOverhead + WireMessage.headerLength + message.length
        continue
      }
      at = WireMessage.encodeUserInto(payload, frames, at)
    }
    return { bytes: at === frames.length ? frames : frames.subarray(0, at), weight }
  }

  /** Leaves a message out whose payload was resized. Its callback runs after the transport's turn. */
  private failResized(message: SharedMessage): void {
    const { done } = message
    message.done = undefined
    this.written -= 1
    microtask(() => done?.(new StreamClosed()))
  }

  /** Reports the result to all messages. */
  complete(failure: StreamFailure | undefined, sharedRefusal: boolean): void {
    this.over = true
    for (const { done } of this.messages) done?.(failure, sharedRefusal)
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

/** A message on a shared stream. */
class SharedMessage implements OutboundMessage {
  /** The payload; undefined once it is written or cancelled. */
  payload: Uint8Array | undefined
  done: Done | undefined
  /** The length of the payload at the call, in bytes. */
  readonly length: number
  /** The stream that carries the message. */
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
