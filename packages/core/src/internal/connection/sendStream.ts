/** The application's handle of a stream's sending half: messages, or bytes without frames. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import type { Close } from "../../Close.ts"
import type { ConnectionLost, SendError, StreamLost } from "../../SendError.ts"
import type { SendStreamOptions } from "../../SendStream.ts"
import type { StreamStopped } from "../../StreamError.ts"
import type { BackingSendStream, StreamFailure } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { InvalidArgument, untyped } from "../../InvalidArgument.ts"
import { number, problemWith, copyIfVolatile, streamSendOptions } from "../arguments.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import { normalizePriority } from "../priority.ts"
import { invalidOptions, invalidBytes } from "./sendArguments.ts"

const empty = new Uint8Array(0)

/** The largest payload, in bytes, that is copied into one buffer with its header: cheaper than a second write. */
const copyLimit = 16 << 10

/** Writes a user message to a stream. */
export const writeUserMessage = (
  stream: BackingSendStream,
  payload: Uint8Array,
  fin: boolean,
  done: (failure?: StreamFailure) => void
): void => {
  if (payload.length <= copyLimit) return stream.write(WireMessage.encodeUser(payload), fin, done)
  // The payload's result covers the header.
  stream.write(WireMessage.encodeHeader(payload.length, 0), false, constVoid)
  stream.write(copyIfVolatile(payload), fin, done)
}

/** Runs `act` if `value` is a number. `act` clamps it to its range. */
export const withNumber = (name: string, value: unknown, act: () => void): Effect.Effect<void> =>
  Effect.suspend(() => {
    const detail = problemWith(number, value)
    return detail === undefined ? Effect.sync(act) : untyped(new InvalidArgument({ argument: name, detail }))
  })

/** Finishes a stream. It does nothing on a stream that has ended. */
export const finish = (stream: BackingSendStream): void => stream.write(empty, true, constVoid)

/** The view of a connection that a sending half needs. */
export interface SendOwner<E = never> {
  readonly maxMessageSize: number
  readonly streamErrorOf: (failure: StreamFailure) => ConnectionLost | StreamLost | E
  readonly closed: Effect.Effect<Close>
}

/**
 * The application's handle. Its effects reference it, so that a stream is not abandoned while one of them is referenced. `E` is what
 * the owner makes of a failure beside the errors of a `SendStream`.
 */
export class SendStreamImpl<E = never> {
  private readonly stream: BackingSendStream
  private readonly owner: SendOwner<E>
  /** The peer's stop, once `stopped` has been run. */
  private stop: Deferred.Deferred<StreamStopped> | undefined = undefined

  constructor(stream: BackingSendStream, owner: SendOwner<E>) {
    this.stream = stream
    this.owner = owner
  }

  readonly sendMessage = (payload: Uint8Array, options?: SendStreamOptions): Effect.Effect<void, SendError | E> =>
    Effect.callback<void, SendError | E>((resume) => {
      const invalid =
        invalidOptions(options, streamSendOptions) ?? WireMessage.checkPayload(payload, this.owner.maxMessageSize)
      if (invalid !== undefined) return resume(Effect.fail(invalid))
      // Interruption leaves the message queued: half a frame would corrupt the stream.
      writeUserMessage(this.stream, payload, options?.fin === true, this.complete(resume))
    })

  readonly write = (bytes: Uint8Array, options?: SendStreamOptions): Effect.Effect<void, SendError | E> =>
    Effect.callback<void, SendError | E>((resume) => {
      const invalid = invalidOptions(options, streamSendOptions) ?? invalidBytes(bytes)
      if (invalid !== undefined) return resume(Effect.fail(invalid))
      if (bytes.length === 0 && options?.fin !== true) return resume(Effect.void)
      this.stream.write(copyIfVolatile(bytes), options?.fin === true, this.complete(resume))
    })

  readonly setPriority = (priority: number): Effect.Effect<void> =>
    withNumber("priority", priority, () => this.stream.setPriority(normalizePriority(priority)))

  readonly finish: Effect.Effect<void, SendError | E> = Effect.callback<void, SendError | E>((resume) =>
    this.stream.write(empty, true, this.complete(resume))
  )

  readonly reset = (code: number): Effect.Effect<void> =>
    withNumber("code", code, () => this.stream.reset(ErrorCode.clamp(code)))

  readonly stopped: Effect.Effect<StreamStopped | Close> = Effect.suspend(() => {
    const stop = (this.stop ??= registerStop(this.stream))
    // A transport reports an earlier stop a turn later. It must win against a close that followed it.
    return Effect.raceFirst<StreamStopped | Close, never, never, StreamStopped | Close, never, never>(
      Deferred.await(stop),
      Effect.tap(this.owner.closed, () => Effect.yieldNow)
    )
  })

  private complete(resume: (effect: Effect.Effect<void, SendError | E>) => void) {
    return (failure?: StreamFailure) =>
      resume(failure === undefined ? Effect.void : Effect.fail(this.owner.streamErrorOf(failure)))
  }
}

/** Registers for the peer's stop, without a reference from the transport to the handle, which could not be abandoned then. */
const registerStop = (stream: BackingSendStream): Deferred.Deferred<StreamStopped> => {
  const stop = Deferred.makeUnsafe<StreamStopped>()
  stream.onStopped((stopped) => Deferred.doneUnsafe(stop, Effect.succeed(stopped)))
  return stop
}
