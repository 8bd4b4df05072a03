import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Endpoint from "../src/Endpoint.ts"
import * as EndpointConfig from "../src/EndpointConfig.ts"
import * as Identity from "../src/Identity.ts"
import type { PortMapper } from "../src/PortMapper.ts"
import type { Transport } from "../src/Transport.ts"
import { blackhole, endpoint, onNetwork } from "./support/memoryEndpoints.ts"

describe("an endpoint's options", () => {
  it.effect("fail the start with EndpointConfigError before anything is bound", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [Endpoint.Options, string]> = [
        [{ localAddress: "nowhere" }, "localAddress"],
        [{ localAddress: "10.0.0.1" }, "localAddress"],
        [{ localAddress: "10.0.0.1:65536" }, "localAddress"],
        [{ contacts: ["10.0.0.2:2", "nowhere"] }, "contacts.1"],
        [{ contacts: [""] }, "contacts.0"],
        [{ config: { messageBuffer: 0 } }, "messageBuffer"]
      ]
      for (const [options, path] of cases) {
        const full = yield* Effect.flip(Endpoint.make({ localAddress: "10.0.0.1:1", ...options }))
        assert.deepInclude(full, { _tag: "EndpointConfigError", path })
        const client = yield* Effect.flip(Endpoint.makeClient(options))
        assert.deepInclude(client, { _tag: "EndpointConfigError", path })
      }
      yield* endpoint("10.0.0.1:1")
    }).pipe(onNetwork)
  )

  it.effect("may be left out", () =>
    Effect.gen(function* () {
      const one = yield* Endpoint.make()
      assert.match(String(one.localAddress), /^0\.0\.0\.0:\d+$/u)
      const two = yield* Endpoint.makeClient({})
      assert.notStrictEqual(String(two.localAddress), String(one.localAddress))
    }).pipe(onNetwork)
  )
})

