/** Rules about datagrams. A transport without them keeps these rules. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertSame, pattern, text } from "./content.ts"
import type { Peer } from "./recording/peer.ts"
import { type Group, rule } from "./rule.ts"
import { connect, roundTrip, standstill, until } from "./steps.ts"

/** Whether a connection carries datagrams. */
const carries = ({ connection }: Peer): boolean =>
  connection.sendDatagram !== undefined && (connection.maxDatagramSize ?? 0) > 0

const send = ({ connection }: Peer, datagram: Uint8Array): boolean => connection.sendDatagram!(datagram)

/** Sends a datagram again and again until one like it has arrived. */
const arrives = Effect.fnUntraced(function* (from: Peer, to: Peer, make: () => Uint8Array) {
  const before = to.datagrams.length
  let tries = 0
  yield* until("a datagram arrives", () => {
    if (tries++ % 10 === 0) send(from, make())
    return to.datagrams.length > before
  })
  return to.datagrams[before]!
})

/** More datagrams than a connection lets wait to leave. */
const tooMany = 100_000

/** A rule that begins with a connection between two peers, if it carries datagrams. */
const between: (
  title: string,
  body: (near: Peer, far: Peer) => Effect.Effect<void, Effect.Error<ReturnType<typeof roundTrip>>>
) => ReturnType<typeof rule> = (title, body) =>
  rule(
    title,
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      if (carries(near) && carries(far)) yield* body(near, far)
    })
  )

/** The rules about what arrives of datagrams, and about those that do not leave. */
export const datagrams: Group = {
  title: "datagrams",
  rules: [
    between("datagrams of any size that the connection carries arrive as they were, in both directions", (near, far) =>
      Effect.gen(function* () {
        for (const [from, to] of [
          [near, far],
          [far, near]
        ] as const) {
          const largest = from.connection.maxDatagramSize!
          for (const size of [0, 1, 100, largest - 1, largest]) {
            // It may have shrunk meanwhile, when packets were lost.
            const now = () => Math.min(size, from.connection.maxDatagramSize!)
            const datagram = yield* arrives(from, to, () => pattern(now(), size))
            assertSame(datagram, pattern(datagram.length, size))
          }
        }
      })
    ),
    between("a datagram arrives once at most, and its bytes are its owner's", (near, far) =>
      Effect.gen(function* () {
        const numbered = (i: number) => pattern(20 + (i % 50), i)
        const sent = new Map<string, number>()
        for (let i = 0; i < 300; i++) {
          sent.set(numbered(i).join(), i)
          send(near, numbered(i))
          if (i % 20 === 0) yield* roundTrip(near)
        }
        yield* standstill(near, () => far.datagrams.length)
        const numbers = far.datagrams.map((datagram) => sent.get(datagram.join()))
        assert.notInclude(numbers, undefined, "a datagram that was not sent")
        assert.strictEqual(new Set(numbers).size, numbers.length, "a datagram that arrived twice")
        assert.isAbove(numbers.length, 0)
      })
    ),
    between("a datagram that is larger than the connection carries is dropped", (near, far) =>
      Effect.gen(function* () {
        assert.isFalse(send(near, new Uint8Array(near.connection.maxDatagramSize! + 1)))
        yield* roundTrip(near)
        yield* arrives(near, far, () => text("fits"))
        assert.deepStrictEqual(
          far.datagrams.map((datagram) => datagram.length),
          far.datagrams.map(() => 4)
        )
      })
    ),
    between("the datagrams that wait to leave are bounded, and hold no stream back", (near) =>
      Effect.gen(function* () {
        let taken = 0
        while (taken < tooMany && send(near, new Uint8Array(500))) taken += 1
        assert.isBelow(taken, tooMany, "it keeps as many as it is given")
        yield* roundTrip(near)
        yield* until("there is room again", () => send(near, new Uint8Array(500)))
      })
    ),
    between("a connection that has ended takes no datagram and hands on none", (near, far) =>
      Effect.gen(function* () {
        yield* arrives(near, far, () => text("before"))
        near.connection.close(0, "")
        send(far, text("crosses the close"))
        yield* until("both ends know", () => near.closes.length + far.closes.length === 2)
        assert.deepStrictEqual([send(near, text("after")), send(far, text("after"))], [false, false])
        yield* Effect.sleep("50 millis")
      })
    )
  ]
}
