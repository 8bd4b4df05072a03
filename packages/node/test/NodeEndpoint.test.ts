/** Endpoints that are ready to run, with settings from the environment. */
import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeEndpoint from "../src/NodeEndpoint.ts"

describe.each([
  ["as it is", (provider: ConfigProvider.ConfigProvider) => provider],
  ["with ConfigProvider.constantCase", ConfigProvider.constantCase]
] as const)("layerConfig in an environment %s", (_, prepare) => {
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
})
