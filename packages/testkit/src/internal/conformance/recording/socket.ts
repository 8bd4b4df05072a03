/** Sockets that record their events, those of their dials, and those of their connections. */
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import type { Identity } from "@qp2p/core/Identity"
import type { PeerId } from "@qp2p/core/PeerId"
import type { Peer as HandshakePeer } from "@qp2p/core/PeerPolicy"
import {
  type BackingConnection,
  type BackingSocket,
  type BindOptions,
  type ConnectionEvents,
  type DialEvents,
  Transport
} from "@qp2p/core/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as TestIdentity from "../../../TestIdentity.ts"
import { Environment, Faults } from "../rule.ts"
import type { Log } from "./log.ts"
import { Peer } from "./peer.ts"
import { Received } from "./received.ts"

/** The number of sockets so far: each has an identity of its own. */
let sockets = 0

/** A dial in progress and the results that it has reported: a contract allows one in all. */
export interface Dial<P = Peer> {
  readonly connected: Array<P>
  readonly failed: Array<ConnectionError>
  readonly cancel: () => void
}

/** A bound socket with the peers that it accepted and dialled. */
export interface Bound<P = Peer> {
  readonly socket: BackingSocket
  readonly accepted: Array<P>
  /** The connections that this socket dialled. */
  readonly dialled: Array<P>
  readonly dial: (peer: NetAddress.InetAddress, expected?: PeerId) => Dial<P>
  readonly identity: Identity
  /** The handshakes that the socket was asked about, in order. Those of a socket without `admission` are decided at once. */
  readonly handshakes: Array<Handshake>
  /** The events of the socket, in order. */
  readonly log: Log
}

/** A peer that has proven its key, and the answer to whether it is admitted. */
export interface Handshake {
  readonly peer: HandshakePeer
  readonly decide: (isAdmitted: boolean) => void
  /** How often the transport has called the function that ends the question. */
  cancelled: number
}

/** Options of a bound socket in a rule; the environment supplies the missing ones. */
export interface Setup<P = Peer> extends Partial<BindOptions> {
  readonly local?: string
  /** Decides about each peer from within the callback, or leaves it to the rule. Without it, the socket is not asked. */
  readonly admission?: (handshake: Handshake) => void
  /** Called with each new peer before any stream of it arrives, from within the callback. */
  readonly onPeer?: (peer: P) => void
}

/** Parses an address such as "127.0.0.1:80". Throws for other text, which is a mistake in a rule. */
export const address = NetAddress.inetAddressFromStringUnsafe

/** Binds a socket whose peers `makePeer` constructs. */
export const bindWith =
  <P extends ConnectionEvents>(makePeer: (connection: BackingConnection, record: Log) => P) =>
  (setup: Setup<P> = {}) =>
    Effect.gen(function* () {
      const environment = yield* Environment
      const { admission, local = environment.address, onPeer, ...overrides } = setup
      const transport = yield* Transport
      const log: Log = { events: [], faults: yield* Faults }
      const identity = setup.identity ?? TestIdentity.make(`socket ${(sockets += 1)}`)
      const handshakes: Array<Handshake> = []
      const accepted: Array<P> = []
      const dialled: Array<P> = []
      const note = (connection: BackingConnection, peers: Array<P>) => {
        log.events.push("connected")
        const peer = makePeer(connection, log)
        peers.push(peer)
        onPeer?.(peer)
        return peer
      }
      const socket = yield* transport.bind(
        {
          localAddress: address(local),
          identity,
          accept: true,
          // Where STOP_SENDING frames may be lost, one side finds out by the stall timeout, and the other by the idle
          // timeout when its notice is lost too.
          idleTimeout: Duration.seconds(environment.lossy ? 15 : 60),
          keepAliveInterval: Duration.seconds(environment.lossy ? 5 : 20),
          handshakeTimeout: Duration.seconds(60),
          stallTimeout: Duration.seconds(environment.lossy ? 5 : 60),
          maxConnections: 10_000,
          maxConnectionsPerIp: 10_000,
          maxSendRate: 2 ** 30,
          unreadBuffer: 2 ** 30,
          ...overrides
        },
        {
          onConnection: (connection) => note(connection, accepted),
          ...(admission && {
            onHandshake: (peer, decide) => {
              log.events.push("handshake")
              const handshake = { peer, decide, cancelled: 0 }
              handshakes.push(handshake)
              admission(handshake)
              return () => {
                handshake.cancelled += 1
              }
            }
          })
        }
      )
      const dial = (peer: NetAddress.InetAddress, expected?: PeerId): Dial<P> => {
        const connected: Array<P> = []
        const failed: Array<ConnectionError> = []
        const once = () => {
          if (connected.length + failed.length > 0) log.faults.push("a dial was reported twice")
        }
        const events: DialEvents = {
          onConnected: (connection) => {
            once()
            const peer = note(connection, dialled)
            connected.push(peer)
            return peer
          },
          onFailed: (error) => {
            once()
            log.events.push("failed")
            failed.push(error)
          }
        }
        const cancel = socket.dial(peer, events, expected)
        return { connected, failed, cancel }
      }
      const bound: Bound<P> = { socket, accepted, dialled, dial, identity, handshakes, log }
      return bound
    })

/** Binds a socket whose peers record every event. */
export const bind = bindWith((connection, record) => new Peer(connection, record, (record) => new Received(record)))
