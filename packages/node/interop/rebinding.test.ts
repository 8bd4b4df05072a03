/** A peer on another QUIC stack, seen from behind a NAT that forgets its mappings. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { endpoint, onLoopback } from "../test/support/quicEndpoints.ts"
import { at } from "../test/support/quicSockets.ts"
import { relay } from "../test/support/udpPeers.ts"
import * as QuicGo from "./QuicGo.ts"
import { ask } from "./ask.ts"

it.live("quic-go follows a dialler whose NAT gives it another port, time and again", () =>
  Effect.gen(function* () {
    const go = yield* QuicGo.start()
    const nat = yield* relay(() => go.address.port)
    const here = yield* endpoint()
    yield* here.connectTo(at(nat.port))
    // It begins to follow when the handshake is confirmed.
    assert.strictEqual(yield* ask(here, at(nat.port), "before"), "BEFORE")
    // More often than a peer has ids at once.
    for (let time = 1; time <= 5; time++) {
      yield* nat.rebind
      // It validates the new path with an id that it has not used before, and has no other way to it.
      assert.strictEqual(yield* ask(here, at(nat.port), `question ${time}`), `QUESTION ${time}`)
    }
    assert.strictEqual(go.events.filter(({ event }) => event === "accepted").length, 1)
  }).pipe(onLoopback)
)
