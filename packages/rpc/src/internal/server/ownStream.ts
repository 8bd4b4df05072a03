/** A stream with one call: its request is the first frame. Also a stream for an answer that has moved there from a shared one. */
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { ProtocolStream } from "@qp2p/core/Protocol"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { RequestEncoded } from "effect/rpc/RpcMessage"
import * as limits from "../limits.ts"
import { encode, FrameKind } from "../wire/frame.ts"
import type { Parser } from "../wire/messages.ts"
import type { Call, Reply } from "./call.ts"
import type { Calls } from "./calls.ts"
import type { PeerState } from "./peers.ts"

/** The way back on a stream of one call. */
export class OwnReply implements Reply {
  readonly encode: Reply["encode"]
  /** The last frame of the answer; undefined when there is none. */
  private readonly end = Deferred.makeUnsafe<Uint8Array | undefined>()
  private readonly stream: ProtocolStream
  private readonly onGone: Effect.Effect<void>

  /** `onGone` runs when the caller no longer takes the answer. */
  constructor(stream: ProtocolStream, parser: Parser, onGone: Effect.Effect<void>) {
    this.stream = stream
    this.encode = parser.encode
    this.onGone = onGone
  }

  readonly part = (content: Uint8Array | string): Effect.Effect<void> =>
    Effect.catch(this.stream.write(encode(FrameKind.message, 0, content)), () => this.onGone)

  // The handler has ended and need not wait until the caller has its answer: the fiber of the stream does.
  readonly last = (content: Uint8Array | string): Effect.Effect<void> =>
    Effect.sync(() => {
      Deferred.doneUnsafe(this.end, Effect.succeed(encode(FrameKind.message, 0, content)))
    })

  abandon(): void {
    Deferred.doneUnsafe(this.end, Effect.undefined)
  }

  /** Waits for the end of the answer and writes it. Returns before that when the caller resets the stream. */
  readonly run: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.raceFirst(this.gone, Deferred.await(this.end)), (frame) => {
      // What waits for credit would wait for ever.
      if (frame === "Gone") return Effect.andThen(this.onGone, this.stream.reset(ErrorCode.noError))
      if (frame === undefined) return Effect.void
      const write = Effect.ignore(this.stream.write(frame, { fin: true }))
      if (frame.length <= limits.smallAnswer) return write
      return Effect.andThen(this.stream.setPriority(limits.bulkPriority), write)
    })
  )

  /**
   * Waits until the caller resets the stream, or the connection is lost. What the caller still sends is dropped. A caller that has
   * ended its half has nothing to reset: it stops the answer.
   */
  private readonly gone: Effect.Effect<"Gone"> = Effect.suspend(() =>
    this.stream.pull.pipe(
      Effect.forever({ disableYield: true }),
      Effect.catchTag("Done", () => Effect.as(this.stream.stopped, "Gone" as const)),
      Effect.catch(() => Effect.succeed("Gone" as const))
    )
  )
}

/** Answers the only call of a stream. */
export const serveCall = (
  calls: Calls,
  stream: ProtocolStream,
  peer: PeerState,
  parser: Parser,
  request: RequestEncoded
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const reply = new OwnReply(
      stream,
      parser,
      Effect.suspend(() => calls.interrupt(call))
    )
    const call: Call = calls.add(peer, stream.connection, request.id, reply)
    return calls.start(call, request).pipe(
      Effect.andThen(reply.run),
      // The server stops.
      Effect.onInterrupt(() => Effect.sync(() => calls.disconnect(call)))
    )
  })
