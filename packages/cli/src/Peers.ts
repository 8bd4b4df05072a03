/**
 * Who is connected now, and what is on its way to them.
 *
 * Each peer has a short queue of its own and one fiber that empties it, so lines arrive in the order they were typed
 * and a peer that does not answer holds nobody else back until its queue is full.
 *
 * @since 0.1.0
 */
import type { Endpoint } from "@qp2p/core/Endpoint"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type * as NetAddress from "effect/net/NetAddress"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/**
 * @category models
 * @since 0.1.0
 */
export interface Peers {
  /** Takes a peer in, unless it is in already. */
  readonly add: (peer: NetAddress.InetAddress) => Effect.Effect<void>
  /** Whether a peer is in. */
  readonly has: (peer: NetAddress.InetAddress) => boolean
  /** Forgets a peer and what waits for it. */
  readonly remove: (peer: NetAddress.InetAddress) => Effect.Effect<void>
  /** Queues a payload for everyone and says for how many; waits while a queue is full. */
  readonly broadcast: (payload: Uint8Array) => Effect.Effect<number>
  /** Queues a payload for one peer; drops it when the peer's queue is full, or the peer is unknown. */
  readonly tell: (peer: NetAddress.InetAddress, payload: Uint8Array) => Effect.Effect<boolean>
}

const queueLength = 64

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  endpoint: Pick<Endpoint["Service"], "trySendMessage">,
  onLost: (peer: NetAddress.InetAddress, reason: string) => Effect.Effect<void>
): Effect.fn.Return<Peers, never, Scope.Scope> {
  const queues = new Map<string, Queue.Queue<Uint8Array>>()
  const senders = yield* FiberMap.make<string>()

  const add = Effect.fnUntraced(function* (peer: NetAddress.InetAddress) {
    const key = `${peer}`
    if (queues.has(key)) return
    const queue = yield* Queue.bounded<Uint8Array>(queueLength)
    queues.set(key, queue)
    yield* FiberMap.run(
      senders,
      key,
      Queue.take(queue).pipe(
        Effect.flatMap((payload) =>
          // A peer that was killed and is back may have a new connection beside the dead one: once that one has timed
          // out, the message can still get through.
          Effect.retry(endpoint.trySendMessage(payload, peer), {
            times: 1,
            while: (error) => error._tag === "ConnectionLost"
          })
        ),
        Effect.catch((error) => onLost(peer, error.message)),
        Effect.forever
      )
    )
  })

  const remove = Effect.fnUntraced(function* (peer: NetAddress.InetAddress) {
    const key = `${peer}`
    const queue = queues.get(key)
    if (queue === undefined) return
    queues.delete(key)
    yield* Queue.shutdown(queue)
    yield* FiberMap.remove(senders, key)
  })

  return {
    add,
    has: (peer) => queues.has(`${peer}`),
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
        const queue = queues.get(`${peer}`)
        return queue !== undefined && !Queue.isFullUnsafe(queue) && Queue.offerUnsafe(queue, payload)
      })
  }
})
