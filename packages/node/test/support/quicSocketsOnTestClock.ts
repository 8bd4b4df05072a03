/**
 * Sockets of the QUIC transport on a `TestClock`: the event loop turns while the clock stands still.
 */
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as TestClock from "effect/testing/TestClock"
import * as quic from "./quicSockets.ts"

/** Waits for `condition`; a failure says what was awaited. */
export const until = (what: string, condition: () => boolean): Effect.Effect<void> =>
  TestClock.withLive(quic.until(what, condition))

/**
 * Enough turns for what the clock has set off to have come about, for a test that nothing has: when they are too few,
 * such a test sees less, and does not fail.
 */
export const pass = (count = 50): Effect.Effect<void> =>
  TestClock.withLive(Effect.forEach(Array.from({ length: count }), () => Effect.sleep("1 millis"), { discard: true }))

/** Waits until `count` has been the same for many turns. */
export const steady = Effect.fnUntraced(function* (count: () => number) {
  let before = Number.NaN
  while (count() !== before) {
    before = count()
    yield* pass(100)
  }
})

/** The connection of a dial. */
export const connected = (dial: quic.Dial): Effect.Effect<quic.Peer> => TestClock.withLive(quic.connected(dial))

/** A connection between two fresh sockets, both on the clock of the test. */
export const connect = Effect.fnUntraced(function* (
  options: { readonly client?: quic.Setup; readonly server?: quic.Setup } = {}
) {
  const server = yield* quic.bind(options.server)
  const client = yield* quic.bind(options.client)
  const near = yield* connected(client.dial(server.socket.address))
  yield* until("the server has the connection", () => server.accepted.length > 0)
  const pair: quic.Pair = { client, server, near, far: server.accepted[0]! }
  return pair
})

/** The outcome of a dial that has one. */
export const failure = Effect.fnUntraced(function* (dial: quic.Dial) {
  yield* until("the dial has failed", () => dial.failed.length > 0)
  return dial.failed[0]!
})

/** Waits until the socket at `address` has dealt with what was sent to it before: a dial of its own comes back. */
export const settled = Effect.fnUntraced(function* (address: NetAddress.InetAddress) {
  const probe = yield* quic.bind()
  yield* connected(probe.dial(address))
})
