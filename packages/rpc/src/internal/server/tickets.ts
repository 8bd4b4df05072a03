/** Answers that wait for streams of their own: the caller gets a ticket on the shared stream, and opens a stream with it. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as limits from "../limits.ts"
import type { Call } from "./call.ts"
import type { OwnReply } from "./ownStream.ts"
import type { PeerState } from "./peers.ts"

interface Waiting {
  readonly call: Call
  readonly claimed: Deferred.Deferred<OwnReply | undefined>
  /** Gives the answer its stream. */
  readonly give: (own: OwnReply) => void
}

/** The tickets of a server. */
export class Tickets {
  private readonly waiting = new Map<number, Waiting>()
  private next = 0

  /** Makes a ticket that no answer waits for: the claim of it is reset. */
  issueVoid(): number {
    while (this.waiting.has(this.next)) this.next = (this.next + 1) >>> 0
    const ticket = this.next
    this.next = (ticket + 1) >>> 0
    return ticket
  }

  /** Makes a ticket for the answer to a call. `claimed` follows. */
  issue(call: Call): number {
    const ticket = this.issueVoid()
    const claimed = Deferred.makeUnsafe<OwnReply | undefined>()
    const give = (own: OwnReply) => Deferred.doneUnsafe(claimed, Effect.succeed(own))
    this.waiting.set(ticket, { call, claimed, give })
    return ticket
  }

  /** Waits for the stream of the answer. Returns undefined when the caller does not open one. */
  readonly claimed = (ticket: number): Effect.Effect<OwnReply | undefined> =>
    Effect.suspend(() => {
      const waiting = this.waiting.get(ticket)
      if (waiting === undefined) return Effect.undefined
      return Deferred.await(waiting.claimed).pipe(
        // The end of an answer is sent where nothing interrupts.
        Effect.interruptible,
        Effect.timeoutOrElse({ duration: limits.patience, orElse: () => Effect.undefined }),
        Effect.ensuring(Effect.sync(() => this.waiting.delete(ticket)))
      )
    })

  /** Takes a ticket that a peer presents. Returns undefined when it is not one of that peer's. */
  take(ticket: number, peer: PeerState): Waiting | undefined {
    const waiting = this.waiting.get(ticket)
    if (waiting === undefined || waiting.call.peer !== peer || waiting.call.reply === undefined) return undefined
    this.waiting.delete(ticket)
    return waiting
  }

  /** Lets an answer that waits go, when its caller no longer wants it. */
  drop(ticket: number): void {
    const waiting = this.waiting.get(ticket)
    this.waiting.delete(ticket)
    if (waiting !== undefined) Deferred.doneUnsafe(waiting.claimed, Effect.undefined)
  }

  /** How many answers wait. */
  get size(): number {
    return this.waiting.size
  }
}
