/**
 * Endpoints on loopback, over QUIC.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Connection } from "@qp2p/core/Connection"
import * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import * as PortMapper from "@qp2p/core/PortMapper"
import { Transport } from "@qp2p/core/Transport"
import * as QuicheTransport from "../../src/QuicheTransport.ts"
import type { Network } from "./impairedNetwork.ts"
import { at, until } from "./quicSockets.ts"
import { freePort } from "./udpPeers.ts"

export const layer = Layer.merge(QuicheTransport.layer(), PortMapper.layerNone)

type Services = Layer.Success<typeof layer>

export const onLoopback = <A, E>(effect: Effect.Effect<A, E, Services | Scope.Scope>): Effect.Effect<A, E> =>
  effect.pipe(Effect.scoped, Effect.provide(layer))

export const endpoint = (
  config: EndpointConfig.Input = {},
  contacts: ReadonlyArray<Endpoint.Address> = [],
  localAddress?: Endpoint.Address
) =>
  Effect.flatMap(localAddress === undefined ? Effect.map(freePort, at) : Effect.succeed(localAddress), (address) =>
    Endpoint.make({ localAddress: address, config, contacts })
  )

export const pair = (one: EndpointConfig.Input = {}, two: EndpointConfig.Input = {}) =>
  Effect.all([endpoint(one), endpoint(two)])

export type Service = Endpoint.Endpoint["Service"]

/** Fails as `until` does; for what an endpoint can be asked at any time. */
export const eventually = (what: string, condition: Effect.Effect<boolean>) =>
  until(what, () => Effect.runSync(condition))

/** Whether nothing is there to be taken. */
export const nothing = <A, E>(next: Effect.Effect<A, E>) => Effect.map(Effect.timeoutOption(next, 0), Option.isNone)

/** An endpoint whose packets go through `network`. */
export const endpointBehind = (network: Network, config: EndpointConfig.Input = {}) =>
  Effect.provideService(endpoint(config), Transport, QuicheTransport.make({ openSocket: network.openSocket }))

/** Two endpoints, and both ends of the connection that the first made. */
export const joined = Effect.fnUntraced(function* (one: EndpointConfig.Input = {}, two: EndpointConfig.Input = {}) {
  const [dialler, acceptor] = yield* pair(one, two)
  const near = yield* dialler.connectTo(acceptor.localAddress)
  const far = yield* acceptor.nextConnection
  return { one: dialler, two: acceptor, near, far }
})

/** Waits until nothing at all arrives there any more. Too early costs a test its strength and never its verdict. */
export const standstill = (receiving: Connection) =>
  Effect.gen(function* () {
    let before = -1
    for (;;) {
      const { bytesReceived } = yield* receiving.stats
      if (bytesReceived === before) return bytesReceived
      before = bytesReceived
      yield* Effect.sleep("500 millis")
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: "25 seconds",
      orElse: () => Effect.die(new Error("packets keep coming without an end"))
    })
  )
