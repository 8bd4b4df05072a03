/**
 * The dials of an endpoint: for its pool, and those that only verify that a peer can be reached.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import { constVoid } from "effect/Function"
import type * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import { undiallable } from "../../Address.ts"
import type { Connection } from "../../Connection.ts"
import {
  type ConnectionError,
  EndpointStopped,
  InvalidAddress,
  PeerNotFound,
  TooManyConnections
} from "../../ConnectionError.ts"
import type { EndpointConfig } from "../../EndpointConfig.ts"
import type { PeerId } from "../../PeerId.ts"
import { isTransient } from "../../RetrySchedule.ts"
import { type RpcError, RpcTimedOut } from "../../RpcError.ts"
import { ConnectionLost } from "../../SendError.ts"
import type { BackingConnection, BackingSocket, DialEvents, NetworkInterface } from "../../Transport.ts"
import type * as WireMessage from "../../WireMessage.ts"
import type { ConnectionImpl } from "../connection/connection.ts"
import { ask } from "./asking.ts"
import type { Target, TargetAddress } from "./target.ts"

/** Resolves a host name and a port. */
export type LookUp = (
  name: Host.HostPort
) => Effect.Effect<readonly [NetAddress.InetAddress, ...Array<NetAddress.InetAddress>], InvalidAddress>

/** The view of an endpoint's connections that `Dials` needs. */
export interface DialsOwner {
  readonly config: EndpointConfig
  /** The bound socket. */
  readonly socket: BackingSocket | undefined
  readonly interfaces: () => ReadonlyArray<NetworkInterface>
  readonly stopped: () => boolean
  /** Whether the application can be told of the end of another connection. */
  readonly canEndAnother: () => boolean
  readonly makeConnection: (
    backing: BackingConnection,
    dialled: Option.Option<NetAddress.InetAddress>,
    expected: PeerId | undefined
  ) => ConnectionImpl
  /** Enters a connection in the pool. */
  readonly register: (connection: ConnectionImpl) => void
  readonly lookUpName: LookUp
  /** Runs an effect in the endpoint's scope. */
  readonly background: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
}

/** Dials peers at their addresses. */
export class Dials {
  private readonly owner: DialsOwner

  constructor(owner: DialsOwner) {
    this.owner = owner
  }

  /**
   * Tries one effect for each address of a peer, in order, until one succeeds. Names are resolved when it is their turn; an
   * address that has been tried is left out.
   */
  firstOf<A, E>(
    addresses: ReadonlyArray<TargetAddress>,
    attempt: (address: NetAddress.InetAddress) => Effect.Effect<A, E>,
    tried: ReadonlyArray<NetAddress.InetAddress> = [],
    before: Option.Option<E | InvalidAddress> = Option.none()
  ): Effect.Effect<A, E | InvalidAddress> {
    const [first, ...others] = addresses
    if (first === undefined) return Option.isSome(before) ? Effect.fail(before.value) : Effect.never
    /** Goes on with the other addresses after an error. */
    const after = (error: E | InvalidAddress, now: ReadonlyArray<NetAddress.InetAddress>) => {
      const told = Option.isSome(before) ? moreTelling(before.value, error) : error
      return this.firstOf(others, attempt, now, Option.some(told))
    }
    if (!NetAddress.isInetAddress(first)) {
      return Effect.matchEffect(this.lookUp(first), {
        onFailure: (error) => after(error, tried),
        onSuccess: (found) => this.firstOf([...found, ...others], attempt, tried, before)
      })
    }
    if (tried.some((each) => Equal.equals(each, first))) return this.firstOf(others, attempt, tried, before)
    return Effect.catch(attempt(first), (error) => after(error, [...tried, first]))
  }

  /** Resolves a name; an address is its own. */
  lookUp(
    name: TargetAddress
  ): Effect.Effect<readonly [NetAddress.InetAddress, ...Array<NetAddress.InetAddress>], InvalidAddress> {
    return NetAddress.isInetAddress(name) ? Effect.succeed([name]) : this.owner.lookUpName(name)
  }

