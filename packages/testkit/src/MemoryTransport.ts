/**
 * A `Transport` without sockets, for tests.
 *
 * It keeps the contract of `Transport`: handshakes that take a round trip, ordered streams with flow control and
 * priorities, acknowledgements, keep-alive and idle timeouts. A connection counts as idle from the last packet heard.
 * `maxSendRate` and `stallTimeout` are not modelled.
 *
 * @since 0.1.0
 */
import { LocallyClosed, TransportClosed } from "@qp2p/core/Close"
import {
  type ConnectionError,
  EndpointStopped,
  InvalidAddress,
  TooManyConnections,
  TransportError
} from "@qp2p/core/ConnectionError"
import { SocketError } from "@qp2p/core/EndpointError"
import { type BackingSocket, Transport } from "@qp2p/core/Transport"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import { MemoryConnection, type Owner } from "./internal/connection.ts"
import { type Host, keyOf, Link, reachable } from "./internal/wire.ts"
import * as MemoryNetwork from "./MemoryNetwork.ts"

const ignore = () => {}

const connectionRefused = 2

const refuse = (dialler: MemoryConnection) => {
  const { remoteAddress: peer, owner } = dialler
  const error = new TransportError({ peer, code: connectionRefused, reason: "connection refused" })
  const back = new Link(owner.wire, peer, owner.address, ignore)
  back.send(0, () => dialler.finish(new TransportClosed({ code: connectionRefused, reason: "" }), error))
  back.close()
}

/** Why `peer` cannot be dialled from `owner`, if so. */
const refusal = (owner: Owner, peer: NetAddress.InetAddress): ConnectionError | undefined => {
  const input = NetAddress.formatInet(peer)
  if (peer.port === 0) return new InvalidAddress({ input, reason: "its port is 0" })
  if (peer._tag !== owner.address._tag) {
    return new InvalidAddress({ input, reason: "its family is not the socket's" })
  }
  if (NetAddress.isUnspecified(peer.address)) return new InvalidAddress({ input, reason: "its address is nobody's" })
  const { maxConnections } = owner.options
  return owner.connections.size < maxConnections ? undefined : new TooManyConnections({ limit: maxConnections })
}

/**
 * Binds sockets on the network given. Port 0 counts up from 49152 for each address; a wildcard address is reached as the
 * loopback address of its family.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Transport["Service"], never, MemoryNetwork.MemoryNetwork> = Effect.gen(function* () {
  const { wire } = yield* MemoryNetwork.MemoryNetwork

  const bind: Transport["Service"]["bind"] = (options, events) =>
    Effect.gen(function* () {
      const connections = new Set<MemoryConnection>()

      const host: Host = (dialler, answered) => {
        if (!options.accept) return
        const remote = dialler.owner.address
        let fromThere = 0
        for (const { remoteAddress } of connections)
          if (Equal.equals(remoteAddress.address, remote.address)) fromThere++
        if (connections.size >= options.maxConnections || fromThere >= options.maxConnectionsPerIp) {
          return refuse(dialler)
        }
        const connection = new MemoryConnection(owner, remote, dialler.seniority, ignore)
        connection.peer = dialler
        dialler.peer = connection
        connection.send(0, () => {
          dialler.send(0, () => connection.establish(events.onConnection(connection)))
          answered()
        })
      }

      const address = wire.bind(options.localAddress, host)
      if (address === undefined) {
        const reason = "address in use"
        return yield* new SocketError({ address: options.localAddress, reason, cause: new Error(reason) })
      }
      const owner: Owner = { wire, options, address: reachable(address), connections }
      let bound = true

      const dial: BackingSocket["dial"] = (peer, { onConnected, onFailed }) => {
        const error = bound ? refusal(owner, peer) : new EndpointStopped()
        if (error !== undefined) {
          onFailed(error)
          return ignore
        }
        let pending = true
        const connection = new MemoryConnection(owner, peer, wire.nextSeniority(), (failure) => {
          if (pending) onFailed(failure)
          pending = false
        })
        connection.link.send(0, () => {
          if (wire.refused.has(keyOf(peer))) return refuse(connection)
          wire.hosts.get(keyOf(peer))?.(connection, () => {
            pending = false
            connection.establish(onConnected(connection))
          })
        })
        return () => {
          if (!pending) return
          pending = false
          connection.close(0, "")
        }
      }

      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          bound = false
          wire.hosts.delete(keyOf(address))
          for (const connection of connections) {
            connection.close(0, "")
            connection.finish(new LocallyClosed(), new EndpointStopped())
          }
        })
      )
      return { address, dial }
    })

  return Transport.of({ bind })
})

/**
 * On a network that the program has already, usually to share it or to break it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Transport, never, MemoryNetwork.MemoryNetwork> = Layer.effect(Transport, make)

/**
 * With a network of its own, for the test to get at.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNetwork: Layer.Layer<Transport | MemoryNetwork.MemoryNetwork> = Layer.provideMerge(
  layer,
  MemoryNetwork.layer
)
