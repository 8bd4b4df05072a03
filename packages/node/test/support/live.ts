/**
 * Endpoints on loopback, over QUIC.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "../../src/QuicheTransport.ts"
import { at } from "./quic.ts"
import { freePort } from "./udp.ts"

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