describe("an endpoint's options from Config", () => {
  const started = <E>(layer: Layer.Layer<Endpoint.Endpoint, E, Transport | PortMapper>, source: unknown) =>
    Effect.provide(
      Effect.map(Endpoint.Endpoint, ({ localAddress, publicAddress }) => [localAddress, publicAddress].map(String)),
      Layer.provide(layer, ConfigProvider.layer(ConfigProvider.fromUnknown(source)))
    )

  it.effect("are read together, beside each other, at the top or under a path", () =>
    Effect.gen(function* () {
      const source = {
        localAddress: "10.0.0.1:1",
        contacts: "10.0.0.8:8, 10.0.0.9:9",
        streams: "Manual",
        externalPort: "9",
        retryDuration: "0"
      }
      const list = { ...source, contacts: ["10.0.0.8:8", "10.0.0.9:9"] }
      for (const [config, from] of [
        [Endpoint.config(), source],
        [Endpoint.config("node"), { node: source }],
        [Config.nested(Endpoint.config("b"), "a"), { a: { b: list } }]
      ] as const) {
        const options = yield* config.parse(ConfigProvider.fromUnknown(from))
        assert.strictEqual(String(options.localAddress), "10.0.0.1:1")
        assert.deepStrictEqual(options.contacts?.map(String), list.contacts)
        assert.strictEqual(options.streams, "Manual")
        const { externalPort, retryDuration } = yield* EndpointConfig.decode(options.config)
        assert.deepStrictEqual([externalPort, Duration.toMillis(retryDuration)], [9, 0])
      }
      const none = yield* Endpoint.config("node").parse(ConfigProvider.fromUnknown({}))
      assert.deepStrictEqual(none, {
        localAddress: undefined,
        contacts: undefined,
        streams: undefined,
        config: EndpointConfig.defaults
      })
    })
  )

  it.effect("are read from the usual environment variables, as they are", () =>
    Effect.gen(function* () {
      for (const [path, prefix] of [
        ["qp2p", "QP2P_"],
        [undefined, ""]
      ] as const) {
        const env = {
          [`${prefix}LOCAL_ADDRESS`]: "10.0.0.1:1",
          [`${prefix}RETRY_DURATION`]: "2s",
          [`${prefix}STREAMS`]: " Manual ",
          PATH: "/bin"
        }
        for (const contacts of [
          { [`${prefix}CONTACTS`]: "10.0.0.8:8, 10.0.0.9:9" },
          { [`${prefix}CONTACTS_0`]: "10.0.0.8:8", [`${prefix}CONTACTS_1`]: "10.0.0.9:9" }
        ]) {
          const plainly = ConfigProvider.fromEnv({ env: { ...env, ...contacts } })
          for (const provider of [plainly, ConfigProvider.constantCase(plainly)]) {
            const options = yield* Endpoint.config(path).parse(provider)
            assert.strictEqual(String(options.localAddress), "10.0.0.1:1")
            assert.deepStrictEqual(options.contacts?.map(String), ["10.0.0.8:8", "10.0.0.9:9"])
            assert.strictEqual(options.streams, "Manual")
            const { retryDuration } = yield* EndpointConfig.decode(options.config)
            assert.strictEqual(Duration.toMillis(retryDuration), 2_000)
          }
        }
      }
    })
  )

  it.effect("make a layer, of all that the source says or of single parts", () =>
    Effect.gen(function* () {
      yield* blackhole("10.0.0.8:8")
      const source = { localAddress: "10.0.0.1:1", externalPort: "9", node: { listen: "10.0.0.1:3", port: 8 } }
      assert.deepStrictEqual(yield* started(Endpoint.layerConfig(), source), ["10.0.0.1:1", "10.0.0.1:9"])
      const parts = {
        localAddress: Config.nested(Config.String("listen"), "node"),
        config: { externalPort: Config.schema(Schema.FiniteFromString, ["node", "port"]) }
      }
      assert.deepStrictEqual(yield* started(Endpoint.layerConfig(parts), source), ["10.0.0.1:3", "10.0.0.1:8"])
      const empty = yield* started(Endpoint.layerConfig({ config: undefined }), source)
      assert.match(empty[0]!, /^0\.0\.0\.0:\d+$/u)
      const whole = { localAddress: Config.succeed("10.0.0.1:4"), config: EndpointConfig.config() }
      assert.deepStrictEqual(yield* started(Endpoint.layerConfig(whole), source), ["10.0.0.1:4", "10.0.0.1:9"])
      assert.deepStrictEqual(yield* started(Endpoint.layerClientConfig(parts), source), ["10.0.0.1:3", "10.0.0.1:3"])
      assert.deepStrictEqual(yield* started(Endpoint.layerClientConfig(), source), ["10.0.0.1:1", "10.0.0.1:1"])
    }).pipe(onNetwork)
  )

  it.effect("make a layer with the identity that the source has", () =>
    Effect.gen(function* () {
      const { peerId, secretKey } = yield* Identity.generate
      const source = { node: { key: Buffer.from(Redacted.value(secretKey)).toString("hex") } }
      const options = {
        localAddress: Config.succeed("10.0.0.1:1"),
        identity: Config.nested(Identity.config("key"), "node")
      }
      for (const layer of [Endpoint.layerConfig(options), Endpoint.layerClientConfig(options)]) {
        const made = layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(source))))
        const context = yield* Effect.scoped(Layer.build(made))
        assert.strictEqual(Context.get(context, Endpoint.Endpoint).peerId, peerId)
      }
      const wrong = { ...options, identity: Effect.succeed("key") as never }
      const error = yield* Effect.flip(started<unknown>(Endpoint.layerConfig(wrong), source))
      assert.deepInclude(error, { _tag: "EndpointConfigError", path: "identity" })
    }).pipe(onNetwork)
  )

  it.effect("fail the layer with Config's ConfigError, which names the place and the reason", () =>
    Effect.gen(function* () {
      for (const [source, place, reason] of [
        [
          { node: { localAddress: "nowhere" } },
          `["node"]["localAddress"]`,
          "expected host:port such as 127.0.0.1:4433 or [::1]:4433; nowhere is no IP address"
        ],
        [{ node: { contacts: "10.0.0.2:2,nowhere" } }, `["node"]["contacts"][1]`, "expected host:port"],
        [{ node: { contacts: ["10.0.0.2:2", "[::1]:0x50"] } }, `["node"]["contacts"][1]`, "the port 0x50 is no number"],
        [{ node: { streams: "manual" } }, `["node"]["streams"]`, `must be "Messages" or "Manual"`],
        [{ node: { streams: ["Manual"] } }, `["node"]["streams"]`, "must be a single value"],
        [{ node: { stream: "Manual" } }, "node.stream", "unknown setting node.stream; did you mean node.streams?"],
        [{ node: { messageBuffer: 0 } }, `["node"]["messageBuffer"]`, "must be an integer between"],
        [{ node: { contacts: { first: "10.0.0.2:2" } } }, `["node"]["contacts"]`, "must be a list of texts"],
        [{ node: { localAdress: "10.0.0.2:2" } }, "node.localAdress", "unknown setting"]
      ] as const) {
        for (const layer of [
          Endpoint.layerConfig(Endpoint.config("node")),
          Endpoint.layerClientConfig(Endpoint.config("node"))
        ]) {
          const error = yield* Effect.flip(started<unknown>(layer, source))
          if (!(error instanceof Config.ConfigError)) return assert.fail(String(error))
          assert.include(error.message, place)
          assert.include(error.message, reason)
        }
      }
      yield* endpoint("0.0.0.0:1")
    }).pipe(onNetwork)
  )

  it.effect("that Config does not check are checked when the endpoint starts", () =>
    Effect.gen(function* () {
      const layer = Endpoint.layerConfig({ localAddress: Config.String("listen") })
      const error = yield* Effect.flip(started<unknown>(layer, { listen: "nowhere" }))
      assert.deepInclude(error, { _tag: "EndpointConfigError", path: "localAddress" })
      const missing = yield* Effect.flip(started<unknown>(layer, {}))
      assert.instanceOf(missing, Config.ConfigError)
    }).pipe(onNetwork)
  )
})
