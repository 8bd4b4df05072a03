/** Steps that rules share: connecting two sockets, and waiting for what follows of a call. */
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import { text } from "./content.ts"
import type { Peer } from "./recording/peer.ts"
import { bind, type Bound, type Dial, type Setup } from "./recording/socket.ts"
import { Environment, NeverHappened } from "./rule.ts"

/** Waits for `condition`, up to the limit of the environment. */
export const until = (what: string, condition: () => boolean) =>
  Effect.gen(function* () {
    const { limit } = yield* Environment
    const wait = Effect.gen(function* () {
      while (!condition()) yield* Effect.sleep("2 millis")
    })
    yield* Effect.timeoutOrElse(wait, { duration: limit, orElse: () => Effect.fail(new NeverHappened({ what })) })
  })

/** Waits for the connection of a dial. */
export const connected = Effect.fnUntraced(function* (dial: Dial) {
  yield* until("a dial is over", () => dial.connected.length + dial.failed.length > 0)
  const [error] = dial.failed
  if (error !== undefined) return yield* new NeverHappened({ what: `a dial connects: ${error.message}` })
  return dial.connected[0]!
})

/** Waits for the error of a dial that cannot succeed. */
export const failed = Effect.fnUntraced(function* (dial: Dial) {
  yield* until("a dial fails", () => dial.failed.length > 0)
  return dial.failed[0]!
})

/** Repeats a dial until one succeeds: at first there may be no room, or a lost packet may cost a short timeout. */
export const dialledAtLast = Effect.fnUntraced(function* (client: Bound, peer: NetAddress.InetAddress) {
  const dials = [client.dial(peer)]
  yield* until("a dial connects at last", () => {
    const last = dials.at(-1)!
    if (last.failed.length > 0) dials.push(client.dial(peer))
    return last.connected.length > 0
  })
  return dials.at(-1)!.connected[0]!
})

/** Two sockets with one connection between them. */
export interface Pair {
  readonly client: Bound
  readonly server: Bound
  /** The dialling end and the accepting end. */
  readonly near: Peer
  readonly far: Peer
}

/** Makes a connection between two new sockets. With short timeouts, lost packets may cost the first attempts. */
export const connect = Effect.fnUntraced(function* (
  options: { readonly client?: Setup; readonly server?: Setup } = {}
) {
  const server = yield* bind(options.server)
  const client = yield* bind(options.client)
  for (;;) {
    const near = yield* dialledAtLast(client, server.socket.address)
    yield* until("the acceptor has the connection", () => server.accepted.length > 0 || near.closes.length > 0)
    const far = server.accepted.at(-1)
    if (far === undefined) continue
    const pair: Pair = { client, server, near, far }
    return pair
  }
})

/** Sends a message and waits for its acknowledgement: everything that was to happen at once has happened by then. */
export const roundTrip = Effect.fnUntraced(function* (peer: Peer) {
  const { results } = peer.send(text("probe"), 1)
  yield* until("a short message is acknowledged", () => results[0] === "done")
})

/** Waits until `count` no longer changes while `peer` sends messages. */
export const standstill = Effect.fnUntraced(function* (peer: Peer, count: () => number) {
  let last = count()
  for (let trips = 0; trips < 5; trips++) {
    yield* roundTrip(peer)
    if (count() !== last) trips = 0
    last = count()
  }
})
