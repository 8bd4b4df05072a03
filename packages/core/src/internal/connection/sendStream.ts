/** The sending half of a stream as the application has it: messages, or bytes without frames. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import type { Close } from "../../Close.ts"
import type { ConnectionLost, SendError, StreamLost } from "../../SendError.ts"
import type { SendStream, SendStreamOptions } from "../../SendStream.ts"
import type { StreamStopped } from "../../StreamError.ts"
import type { BackingSendStream, StreamFailure } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { InvalidArgument, untyped } from "../../InvalidArgument.ts"
import { number, problemWith, copyIfVolatile, streamSendOptions } from "../arguments.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import { wholePriority } from "../priority.ts"
import { refusedOptions, wrongBytes } from "./sendArguments.ts"

const empty = new Uint8Array(0)

/** Frames up to this size are copied into one buffer with their header: cheaper than a second write. */
const copyLimit = 16 << 10

export const writeUserMessage = (
  stream: BackingSendStream,
  payload: Uint8Array,
  fin: boolean,
  done: (failure?: StreamFailure) => void
): void => {
  if (payload.length <= copyLimit) return stream.write(WireMessage.encodeUser(payload), fin, done)
  // The header's own result says nothing that the payload's will not.
  stream.write(WireMessage.encodeHeader(payload.length, 0), false, constVoid)
  stream.write(copyIfVolatile(payload), fin, done)
}

/** Numbers that are out of range are brought into it; what is no number is nobody's meaning. */
export const withNumber = (name: string, value: unknown, act: () => void): Effect.Effect<void> =>
  Effect.suspend(() => {
    const detail = problemWith(number, value)
    return detail === undefined ? Effect.sync(act) : untyped(new InvalidArgument({ argument: name, detail }))
  })

/** Ends the stream, whether or not it has ended already. */
export const finish = (stream: BackingSendStream): void => stream.write(empty, true, constVoid)

/** What a sending half needs of its connection. */
export interface SendOwner {
  readonly maxMessageSize: number
  readonly lossOf: (failure: StreamFailure) => ConnectionLost | StreamLost
  readonly closed: Effect.Effect<Close>
}

/** Its effects hold on to it: whoever has one of them has not let go of the stream. */
export class SendStreamImpl implements SendStream {
  private readonly stream: BackingSendStream
  private readonly owner: SendOwner
  /** That the peer has stopped it, once somebody waits for that. */
  private stop: Deferred.Deferred<StreamStopped> | undefined = undefined

  constructor(stream: BackingSendStream, owner: SendOwner) {
    this.stream = stream
    this.owner = owner
  }

  readonly sendMessage = (payload: Uint8Array, options?: SendStreamOptions): Effect.Effect<void, SendError> =>
    Effect.callback<void, SendError>((resume) => {
      const invalid =
        refusedOptions(options, streamSendOptions) ?? WireMessage.checkPayload(payload, this.owner.maxMessageSize)
      if (invalid !== undefined) return resume(Effect.fail(invalid))
      // Interruption leaves the message queued: half a frame would spoil the stream.
      writeUserMessage(this.stream, payload, options?.fin === true, this.settle(resume))
    })

  readonly write = (bytes: Uint8Array, options?: SendStreamOptions): Effect.Effect<void, SendError> =>
    Effect.callback<void, SendError>((resume) => {
      const invalid = refusedOptions(options, streamSendOptions) ?? wrongBytes(bytes)
      if (invalid !== undefined) return resume(Effect.fail(invalid))
      if (bytes.length === 0 && options?.fin !== true) return resume(Effect.void)
      this.stream.write(copyIfVolatile(bytes), options?.fin === true, this.settle(resume))
    })

  readonly setPriority = (priority: number): Effect.Effect<void> =>
    withNumber("priority", priority, () => this.stream.setPriority(wholePriority(priority)))

  readonly finish: Effect.Effect<void, SendError> = Effect.callback<void, SendError>((resume) =>
    this.stream.write(empty, true, this.settle(resume))
  )

  readonly reset = (code: number): Effect.Effect<void> =>
    withNumber("code", code, () => this.stream.reset(ErrorCode.clamp(code)))

  readonly stopped: Effect.Effect<StreamStopped | Close> = Effect.suspend(() => {
    const stop = (this.stop ??= watched(this.stream))
    return Effect.raceFirst<StreamStopped | Close, never, never, StreamStopped | Close, never, never>(
      Deferred.await(stop),
      this.owner.closed
    )
  })

  private settle(resume: (effect: Effect.Effect<void, SendError>) => void) {
    return (failure?: StreamFailure) =>
      resume(failure === undefined ? Effect.void : Effect.fail(this.owner.lossOf(failure)))
  }
}

/** The transport must not keep the handle alive: it could never be let go of. */
const watched = (stream: BackingSendStream): Deferred.Deferred<StreamStopped> => {
  const stop = Deferred.makeUnsafe<StreamStopped>()
  stream.onStopped((stopped) => Deferred.doneUnsafe(stop, Effect.succeed(stopped)))
  return stop
}
