/** A call on a stream of its own: from its first frame to the end of the answer. Interruption resets the stream. */
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import type { ProtocolStream } from "@qp2p/core/Protocol"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import * as Scope from "effect/Scope"
import * as limits from "../limits.ts"
import { encodeAlone, FrameKind } from "../wire/frame.ts"
import { type Frame, FrameDecoder } from "../wire/frameDecoder.ts"
import * as messages from "../wire/messages.ts"
import type { Answers, ClientCall } from "./answers.ts"
import * as errors from "./errors.ts"

/** Reads an answer and hands it over, part by part. */
const readAnswer = (
  answers: Answers,
  call: ClientCall,
  stream: ProtocolStream,
  parser: messages.Parser
): Effect.Effect<void, RpcClientError> => {
  const decoder = new FrameDecoder(answers.maxResponseSize)
  let hasParts = false
  let isOver = false

  const take = ({ content, kind }: Frame): Effect.Effect<void, RpcClientError> => {
    const message = kind === FrameKind.message ? messages.response(parser, content) : undefined
    if (message === undefined) return Effect.fail(errors.malformed("the server's answer is malformed"))
    if (message._tag === "Chunk") hasParts = true
    else {
      isOver = true
      answers.fitTags.note(call.request.tag, !hasParts && content.length <= limits.smallAnswer)
    }
    return answers.deliver(call, message)
  }

  const takeAll = (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, RpcClientError> => {
    const frames: Array<Frame> = []
    for (const chunk of chunks) {
      if (!decoder.push(chunk, frames)) return Effect.fail(errors.tooLong())
    }
    let at = 0
    return Effect.whileLoop({
      while: () => at < frames.length && !isOver && !call.isInterrupted,
      body: () => take(frames[at++]!),
      step: constVoid
    })
  }

  const pull = Effect.flatMap(Effect.mapError(stream.pull, errors.ofRead), takeAll)
  return Effect.whileLoop({
    while: () => !isOver && !call.isInterrupted,
    body: () => pull,
    step: constVoid
  })
}

/** Opens a stream and uses it. The stream ends with the use, and with the client. */
const withStream = (
  answers: Answers,
  open: Effect.Effect<ProtocolStream, ConnectionError, Scope.Scope>,
  use: (stream: ProtocolStream) => Effect.Effect<void, RpcClientError>
): Effect.Effect<void, RpcClientError> =>
  Effect.acquireUseRelease(
    Scope.fork(answers.scope),
    (scope) => Effect.flatMap(Effect.mapError(Scope.provide(open, scope), errors.ofOpen), use),
    Scope.close
  )

/** Writes the first frame. A long one is behind everything short. */
const write = ({ priority }: Answers, stream: ProtocolStream, bytes: Uint8Array) =>
  bytes.length <= limits.smallRequest
    ? stream.write(bytes)
    : Effect.andThen(stream.setPriority(priority + limits.bulkPriority), stream.write(bytes))

/** Opens the stream, writes the first frame, and reads the answer. */
const run = (
  answers: Answers,
  call: ClientCall,
  open: Effect.Effect<ProtocolStream, ConnectionError, Scope.Scope>,
  first: (parser: messages.Parser) => Uint8Array
): Effect.Effect<void, RpcClientError> =>
  Effect.suspend(() => {
    const parser = answers.serialization.makeUnsafe()
    const begin = Effect.try({ try: () => first(parser), catch: errors.unencodable })
    return withStream(answers, open, (stream) =>
      Effect.flatMap(begin, (bytes) =>
        Effect.andThen(
          Effect.mapError(write(answers, stream, bytes), errors.ofWrite),
          readAnswer(answers, call, stream, parser)
        )
      )
    )
  })

/** Sends a request that has no answer. */
export const notify = (
  answers: Answers,
  { request }: ClientCall,
  open: Effect.Effect<ProtocolStream, ConnectionError, Scope.Scope>
): Effect.Effect<void, RpcClientError> =>
  withStream(answers, open, (stream) =>
    Effect.suspend(() => {
      const bytes = encodeAlone(FrameKind.message, 0, answers.serialization.makeUnsafe().encode(request)!)
      return Effect.mapError(stream.write(bytes, { fin: true }), errors.ofWrite)
    })
  )

/** Makes a call on a stream of its own. */
export const make = (
  answers: Answers,
  call: ClientCall,
  open: Effect.Effect<ProtocolStream, ConnectionError, Scope.Scope>
): Effect.Effect<void, RpcClientError> =>
  run(answers, call, open, (parser) => encodeAlone(FrameKind.message, 0, parser.encode(call.request)!))

/** Goes on with a call whose answer has moved from the shared stream to one of its own. `ticket` is that of the answer. */
export const claim = (
  answers: Answers,
  call: ClientCall,
  { connection, protocol }: ProtocolStream,
  ticket: Uint8Array
): Effect.Effect<void, RpcClientError> =>
  run(answers, call, connection.openProtocol(protocol), () => encodeAlone(FrameKind.claim, 0, ticket))
