/** Rules about priorities. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Peer } from "./recording/peer.ts"
import { type Group, rule, Environment } from "./rule.ts"
import { connect, until } from "./steps.ts"

/**
 * The number of streams of each kind. They fit into every window, so that priorities and not readers decide their
 * order.
 */
const count = 40
const size = 30_000

const bulk = 1
const urgent = 2

/** A message whose bytes name the kind of its stream. */
const message = (kind: number, length = size) => new Uint8Array(length).fill(kind)

/** The kinds of the streams that have ended at `peer`, in the order of their ends. */
const order = (peer: Peer): Array<number> => {
  const ended: Array<number> = []
  peer.afterStream = (stream) => {
    stream.afterEnd = () => {
      if (stream.length > 0) ended.push(stream.chunks[0]![0]!)
    }
  }
  return ended
}

/**
 * Fails unless the urgent streams overtook most of the bulk: all of it, or most of it on a network that loses packets,
 * where some packets are sent several times.
 */
const assertOvertaken = (ended: ReadonlyArray<number>) =>
  Effect.map(Environment, ({ lossy }) => {
    const places = [...ended.keys()].filter((i) => ended[i] === urgent)
    const last = places[Math.ceil(places.length * (lossy ? 0.7 : 1)) - 1]!
    const before = ended.slice(0, last).filter((kind) => kind === bulk).length
    assert.isBelow(before, count / 2, "streams that should have waited")
  })

/** The rules about the order in which messages of different priorities arrive. */
export const priority: Group = {
  title: "priority",
  rules: [
    rule(
      "one urgent message overtakes what was written before it",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const ended = order(far)
        for (let i = 0; i < count; i++) near.send(message(bulk), 0)
        near.send(message(urgent, 1_000), 7)
        yield* until("all streams end", () => ended.length === count + 1)
        yield* assertOvertaken(ended)
      })
    ),
    rule(
      "a negative priority comes after the default one, whichever was written first",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const ended = order(far)
        for (let i = 0; i < count; i++) near.send(message(bulk), -1)
        for (let i = 0; i < count; i++) near.send(message(urgent))
        yield* until("all streams end", () => ended.length === 2 * count)
        yield* assertOvertaken(ended)
      })
    ),
    rule(
      "a priority that is set later counts for what has not been sent",
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        const ended = order(far)
        const first = Array.from({ length: count }, () => near.send(message(bulk)))
        const last = Array.from({ length: count }, () => near.send(message(urgent)))
        for (const { stream } of first) stream.setPriority(-4)
        for (const { stream } of last) stream.setPriority(4)
        yield* until("all streams end", () => ended.length === 2 * count)
        yield* assertOvertaken(ended)
      })
    )
  ]
}
