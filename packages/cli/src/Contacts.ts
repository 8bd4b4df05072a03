/**
 * The contacts of a node: which peers they are, and the dials for those that are lost.
 *
 * A contact with an id is that peer, wherever it is. A contact without one is whichever peer answers at its address.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Connection } from "@qp2p/core/Connection"
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import type { Endpoint } from "@qp2p/core/Endpoint"
import * as PeerAddress from "@qp2p/core/PeerAddress"
import type { PeerId } from "@qp2p/core/PeerId"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { describe, peerErrorOf } from "./PeerFailure.ts"

/**
 * The contacts of one node.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Contacts {
  /** Dials a contact until it answers, in a fiber of its own. It does nothing while that is going on. */
  readonly dial: (contact: PeerAddress.PeerAddress) => Effect.Effect<void>
  /** Stops the dials for the contacts that a peer is: it is connected. */
  readonly found: (peer: PeerId, addresses: ReadonlyArray<NetAddress.InetAddress>) => Effect.Effect<void>
  /** Dials the contacts that a peer was: its last connection has ended. */
  readonly lost: (peer: PeerId, addresses: ReadonlyArray<NetAddress.InetAddress>) => Effect.Effect<void>
}

/**
 * What a node does about its contacts.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Events {
  /** A contact answers. `before` is the peer that answered for it earlier, if that was another one. */
  readonly onConnected: (connection: Connection, before: Option.Option<PeerId>) => Effect.Effect<void>
  /**
   * A contact is not reached for a reason that the user should know. Each kind of reason is told once until the contact
   * answers.
   */
  readonly onProblem: (problem: string) => Effect.Effect<void>
}

/**
 * The pauses between attempts to reach a lost contact.
 *
 * @stability unstable
 * @category schedules
 * @since 0.1.0
 */
export const redialSchedule = Schedule.exponential("500 millis", 1.5).pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(10)))),
  Schedule.jittered
)

const isForUser = (error: ConnectionError): boolean =>
  peerErrorOf(error) !== undefined || error._tag === "InvalidAddress"

const hasName = ({ addresses }: PeerAddress.PeerAddress): boolean =>
  addresses.some((address) => Option.isNone(PeerAddress.toInetAddress(address)))

/**
 * The contacts `contacts`. None is dialled yet. The dials end with the scope.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  endpoint: Pick<Endpoint["Service"], "connectTo" | "peerId">,
  contacts: ReadonlyArray<PeerAddress.PeerAddress>,
  events: Events
): Effect.fn.Return<Contacts, never, Scope.Scope> {
  const dials = yield* FiberMap.make<string>()
  /** The peers that answered last, by the texts of the contacts. */
  const known = new Map<string, PeerId>()

  /** Whether it makes sense to dial again. A name may be resolved later, and a peer may come with its key. */
  const isWorthwhile = (contact: PeerAddress.PeerAddress, { _tag }: ConnectionError) =>
    _tag === "InvalidAddress" ? hasName(contact) : _tag !== "EndpointStopped" && _tag !== "PeerNotFound"

  const attempt = (contact: PeerAddress.PeerAddress) => {
    const told = new Set<string>()
    return endpoint.connectTo(contact).pipe(
      Effect.tapError((error) => {
        const problem = describe(error, endpoint.peerId)
        const kind = (peerErrorOf(error) ?? error)._tag
        if (!isForUser(error) || told.has(kind)) return Effect.logDebug(`cannot reach ${contact}: ${problem}`)
        told.add(kind)
        return events.onProblem(problem)
      }),
      Effect.retry({ while: (error) => isWorthwhile(contact, error), schedule: redialSchedule }),
      Effect.matchEffect({
        onSuccess: (connection) => {
          const { peerId } = connection
          const before = Option.fromUndefinedOr(known.get(`${contact}`))
          known.set(`${contact}`, peerId)
          return events.onConnected(
            connection,
            Option.filter(before, (id) => id !== peerId)
          )
        },
        // It has been told.
        onFailure: () => Effect.void
      })
    )
  }

  const dial = (contact: PeerAddress.PeerAddress) =>
    Effect.asVoid(
      FiberMap.run(
        dials,
        `${contact}`,
        Effect.suspend(() => attempt(contact)),
        { onlyIfMissing: true }
      )
    )

  /** The contacts that a peer is. */
  const of = (peer: PeerId, addresses: ReadonlyArray<NetAddress.InetAddress>) =>
    contacts.filter((contact) =>
      Option.match(contact.peerId, {
        onSome: (id) => id === peer,
        onNone: () => known.get(`${contact}`) === peer || addresses.some((address) => `${address}` === `${contact}`)
      })
    )

  return {
    dial,
    found: (peer, addresses) =>
      Effect.forEach(of(peer, addresses), (contact) => FiberMap.remove(dials, `${contact}`), { discard: true }),
    lost: (peer, addresses) => Effect.forEach(of(peer, addresses), dial, { discard: true })
  }
})
