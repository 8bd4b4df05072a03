/** Endpoints that are ready to run, with settings from the environment. */
import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeEndpoint from "../src/NodeEndpoint.ts"

const layers = [
  ["layerConfig", NodeEndpoint.layerConfig],
  ["layerClientConfig", NodeEndpoint.layerClientConfig]
] as const

describe.each([
  ["as it is", (provider: ConfigProvider.ConfigProvider) => provider],
  ["with ConfigProvider.constantCase", ConfigProvider.constantCase]
] as const)("an environment %s", (_, prepare) => {
  const start = (env: Record<string, string>) =>
    Effect.map(Endpoint.Endpoint, ({ localAddress, publicAddress }) => ({ localAddress, publicAddress })).pipe(
      Effect.provide(
        Layer.provide(
          NodeEndpoint.layerConfig("qp2p"),
          ConfigProvider.layer(prepare(ConfigProvider.fromEnv({ env: { PATH: "/bin", ...env } })))
        )
      )
    )

  it.live("finds the variables of an endpoint", () =>
    Effect.gen(function* () {
      const { localAddress, publicAddress } = yield* start({
        QP2P_LOCAL_ADDRESS: "127.0.0.1:0",
        QP2P_EXTERNAL_IP: "203.0.113.7",
        QP2P_EXTERNAL_PORT: "4433",
        QP2P_IDLE_TIMEOUT: "30s"
      })
      assert.match(String(localAddress), /^127\.0\.0\.1:\d+$/u)
      assert.strictEqual(String(publicAddress), "203.0.113.7:4433")
      const error = yield* Effect.flip(start({ QP2P_LOCAL_ADDRESS: "127.0.0.1:0", QP2P_IDLE_TIMEOUT: "30" }))
      assert.include(error.message, `needs a unit, such as "30 seconds", "500ms" or "2s", and must be more than 0`)
      assert.include(error.message, `["qp2p"]["idleTimeout"]`)
    })
  )

  it.live("fails for one that is misspelt, and names the right one", () =>
    Effect.gen(function* () {
      for (const [name, meant] of [
        ["QP2P_LOCAL_ADRESS", "QP2P_LOCAL_ADDRESS"],
        ["QP2P_IDLE_TIMEOUTS", "QP2P_IDLE_TIMEOUT"]
      ] as const) {
        const error = yield* Effect.flip(start({ QP2P_LOCAL_ADDRESS: "127.0.0.1:0", [name]: "127.0.0.1:0" }))
        assert.strictEqual(error._tag, "ConfigError")
        assert.include(error.message, `unknown setting ${name}; did you mean ${meant}?`)
      }
    })
  )

  it.live.each(layers)("%s reads what the program names itself as no setting of the endpoint", ([, make]) =>
    Effect.gen(function* () {
      // It resembles a setting.
      const env = { QP2P_LOCAL_ADDRESS: "127.0.0.1:0", QP2P_IDLE_TIMEOUTS: "5" }
      const provider = ConfigProvider.layer(prepare(ConfigProvider.fromEnv({ env })))
      const start = (options?: EndpointConfig.SourceOptions) =>
        Endpoint.Endpoint.pipe(
          Effect.map(({ localAddress }) => String(localAddress)),
          Effect.provide(Layer.provide(make("qp2p", options), provider))
        )
      assert.match(yield* start({ others: ["idleTimeouts"] }), /^127\.0\.0\.1:\d+$/u)
      assert.strictEqual((yield* Effect.flip(start()))._tag, "ConfigError")
    })
  )

  it.live("layerClientConfig dials, and accepts no connections", () =>
    Effect.gen(function* () {
      const provider = prepare(ConfigProvider.fromEnv({ env: { QP2P_LOCAL_ADDRESS: "127.0.0.1:0" } }))
      const started = (layer: Layer.Layer<Endpoint.Endpoint, unknown>) =>
        Effect.map(Layer.build(layer), Context.get(Endpoint.Endpoint))
      const client = yield* started(
        Layer.provide(NodeEndpoint.layerClientConfig("qp2p"), ConfigProvider.layer(provider))
      )
      const config = { handshakeTimeout: "1 second", retryDuration: 0 } as const
      const server = yield* started(NodeEndpoint.layer({ localAddress: "127.0.0.1:0", config }))
      assert.strictEqual((yield* Effect.flip(server.connectTo(client.localAddress)))._tag, "ConnectionTimedOut")
      yield* client.sendMessage(new TextEncoder().encode("marco"), server.localAddress)
      assert.strictEqual(new TextDecoder().decode((yield* server.nextMessage).payload), "marco")
    })
  )
})

describe("endpoints that are ready to run", () => {
  it.live.each([
    ["layer", NodeEndpoint.layer],
    ["layerClient", NodeEndpoint.layerClient]
  ] as const)("resolve the names of hosts, as %s", ([, make]) =>
    Effect.gen(function* () {
      const options = { localAddress: "127.0.0.1:0", config: { retryDuration: 0 } }
      const named = Context.get(yield* Layer.build(NodeEndpoint.layer(options)), Endpoint.Endpoint)
      const dialler = Context.get(yield* Layer.build(make(options)), Endpoint.Endpoint)
      const connection = yield* dialler.connectTo(`${named.peerId}@localhost:${named.localAddress.port}`)
      assert.strictEqual(connection.peerId, named.peerId)
    }).pipe(Effect.scoped)
  )
})
