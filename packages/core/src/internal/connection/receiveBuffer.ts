/**
 * The buffer of a stream's receiving half: its content waits here to be read, as messages or as bytes without frames.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as ErrorCode from "../../ErrorCode.ts"
import { Fifo } from "../../Fifo.ts"
import type { RecvError } from "../../RecvError.ts"
import { type ConnectionLost, SerializationError, StreamLost } from "../../SendError.ts"
import { StreamClosed } from "../../StreamError.ts"
import type { BackingRecvStream, RecvEvents, StreamFailure } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import type { HeldBytes } from "./heldBytes.ts"
import type { PartialStream } from "./partialMessages.ts"

/**
 * The bytes that a buffer holds by default before it pauses the stream, enough that a fast reader never waits for the peer. An incomplete
 * message that is being read does not count, so that one of any size arrives whole.
 */
const maxBuffered = 256 << 10

/** The memory for a message or a chunk beside its content, in bytes, estimated. */
const itemOverhead = 128

/** How the application reads a stream. */
export type ReadMode = "Messages" | "Bytes"

/** Counts the bytes of incomplete messages of a connection. */
export interface Reassembly {
  /**
   * Adds `change` to the connection's bytes of incomplete messages; `now` is how many those of the stream are then. Returns
   * false when they exceed the limit.
   */
  readonly reassemble: (stream: PartialStream, change: number, now: number) => boolean
}

/** The options of `ReceiveBuffer`. */
export interface ReceiveBufferOptions {
  readonly maxMessageSize: number
  readonly owner: {
    /** Converts the failure of a stream into the error of a read. */
    readonly streamErrorOf: (failure: StreamFailure) => ConnectionLost | StreamLost
  }
  /** The bytes that the buffer holds before it pauses the stream. Default 256 KiB. */
  readonly maxBuffered?: number | undefined
  /** Counts what the buffer holds. */
  readonly held?: Pick<HeldBytes, "change"> | undefined
  /** Whether the buffer takes nothing from the transport before the application reads. */
  readonly isLazy?: boolean | undefined
  /** Counts incomplete messages. */
  readonly partial?: Reassembly | undefined
  /** Counts the stream as malformed. Called at most once, after the stream was stopped; it may close the connection. */
  readonly malformed?: ((reason: string) => void) | undefined
}

/**
 * The receive buffer of a stream. The transport references the buffer; only readers reference the application's handle. `E` is what
 * reads may fail with beside `RecvError`: see `fail`.
 */
export class ReceiveBuffer<E = never> implements RecvEvents, PartialStream {
  backing: BackingRecvStream | undefined = undefined
  readonly waiters = new Set<() => void>()
  failure: RecvError | E | undefined = undefined
  finished = false
  readonly demand: (() => number) | undefined
  private readonly options: ReceiveBufferOptions
  private readonly most: number
  private reading: ReadMode | undefined = undefined
  private readonly messages = new Fifo<WireMessage.WireMessage>()
  /** The chunks to be read as bytes, and those that arrived before the first read. */
  private readonly chunks = new Fifo<Uint8Array>()
  private decoder: WireMessage.Decoder | undefined = undefined
  /** The bytes of `messages` and `chunks`, with their overhead. They count against `maxBuffered`. */
  private bufferedBytes = 0
  private partial = 0
  private paused = false
  /** Whether further content is dropped, and how many bytes of it may arrive before the peer is asked to stop. */
  private isDropping = false
  private mayDrop = Infinity
  private dropCode: number = ErrorCode.noError
  private isReleased = false

  constructor(options: ReceiveBufferOptions) {
    this.options = options
    this.most = options.maxBuffered ?? maxBuffered
    this.demand =
      options.isLazy === true ? () => (this.reading === undefined && !this.isDropping ? 0 : Infinity) : undefined
  }

  readonly onData = (chunk: Uint8Array): boolean => {
    if (this.isDropping) return this.discard(chunk.length)
    if (this.reading === "Messages") this.decode(chunk)
    else this.keep(chunk)
    this.notify()
    this.paused = this.bufferedBytes > this.most
    return !this.paused
  }

  readonly onEnd = (failure?: StreamFailure): void => {
    this.finished = true
    if (failure !== undefined) this.failure ??= this.options.owner.streamErrorOf(failure)
    else this.checkWhole()
    this.updatePartial(0)
    this.notify()
  }

  /** Sets how the application reads the stream. Returns an error when the stream is already read in the other way. */
  setMode(reading: ReadMode): SerializationError | undefined {
    if (this.reading === reading) return undefined
    if (this.reading !== undefined) {
      return new SerializationError({ detail: `the stream is read as ${this.reading.toLowerCase()} already` })
    }
    this.reading = reading
    if (reading === "Messages") {
      this.decoder = new WireMessage.Decoder({ maxMessageSize: this.options.maxMessageSize })
      this.hold(-this.bufferedBytes)
      for (const chunk of this.chunks.drain()) if (!this.isDropping) this.decode(chunk)
      if (this.finished) this.checkWhole()
    }
    if (this.isDropping || this.finished || this.failure !== undefined) return undefined
    // A paused stream may hold only a part of a message, which waits for the rest.
    if (this.options.isLazy === true || (this.paused && this.bufferedBytes <= this.most)) this.resume()
    return undefined
  }

