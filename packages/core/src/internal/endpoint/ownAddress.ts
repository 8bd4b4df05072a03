/**
 * Makes the text by which others find an endpoint, and follows its changes.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as NetAddress from "effect/net/NetAddress"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { undiallable } from "../../Address.ts"
import type { EndpointStopped } from "../../ConnectionError.ts"
import * as PeerAddress from "../../PeerAddress.ts"
import type { PeerId } from "../../PeerId.ts"
import type { Outcomes } from "./outcomes.ts"

/**
 * Makes the `PeerAddress` of an endpoint: its id and its addresses, the best first. Addresses of the loopback interface are
 * left out when there are others, and so are those that cannot be dialled.
 */
export const ownPeerAddress = (
  peerId: PeerId,
  addresses: ReadonlyArray<NetAddress.InetAddress>
): PeerAddress.PeerAddress => {
  const diallable = addresses.filter((each) => undiallable(each) === undefined)
  const outside = diallable.filter((each) => !NetAddress.isLoopback(each.address))
  const best = (outside.length > 0 ? outside : diallable).slice(0, PeerAddress.maxAddresses)
  return Result.getOrElse(PeerAddress.make({ peerId, addresses: best }), () =>
    Result.getOrThrow(PeerAddress.make({ peerId }))
  )
}

/** The current value, and each one that follows it, until the endpoint stops. A slow reader gets the latest. */
export const changesOf = (
  current: () => PeerAddress.PeerAddress,
  outcomes: Outcomes,
  untilStopped: Effect.Effect<never, EndpointStopped>
): Stream.Stream<PeerAddress.PeerAddress> =>
  Stream.callback<PeerAddress.PeerAddress>(
    (queue) =>
      Effect.gen(function* () {
        let latest = current()
        Queue.offerUnsafe(queue, latest)
        const remove = outcomes.onChange(() => {
          const next = current()
          if (Equal.equals(next, latest)) return
          latest = next
          Queue.offerUnsafe(queue, next)
        })
        yield* Effect.addFinalizer(() => Effect.sync(remove))
        yield* Effect.catch(untilStopped, () => Queue.end(queue))
      }),
    { bufferSize: 1, strategy: "sliding" }
  )
