/**
 * Endpoints that are ready to run on Node: QUIC over UDP, host names resolved as the system does, and no port mapper.
 *
 * For one with a port mapper, or with options of the transport, compose the layers: `Endpoint.layer` of `@qp2p/core` with
 * `QuicheTransport.layer` and a `PortMapper`.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { ClientEndpointError } from "@qp2p/core/ClientEndpointError"
import * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import type { EndpointError } from "@qp2p/core/EndpointError"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as NodeAddressResolver from "@effect/platform-node/NodeAddressResolver"
import * as NodeDns from "@effect/platform-node/NodeDns"
import type * as Config from "effect/Config"
import * as Layer from "effect/Layer"
import * as QuicheTransport from "./QuicheTransport.ts"

/** Resolves the host names of peers. */
const resolver = Layer.provide(NodeAddressResolver.layer, NodeDns.layer)

/**
 * An endpoint that dials and is dialled, as `Endpoint.layer`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Endpoint.Options): Layer.Layer<Endpoint.Endpoint, EndpointError> =>
  Layer.provide(Endpoint.layer(options), [QuicheTransport.layer(), PortMapper.layerNone, resolver])

/**
 * An endpoint that dials and accepts no connections, as `Endpoint.layerClient`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (options?: Endpoint.Options): Layer.Layer<Endpoint.Endpoint, ClientEndpointError> =>
  Layer.provide(Endpoint.layerClient(options), [QuicheTransport.layer(), resolver])

/**
 * An endpoint whose options come from Effect's `Config`, as `Endpoint.config` reads them under `path`: with the path
 * `"qp2p"`, from the environment variables `QP2P_LOCAL_ADDRESS`, `QP2P_IDLE_TIMEOUT` and so on. Fails with
 * `Config.ConfigError` when a value of the source is not acceptable, or a name is that of a setting misspelt.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  path?: string,
  options?: EndpointConfig.SourceOptions
): Layer.Layer<Endpoint.Endpoint, EndpointError | Config.ConfigError> =>
  Layer.provide(Endpoint.layerConfig(Endpoint.config(path, options)), [
    QuicheTransport.layer(),
    PortMapper.layerNone,
    resolver
  ])

/**
 * An endpoint that dials and accepts no connections, with options from Effect's `Config`: see `layerConfig`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerClientConfig = (
  path?: string,
  options?: EndpointConfig.SourceOptions
): Layer.Layer<Endpoint.Endpoint, ClientEndpointError | Config.ConfigError> =>
  Layer.provide(Endpoint.layerClientConfig(Endpoint.config(path, options)), [QuicheTransport.layer(), resolver])
