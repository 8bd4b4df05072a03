import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as tunables from "../src/internal/tunables/frames.ts"
import { forgingPeer, piece } from "./support/forgingPeer.ts"
import { bind, connected, settled, text, until } from "./support/quicSockets.ts"

/** How many pieces of nine bytes a packet has. */
const perPacket = 130

/** A server with a forging peer. Its connection is the first. */
const attacked = Effect.gen(function* () {
  const server = yield* bind()
  const forger = yield* forgingPeer(server.socket.address.port)
  yield* until("the server has the connection", () => server.accepted.length === 1)
  return { server, ...forger, closes: server.accepted[0]!.closes }
})

describe("a peer that forges its packets", () => {
  it.live(
    "loses its connection for pieces of streams that it does not complete, and the others go on",
    () =>
      Effect.gen(function* () {
        const { closes, seal, send, server } = yield* attacked
        const honest = yield* bind()
        const near = yield* connected(honest.dial(server.socket.address))
        const packets = Math.ceil(tunables.maxFragments / perPacket) + 1
        let sent = 0
        // Most of them are taken at once, and the rest so slowly that the peer has to send on and on.
        while (closes.length === 0 && sent < 100 * packets) {
          for (let i = 0; i < 50; i++, sent++) {
            const first = 2 * perPacket * (sent % 200)
            const stream = 2 + 4 * (Math.floor(sent / 200) % 200)
            send(
              seal(
                Uint8Array.from(Array.from({ length: perPacket }, (_, k) => piece(stream, first + 2 * k + 1)).flat())
              )
            )
          }
          yield* Effect.sleep("5 millis")
        }
        assert.strictEqual(closes[0]?._tag, "TransportClosed")
        assert.strictEqual((closes[0] as { readonly detail?: string }).detail, "too many pieces of streams")
        const { results } = near.send(text("still here"))
        yield* until("the confirmation", () => results.length === 1)
        assert.deepStrictEqual(results, ["done"])
      }),
    60_000
  )

  it.live("loses its connection for CRYPTO frames, also where the type has more bytes than it needs", () =>
    Effect.gen(function* () {
      for (const frame of [
        [0x06, 9, 1, 7],
        [0x40, 0x06, 9, 1, 7]
      ]) {
        const { closes, seal, send } = yield* attacked
        send(seal(Uint8Array.from(frame)))
        yield* until("the close", () => closes.length === 1)
        assert.strictEqual((closes[0] as { readonly detail?: string }).detail, "CRYPTO after the handshake")
      }
    })
  )

  it.live("keeps its connection when one packet comes very often", () =>
    Effect.gen(function* () {
      const { closes, peer, seal, send, server } = yield* attacked
      // Its own answers would be packets too.
      peer.deaf = true
      const packet = seal(Uint8Array.from(Array.from({ length: perPacket }, (_, k) => piece(2, 2 * k + 1)).flat()))
      for (let i = 0; i < (2 * tunables.maxFragments) / perPacket; i++) {
        send(packet)
        if (i % 50 === 49) yield* Effect.sleep("2 millis")
      }
      yield* settled(server)
      assert.deepStrictEqual(closes, [])
      // Nor is it held back: all of these are taken, and none is sent again. Each is a whole stream of one byte.
      for (let i = 1; i <= 100; i++)
        send(seal(Uint8Array.of(0x0b, 0x40 | ((2 + 4 * i) >> 8), (2 + 4 * i) & 0xff, 1, 7)))
      yield* until("they have come", () => server.accepted[0]!.filled.length === 100)
    })
  )
})
