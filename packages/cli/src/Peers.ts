/**
 * The connected peers, and the queues of payloads for them. A peer is its key: it may move, and have several connections.
 *
 * Each peer has a short queue and one fiber that empties it. Lines arrive in the order in which they were typed, and a
 * slow peer delays the others only when its queue is full.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Endpoint } from "@qp2p/core/Endpoint"
import type { PeerId } from "@qp2p/core/PeerId"
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
  /** Adds a peer, which is at `address`, unless it is there already or not connected. */
  readonly add: (peer: PeerId, address: NetAddress.InetAddress) => Effect.Effect<void>
  /** Whether a peer was added. */
  readonly has: (peer: PeerId) => boolean
  /** Removes a peer and its queue. */
  readonly remove: (peer: PeerId) => Effect.Effect<void>
  /** Queues a payload for every peer and returns their number. Waits while a queue is full. */
  readonly broadcast: (payload: Uint8Array) => Effect.Effect<number>
  /** Queues a payload for one peer. Returns false and drops it when the queue is full or the peer is unknown. */
  readonly tell: (peer: PeerId, payload: Uint8Array) => Effect.Effect<boolean>
}

/**
 * A message that did not arrive.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Lost {
  /** The peer that it was for. */
  readonly peer: PeerId
  /** Where the peer was when it was added. */
  readonly address: NetAddress.InetAddress
  /** Why. */
  readonly reason: string
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
  endpoint: Pick<Endpoint["Service"], "connectionId" | "trySendMessage">,
  onLost: (lost: Lost) => Effect.Effect<void>
): Effect.fn.Return<Peers, never, Scope.Scope> {
  const queues = new Map<PeerId, Queue.Queue<Uint8Array>>()
  const senders = yield* FiberMap.make<PeerId>()

  const add = Effect.fnUntraced(function* (peer: PeerId, address: NetAddress.InetAddress) {
    if (Option.isNone(yield* endpoint.connectionId(peer)) || queues.has(peer)) return
    const queue = yield* Queue.bounded<Uint8Array>(queueLength)
    queues.set(peer, queue)
    yield* FiberMap.run(
      senders,
      peer,
      Queue.take(queue).pipe(
        Effect.flatMap((payload) =>
          // A peer that was killed and restarted with its key may have a new connection beside the dead one: the message gets
          // through when the dead one has timed out.
          Effect.retry(endpoint.trySendMessage(payload, peer), {
            times: 1,
            while: (error) => error._tag === "ConnectionLost"
          })
        ),
        Effect.catch((error) => onLost({ peer, address, reason: error.message })),
        Effect.forever
      )
    )
  })

  const remove = Effect.fnUntraced(function* (peer: PeerId) {
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
    broadcast: (payload) =>
      Effect.map(
        Effect.forEach(Array.from(queues.values()), (queue) => Queue.offer(queue, payload), {
          concurrency: "unbounded"
        }),
        (offered) => offered.filter(Boolean).length
      ),
    tell: (peer, payload) =>
      Effect.sync(() => {
        const queue = queues.get(peer)
        return queue !== undefined && !Queue.isFullUnsafe(queue) && Queue.offerUnsafe(queue, payload)
      })
  }
})
