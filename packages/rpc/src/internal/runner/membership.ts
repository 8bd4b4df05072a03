/** Who belongs to a cluster, asked on both ways. */
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { Endpoint } from "@qp2p/core/Endpoint"
import { type PeerId, short } from "@qp2p/core/PeerId"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Tells whether a peer belongs to the cluster. */
export type Members = (peerId: PeerId) => Effect.Effect<boolean>

/** The least time between two warnings, in milliseconds: a stranger may ask as often as it likes. */
const warningInterval = 1_000

/** Who belongs to one cluster. A failure, a defect and an answer that is no boolean mean no. */
export class Membership {
  private readonly members: Members
  private nextWarning = 0
  private omitted = 0

  constructor(members: Members) {
    this.members = members
  }

  /** Asks whether a peer is a member. */
  readonly isMember = (peerId: PeerId): Effect.Effect<boolean> =>
    Effect.suspend(() => this.members(peerId)).pipe(
      Effect.map((answer: unknown) => answer === true),
      Effect.catchCause((cause) => Effect.as(this.warn(peerId, cause), false))
    )

  private warn(peerId: PeerId, cause: Cause.Cause<never>): Effect.Effect<void> {
    return Clock.clockWith((clock) => {
      const now = clock.currentTimeMillisUnsafe()
      if (now < this.nextWarning) {
        this.omitted += 1
        return Effect.void
      }
      const others = this.omitted === 0 ? "" : `; ${this.omitted} lines about others were left out`
      this.nextWarning = now + warningInterval
      this.omitted = 0
      return Effect.logWarning(`it is unknown whether ${short(peerId)} belongs to the cluster${others}`, cause)
    })
  }
}

/** The endpoint, as it serves protocols to members alone: it resets the streams of other peers. */
export const guard = (endpoint: Endpoint["Service"], { isMember }: Membership): Endpoint["Service"] => {
  const serveProtocol: Endpoint["Service"]["serveProtocol"] = (name, handler, options) =>
    endpoint.serveProtocol(
      name,
      (stream) =>
        Effect.flatMap(isMember(stream.peerId), (isOne) =>
          isOne ? handler(stream) : Effect.andThen(stream.reset(ErrorCode.refused), stream.stop(ErrorCode.refused))
        ),
      options
    )
  // The addresses of an endpoint are getters: an object that inherits them stays current.
  return Object.assign(Object.create(endpoint) as Endpoint["Service"], { serveProtocol })
}
