/**
 * Finds out in each sweep whether streams wait for others that are not ended, and collects garbage that may hold those.
 */
import type { HeldStreams } from "@qp2p/core/Transport"
import { HeldStreamsWatch, type OpeningBlocked } from "../streams/heldStreams.ts"
import { GarbageCollection } from "./garbage.ts"

/** Combines the watch over held streams with garbage collections that may end the streams that hold them. */
export class HeldStreamsCheck {
  private readonly watch = new HeldStreamsWatch()
  private garbage: GarbageCollection | undefined = undefined

  /** `now` is what holds streams at this sweep, if anything does. Returns what the owner has to be told. */
  tick(now: OpeningBlocked | undefined): HeldStreams | undefined {
    // The application may have dropped some of the streams that hold others.
    if (now !== undefined && now.kind !== "UnreadAnswers") (this.garbage ??= new GarbageCollection()).tick(now.opened)
    else this.garbage?.reset()
    return this.watch.check(now)
  }
}
