/**
 * What has come on the receiving half of a stream and waits to be read: as messages, or as bytes without frames.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as ErrorCode from "../../ErrorCode.ts"
import { Fifo } from "../../Fifo.ts"
import type { RecvError } from "../../RecvError.ts"
import { type ConnectionLost, SerializationError, StreamLost } from "../../SendError.ts"
import { StreamClosed } from "../../StreamError.ts"
import type { BackingRecvStream, RecvEvents, StreamFailure } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { FrameCounter } from "../wire/frameCounter.ts"

/** Bytes that wait to be read before the peer is held back: a reader that keeps up never waits for it. */
const readAhead = 256 << 10

/** What a message, or a chunk of bytes, costs besides its content, about. */
const perItem = 128

/** How the application reads a stream. */
export type Reading = "Messages" | "Bytes"

export interface ReceivedOptions {
  readonly maxMessageSize: number
  readonly lossOf: (failure: StreamFailure) => ConnectionLost | StreamLost
  /** Whether nothing is taken from the transport before the application reads. */
  readonly isLazy?: boolean | undefined
  /** Accounts for bytes of messages in part; false when that is too much. */
  readonly reassemble?: ((change: number) => boolean) | undefined
}

/** The transport refers to this, and only a reader to the handle. */
export class Received implements RecvEvents {
  backing: BackingRecvStream | undefined = undefined
  readonly waiters = new Set<() => void>()
  failure: RecvError | undefined = undefined
  finished = false
  readonly demand: (() => number) | undefined
  private readonly options: ReceivedOptions
  private reading: Reading | undefined = undefined
  private readonly messages = new Fifo<WireMessage.WireMessage>()
  /** Bytes that are to be read as such, or that came before it was known how they are to be read. */
  private readonly chunks = new Fifo<Uint8Array>()
  private decoder: WireMessage.Decoder | undefined = undefined
  /** Finds messages while it is not known how the stream is read. */
  private frames: FrameCounter | undefined = undefined
  /** Bytes in `chunks`, and what of all that waits counts against `readAhead`. */
  private keptBytes = 0
  private waitingBytes = 0
  private partial = 0
  private paused = false
  /** Whether no more of it will be read. */
  private unwanted = false

  constructor(options: ReceivedOptions) {
    this.options = options
    this.demand =
      options.isLazy === true ? () => (this.reading === undefined && !this.unwanted ? 0 : Infinity) : undefined
  }

  readonly onData = (chunk: Uint8Array): boolean => {
    if (this.unwanted) return true
    if (this.reading === "Messages") this.decode(chunk)
    else this.keep(chunk)
    this.notify()
    this.paused = this.waitingBytes > readAhead
    return !this.paused
  }

  readonly onEnd = (failure?: StreamFailure): void => {
    this.finished = true
    if (failure !== undefined) this.failure ??= this.options.lossOf(failure)
    else this.failure ??= this.decoder?.end()
    this.account(0)
    this.notify()
  }

  /** The application reads it as this from now on; why it cannot, if it has read it otherwise before. */
  begin(reading: Reading): SerializationError | undefined {
    if (this.reading === reading) return undefined
    if (this.reading !== undefined) {
      return new SerializationError({ detail: `the stream is read as ${this.reading.toLowerCase()} already` })
    }
    this.reading = reading
    if (reading === "Messages") {
      this.decoder = new WireMessage.Decoder({ maxMessageSize: this.options.maxMessageSize })
      this.waitingBytes = this.keptBytes = 0
      for (const chunk of this.chunks.drain()) this.decode(chunk)
      if (this.finished) this.failure ??= this.decoder.end()
      // What waited may be parts of one message, which nobody can take.
      this.resumeIfRead()
    } else this.waitingBytes = this.keptBytes
    this.frames = undefined
    if (this.options.isLazy === true) this.backing?.resume()
    return undefined
  }

  private keep(chunk: Uint8Array): void {
    // The chunk is only borrowed. Not `slice`: that of a Node Buffer shares memory.
    this.chunks.push(new Uint8Array(chunk))
    this.keptBytes += perItem + chunk.length
    if (this.reading === "Bytes") this.waitingBytes = this.keptBytes
    else {
      // As if it were read as messages: one that is on its way comes whole, however large it is.
      const { bytes, frames } = (this.frames ??= new FrameCounter(this.options.maxMessageSize)).push(chunk)
      this.waitingBytes += bytes + perItem * frames
    }
  }

  private decode(chunk: Uint8Array): void {
    const decoded: Array<WireMessage.WireMessage> = []
    const error = this.decoder!.push(chunk, decoded)
    for (const message of decoded) {
      this.messages.push(message)
      this.waitingBytes += sizeOf(message)
    }
    if (error !== undefined) {
      this.failure ??= error
      this.backing?.stop(ErrorCode.malformed)
    } else if (!this.finished && !this.account(this.decoder!.buffered)) {
      this.failure ??= new SerializationError({
        detail: "too much of this connection's messages has arrived only in part"
      })
      this.stop(ErrorCode.reassemblyOverflow)
    }
  }

  /** Whether a message waits, or bytes do. */
  get isEmpty(): boolean {
    return this.messages.length === 0 && this.chunks.length === 0
  }

  takeMessage(): WireMessage.WireMessage | undefined {
    const message = this.messages.shift()
    if (message !== undefined) this.taken(sizeOf(message))
    return message
  }

  /** Everything that has come. */
  takeBytes(): NonEmptyReadonlyArray<Uint8Array> | undefined {
    if (this.chunks.length === 0) return undefined
    const chunks = this.chunks.drain()
    this.keptBytes = 0
    this.taken(this.waitingBytes)
    return chunks as unknown as NonEmptyReadonlyArray<Uint8Array>
  }

  stop(code: number): void {
    this.clear()
    this.failure ??= new StreamLost({ reason: new StreamClosed() })
    this.backing?.stop(ErrorCode.clamp(code))
    this.notify()
  }

  /**
   * Reads the rest and drops it: unread, it would keep the stream open. The peer is not asked to stop, since the connection
   * ends when that request is lost.
   */
  drop(): void {
    this.clear()
    this.unwanted = true
    if (this.paused || this.options.isLazy === true) this.resume()
  }

  private taken(bytes: number): void {
    this.waitingBytes -= bytes
    this.resumeIfRead()
  }

  private resumeIfRead(): void {
    if (this.paused && this.waitingBytes <= readAhead) this.resume()
  }

  private clear(): void {
    this.messages.drain()
    this.chunks.drain()
    this.waitingBytes = this.keptBytes = 0
    this.account(0)
  }

  private account(partial: number): boolean {
    const { reassemble } = this.options
    const change = partial - this.partial
    this.partial = partial
    return change === 0 || reassemble === undefined || reassemble(change)
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
  perItem + (message._tag === "UserMessage" ? message.payload.length : 0)
