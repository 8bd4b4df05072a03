import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import type { ConnectionLost, SendError, StreamLost } from "../../SendError.ts"
import type { SendStream } from "../../SendStream.ts"
import type { BackingSendStream, StreamFailure } from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { clampCode, wholePriority } from "../code.ts"

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
  stream.write(payload, fin, done)
}

export const make = (
  stream: BackingSendStream,
  maxMessageSize: number,
  lossOf: (failure: StreamFailure) => ConnectionLost | StreamLost
): SendStream => {
  const settle = (resume: (effect: Effect.Effect<void, SendError>) => void) => (failure?: StreamFailure) =>
    resume(failure === undefined ? Effect.void : Effect.fail(lossOf(failure)))
  return {
    sendMessage: (payload) =>
      Effect.callback<void, SendError>((resume) => {
        const invalid = WireMessage.checkPayload(payload, maxMessageSize)
        if (invalid !== undefined) return resume(Effect.fail(invalid))
        // Interruption leaves the message queued: half a frame would spoil the stream.
        writeUserMessage(stream, payload, false, settle(resume))
      }),
    setPriority: (priority) => Effect.sync(() => stream.setPriority(wholePriority(priority))),
    finish: Effect.callback<void, SendError>((resume) => stream.write(empty, true, settle(resume))),
    reset: (code) => Effect.sync(() => stream.reset(clampCode(code)))
  }
}
