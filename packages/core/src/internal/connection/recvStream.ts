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
import { StreamGone } from "../../StreamError.ts"
import type { BackingRecvStream, RecvEvents, StreamFailure } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { clampCode } from "../code.ts"
import { withNumber } from "./sendStream.ts"
import { Fifo } from "../fifo.ts"

/** Bytes of messages that wait to be read before the peer is held back: a reader that keeps up never waits for it. */
const readAhead = 256 << 10

/** Told to the peer when what it sent is not the protocol. */
export const malformedCode = 1

export class RecvStreamImpl implements RecvEvents, RecvStream {
  backing: BackingRecvStream | undefined = undefined
  /** What was decoded and nobody has taken. */
  private readonly items = new Fifo<WireMessage.WireMessage>()
  private waitingBytes = 0
  private paused = false
  private failure: RecvError | undefined = undefined
  private finished = false
  private readonly waiters = new Set<() => void>()
  private readonly decoder: WireMessage.Decoder
  private readonly lossOf: (failure: StreamFailure) => ConnectionLost | StreamLost

  constructor(maxMessageSize: number, lossOf: (failure: StreamFailure) => ConnectionLost | StreamLost) {
    this.decoder = new WireMessage.Decoder({ maxMessageSize })
    this.lossOf = lossOf
  }

  readonly onData = (chunk: Uint8Array): boolean => {
    const decoded: Array<WireMessage.WireMessage> = []
    const error = this.decoder.push(chunk, decoded)
    for (const message of decoded) {
      this.items.push(message)
      this.waitingBytes += sizeOf(message)
    }
    if (error !== undefined) {
      this.failure ??= error
      this.backing?.stop(malformedCode)
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

  /** The next message of either kind. */
  readonly nextWire: Effect.Effect<WireMessage.WireMessage, RecvError> = Effect.suspend(() => {
    const message = this.items.shift()
    if (message !== undefined) {
      this.waitingBytes -= sizeOf(message)
      if (this.paused && this.waitingBytes <= readAhead) {
        this.paused = false
        this.backing?.resume()
      }
      return Effect.succeed(message)
    }
    if (this.failure !== undefined) return Effect.fail(this.failure)
    if (this.finished) return Effect.fail(new StreamLost({ error: new StreamGone() }))
    return Effect.andThen(this.wait, this.nextWire)
  })

  readonly next: Effect.Effect<Uint8Array, RecvError> = Effect.flatMap(this.nextWire, (message) => payloadOf(message))

  private readonly pull: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, RecvError | Cause.Done> = Effect.suspend(
    () => {
      if (this.items.length > 0) return Effect.map(this.next, (payload) => [payload] as const)
      if (this.failure !== undefined) return Effect.fail(this.failure)
      return this.finished ? Cause.done() : Effect.andThen(this.wait, this.pull)
    }
  )

  readonly messages: Stream.Stream<Uint8Array, RecvError> = Stream.fromPull(Effect.succeed(this.pull))

  readonly stop = (code: number): Effect.Effect<void> =>
    withNumber("code", code, () => {
      this.items.drain()
      this.waitingBytes = 0
      this.failure ??= new StreamLost({ error: new StreamGone() })
      this.backing?.stop(clampCode(code))
      this.notify()
    })

  private readonly wait: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const waiter = () => resume(Effect.void)
    this.waiters.add(waiter)
    return Effect.sync(() => this.waiters.delete(waiter))
  })

  private notify(): void {
    if (this.items.length === 0 && this.failure === undefined && !this.finished) return
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter()
  }
}

/** What a message costs besides its payload, about. */
const perMessage = 128

const sizeOf = (message: WireMessage.WireMessage): number =>
  perMessage + (message._tag === "UserMessage" ? message.payload.length : 0)

const payloadOf = (message: WireMessage.WireMessage): Effect.Effect<Uint8Array, SerializationError> =>
  message._tag === "UserMessage"
    ? Effect.succeed(message.payload)
    : Effect.fail(new SerializationError({ reason: `a ${message._tag} where a user message was expected` }))
