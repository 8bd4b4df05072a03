/** A stream with many calls whose requests and answers are short. An answer that is not moves to a stream of its own. */
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { ProtocolStream } from "@qp2p/core/Protocol"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as limits from "../limits.ts"
import { Outbox } from "../outbox.ts"
import { encode, encodeAlone, FrameKind, u32 } from "../wire/frame.ts"
import type { Frame } from "../wire/frameDecoder.ts"
import * as messages from "../wire/messages.ts"
import type { Call, Reply } from "./call.ts"
import type { Calls } from "./calls.ts"
import { type OwnReply, waitingBytes } from "./ownStream.ts"
import type { PeerState } from "./peers.ts"
import { type Gone, type Overloaded, Violation } from "./requestReader.ts"
import type { Tickets } from "./tickets.ts"
import type { Holder, UnsentShare } from "./unsent.ts"

const nothing = new Uint8Array(0)

/** What a shared stream and the answers on it have in common. */
interface Shared {
  readonly outbox: Outbox
  readonly unsent: UnsentShare
  readonly tickets: Tickets
  readonly calls: Calls
  /** The calls whose answers the caller expects on this stream, by the numbers that the caller gave them. */
  readonly inFlight: Map<number, Call>
  /** The calls whose answers wait for streams of their own. */
  readonly moving: Map<number, Call>
  /** Ends the stream, whose answers the caller does not take. */
  readonly drop: () => void
}

class SharedReply implements Reply, Holder {
  readonly encode: Reply["encode"]
  private readonly shared: Shared
  private readonly number: number
  private ticket: number | undefined = undefined
  private own: OwnReply | undefined = undefined

  constructor(shared: Shared, number: number, parser: messages.Parser) {
    this.shared = shared
    this.number = number
    this.encode = parser.encode
  }

  readonly part = (content: Uint8Array | string): Effect.Effect<void> =>
    this.own === undefined ? this.moveFrame(content, (own, frame) => own.partFrame(frame)) : this.own.part(content)

  readonly last = (content: Uint8Array | string): Effect.Effect<void> => {
    if (this.own !== undefined) return this.own.last(content)
    if (content.length > limits.smallAnswer) {
      return this.moveFrame(content, (own, frame) => Effect.sync(() => own.lastFrame(frame)))
    }
    const { drop, inFlight, outbox, unsent } = this.shared
    if (!inFlight.delete(this.number)) return Effect.void
    if (outbox.isFull && unsent.isFull) return Effect.sync(drop)
    outbox.push(encode(FrameKind.message, this.number, content))
    // The end of an answer is sent where nothing interrupts, and the caller may never read: a server that stops does not wait for it.
    return outbox.isFull ? Effect.catchCause(Effect.interruptible(outbox.room), () => Effect.void) : Effect.void
  }

  abandon(): void {
    const { inFlight, moving } = this.shared
    inFlight.delete(this.number)
    moving.delete(this.number)
    this.drop()
  }

  /** Lets go of an answer that waits for its stream. */
  drop(): void {
    if (this.ticket !== undefined) this.shared.tickets.drop(this.ticket)
  }

  /** Lets the caller open a stream for the answer, and goes on with it. The claim is reset when the peer has too much unread. */
  private moveFrame(
    content: Uint8Array | string,
    next: (own: OwnReply, frame: Uint8Array) => Effect.Effect<void>
  ): Effect.Effect<void> {
    const frame = encodeAlone(FrameKind.message, 0, content)
    return this.move(frame.length, (own) => next(own, frame))
  }

