/** The client's side of a shared stream: calls that are short both ways, told apart by their numbers. */
import type { ProtocolStream } from "@qp2p/core/Protocol"
import * as Effect from "effect/Effect"
import { constTrue, constVoid } from "effect/Function"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import * as limits from "../limits.ts"
import { Outbox } from "../outbox.ts"
import { encode, FrameKind, readU32 } from "../wire/frame.ts"
import { type Frame, FrameDecoder } from "../wire/frameDecoder.ts"
import * as messages from "../wire/messages.ts"
import type { Answers, ClientCall } from "./answers.ts"
import * as errors from "./errors.ts"
import { claim } from "./ownCall.ts"

const nothing = new Uint8Array(0)

/** A call on a shared stream. */
interface SharedCall {
  readonly call: ClientCall
  /** Ends the wait of the call: with nothing when its answer follows, with an error, or with what to do instead. */
  readonly resume: (next: Effect.Effect<void, RpcClientError>) => void
}

/** A shared stream. */
export class Session {
  /** Why the session takes no more calls. */
  error: RpcClientError | undefined = undefined
  /** Whether the server has taken the stream. */
  isAccepted = false
  private readonly answers: Answers
  private readonly parser: messages.Parser
  private readonly outbox = new Outbox()
  private readonly calls = new Map<number, SharedCall>()
  private readonly onRoom: () => void
  private stream: ProtocolStream | undefined = undefined
  private maxCalls = limits.callsBeforeSettings
  private next = 0

  /** `onRoom` runs when the session has room for a call again. */
  constructor(answers: Answers, onRoom: () => void) {
    this.answers = answers
    this.onRoom = onRoom
    this.parser = answers.serialization.makeUnsafe()
    this.outbox.push(encode(FrameKind.calls, 0, nothing))
  }

  /** Whether another call may begin. */
  get hasRoom(): boolean {
    return this.error === undefined && this.calls.size < this.maxCalls && !this.outbox.isFull
  }

  /** Whether the server takes no shared stream of this client: its calls need streams of their own. */
  get isRefused(): boolean {
    return !this.isAccepted && errors.isOverload(this.error)
  }

  /** Encodes a request for this stream. Throws what the serialization throws. */
  encode(request: unknown): Uint8Array | string | undefined {
    return this.parser.encode(request)
  }

  /** Sends a request, and waits for the answer. Interruption tells the server. */
  readonly run = (call: ClientCall, content: Uint8Array | string): Effect.Effect<void, RpcClientError> =>
    Effect.callback<void, RpcClientError>((resume) => {
      if (this.error !== undefined) return resume(Effect.fail(this.error))
      const number = this.takeNumber()
      this.calls.set(number, { call, resume })
      this.outbox.push(encode(FrameKind.message, number, content))
      return Effect.sync(() => {
        if (!this.calls.delete(number)) return
        this.outbox.push(encode(FrameKind.interrupt, number, nothing))
        this.onRoom()
      })
    })

  /** Writes requests and reads answers, until the stream or the connection ends. */
  readonly serve = (stream: ProtocolStream): Effect.Effect<void, RpcClientError> => {
    this.stream = stream
    return Effect.raceFirst(this.read(stream), Effect.mapError(this.outbox.drain(stream.write), errors.ofWrite))
  }

  /** Fails the calls that wait: their answers will not come. */
  end(error: RpcClientError): void {
    this.error = error
    this.outbox.close()
    const waiting = [...this.calls.values()]
    this.calls.clear()
    for (const { resume } of waiting) resume(Effect.fail(error))
  }

  /** The number of a new call: one that no other call has. */
  private takeNumber(): number {
    while (this.calls.has(this.next)) this.next = (this.next + 1) >>> 0
    const number = this.next
    this.next = (number + 1) >>> 0
    return number
  }

  private read(stream: ProtocolStream): Effect.Effect<void, RpcClientError> {
    const decoder = new FrameDecoder(limits.maxSharedFrame)
    const takeAll = (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, RpcClientError> => {
      const frames: Array<Frame> = []
      for (const chunk of chunks) {
        if (!decoder.push(chunk, frames)) return Effect.fail(errors.tooLong())
      }
      let at = 0
      return Effect.whileLoop({
        while: () => at < frames.length,
        body: () => this.take(frames[at++]!),
        step: constVoid
      })
    }
    const pull = Effect.flatMap(Effect.mapError(stream.pull, errors.ofRead), takeAll)
    return Effect.whileLoop({ while: constTrue, body: () => pull, step: constVoid })
  }

  private take({ call: number, content, kind }: Frame): Effect.Effect<void, RpcClientError> {
    if (kind === FrameKind.settings) {
      if (content.length !== 4) return Effect.fail(errors.malformed("the server's settings are malformed"))
      this.isAccepted = true
      this.maxCalls = Math.max(1, Math.min(readU32(content, 0), limits.callsPerStream))
      this.onRoom()
      return Effect.void
    }
    const waiting = this.calls.get(number)
    // The call may have been interrupted since.
    if (waiting === undefined) return Effect.void
    this.calls.delete(number)
    const { call, resume } = waiting
    const { fitTags } = this.answers
    switch (kind) {
      case FrameKind.message: {
        if (content.length > this.answers.maxResponseSize) {
          resume(Effect.fail(errors.tooLong()))
          this.onRoom()
          return Effect.void
        }
        const message = messages.response(this.parser, content)
        if (message === undefined || message._tag === "Chunk") break
        // The fiber of the call ends first: an RPC client would interrupt it otherwise.
        resume(Effect.void)
        this.onRoom()
        return this.answers.deliver(call, message)
      }
      case FrameKind.moved: {
        const stream = this.stream
        if (content.length !== 4 || stream === undefined) break
        fitTags.note(call.request.tag, false)
        resume(claim(this.answers, call, stream, content))
        this.onRoom()
        return Effect.void
      }
      case FrameKind.refused:
        resume(Effect.fail(errors.notSent(new Error("the server has too many calls"))))
        this.onRoom()
        return Effect.void
      default:
    }
    const error = errors.malformed("the server's answer is malformed")
    resume(Effect.fail(error))
    return Effect.fail(error)
  }
}
