/**
 * A stream of a protocol as a `Socket` of Effect.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Socket from "effect/socket/Socket"
import * as ErrorCode from "../../ErrorCode.ts"
import type { ProtocolStream } from "../../ProtocolStream.ts"
import { allocate } from "../memory.ts"
import { encodeText } from "../text.ts"

const failure = (reason: Socket.SocketErrorReason) => new Socket.SocketError({ reason })

/** The close codes of `Socket`: a normal end, and one without a close (RFC 6455, section 7.4.1). */
const normal = 1_000
const abnormal = 1_006

const closed = (code: number) => failure(new Socket.SocketCloseError({ code }))

type ReadFailure = Effect.Error<ProtocolStream["pull"]>

const readFailure = (error: ReadFailure): Socket.SocketError => {
  if (Cause.isDone(error)) return closed(normal)
  if (error._tag === "StreamLost" && error.reason._tag === "StreamReset" && error.reason.code >= normal) {
    return closed(error.reason.code)
  }
  if (error._tag === "ProtocolRefused") return failure(new Socket.SocketOpenError({ kind: "Unknown", cause: error }))
  return failure(new Socket.SocketReadError({ cause: error }))
}

const bytesOf = (chunk: Uint8Array | string): Uint8Array => (typeof chunk === "string" ? encodeText(chunk) : chunk)

const concat = (chunks: NonEmptyReadonlyArray<Uint8Array | string>): Uint8Array => {
  if (chunks.length === 1) return bytesOf(chunks[0])
  const parts = chunks.map(bytesOf)
  const all = allocate(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Makes the socket of a stream. `ProtocolStream.toSocket` documents it. `finish` ends the own half, and does not wait. */
export const socketOf = (stream: ProtocolStream, finish: Effect.Effect<void>): Socket.Socket => {
  let isAcquired = false
  /** The code with which this side has closed the socket. */
  let closedWith: number | undefined
  // The stop that belongs to a close fails a pull that waits.
  const pull = Effect.mapError(stream.pull, (error) =>
    closedWith === undefined ? readFailure(error) : closed(closedWith)
  )

  const reader: Socket.Socket["reader"] = Effect.suspend(() => {
    if (isAcquired) {
      const cause = new Error("the stream of a protocol cannot be opened again")
      return Effect.fail(failure(new Socket.SocketOpenError({ kind: "Unknown", cause })))
    }
    isAcquired = true
    return Effect.as(
      Effect.addFinalizer((exit) => {
        closedWith ??= abnormal
        const own = Exit.isSuccess(exit) ? finish : stream.reset(ErrorCode.noError)
        return Effect.andThen(own, stream.stop(ErrorCode.noError))
      }),
      { pull, upgrade: Socket.SocketUpgradeError.unsupported }
    )
  })

  const write = (bytes: Uint8Array): Effect.Effect<void, Socket.SocketError> =>
    Effect.mapError(stream.write(bytes), (cause) =>
      failure(
        cause._tag === "ProtocolRefused"
          ? new Socket.SocketOpenError({ kind: "Unknown", cause })
          : new Socket.SocketWriteError({ cause })
      )
    )

  const close = ({ code }: Socket.CloseEvent) =>
    Effect.suspend(() => {
      closedWith ??= code
      return Effect.andThen(code === normal ? finish : stream.reset(code), stream.stop(ErrorCode.noError))
    })

  const writer: Socket.Writer = {
    write: (chunk) => (Socket.isCloseEvent(chunk) ? close(chunk) : write(bytesOf(chunk))),
    writeAll: (chunks) => write(concat(chunks))
  }

  return Socket.make({ reader, writer: Effect.acquireRelease(Effect.succeed(writer), () => finish) })
}
