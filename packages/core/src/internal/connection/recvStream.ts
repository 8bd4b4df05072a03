/**
 * The application's handle of a stream's receiving half.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RecvError } from "../../RecvError.ts"
import type { RecvStream } from "../../RecvStream.ts"
import { SerializationError, StreamLost } from "../../SendError.ts"
import { StreamClosed } from "../../StreamError.ts"
import type * as WireMessage from "../../WireMessage.ts"
import type { ReceiveBuffer } from "./receiveBuffer.ts"
import { withNumber } from "./sendStream.ts"

/** Reads the bytes of a stream without frames. Its effects reference it, so that a stream that is read is not abandoned. */
export class ByteReader<E = never> {
  protected readonly received: ReceiveBuffer<E>

  constructor(received: ReceiveBuffer<E>) {
    this.received = received
  }

  readonly pullBytes: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, RecvError | E | Cause.Done> = Effect.suspend(
    () => {
      const { received } = this
      const wrong = received.setMode("Bytes")
      if (wrong !== undefined) return Effect.fail(wrong)
      const chunks = received.takeBytes()
      return chunks === undefined ? this.endOr(this.pullBytes) : Effect.succeed(chunks)
    }
  )

  readonly stop = (code: number): Effect.Effect<void> => withNumber("code", code, () => this.received.stop(code))

  /** Ends an empty stream, or waits for content and then runs `pull`. */
  protected endOr<A>(pull: Effect.Effect<A, RecvError | E | Cause.Done>): Effect.Effect<A, RecvError | E | Cause.Done> {
    const { failure, finished } = this.received
    if (failure !== undefined) return Effect.fail(failure)
    return finished ? Cause.done() : Effect.andThen(this.wait, pull)
  }

  protected readonly wait: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const { waiters } = this.received
    const waiter = () => resume(Effect.void)
    waiters.add(waiter)
    return Effect.sync(() => waiters.delete(waiter))
  })
}

/** The application's handle. */
export class RecvStreamImpl extends ByteReader implements RecvStream {
  readonly next: Effect.Effect<Uint8Array, RecvError> = Effect.suspend(() => {
    const { received } = this
    const wrong = received.setMode("Messages")
    if (wrong !== undefined) return Effect.fail(wrong)
    const message = received.takeMessage()
    if (message !== undefined) return payloadOf(message)
    if (received.failure !== undefined) return Effect.fail(received.failure)
    if (received.finished) return Effect.fail(new StreamLost({ reason: new StreamClosed() }))
    return Effect.andThen(this.wait, this.next)
  })

  private readonly pullMessage: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, RecvError | Cause.Done> =
    Effect.suspend(() => {
      const { received } = this
      const wrong = received.setMode("Messages")
      if (wrong !== undefined) return Effect.fail(wrong)
      const message = received.takeMessage()
      if (message !== undefined) return Effect.map(payloadOf(message), (payload) => [payload] as const)
      return this.endOr(this.pullMessage)
    })

  readonly messages: Stream.Stream<Uint8Array, RecvError> = Stream.fromPull(Effect.succeed(this.pullMessage))

  readonly bytes: Stream.Stream<Uint8Array, RecvError> = Stream.fromPull(Effect.succeed(this.pullBytes))
}

const payloadOf = (message: WireMessage.WireMessage): Effect.Effect<Uint8Array, SerializationError> =>
  message._tag === "UserMessage"
    ? Effect.succeed(message.payload)
    : Effect.fail(new SerializationError({ detail: `a ${message._tag} where a user message was expected` }))
