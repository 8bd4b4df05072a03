/**
 * The connected peers, and the queues of payloads for them. Peers are identified by the ids of their connections: a
 * peer's address changes when it moves, and it may have several.
 *
 * Each peer has a short queue and one fiber that empties it. Lines arrive in the order in which they were typed, and a
 * slow peer delays the others only when its queue is full.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { ConnectionId } from "@qp2p/core/ConnectionId"
import type { Endpoint } from "@qp2p/core/Endpoint"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/**
 * The connected peers.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Peers {
  /** Adds a peer, unless it is there already. */
  readonly add: (peer: ConnectionId) => Effect.Effect<void>
  /** Whether a peer was added. */
  readonly has: (peer: ConnectionId) => boolean
  /** Removes a peer and its queue. */
  readonly remove: (peer: ConnectionId) => Effect.Effect<void>
  /** Queues a payload for every peer and returns their number. Waits while a queue is full. */
  readonly broadcast: (payload: Uint8Array) => Effect.Effect<number>
  /** Queues a payload for one peer. Returns false and drops it when the queue is full or the peer is unknown. */
  readonly tell: (peer: ConnectionId, payload: Uint8Array) => Effect.Effect<boolean>
}

const queueLength = 64

/**
 * An empty set of peers. Its fibers end with the scope.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  endpoint: Pick<Endpoint["Service"], "addressOf" | "trySendMessage">,
  onLost: (peer: NetAddress.InetAddress, reason: string) => Effect.Effect<void>
): Effect.fn.Return<Peers, never, Scope.Scope> {
  const queues = new Map<ConnectionId, Queue.Queue<Uint8Array>>()
  const senders = yield* FiberMap.make<ConnectionId>()

  const add = Effect.fnUntraced(function* (peer: ConnectionId) {
    const known = yield* endpoint.addressOf(peer)
    if (Option.isNone(known) || queues.has(peer)) return
    let address = known.value
    const queue = yield* Queue.bounded<Uint8Array>(queueLength)
    queues.set(peer, queue)
    const send = (payload: Uint8Array) =>
      Effect.flatMap(endpoint.addressOf(peer), (now) => {
        address = Option.getOrElse(now, () => address)
        return endpoint.trySendMessage(payload, address)
      })
    yield* FiberMap.run(
      senders,
      peer,
      Queue.take(queue).pipe(
        Effect.flatMap((payload) =>
          // A peer that was killed and restarted may have a new connection beside the dead one: the message gets
          // through when the dead one has timed out.
          Effect.retry(send(payload), {
            times: 1,
            while: (error) => error._tag === "ConnectionLost"
          })
        ),
        Effect.catch((error) => onLost(address, error.message)),
        Effect.forever
      )
    )
  })

  const remove = Effect.fnUntraced(function* (peer: ConnectionId) {
    const queue = queues.get(peer)
    if (queue === undefined) return
    queues.delete(peer)
    yield* Queue.shutdown(queue)
    yield* FiberMap.remove(senders, peer)
  })

  return {
    add,
    has: (peer) => queues.has(peer),
    remove,
    broadcast: Effect.fnUntraced(function* (payload) {
      // Peers that dialled each other have two connections, perhaps with two ids, and get a message once.
      const places = new Map<string, Queue.Queue<Uint8Array>>()
      for (const [peer, queue] of queues) {
        const place = yield* endpoint.addressOf(peer)
        const key = Option.isSome(place) ? `${place.value}` : peer
        if (!places.has(key)) places.set(key, queue)
      }
      const offered = yield* Effect.forEach(Array.from(places.values()), (queue) => Queue.offer(queue, payload), {
        concurrency: "unbounded"
      })
      return offered.filter(Boolean).length
    }),
    tell: (peer, payload) =>
      Effect.sync(() => {
        const queue = queues.get(peer)
        return queue !== undefined && !Queue.isFullUnsafe(queue) && Queue.offerUnsafe(queue, payload)
      })
  }
})