  private keep(chunk: Uint8Array): void {
    // The transport owns the chunk. The `slice` of a Node Buffer would share memory.
    this.chunks.push(new Uint8Array(chunk))
    this.hold(itemOverhead + chunk.length)
  }

  private decode(chunk: Uint8Array): void {
    const decoded: Array<WireMessage.WireMessage> = []
    const error = this.decoder!.push(chunk, decoded)
    for (const message of decoded) {
      this.messages.push(message)
      this.hold(sizeOf(message))
    }
    if (error !== undefined) {
      // The transport reports no end of a stream that was stopped here.
      this.updatePartial(0)
      this.failure ??= error
      this.isDropping = true
      this.backing?.stop(ErrorCode.malformed)
      this.options.malformed?.(error.detail)
    } else if (!this.finished && !this.updatePartial(this.decoder!.buffered)) {
      this.abort("too much of this connection's messages has arrived only in part")
    }
  }

  get takes(): boolean {
    return !this.paused
  }

  expire(): void {
    this.abort("the message has arrived only in part, and does not go on")
  }

  private abort(detail: string): void {
    this.failure ??= new SerializationError({ detail })
    this.isDropping = true
    this.stop(ErrorCode.reassemblyOverflow)
  }

  /** Fails a stream that ended within a message. */
  private checkWhole(): void {
    if (this.failure !== undefined) return
    const error = this.decoder?.end()
    if (error === undefined) return
    this.failure = error
    this.options.malformed?.(error.detail)
  }

  /** Whether no message and no bytes wait. */
  get isEmpty(): boolean {
    return this.messages.length === 0 && this.chunks.length === 0
  }

  /** Takes the next message; undefined when none waits. */
  takeMessage(): WireMessage.WireMessage | undefined {
    const message = this.messages.shift()
    if (message !== undefined) this.onTaken(sizeOf(message))
    return message
  }

  /** Takes all chunks; undefined when none waits. */
  takeBytes(): NonEmptyReadonlyArray<Uint8Array> | undefined {
    if (this.chunks.length === 0) return undefined
    const chunks = this.chunks.drain()
    this.onTaken(this.bufferedBytes)
    return chunks as unknown as NonEmptyReadonlyArray<Uint8Array>
  }

  /** Drops the content and asks the peer to stop sending. */
  stop(code: number): void {
    this.clear()
    this.failure ??= new StreamLost({ reason: new StreamClosed() })
    this.backing?.stop(ErrorCode.clamp(code))
    this.notify()
  }

  /**
   * Reads the rest and drops it: unread, it would keep the stream open. The peer is not asked to stop sending, since the
   * loss of that request would end the connection.
   */
  drop(): void {
    this.clear()
    this.isDropping = true
    if (this.paused || this.options.isLazy === true) this.resume()
  }

  /** Drops the rest as `drop` does. A peer that goes on sending after so many bytes is asked to stop all the same, with `code`. */
  dropAtMost(bytes: number, code: number): void {
    this.mayDrop = bytes
    this.dropCode = code
    if (!this.finished) this.drop()
  }

  /** Fails all reads with an error, and drops the content. */
  fail(failure: RecvError | E): void {
    this.failure ??= failure
    this.clear()
    this.isDropping = true
    this.notify()
  }

  /** Nothing is to be read any more: what a program keeps of the stream is its own. */
  release(): void {
    if (this.isReleased) return
    this.isReleased = true
    this.options.held?.change(-this.bufferedBytes)
  }

  private discard(bytes: number): boolean {
    this.mayDrop -= bytes
    if (this.mayDrop >= 0) return true
    this.mayDrop = Infinity
    this.backing?.stop(this.dropCode)
    return true
  }

  private onTaken(bytes: number): void {
    this.hold(-bytes)
    if (this.paused && this.bufferedBytes <= this.most) this.resume()
  }

  private clear(): void {
    this.messages.drain()
    this.chunks.drain()
    this.hold(-this.bufferedBytes)
    this.updatePartial(0)
  }

  private hold(change: number): void {
    this.bufferedBytes += change
    if (!this.isReleased) this.options.held?.change(change)
  }

  private updatePartial(partial: number): boolean {
    const { partial: reassembly } = this.options
    const change = partial - this.partial
    this.partial = partial
    return change === 0 || reassembly === undefined || reassembly.reassemble(this, change, partial)
  }

  private resume(): void {
    this.paused = false
    this.backing?.resume()
  }

  private notify(): void {
    if (this.waiters.size === 0) return
    if (this.isEmpty && this.failure === undefined && !this.finished) return
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter()
  }
}

const sizeOf = (message: WireMessage.WireMessage): number =>
  itemOverhead + (message._tag === "UserMessage" ? message.payload.length : 0)
