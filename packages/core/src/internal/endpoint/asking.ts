/**
 * Asks a peer's endpoint a question: one control message in each direction, on a stream of its own. It uses only public
 * members of a connection, so it works over users' wrappers as well.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Connection } from "../../Connection.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import type { RecvError } from "../../RecvError.ts"
import type { RecvStream } from "../../RecvStream.ts"
import { type RpcError, RpcTimedOut } from "../../RpcError.ts"
import { ConnectionLost, StreamLost } from "../../SendError.ts"
import { StreamClosed } from "../../StreamError.ts"
import * as WireMessage from "../../WireMessage.ts"

/** The options of `ask`. */
export interface AskOptions {
  /** The longest time until the answer. */
  readonly limit: Duration.Duration
  readonly maxMessageSize: number
}

/** Sends a question and waits for the answer. The question is written before the effect first waits. */
export const ask = (
  connection: Connection,
  question: WireMessage.ControlMessage,
  { limit, maxMessageSize }: AskOptions
): Effect.Effect<WireMessage.WireMessage, RpcError> =>
  Effect.mapError(connection.openBi(), (reason) => new ConnectionLost({ reason })).pipe(
    Effect.flatMap(({ receive, send }) =>
      // The answer shows whether the question arrived.
      Effect.forkChild(send.write(WireMessage.encode(question), { fin: true }), { startImmediately: true }).pipe(
        Effect.flatMap((asking) => Effect.ensuring(firstMessage(receive, maxMessageSize), Fiber.interrupt(asking))),
        Effect.timeoutOrElse({
          duration: limit,
          orElse: () => Effect.fail(new RpcTimedOut({ peer: connection.remoteAddress }))
        }),
        Effect.onError(() => Effect.andThen(send.reset(ErrorCode.noError), receive.stop(ErrorCode.noError)))
      )
    )
  )

const firstMessage = (receive: RecvStream, maxMessageSize: number): Effect.Effect<WireMessage.WireMessage, RecvError> =>
  Effect.suspend(() => {
    const decoder = new WireMessage.Decoder({ maxMessageSize })
    const messages: Array<WireMessage.WireMessage> = []
    return Stream.runForEachWhile(receive.bytes, (chunk) => {
      const error = decoder.push(chunk, messages)
      if (messages.length > 0) return Effect.succeed(false)
      return error === undefined
        ? Effect.succeed(true)
        : Effect.andThen(receive.stop(ErrorCode.malformed), Effect.fail(error))
    }).pipe(
      Effect.flatMap(() => {
        const [first] = messages
        return first === undefined
          ? Effect.fail(decoder.end() ?? new StreamLost({ reason: new StreamClosed() }))
          : Effect.succeed(first)
      })
    )
  })
