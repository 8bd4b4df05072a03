/** Reads the frames of a stream that a peer opened, within the limits on what has arrived only in part. */
import { Pace } from "@qp2p/core/Pace"
import type { ProtocolStream } from "@qp2p/core/Protocol"
import type { Reservation } from "@qp2p/core/Reservations"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as limits from "../limits.ts"
import { type Frame, FrameDecoder } from "../wire/frameDecoder.ts"
import type { PeerState } from "./peers.ts"

/** The caller breaks the rules. It costs the caller the stream. */
export class Violation extends Data.TaggedError("Violation")<{ readonly detail: string }> {}

/** The caller is gone: it has reset the stream, or the connection is lost. */
export class Gone extends Data.TaggedError("Gone") {}

/** The peer waits for memory for a long request for too long, or does not take its answers. */
export class Overloaded extends Data.TaggedError("Overloaded") {}

/** The bytes of incomplete requests that a server holds. */
export interface Buffered {
  bytes: number
}

/** Waits until the peer has taken enough of its earlier answers for another call. */
export const roomForCall = ({ unsent }: PeerState): Effect.Effect<void, Overloaded> =>
  unsent.isHalfFull
    ? Effect.timeoutOrElse(unsent.room, { duration: limits.patience, orElse: () => new Overloaded() })
    : Effect.void

/** The frames of one stream. */
export class RequestReader {
  private readonly stream: ProtocolStream
  private readonly decoder: FrameDecoder
  private readonly peer: PeerState
  private readonly buffered: Buffered
  private pending: Array<Frame> = []
  private counted = 0
  /** The memory for a long frame. */
  private reserved: Reservation | undefined = undefined
  /** The pace of the incomplete frame. */
  private pace: Pace | undefined = undefined

  constructor(stream: ProtocolStream, maxContent: number, peer: PeerState, buffered: Buffered) {
    this.stream = stream
    this.decoder = new FrameDecoder(maxContent)
    this.peer = peer
    this.buffered = buffered
  }

  /** Takes the next frame. */
  readonly one: Effect.Effect<Frame, Violation | Gone | Overloaded> = Effect.suspend(() =>
    Effect.map(this.some, (frames) => {
      const [first, ...rest] = frames
      this.pending = rest
      return first!
    })
  )

  /** Takes the frames that are there, at least one. */
  readonly some: Effect.Effect<ReadonlyArray<Frame>, Violation | Gone | Overloaded> = Effect.suspend(() => {
    if (this.pending.length > 0) {
      const { pending } = this
      this.pending = []
      return Effect.succeed(pending)
    }
    return this.more
  })

  /** Lowers the limit on the content of frames. */
  limitTo(maxContent: number): void {
    this.decoder.maxContent = maxContent
  }

  /** Hands on the memory for the long frame that has arrived, if it was long. It counts until that is released. */
  takeMemory(): Reservation | undefined {
    const { reserved } = this
    this.reserved = undefined
    return reserved
  }

  /** Gives back what the frames count for. */
  release(): void {
    this.arrived()
    this.takeMemory()?.release()
  }

  /** No frame is incomplete. */
  private arrived(): void {
    this.buffered.bytes -= this.counted
    this.counted = 0
    this.pace = undefined
  }

  private readonly more: Effect.Effect<ReadonlyArray<Frame>, Violation | Gone | Overloaded> = Effect.suspend(() => {
    const pull =
      this.decoder.buffered === 0 ? this.stream.pull : Effect.flatMap(Clock.Clock, (clock) => this.pullRest(clock))
    return pull.pipe(
      Effect.catch((error) => Effect.fail(error._tag === "Violation" ? error : new Gone())),
      Effect.flatMap((chunks) => this.push(chunks))
    )
  })

  /** Pulls more of the incomplete frame, which has to arrive at the least rate. */
  private pullRest(clock: Clock.Clock) {
    if (this.pace === undefined) {
      this.pace = new Pace(clock)
      this.pace.onBytes(this.decoder.buffered)
    }
    return Effect.timeoutOrElse(this.stream.pull, {
      duration: Math.max(0, Math.min(this.pace.left, limits.patience)),
      orElse: () => new Violation({ detail: "a request stopped in the middle, or came too slowly" })
    })
  }

  /**
   * Waits until the peer has room for all of the frame, so that frames never hold each other up half way. A long frame is a call on a
   * stream of its own: it waits for room for that as well, before it has arrived.
   */
  private readonly reserve = Effect.suspend(() => {
    const reserved = (this.reserved = this.peer.receiving.make(this.stream, this.decoder.expected))
    if (!this.peer.unsent.isHalfFull && reserved.takeNow()) return this.more
    const { pace } = this
    pace?.pause()
    const room = Effect.timeoutOrElse(reserved.wait, { duration: limits.patience, orElse: () => new Overloaded() })
    // Nothing pulls the stream meanwhile, so that only this tells of a caller that is gone.
    const gone = Effect.flatMap(this.stream.stopped, () => new Gone())
    return Effect.flatMap(Effect.raceFirst(Effect.andThen(roomForCall(this.peer), room), gone), () => {
      pace?.resume()
      return this.more
    })
  })

  private push(chunks: ReadonlyArray<Uint8Array>): Effect.Effect<ReadonlyArray<Frame>, Violation | Gone | Overloaded> {
    const frames: Array<Frame> = []
    for (const chunk of chunks) {
      if (!this.decoder.push(chunk, frames)) return new Violation({ detail: "a frame is too long" })
    }
    const { buffered, decoder } = this
    const more = decoder.buffered - this.counted
    buffered.bytes += more
    this.counted = decoder.buffered
    this.pace?.onBytes(more)
    if (frames.length > 0) {
      this.arrived()
      return Effect.succeed(frames)
    }
    return this.reserved !== undefined || decoder.expected <= limits.maxSharedFrame ? this.more : this.reserve
  }
}
