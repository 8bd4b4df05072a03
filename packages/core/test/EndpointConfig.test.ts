import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Endpoint from "../src/Endpoint.ts"
import * as EndpointConfig from "../src/EndpointConfig.ts"
import { endpoint, onNetwork } from "./endpoint-support/memory.ts"

/** Durations as milliseconds and addresses as text, for comparison. */
const plain = (config: EndpointConfig.EndpointConfig) =>
  Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      Duration.isDuration(value) ? `${Duration.toMillis(value)} ms` : typeof value === "object" ? String(value) : value
    ])
  )

const documented = {
  forwardPort: false,
  idleTimeout: "60000 ms",
  keepAliveInterval: "20000 ms",
  upnpLeaseDuration: "120000 ms",
  retryDuration: "30000 ms",
  maxMessageSize: 67_108_864,
  messageBuffer: 10_000
}

const written = {
  forwardPort: true,
  externalIp: "203.0.113.7",
  externalPort: 4433,
  idleTimeout: "90 seconds",
  keepAliveInterval: 5_000,
  retryDuration: 0,
  maxMessageSize: 1_024,
  messageBuffer: 5,
  maxConnections: 7
}

const read = {
  forwardPort: true,
  externalIp: "203.0.113.7",
  externalPort: 4433,
  idleTimeout: "90000 ms",
  keepAliveInterval: "5000 ms",
  upnpLeaseDuration: "120000 ms",
  retryDuration: "0 ms",
  maxMessageSize: 1_024,
  messageBuffer: 5,
  maxConnections: 7
}

describe("the defaults", () => {
  it("are the documented ones, and nothing is known about the outside", () => {
    assert.deepInclude(plain(EndpointConfig.defaults), documented)
    assert.isUndefined(EndpointConfig.defaults.externalIp)
    assert.isUndefined(EndpointConfig.defaults.externalPort)
  })

  it.effect("fill in what is left out, or undefined", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(plain(yield* EndpointConfig.decode({})), plain(EndpointConfig.defaults))
      const explicit = yield* EndpointConfig.decode({
        idleTimeout: undefined,
        externalPort: undefined,
        messageBuffer: 3
      })
      assert.deepInclude(plain(explicit), { ...documented, messageBuffer: 3 })
    })
  )
})

describe("a configuration is read", () => {
  it.effect("from an object", () =>
    Effect.gen(function* () {
      assert.deepInclude(plain(yield* EndpointConfig.decode(written)), read)
    })
  )

  it.effect("from JSON", () =>
    Effect.gen(function* () {
      assert.deepInclude(plain(yield* EndpointConfig.decode(JSON.parse(JSON.stringify(written)))), read)
    })
  )

  it.effect("from what was read before", () =>
    Effect.gen(function* () {
      const config = yield* EndpointConfig.decode(written)
      assert.deepStrictEqual(plain(yield* EndpointConfig.decode(config)), plain(config))
    })
  )

  it.effect("from Config, by the same names", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromUnknown(written)
      assert.deepInclude(plain(yield* EndpointConfig.config().parse(provider)), read)
      const nested = ConfigProvider.fromUnknown({ node: written })
      assert.deepInclude(plain(yield* EndpointConfig.config("node").parse(nested)), read)
    })
  )

  it.effect("from environment variables, where everything is text", () =>
    Effect.gen(function* () {
      const env = Object.fromEntries(Object.entries(written).map(([key, value]) => [key, String(value)]))
      const config = yield* EndpointConfig.config().parse(ConfigProvider.fromEnv({ env }))
      assert.deepInclude(plain(config), { ...read, idleTimeout: "90000 ms" })
      const nothing = yield* EndpointConfig.config().parse(ConfigProvider.fromEnv({ env: {} }))
      assert.deepStrictEqual(plain(nothing), plain(EndpointConfig.defaults))
    })
  )

  it.effect("from environment variables under a path", () =>
    Effect.gen(function* () {
      const env = { QP2P_idleTimeout: "90 seconds", QP2P_externalIp: "::1" }
      const config = yield* EndpointConfig.config("QP2P").parse(ConfigProvider.fromEnv({ env }))
      assert.deepInclude(plain(config), { idleTimeout: "90000 ms", externalIp: "::1" })
    })
  )

  for (const [input, millis] of [
    [Duration.seconds(90), 90_000],
    [90_000, 90_000],
    ["90 seconds", 90_000],
    ["1.5 minutes", 90_000],
    [0.5, 0.5],
    [Duration.infinity, Infinity],
    [Infinity, Infinity],
    ["Infinity", Infinity]
  ] as const) {
    it.effect(`with ${String(input)} as a duration`, () =>
      Effect.gen(function* () {
        const config = yield* EndpointConfig.decode({ keepAliveInterval: input })
        assert.strictEqual(Duration.toMillis(config.keepAliveInterval), millis)
      })
    )
  }

  it.effect("with an IP address of either family, as text or as a value", () =>
    Effect.gen(function* () {
      const { externalIp } = yield* EndpointConfig.decode({ externalIp: "2001:db8::1" })
      assert.strictEqual(String(externalIp), "2001:db8::1")
      assert.strictEqual(String((yield* EndpointConfig.decode({ externalIp })).externalIp), "2001:db8::1")
    })
  )
})

