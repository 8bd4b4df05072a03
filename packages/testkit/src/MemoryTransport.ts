/**
 * A `Transport` without sockets, for tests.
 *
 * It keeps the contract of `Transport`: handshakes that take a round trip, ordered streams with flow control, stream
 * credit and priorities, acknowledgements, keep-alive and idle timeouts. The idle timeout counts from the last packet
 * received. The windows are fixed: 256 KiB for a stream, 256 KiB in flight on a connection, 1,024 streams.
 * `maxSendRate` and `stallTimeout` are not modelled.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { unbindable, undiallable } from "@qp2p/core/Address"
import { LocallyClosed, TransportClosed } from "@qp2p/core/Close"
import {
  type ConnectionError,
  EndpointStopped,
  InvalidAddress,
  TooManyConnections,
  TransportError
} from "@qp2p/core/ConnectionError"
import { BindError } from "@qp2p/core/EndpointError"
import { untyped } from "@qp2p/core/InvalidArgument"
import { problemOfBind, type BackingSocket, Transport } from "@qp2p/core/Transport"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type { Host } from "./Gateway.ts"
import { MemoryConnection } from "./internal/memory/connection.ts"
import { Link } from "./internal/memory/link.ts"
import type { MemoryPort, MemoryWire } from "./internal/memory/port.ts"
import { anyHost, hostOf, interfacesOf, type NetworkHost, vacancy } from "./internal/network/host.ts"
import { type Place, placeOf } from "./internal/network/place.ts"
import type { Realm } from "./internal/network/realm.ts"
import * as MemoryNetwork from "./MemoryNetwork.ts"

const ignore = () => {}

const connectionRefused = 2

const refusals = {
  AddressInUse: "the address is in use",
  AddressNotAvailable: "the address is not one of this machine"
} as const

/** Tells `dialler`, whose dial arrived in `realm`, that it is refused. */
const refuse = (wire: MemoryWire, dialler: MemoryConnection, realm: Realm, source: Place) => {
  const { remoteAddress: peer, link } = dialler
  const error = new TransportError({ peer, code: connectionRefused, detail: "connection refused" })
  const back = new Link(wire, { place: link.to, home: link.to, realm }, source, () => true, ignore)
  back.send(0, () => dialler.finish(new TransportClosed({ code: connectionRefused, detail: "" }), error))
  back.close()
}

/** Why `peer` cannot be dialled from `port`; undefined when it can. */
const refusal = (port: MemoryPort, peer: NetAddress.InetAddress): ConnectionError | undefined => {
  const input = NetAddress.formatInet(peer)
  const detail = undiallable(peer)
  if (detail !== undefined) return new InvalidAddress({ input, detail })
  if (peer._tag !== port.place.address._tag) {
    return new InvalidAddress({ input, detail: "its family is not the socket's" })
  }
  const { maxConnections } = port.options
  return port.connections.size < maxConnections ? undefined : new TooManyConnections({ limit: maxConnections })
}

/** Whether a socket's limits leave no room for another connection with this host. */
const isFull = ({ connections, options, unread }: MemoryPort, remote: NetAddress.IpAddress): boolean => {
  if (unread > options.unreadBuffer / 2) return true
  let fromThere = 0
  for (const { remoteAddress } of connections) if (Equal.equals(remoteAddress.address, remote)) fromThere++
  return connections.size >= options.maxConnections || fromThere >= options.maxConnectionsPerIp
}

const transportOf = (wire: MemoryWire, host: NetworkHost): Transport["Service"] =>
  Transport.of({
    interfaces: interfacesOf(host),
    bind: Effect.fnUntraced(function* (options, events) {
      const wrong = problemOfBind(options, events)
      if (wrong !== undefined) return yield* untyped(wrong)
      const unfit = unbindable(options.localAddress)
      if (unfit !== undefined) {
        return yield* new BindError({ address: options.localAddress, detail: unfit, cause: new Error(unfit) })
      }
      const vacant = vacancy(host, options.localAddress)
      if (Result.isFailure(vacant)) {
        const detail = refusals[vacant.failure]
        return yield* new BindError({ address: options.localAddress, detail, cause: new Error(detail) })
      }
      const { address, place } = vacant.success
      const port: MemoryPort = {
        place,
        home: place,
        realm: host.realm,
        options,
        connections: new Set(),
        unread: 0,
        knock: (dialler, source, answered) => {
          if (!options.accept) return
          if (isFull(port, source.address.address)) return refuse(wire, dialler, port.realm, source)
          const connection = new MemoryConnection(wire, port, source, dialler.seniority, undefined)
          connection.peer = dialler
          dialler.peer = connection
          connection.send(0, () => {
            dialler.send(0, () => connection.establish(events.onConnection(connection)))
            answered()
          })
        }
      }
      host.realm.add(port)
      let bound = true

      const dial: BackingSocket["dial"] = (peer, { onConnected, onFailed }) => {
        const error = bound ? refusal(port, peer) : new EndpointStopped()
        if (error !== undefined) return wire.timeline.schedule(0, () => onFailed(error))
        let pending = true
        const connection = new MemoryConnection(wire, port, placeOf(peer), wire.nextSeniority(), (failure) => {
          if (pending) onFailed(failure)
          pending = false
        })
        connection.link.send(0, (target, source) => {
          if (wire.conditions.isRefused(connection.link.to)) {
            return refuse(wire, connection, target?.realm ?? wire.internet, source)
          }
          target?.knock(connection, source, () => {
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
          host.realm.remove(port)
          for (const connection of port.connections) {
            connection.close(0, "")
            connection.finish(new LocallyClosed(), new EndpointStopped())
          }
        })
      )
      return { address, dial }
    })
  })

/**
 * Binds sockets on the given network. Port 0 stands for the next free port, from 49152 for each address. A wildcard
 * address is reached at the loopback address of its family.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Transport["Service"], never, MemoryNetwork.MemoryNetwork> = Effect.map(
  MemoryNetwork.MemoryNetwork,
  ({ wire }) => transportOf(wire, anyHost(wire))
)

/**
 * Binds sockets on one host of the given network: at its address or at the wildcard address, which are the same there.
 * The host may be behind a gateway.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeHost = Effect.fnUntraced(function* (
  host: Host
): Effect.fn.Return<Transport["Service"], NetAddress.NetAddressError, MemoryNetwork.MemoryNetwork> {
  const { wire } = yield* MemoryNetwork.MemoryNetwork
  return transportOf(wire, yield* hostOf(wire, host))
})

/**
 * The transport on a network that the program provides, usually to share it or to break it.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Transport, never, MemoryNetwork.MemoryNetwork> = Layer.effect(Transport, make)

/**
 * The layer of `makeHost`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerHost = (
  host: Host
): Layer.Layer<Transport, NetAddress.NetAddressError, MemoryNetwork.MemoryNetwork> =>
  Layer.effect(Transport, makeHost(host))

/**
 * The transport together with a new network, which the test can use too. Endpoints that are to reach each other must share
 * one value of this layer: each call makes another network.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerNetwork = (options?: MemoryNetwork.Options): Layer.Layer<Transport | MemoryNetwork.MemoryNetwork> =>
  Layer.provideMerge(layer, MemoryNetwork.layer(options))
