/** The types of the public modules, so that none changes unnoticed. */
import { describe, expectTypeOf, it } from "@effect/vitest"
import type { ClientEndpointError } from "@qp2p/core/ClientEndpointError"
import type * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import type { EndpointError } from "@qp2p/core/EndpointError"
import type * as Identity from "@qp2p/core/Identity"
import type * as Transport from "@qp2p/core/Transport"
import type * as Config from "effect/Config"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as NodeEndpoint from "../src/NodeEndpoint.ts"
import type * as NodeIdentity from "../src/NodeIdentity.ts"
import type * as QuicheTransport from "../src/QuicheTransport.ts"

describe("the modules of Node", () => {
  it("are all here: what is added to a module is added below", () => {
    expectTypeOf<keyof typeof NodeEndpoint>().toEqualTypeOf<
      "layer" | "layerClient" | "layerConfig" | "layerClientConfig"
    >()
    expectTypeOf<keyof typeof QuicheTransport>().toEqualTypeOf<"make" | "layer">()
    expectTypeOf<keyof typeof NodeIdentity>().toEqualTypeOf<"fromFile">()
  })

  it("QuicheTransport", () => {
    expectTypeOf<typeof QuicheTransport.make>().toEqualTypeOf<
      (options?: QuicheTransport.Options) => Transport.Transport["Service"]
    >()
    expectTypeOf<typeof QuicheTransport.layer>().toEqualTypeOf<
      (options?: QuicheTransport.Options) => Layer.Layer<Transport.Transport>
    >()
  })

  it("NodeIdentity needs nothing", () => {
    expectTypeOf<typeof NodeIdentity.fromFile>().toEqualTypeOf<
      (path: string) => Effect.Effect<Identity.Identity, Identity.IdentityError>
    >()
  })

  it("NodeEndpoint needs nothing", () => {
    expectTypeOf<typeof NodeEndpoint.layer>().toEqualTypeOf<
      (options?: Endpoint.Options) => Layer.Layer<Endpoint.Endpoint, EndpointError>
    >()
    expectTypeOf<typeof NodeEndpoint.layerClient>().toEqualTypeOf<
      (options?: Endpoint.Options) => Layer.Layer<Endpoint.Endpoint, ClientEndpointError>
    >()
    expectTypeOf<typeof NodeEndpoint.layerConfig>().toEqualTypeOf<
      (
        path?: string,
        options?: EndpointConfig.SourceOptions
      ) => Layer.Layer<Endpoint.Endpoint, EndpointError | Config.ConfigError>
    >()
    expectTypeOf<typeof NodeEndpoint.layerClientConfig>().toEqualTypeOf<
      (
        path?: string,
        options?: EndpointConfig.SourceOptions
      ) => Layer.Layer<Endpoint.Endpoint, ClientEndpointError | Config.ConfigError>
    >()
  })
})
