/**
 * Waits for room in a lane of a fair queue.
 */
import * as Effect from "effect/Effect"
import type { Lane } from "../lane.ts"

/** Offers an item when there is room for it. An interrupted wait offers nothing. */
export const offer = <A>(lane: Lane<A>, item: A): Effect.Effect<void> => offerBehind(lane, item, false)

const offerBehind = <A>(lane: Lane<A>, item: A, hasWaited: boolean): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (!lane.hasRoom) return Effect.andThen(wait(lane, hasWaited), offerBehind(lane, item, true))
    lane.offer(item)
    return Effect.void
  })

/** Waits for a call; before others when this producer was called already and another one took the room. */
const wait = <A>(lane: Lane<A>, first: boolean): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const waiting = lane.onRoom(() => resume(Effect.void), first)
    return Effect.sync(() => lane.cancelRoom(waiting))
  })