describe("what is not acceptable is named, with the reason", () => {
  const cases: ReadonlyArray<readonly [input: Record<string, unknown>, path: string, reason: RegExp]> = [
    [{ forwardPort: "perhaps" }, "forwardPort", /boolean/u],
    [{ externalIp: "somewhere" }, "externalIp", /./u],
    [{ externalIp: "10.0.0.1:1" }, "externalIp", /./u],
    [{ externalPort: 0 }, "externalPort", /between 1 and 65535/u],
    [{ externalPort: 65_536 }, "externalPort", /between 1 and 65535/u],
    [{ externalPort: 1.5 }, "externalPort", /integer/u],
    [{ externalPort: "4433" }, "externalPort", /number/u],
    [{ idleTimeout: 0 }, "idleTimeout", /more than 0/u],
    [{ idleTimeout: -1 }, "idleTimeout", /not be negative/u],
    [{ idleTimeout: "-1 seconds" }, "idleTimeout", /negative|Duration/u],
    [{ idleTimeout: "soon" }, "idleTimeout", /./u],
    [{ idleTimeout: true }, "idleTimeout", /./u],
    [{ idleTimeout: Number.NaN }, "idleTimeout", /./u],
    [{ keepAliveInterval: 0 }, "keepAliveInterval", /more than 0/u],
    [{ retryDuration: -1 }, "retryDuration", /not be negative/u],
    [{ maxMessageSize: 0 }, "maxMessageSize", /between 1 and 4294967295/u],
    [{ maxMessageSize: 2 ** 32 }, "maxMessageSize", /between 1 and 4294967295/u],
    [{ messageBuffer: 0 }, "messageBuffer", /between 1 and 1000000/u],
    [{ messageBuffer: null }, "messageBuffer", /number/u],
    [{ messageBufferBytes: 0 }, "messageBufferBytes", /between 1 and/u],
    [{ maxConnections: -1 }, "maxConnections", /between 1 and/u],
    [{ handshakeTimeout: "never" }, "handshakeTimeout", /./u],
    [{ messageBuffer: 5, idleTimeout: "soon", maxConnections: 0 }, "idleTimeout", /./u]
  ]
  for (const [input, path, reason] of cases) {
    it.effect(`${JSON.stringify(input)} is wrong at ${path}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(EndpointConfig.decode(input))
        assert.strictEqual(error._tag, "ConfigError")
        assert.strictEqual(error.path, path)
        assert.match(error.reason, reason)
        assert.notInclude(error.message, "\n")
        assert.include(error.message, path)
      })
    )
  }

  for (const input of [null, 5, "quickly", []]) {
    it.effect(`${JSON.stringify(input)} is no configuration`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(EndpointConfig.decode(input))
        assert.strictEqual(error.path, "")
        assert.match(error.message, /^options: ./u)
      })
    )
  }

  it.effect("in the environment, too", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromEnv({ env: { idleTimeout: "soon" } })
      const error = yield* Effect.flip(EndpointConfig.config().parse(provider))
      assert.include(String(error), "idleTimeout")
    })
  )
})

describe("an endpoint's options", () => {
  it.effect("fail the start with ConfigError before anything is bound", () =>
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
        assert.deepInclude(full, { _tag: "ConfigError", path })
        const client = yield* Effect.flip(Endpoint.makeClient(options))
        assert.deepInclude(client, { _tag: "ConfigError", path })
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
