/**
 * Starts an endpoint: binds the socket, maps the port and bootstraps, in a scope of the endpoint's own.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Bootstrap from "../../Bootstrap.ts"
import type { ClientEndpointError } from "../../ClientEndpointError.ts"
import * as ConnectionPool from "../../ConnectionPool.ts"
import type { Endpoint, Options } from "../../Endpoint.ts"
import type { EndpointError } from "../../EndpointError.ts"
import type { PortMapper } from "../../PortMapper.ts"
import type { Transport } from "../../Transport.ts"
import { withChildScope } from "../childScope.ts"
import { localAddresses } from "../localAddresses.ts"
import { bootstrapping } from "./bootstrapping.ts"
import { open } from "./state.ts"
import * as portMapping from "./portMapping.ts"
import { serviceOf } from "./service.ts"

type Service = Endpoint["Service"]

/** Starts an endpoint with this library's pool and bootstrap. */
export const make = (
  options: Options = {}
): Effect.Effect<Service, EndpointError, Scope.Scope | Transport | PortMapper> =>
  Effect.flatMap(Bootstrap.make, (bootstrap) => start(options, { open: ConnectionPool.make }, bootstrap))

/** Starts an endpoint with the pool and the bootstrap of the context. */
export const makeWithServices = Effect.fnUntraced(function* (options: Options = {}) {
  const pools = yield* ConnectionPool.ConnectionPool
  const bootstrap = yield* Bootstrap.Bootstrap
  return yield* start(options, pools, bootstrap)
})

/** Starts a client endpoint. */
export const makeClient = (
  options: Options = {}
): Effect.Effect<Service, ClientEndpointError, Scope.Scope | Transport> =>
  Effect.flatMap(Bootstrap.make, (bootstrap) =>
    withChildScope((close) =>
      Effect.gen(function* () {
        const state = yield* open(options, { open: ConnectionPool.make }, bootstrap, false)
        const { again, outcomes } = yield* bootstrapping(state, Option.none(), (contacts, _, reachAny) =>
          Effect.map(contacts.length === 0 ? Effect.succeedNone : reachAny(contacts), (contact) => ({
            publicAddress: localAddresses(state.localAddress, state.connections.interfaces)[0],
            contact: Option.map(contact, ({ listed }) => listed)
          }))
        )
        return serviceOf(state, { close, mapping: Option.none(), outcomes, bootstrap: again, isDialable: false })
      })
    )
  )

const start = (
  options: Options,
  pools: ConnectionPool.ConnectionPool["Service"],
  bootstrap: Bootstrap.Bootstrap["Service"]
): Effect.Effect<Service, EndpointError, Scope.Scope | Transport | PortMapper> =>
  withChildScope((close) =>
    Effect.gen(function* () {
      const state = yield* open(options, pools, bootstrap, true)
      const { config, connections, localAddress } = state
      const mapping = yield* portMapping.open(config, localAddress)
      const { again, outcomes } = yield* bootstrapping(state, mapping, (contacts, known, reachAny) =>
        bootstrap.run(
          {
            peerId: state.identity.peerId,
            config,
            localAddress,
            localAddresses: localAddresses(localAddress, connections.interfaces),
            mapped: portMapping.externalOf(mapping),
            known,
            reachAny
          },
          contacts
        )
      )
      return serviceOf(state, { close, mapping, outcomes, bootstrap: again, isDialable: true })
    })
  )
