/** A stream with one call: its request is the first frame. Also a stream for an answer that has moved there from a shared one. */
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { ProtocolStream } from "@qp2p/core/Protocol"
import type { Reservation } from "@qp2p/core/Reservations"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { RequestEncoded } from "effect/rpc/RpcMessage"
import * as limits from "../limits.ts"
import { encodeAlone, FrameKind } from "../wire/frame.ts"
import type { Parser } from "../wire/messages.ts"
import type { Call, Reply } from "./call.ts"
import type { Calls } from "./calls.ts"
import type { PeerState } from "./peers.ts"
import type { Holder, UnsentShare } from "./unsent.ts"

/** A stream queues so many bytes without waiting. */
const queuedByStreams = 64 << 10

/** What a frame counts for whose handler waits: the handler keeps what the frame was made of. */
export const waitingBytes = (length: number): number => 2 * length

/** Writes a frame. When that is complete, the stream keeps at most `queuedByStreams` of memory for it. */
const writePart = (stream: ProtocolStream, frame: Uint8Array) => {
  if (frame.length <= queuedByStreams) return stream.write(frame)
  const head = frame.length - queuedByStreams
  // The rest in its own memory: a part of the frame would keep all of it.
  return Effect.andThen(
    stream.write(frame.subarray(0, head)),
    Effect.suspend(() => stream.write(frame.slice(head)))
  )
}

/**
 * Waits until the caller resets the stream, or the connection is lost. What the caller still sends is dropped. A caller that has
 * ended its half has nothing to reset: it stops the answer.
 */
export const gone = (stream: ProtocolStream): Effect.Effect<"Gone"> =>
  stream.pull.pipe(
    Effect.forever({ disableYield: true }),
    Effect.catchTag("Done", () => Effect.as(stream.stopped, "Gone" as const)),
    Effect.catch(() => Effect.succeed("Gone" as const))
  )

/** The way back on a stream of one call. */
export class OwnReply implements Reply, Holder {
  readonly encode: Reply["encode"]
  /** The last frame of the answer; undefined when there is none, "Dropped" when the server gives the answer up. */
  private readonly end = Deferred.makeUnsafe<Uint8Array | undefined | "Dropped">()
  /** Completed when the server gives the answer up while it is written. Made for long answers. */
  private dropped: Deferred.Deferred<"Dropped"> | undefined = undefined
  /** Whether nothing more is written: the answer is complete, or nobody takes it. */
  private isOver = false
  private readonly stream: ProtocolStream
  private readonly unsent: UnsentShare
  private readonly onGone: Effect.Effect<void>

  /** `unsent` counts long frames. `onGone` runs when the caller no longer takes the answer. */
  constructor(stream: ProtocolStream, parser: Parser, unsent: UnsentShare, onGone: Effect.Effect<void>) {
    this.stream = stream
    this.encode = parser.encode
    this.unsent = unsent
    this.onGone = onGone
  }

  readonly part = (content: Uint8Array | string): Effect.Effect<void> =>
    Effect.suspend(() => this.partFrame(encodeAlone(FrameKind.message, 0, content)))

  /** As `part`, with a frame. */
  readonly partFrame = (frame: Uint8Array): Effect.Effect<void> => {
    if (this.isOver) return this.onGone
    const length = waitingBytes(frame.length)
    const write = Effect.catch(writePart(this.stream, frame), () => this.onGone)
    if (frame.length <= limits.smallAnswer) return write
    if (!this.hold(length)) return this.onGone
    return Effect.ensuring(
      write,
      Effect.sync(() => this.unsent.remove(this, length))
    )
  }

  // The handler has ended and need not wait until the caller has its answer: the fiber of the stream does.
  readonly last = (content: Uint8Array | string): Effect.Effect<void> =>
    Effect.sync(() => this.lastFrame(encodeAlone(FrameKind.message, 0, content)))

  /** As `last`, with a frame. */
  lastFrame(frame: Uint8Array): void {
    if (this.isOver || (frame.length > limits.smallAnswer && !this.hold(frame.length))) return
    Deferred.doneUnsafe(this.end, Effect.succeed(frame))
  }

  abandon(): void {
    Deferred.doneUnsafe(this.end, Effect.undefined)
  }

  drop(): void {
    this.isOver = true
    Deferred.doneUnsafe(this.end, Effect.succeed("Dropped" as const))
    if (this.dropped !== undefined) Deferred.doneUnsafe(this.dropped, Effect.succeed("Dropped" as const))
  }

  /** Waits for the end of the answer and writes it. Returns before that when the caller resets the stream. */
  readonly run: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.raceFirst(gone(this.stream), Deferred.await(this.end)), (frame) => {
      if (frame === undefined) return Effect.void
      if (typeof frame === "string") return this.giveUp(frame)
      if (frame.length <= limits.smallAnswer) return Effect.ignore(this.stream.write(frame, { fin: true }))
      return this.writeLong(frame)
    })
  ).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        this.isOver = true
        this.unsent.clear(this)
      })
    )
  )

  private readonly writeLong = (frame: Uint8Array): Effect.Effect<void> => {
    // The server may have dropped it since the answer ended.
    if (!this.unsent.has(this)) return this.giveUp("Dropped")
    const write = Effect.ignore(this.stream.write(frame, { fin: true }))
    const given = Effect.raceFirst(gone(this.stream), Deferred.await((this.dropped = Deferred.makeUnsafe<"Dropped">())))
    return this.stream.setPriority(limits.bulkPriority).pipe(
      Effect.andThen(Effect.raceFirst(write, given)),
      Effect.flatMap((end) => (end === undefined ? Effect.void : this.giveUp(end)))
    )
  }

  /** Interrupts the handler and resets the stream: what waits for credit would wait for ever. */
  private readonly giveUp = (why: "Gone" | "Dropped"): Effect.Effect<void> =>
    Effect.andThen(this.onGone, this.stream.reset(why === "Gone" ? ErrorCode.noError : ErrorCode.evicted))

  /** Counts a long frame. Returns false when the peer has left too much unread: then the answer is dropped. */
  private hold(bytes: number): boolean {
    if (this.unsent.isFull) {
      this.drop()
      return false
    }
    this.unsent.add(this, bytes)
    return this.unsent.has(this)
  }
}

/** Answers the only call of a stream. `memory` is that of a long request, for as long as the handler runs. */
export const serveCall = (
  calls: Calls,
  stream: ProtocolStream,
  peer: PeerState,
  parser: Parser,
  request: RequestEncoded,
  memory: Reservation | undefined
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const reply = new OwnReply(
      stream,
      parser,
      peer.unsent,
      Effect.suspend(() => calls.interrupt(call))
    )
    const call: Call = calls.add(peer, stream.connection, request.id, reply, memory)
    return calls.start(call, request).pipe(
      Effect.andThen(reply.run),
      // The server stops.
      Effect.onInterrupt(() => Effect.sync(() => calls.disconnect(call)))
    )
  })
