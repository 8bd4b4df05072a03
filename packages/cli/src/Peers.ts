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
  /** Removes a peer and its queue, and tells what it has not confirmed. */
  readonly remove: (peer: PeerId) => Effect.Effect<void>
  /** Queues a payload for every peer and returns their number. Waits while a queue is full. */
  readonly broadcast: (payload: Uint8Array) => Effect.Effect<number>
  /** Queues a payload for one peer. Returns false and drops it when the queue is full or the peer is unknown. */
  readonly tell: (peer: PeerId, payload: Uint8Array) => Effect.Effect<boolean>
}

/**
 * Messages that a peer has not confirmed.
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
  /** How many. */
  readonly count: number
  /** Why. */
  readonly reason: string
}

/** A peer's queue, and the number of payloads that it has not confirmed, the one that is being sent among them. */
interface Outgoing {
  readonly queue: Queue.Queue<Uint8Array>
  readonly address: NetAddress.InetAddress
  unconfirmed: number
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
  const peers = new Map<PeerId, Outgoing>()
  const senders = yield* FiberMap.make<PeerId>()

  const add = Effect.fnUntraced(function* (peer: PeerId, address: NetAddress.InetAddress) {
    if (Option.isNone(yield* endpoint.connectionId(peer)) || peers.has(peer)) return
    const outgoing: Outgoing = { queue: yield* Queue.bounded<Uint8Array>(queueLength), address, unconfirmed: 0 }
    peers.set(peer, outgoing)
    const confirmed = Effect.sync(() => void outgoing.unconfirmed--)
    yield* FiberMap.run(
      senders,
      peer,
      Queue.take(outgoing.queue).pipe(
        Effect.flatMap((payload) =>
          // A peer that was killed and restarted with its key may have a new connection beside the dead one: the message gets
          // through when the dead one has timed out.
          Effect.retry(endpoint.trySendMessage(payload, peer), {
            times: 1,
            while: (error) => error._tag === "ConnectionLost"
          })
        ),
        Effect.andThen(confirmed),
        Effect.catch((error) => Effect.andThen(confirmed, onLost({ peer, address, count: 1, reason: error.message }))),
        Effect.forever
      )
    )
  })

  const remove = Effect.fnUntraced(function* (peer: PeerId) {
    const outgoing = peers.get(peer)
    if (outgoing === undefined) return
    peers.delete(peer)
    yield* Queue.shutdown(outgoing.queue)
    yield* FiberMap.remove(senders, peer)
    const { address, unconfirmed: count } = outgoing
    if (count > 0) yield* onLost({ peer, address, count, reason: "it disconnected before it confirmed" })
  })

  const offer = (outgoing: Outgoing, payload: Uint8Array) =>
    Effect.map(Queue.offer(outgoing.queue, payload), (isTaken) => {
      if (isTaken) outgoing.unconfirmed++
      return isTaken
    })

  return {
    add,
    has: (peer) => peers.has(peer),
    remove,
    broadcast: (payload) =>
      Effect.map(
        Effect.forEach(Array.from(peers.values()), (outgoing) => offer(outgoing, payload), {
          concurrency: "unbounded"
        }),
        (offered) => offered.filter(Boolean).length
      ),
    tell: (peer, payload) =>
      Effect.suspend(() => {
        const outgoing = peers.get(peer)
        return outgoing === undefined || Queue.isFullUnsafe(outgoing.queue)
          ? Effect.succeed(false)
          : offer(outgoing, payload)
      })
  }
})
