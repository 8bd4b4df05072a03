/**
 * A `Transport` without sockets, for tests.
 *
 * It keeps the contract of `Transport`: handshakes that take a round trip, ordered streams with flow control, stream
 * credit and priorities, acknowledgements, keep-alive and idle timeouts. Nothing is encrypted: a socket takes a peer's key
 * to be that of the identity that the peer has bound with. The idle timeout counts from the last packet received. The windows are fixed: 256 KiB for a stream, 256 KiB in flight on a connection, 1,024 streams.
 * `maxSendRate` and `stallTimeout` are not modelled.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { unbindable } from "@qp2p/core/Address"
import { LocallyClosed } from "@qp2p/core/Close"
import { EndpointStopped } from "@qp2p/core/ConnectionError"
import { BindError } from "@qp2p/core/EndpointError"
import { untyped } from "@qp2p/core/InvalidArgument"
import { problemOfBind, type BackingSocket, Transport } from "@qp2p/core/Transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type { Host } from "./Gateway.ts"
import * as dialling from "./internal/memory/dialling.ts"
import type { MemoryPort } from "./internal/memory/port.ts"
import type { MemoryWire } from "./internal/memory/wire.ts"
import { anyHost, hostOf, interfacesOf, type NetworkHost, vacancy } from "./internal/network/host.ts"
import * as MemoryNetwork from "./MemoryNetwork.ts"

const refusals = {
  AddressInUse: "the address is in use",
  AddressNotAvailable: "the address is not one of this machine"
} as const

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
        onHandshake: events.onHandshake && ((peer, decide) => events.onHandshake!(peer, decide)),
        onConnection: (connection) => events.onConnection(connection),
        connections: new Set(),
        unread: 0,
        heldBack: new Set()
      }
      host.realm.add(port)
      let bound = true

      const dial: BackingSocket["dial"] = (peer, dialEvents, expected) => {
        const error = bound ? dialling.refusal(port, peer) : new EndpointStopped()
        if (error !== undefined) return wire.timeline.schedule(0, () => dialEvents.onFailed(error))
        return dialling.dial(wire, port, peer, dialEvents, expected)
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
