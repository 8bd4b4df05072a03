/** Who belongs to a cluster, asked on both ways. */
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { Endpoint } from "@qp2p/core/Endpoint"
import { type PeerId, short } from "@qp2p/core/PeerId"
import * as Effect from "effect/Effect"

/** Tells whether a peer belongs to the cluster. */
export type Members = (peerId: PeerId) => Effect.Effect<boolean>

/** Asks. A failure, a defect and an answer that is no boolean mean no. */
export const isMember = (members: Members, peerId: PeerId): Effect.Effect<boolean> =>
  Effect.suspend(() => members(peerId)).pipe(
    Effect.map((answer: unknown) => answer === true),
    Effect.catchCause((cause) =>
      Effect.as(Effect.logWarning(`it is unknown whether ${short(peerId)} belongs to the cluster`, cause), false)
    )
  )

/** The endpoint, as it serves protocols to members alone: it resets the streams of other peers. */
export const guard = (endpoint: Endpoint["Service"], members: Members): Endpoint["Service"] => {
  const serveProtocol: Endpoint["Service"]["serveProtocol"] = (name, handler, options) =>
    endpoint.serveProtocol(
      name,
      (stream) =>
        Effect.flatMap(isMember(members, stream.peerId), (isOne) =>
          isOne ? handler(stream) : Effect.andThen(stream.reset(ErrorCode.refused), stream.stop(ErrorCode.refused))
        ),
      options
    )
  // The addresses of an endpoint are getters: an object that inherits them stays current.
  return Object.assign(Object.create(endpoint) as Endpoint["Service"], { serveProtocol })
}
