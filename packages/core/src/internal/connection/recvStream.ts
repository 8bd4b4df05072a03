/**
 * The receiving half of a stream that this side opened: decoded messages, and whoever waits for one.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RecvError } from "../../RecvError.ts"
import type { RecvStream } from "../../RecvStream.ts"
import { type ConnectionLost, SerializationError, StreamLost } from "../../SendError.ts"
import { StreamClosed } from "../../StreamError.ts"
import type { BackingRecvStream, RecvEvents, StreamFailure } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import { withNumber } from "./sendStream.ts"
import { Fifo } from "../../Fifo.ts"

/** Bytes of messages that wait to be read before the peer is held back: a reader that keeps up never waits for it. */
const readAhead = 256 << 10

/** What has come on the stream, and who waits for it. The transport refers to this, and only a reader to the handle. */
export class Received implements RecvEvents {
  backing: BackingRecvStream | undefined = undefined
  readonly waiters = new Set<() => void>()
  /** What was decoded and nobody has taken. */
  private readonly items = new Fifo<WireMessage.WireMessage>()
  private waitingBytes = 0
  private paused = false
  /** Whether nobody can take any of it any more. */
  private unwanted = false
  failure: RecvError | undefined = undefined
  finished = false
  private readonly decoder: WireMessage.Decoder
  private readonly lossOf: (failure: StreamFailure) => ConnectionLost | StreamLost

  constructor(maxMessageSize: number, lossOf: (failure: StreamFailure) => ConnectionLost | StreamLost) {
    this.decoder = new WireMessage.Decoder({ maxMessageSize })
    this.lossOf = lossOf
  }

  readonly onData = (chunk: Uint8Array): boolean => {
    if (this.unwanted) return true
    const decoded: Array<WireMessage.WireMessage> = []
    const error = this.decoder.push(chunk, decoded)
    for (const message of decoded) {
      this.items.push(message)
      this.waitingBytes += sizeOf(message)
    }
    if (error !== undefined) {
      this.failure ??= error
      this.backing?.stop(ErrorCode.malformed)
    }
    this.notify()
    this.paused = this.waitingBytes > readAhead
    return !this.paused
  }

  readonly onEnd = (failure?: StreamFailure): void => {
    this.finished = true
    this.failure ??= failure === undefined ? this.decoder.end() : this.lossOf(failure)
    this.notify()
  }

  get isEmpty(): boolean {
    return this.items.length === 0
  }

  take(): WireMessage.WireMessage | undefined {
    const message = this.items.shift()
    if (message === undefined) return undefined
    this.waitingBytes -= sizeOf(message)
    if (this.paused && this.waitingBytes <= readAhead) this.resume()
    return message
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
    this.unwanted = true
    this.clear()
    if (this.paused) this.resume()
  }

  private clear(): void {
    this.items.drain()
    this.waitingBytes = 0
  }

  private resume(): void {
    this.paused = false
    this.backing?.resume()
  }

  private notify(): void {
    if (this.isEmpty && this.failure === undefined && !this.finished) return
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter()
  }
}

/** Its effects hold on to it, and so does whoever waits in one of them: nobody who reads has let go of the stream. */
export class RecvStreamImpl implements RecvStream {
  private readonly received: Received

  constructor(received: Received) {
    this.received = received
  }

  /** The next message of either kind. */
  readonly nextWire: Effect.Effect<WireMessage.WireMessage, RecvError> = Effect.suspend(() => {
    const { received } = this
    const message = received.take()
    if (message !== undefined) return Effect.succeed(message)
    if (received.failure !== undefined) return Effect.fail(received.failure)
    if (received.finished) return Effect.fail(new StreamLost({ reason: new StreamClosed() }))
    return Effect.andThen(this.wait, this.nextWire)
  })

  readonly next: Effect.Effect<Uint8Array, RecvError> = Effect.flatMap(this.nextWire, (message) => payloadOf(message))

  private readonly pull: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, RecvError | Cause.Done> = Effect.suspend(
    () => {
      const { received } = this
      if (!received.isEmpty) return Effect.map(this.next, (payload) => [payload] as const)
      if (received.failure !== undefined) return Effect.fail(received.failure)
      return received.finished ? Cause.done() : Effect.andThen(this.wait, this.pull)
    }
  )

  readonly messages: Stream.Stream<Uint8Array, RecvError> = Stream.fromPull(Effect.succeed(this.pull))

  readonly stop = (code: number): Effect.Effect<void> => withNumber("code", code, () => this.received.stop(code))

  private readonly wait: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const { waiters } = this.received
    const waiter = () => resume(Effect.void)
    waiters.add(waiter)
    return Effect.sync(() => waiters.delete(waiter))
  })
}

/** What a message costs besides its payload, about. */
const perMessage = 128

const sizeOf = (message: WireMessage.WireMessage): number =>
  perMessage + (message._tag === "UserMessage" ? message.payload.length : 0)

const payloadOf = (message: WireMessage.WireMessage): Effect.Effect<Uint8Array, SerializationError> =>
  message._tag === "UserMessage"
    ? Effect.succeed(message.payload)
    : Effect.fail(new SerializationError({ detail: `a ${message._tag} where a user message was expected` }))