  private move(length: number, next: (own: OwnReply) => Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { calls, inFlight, moving, outbox, tickets, unsent } = this.shared
      const call = inFlight.get(this.number)
      if (call === undefined) return Effect.void
      inFlight.delete(this.number)
      moving.set(this.number, call)
      const ticket = tickets.issue(call)
      this.ticket = ticket
      outbox.push(encode(FrameKind.moved, this.number, u32(ticket)))
      if (unsent.isFull) this.drop()
      else unsent.add(this, waitingBytes(length))
      return tickets.claimed(ticket).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            unsent.clear(this)
          })
        ),
        Effect.flatMap((own) => {
          moving.delete(this.number)
          this.own = own
          return own === undefined ? calls.interrupt(call) : next(own)
        })
      )
    })
  }
}

/** Answers the calls of a shared stream until it ends. Fails when the caller breaks the rules. */
export const serveCalls = (
  calls: Calls,
  tickets: Tickets,
  stream: ProtocolStream,
  peer: PeerState,
  parser: messages.Parser,
  frames: Effect.Effect<ReadonlyArray<Frame>, Violation | Gone | Overloaded>,
  maxRequestSize: number
): Effect.Effect<void, Violation | Gone | Overloaded> =>
  Effect.suspend(() => {
    if (peer.sharedStreams >= limits.sharedStreamsPerPeer) return stream.reset(ErrorCode.overloaded)
    peer.sharedStreams++
    const { unsent } = peer
    const unread = Deferred.makeUnsafe<void>()
    const drop = () => Deferred.doneUnsafe(unread, Exit.void)
    const holder: Holder = { drop }
    const outbox = new Outbox((change) => (change > 0 ? unsent.add(holder, change) : unsent.remove(holder, -change)))
    const inFlight = new Map<number, Call>()
    const moving = new Map<number, Call>()
    const shared: Shared = { outbox, unsent, tickets, calls, inFlight, moving, drop }
    outbox.push(encode(FrameKind.settings, 0, u32(limits.callsPerStream)))

    const begin = ({ call: number, content }: Frame): Effect.Effect<void, Violation> => {
      if (inFlight.has(number) || moving.has(number) || inFlight.size >= limits.callsPerStream) {
        return new Violation({ detail: "a call with the number of another, or too many calls" })
      }
      if (content.length > maxRequestSize) {
        // The claim of the ticket is reset: the call fails as one with a stream of its own does.
        outbox.push(encode(FrameKind.moved, number, u32(tickets.issueVoid())))
        return outbox.room
      }
      const request = messages.request(parser, content)
      if (request === undefined) return new Violation({ detail: "not a request of the serialization" })
      if (!calls.hasRoom(peer) || unsent.isFull) {
        outbox.push(encode(FrameKind.refused, number, nothing))
        return outbox.room
      }
      const call = calls.add(peer, stream.connection, request.id, new SharedReply(shared, number, parser))
      inFlight.set(number, call)
      return calls.start(call, request)
    }

    const interrupt = ({ call: number }: Frame): Effect.Effect<void> => {
      const call = inFlight.get(number) ?? moving.get(number)
      // The answer may be on its way already.
      if (call === undefined) return Effect.void
      inFlight.delete(number)
      moving.delete(number)
      return calls.interrupt(call)
    }

    const take = (frame: Frame): Effect.Effect<void, Violation> => {
      switch (frame.kind) {
        case FrameKind.message:
          return begin(frame)
        case FrameKind.interrupt:
          return interrupt(frame)
        default:
          return new Violation({ detail: `a frame of kind ${frame.kind} on a shared stream` })
      }
    }

    const read = frames.pipe(
      Effect.flatMap((some) => Effect.forEach(some, take, { discard: true })),
      Effect.forever({ disableYield: true })
    )
    const dropped = Effect.andThen(
      Deferred.await(unread),
      Effect.suspend(() => stream.reset(ErrorCode.evicted))
    )
    return Effect.raceAllFirst([read, Effect.ignore(outbox.drain(stream.write)), dropped]).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          peer.sharedStreams--
          outbox.close()
          for (const call of inFlight.values()) calls.disconnect(call)
          for (const call of moving.values()) calls.disconnect(call)
        })
      )
    )
  })