  /** Dials a peer once at each address, for the pool. */
  forPool(
    addresses: ReadonlyArray<TargetAddress>,
    expected: PeerId | undefined
  ): Effect.Effect<Connection, ConnectionError> {
    return addresses.length === 0
      ? Effect.fail(new PeerNotFound({ peerId: expected! }))
      : this.firstOf(addresses, (peer) => this.once(peer, expected, (connection) => this.owner.register(connection)))
  }

  /** Dials once. `made` gets the connection at once. */
  once(
    peer: NetAddress.InetAddress,
    expected: PeerId | undefined,
    made: (connection: ConnectionImpl) => void
  ): Effect.Effect<Connection, ConnectionError> {
    const { owner } = this
    return Effect.suspend(() =>
      owner.canEndAnother()
        ? Effect.map(this.outsidePool(peer, constVoid, expected), (connection) => {
            made(connection)
            return connection.surfaced
          })
        : Effect.fail(new TooManyConnections({ limit: owner.config.messageBuffer }))
    )
  }

  /** Dials once, for a connection outside the pool. `made` gets the connection before anything is sent on it. */
  private outsidePool(
    peer: NetAddress.InetAddress,
    made: (connection: ConnectionImpl) => void,
    expected: PeerId | undefined
  ): Effect.Effect<ConnectionImpl, ConnectionError> {
    return Effect.callback<ConnectionImpl, ConnectionError>((resume) => {
      const { owner } = this
      if (owner.stopped() || owner.socket === undefined) return resume(Effect.fail(new EndpointStopped()))
      const detail = undiallable(peer, owner.interfaces)
      if (detail !== undefined) return resume(Effect.fail(new InvalidAddress({ input: String(peer), detail })))
      const events: DialEvents = {
        onConnected: (backing) => {
          const connection = owner.makeConnection(backing, Option.some(peer), expected)
          made(connection)
          resume(Effect.succeed(connection))
          return connection
        },
        onFailed: (error) => resume(Effect.fail(owner.stopped() ? new EndpointStopped() : error))
      }
      const giveUp = owner.socket.dial(peer, events, expected)
      return Effect.sync(giveUp)
    })
  }

  /**
   * Checks that a peer can be dialled, over a new connection that it closes again: an open one would prove nothing. It sends
   * an echo question with the last packet of the handshake, by which the peer recognises a verification.
   */
  probe(
    peer: NetAddress.InetAddress,
    limit: Duration.Duration,
    expected: PeerId | undefined
  ): Effect.Effect<void, RpcError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        let answer: Effect.Effect<unknown, RpcError> = Effect.never
        const askAtOnce = (connection: ConnectionImpl) => {
          answer = Fiber.join(this.owner.background(this.ask(connection, { _tag: "EndpointEchoReq" })))
        }
        return restore(this.outsidePool(peer, askAtOnce, expected)).pipe(
          Effect.mapError((error) => new ConnectionLost({ reason: error })),
          Effect.flatMap((connection) => Effect.ensuring(restore(answer), connection.close()))
        )
      })
    ).pipe(
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => Effect.fail(new RpcTimedOut({ peer }))
      }),
      Effect.asVoid
    )
  }

  /** Checks that a peer can be dialled at one of its addresses, as `probe` does. */
  probeTarget({ addresses, peerId }: Target): Effect.Effect<void, RpcError> {
    if (addresses.length === 0) return lost(new PeerNotFound({ peerId: peerId! }))
    return Effect.catchTag(
      this.firstOf(addresses, (address) => this.probe(address, this.owner.config.rpcTimeout, peerId)),
      "InvalidAddress",
      lost
    )
  }

  /** Asks a peer over an existing connection. */
  ask(connection: Connection, question: WireMessage.ControlMessage): Effect.Effect<WireMessage.WireMessage, RpcError> {
    const { maxMessageSize, rpcTimeout } = this.owner.config
    return ask(connection, question, { limit: rpcTimeout, maxMessageSize })
  }
}

/** Picks the error of a peer that could be dialled at none of its addresses: one after which to try again, if there is one. */
export const moreTelling = <E, L>(first: E, later: L): E | L => {
  const isTransientError = (error: unknown) => isTransient(error as ConnectionError)
  return isTransientError(later) && !isTransientError(first) ? later : first
}

const lost = (reason: ConnectionError): Effect.Effect<never, ConnectionLost> =>
  Effect.fail(new ConnectionLost({ reason }))
