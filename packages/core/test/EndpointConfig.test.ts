import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as EndpointConfig from "../src/EndpointConfig.ts"
import { endpoint, onNetwork } from "./support/memoryEndpoints.ts"

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
  forwardPortRequired: true,
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
  forwardPortRequired: true,
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

/** The same for a source where everything is text, so that times have a unit. */
const spelt = { ...written, keepAliveInterval: "5s" }

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

  it.effect("from JSON text, and written to it", () =>
    Effect.gen(function* () {
      const json = Schema.fromJsonString(EndpointConfig.EndpointConfig)
      const config = yield* Schema.decodeEffect(json)(JSON.stringify(written))
      assert.deepInclude(plain(config), read)
      const odd = { ...config, keepAliveInterval: Duration.infinity, idleTimeout: Duration.nanos(1_500n) }
      const { externalIp } = yield* Schema.encodeEffect(EndpointConfig.EndpointConfig)(odd)
      assert.strictEqual(externalIp, "203.0.113.7")
      const text = yield* Schema.encodeEffect(json)(odd)
      assert.deepInclude(JSON.parse(text), {
        keepAliveInterval: "Infinity",
        idleTimeout: 0.0015,
        externalIp: "203.0.113.7"
      })
      assert.deepStrictEqual(plain(yield* Schema.decodeEffect(json)(text)), plain(odd))
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
      const provider = ConfigProvider.fromUnknown(spelt)
      assert.deepInclude(plain(yield* EndpointConfig.config().parse(provider)), read)
      const nested = ConfigProvider.fromUnknown({ node: spelt })
      assert.deepInclude(plain(yield* EndpointConfig.config("node").parse(nested)), read)
    })
  )

  it.effect("from environment variables, where everything is text", () =>
    Effect.gen(function* () {
      const env = Object.fromEntries(Object.entries(spelt).map(([key, value]) => [key, String(value)]))
      const config = yield* EndpointConfig.config().parse(ConfigProvider.fromEnv({ env }))
      assert.deepInclude(plain(config), { ...read, idleTimeout: "90000 ms" })
      const nothing = yield* EndpointConfig.config().parse(ConfigProvider.fromEnv({ env: {} }))
      assert.deepStrictEqual(plain(nothing), plain(EndpointConfig.defaults))
    })
  )

  it.effect("from environment variables with the names and words that are usual there", () =>
    Effect.gen(function* () {
      const provider = (env: Record<string, string>) => ConfigProvider.constantCase(ConfigProvider.fromEnv({ env }))
      const env = {
        QP2P_IDLE_TIMEOUT: "1.5 minutes",
        QP2P_EXTERNAL_IP: "203.0.113.7",
        QP2P_QUICHE_BINDING: "quiche.node",
        PATH: "/bin"
      }
      const config = yield* EndpointConfig.config("qp2p").parse(provider(env))
      assert.deepStrictEqual(plain(config), {
        ...plain(EndpointConfig.defaults),
        idleTimeout: "90000 ms",
        externalIp: "203.0.113.7"
      })
      const nested = EndpointConfig.config().pipe(Config.nested("qp2p"))
      assert.deepStrictEqual(plain(yield* nested.parse(provider(env))), plain(config))
      for (const [word, expected] of [
        ["true", true],
        ["1", true],
        ["on", true],
        ["no", false],
        ["0", false]
      ] as const) {
        const read = yield* EndpointConfig.config("qp2p").parse(provider({ QP2P_FORWARD_PORT: word }))
        assert.strictEqual(read.forwardPort, expected, word)
      }
    })
  )

  it.effect("from environment variables under a path", () =>
    Effect.gen(function* () {
      const env = { QP2P_idleTimeout: "90 seconds", QP2P_externalIp: "::1" }
      const config = yield* EndpointConfig.config("QP2P").parse(ConfigProvider.fromEnv({ env }))
      assert.deepInclude(plain(config), { idleTimeout: "90000 ms", externalIp: "::1" })
    })
  )

  it.effect.each([
    ["qp2p", "QP2P"],
    ["QP2P", "QP2P"],
    ["myApp", "MY_APP"],
    ["my_app", "MY_APP"],
    ["MY_APP", "MY_APP"],
    ["my_app", "my_app"],
    [undefined, ""]
  ] as const)("from the usual environment variables as they are: the path %s is %s there", ([path, prefix]) =>
    Effect.gen(function* () {
      const name = (each: string) => (prefix === "" ? each : `${prefix}_${each}`)
      const env = {
        [name("IDLE_TIMEOUT")]: "90s",
        [name("MAX_CONNECTIONS")]: "5",
        [name("MAX_CONNECTIONS_PER_IP")]: "4",
        [name("MESSAGE_BUFFER_BYTES")]: "3",
        // As npm sets it, and others.
        QP2P: "a value",
        NODE: "/usr/bin/node"
      }
      const config = yield* EndpointConfig.config(path).parse(ConfigProvider.fromEnv({ env }))
      assert.deepStrictEqual(plain(config), {
        ...plain(EndpointConfig.defaults),
        idleTimeout: "90000 ms",
        maxConnections: 5,
        maxConnectionsPerIp: 4,
        messageBufferBytes: 3
      })
    })
  )

  it.effect("by the names as they are first, and then by those of the environment", () =>
    Effect.gen(function* () {
      const env = {
        QP2P_IDLE_TIMEOUT: "1s",
        qp2p_idleTimeout: "2s",
        qp2p_IDLE_TIMEOUT: "4s",
        QP2P_MESSAGE_BUFFER: "3",
        qp2p_MESSAGE_BUFFER: "4"
      }
      const config = yield* EndpointConfig.config("qp2p").parse(ConfigProvider.fromEnv({ env }))
      assert.deepInclude(plain(config), { idleTimeout: "2000 ms", messageBuffer: 4 })
    })
  )

  it.effect("under the path of another Config", () =>
    Effect.gen(function* () {
      const env = { QP2P_NODE_IDLE_TIMEOUT: "2s" }
      const config = yield* Config.nested(EndpointConfig.config("node"), "QP2P").parse(ConfigProvider.fromEnv({ env }))
      assert.deepInclude(plain(config), { idleTimeout: "2000 ms" })
    })
  )

  it.effect.each([
    ["90 seconds", 90_000],
    ["500ms", 500],
    ["500 ms", 500],
    ["2s", 2_000],
    ["1.5m", 90_000],
    ["1.5min", 90_000],
    ["1h", 3_600_000],
    ["Infinity", Infinity],
    ["off", Infinity],
    [" OFF ", Infinity]
  ] as const)("with the text %j as an interval of keep-alive", ([text, millis]) =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromUnknown({ idleTimeout: "5h", keepAliveInterval: text })
      const { keepAliveInterval } = yield* EndpointConfig.config().parse(provider)
      assert.strictEqual(Duration.toMillis(keepAliveInterval), millis)
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
    ["Infinity", Infinity],
    [{ minutes: 1, seconds: 30 }, 90_000],
    [[90, 0], 90_000],
    [90_000_000_000n, 90_000]
  ] as const) {
    it.effect(`with ${shown(input)} as a duration`, () =>
      Effect.gen(function* () {
        const config = yield* EndpointConfig.decode({ keepAliveInterval: input, idleTimeout: "5 minutes" })
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

const shown = (input: unknown): string =>
  typeof input === "string"
    ? `"${input}"`
    : Array.isArray(input)
      ? `[${input.map(shown).join(", ")}]`
      : typeof input === "object" && input !== null && !Duration.isDuration(input)
        ? `{ ${Object.entries(input)
            .map(([key, value]) => `${key}: ${shown(value)}`)
            .join(", ")} }`
        : String(input)

describe("what is not acceptable is named, with the reason", () => {
  const never = [null, true, "soon", "", {}, [], Number.NaN, -1, -Infinity]
  const notWhole = [...never, 0, 1.5, Infinity, "5"]
  // Addresses of no single host.
  const nobodys = ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "::ffff:0.0.0.0", "::ffff:239.1.2.3"]
  const notTime = [...never, "5", "5 parsecs", "-1 seconds", { minutes: Number.NaN }, { fortnights: 1 }, [1], ["1", 0]]
  const positive = `must be more than 0, as a duration such as "30 seconds" or in milliseconds`
  const bytes = "must be an integer between 1 and 9007199254740991"
  const count = "must be an integer between 1 and 1000000"

  const cases: Record<
    keyof EndpointConfig.EndpointConfig,
    { readonly reason: string; readonly inputs: ReadonlyArray<unknown>; readonly accepted: ReadonlyArray<unknown> }
  > = {
    forwardPort: {
      reason: "must be true or false",
      inputs: [null, "true", "perhaps", 0, 1, {}, []],
      accepted: [true, false]
    },
    forwardPortRequired: {
      reason: "must be true or false",
      inputs: [null, "true", 1, {}, []],
      accepted: [true, false]
    },
    externalIp: {
      reason: `must be the IP address of one host, such as "203.0.113.7" or "2001:db8::1"`,
      inputs: [
        null,
        true,
        5,
        "",
        "somewhere",
        "10.0.0.1:1",
        "[::1]",
        "10.0.0",
        "10.0.0.256",
        " 10.0.0.1",
        {},
        [],
        ...nobodys
      ],
      accepted: ["203.0.113.7", "2001:db8::1"]
    },
    externalPort: {
      reason: "must be an integer between 1 and 65535",
      inputs: [...notWhole, 65_536, "4433"],
      accepted: [1, 65_535]
    },
    idleTimeout: { reason: positive, inputs: [...notTime, 0, "0 seconds", Duration.zero], accepted: [100, Infinity] },
    keepAliveInterval: { reason: positive, inputs: [...notTime, 0], accepted: [1, "Infinity"] },
    upnpLeaseDuration: { reason: positive, inputs: [...notTime, 0], accepted: ["1 day"] },
    retryDuration: {
      reason: `must be 0 or more, as a duration such as "30 seconds" or in milliseconds`,
      inputs: notTime,
      accepted: [0, "0 seconds", Infinity]
    },
    maxMessageSize: {
      reason: "must be an integer between 1 and 4294967295",
      inputs: [...notWhole, 2 ** 32],
      accepted: [1, 2 ** 32 - 1]
    },
    messageBuffer: { reason: count, inputs: [...notWhole, 1_000_001], accepted: [1, 1_000_000] },
    messageBufferBytes: { reason: bytes, inputs: [...notWhole, 2 ** 53], accepted: [1, 2 ** 53 - 1] },
    reassemblyBuffer: { reason: bytes, inputs: [...notWhole, 2 ** 53], accepted: [1, 2 ** 53 - 1] },
    unreadBuffer: {
      reason: "must be an integer between 1048576 and 9007199254740991",
      inputs: [...notWhole, 2 ** 20 - 1, 2 ** 53],
      accepted: [2 ** 20, 2 ** 53 - 1]
    },
    maxConnections: { reason: count, inputs: [...notWhole, 1_000_001], accepted: [1, 1_000_000] },
    maxConnectionsPerIp: { reason: count, inputs: [...notWhole, 1_000_001], accepted: [1, 1_000_000] },
    handshakeTimeout: { reason: positive, inputs: [...notTime, 0], accepted: [1] },
    rpcTimeout: { reason: positive, inputs: [...notTime, 0], accepted: [1] },
    stallTimeout: { reason: positive, inputs: [...notTime, 0], accepted: [1] },
    maxSendRate: {
      reason: "must be an integer between 65536 and 1099511627776",
      inputs: [...notWhole, 65_535, 2 ** 40 + 1],
      accepted: [65_536, 2 ** 40]
    }
  }

  for (const [name, { accepted, inputs, reason }] of Object.entries(cases)) {
    it.effect(`${name} ${reason}`, () =>
      Effect.gen(function* () {
        for (const input of inputs) {
          const result = yield* Effect.result(EndpointConfig.decode({ [name]: input }))
          if (result._tag === "Success") return assert.fail(`${shown(input)} was taken`)
          assert.strictEqual(result.failure._tag, "EndpointConfigError")
          assert.strictEqual(result.failure.message, `${name}: ${reason}`, shown(input))
          assert.strictEqual(result.failure.path, name)
        }
        for (const input of accepted) yield* EndpointConfig.decode({ [name]: input })
      })
    )
  }

  it.effect("a key that is no setting is one, instead of being overlooked", () =>
    Effect.gen(function* () {
      for (const name of ["idleTimeOut", "IDLE_TIMEOUT", "contacts", ""]) {
        for (const value of ["30 seconds", undefined]) {
          const error = yield* Effect.flip(EndpointConfig.decode({ messageBuffer: 5, [name]: value }))
          assert.include(error, { path: name })
          assert.match(error.detail, /^unknown setting/u)
        }
      }
      const misspelt = { idleTimeOut: 5, idleTimeout: 5 }
      const started = yield* Effect.flip(endpoint("10.0.0.1:1", misspelt))
      assert.strictEqual(started.message, "idleTimeOut: unknown setting; did you mean idleTimeout?")
    }).pipe(onNetwork)
  )

  it.effect.each([
    ["idleTimeOut", "unknown setting; did you mean idleTimeout?"],
    ["IDLE_TIMEOUT", "unknown setting; did you mean idleTimeout?"],
    ["maxConection", "unknown setting; did you mean maxConnections?"],
    ["externelIp", "unknown setting; did you mean externalIp?"],
    ["timeout", "unknown setting"],
    ["contacts", "unknown setting"],
    ["x".repeat(1_000_000), "unknown setting"],
    ["", "unknown setting"]
  ] as const)("a key that is no setting is told with the nearest one, if any is near: %#", ([name, detail]) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(EndpointConfig.decode({ [name]: 5 }))).detail, detail)
    })
  )

  describe("a name of a source that is no setting", () => {
    const logged = (lines: Array<string>) =>
      Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])

    it.effect.each([
      ["QP2P_IDLE_TIMOUT", "QP2P_IDLE_TIMEOUT"],
      ["QP2P_IDLETIMEOUT", "QP2P_IDLE_TIMEOUT"],
      ["QP2P_MAX_CONNECTION", "QP2P_MAX_CONNECTIONS"],
      ["QP2P_MAX_CONNECTIONS_PER_IPS", "QP2P_MAX_CONNECTIONS_PER_IP"],
      ["QP2P_CONTACT", "QP2P_CONTACTS"],
      ["QP2P_LOCAL_ADRESS", "QP2P_LOCAL_ADDRESS"],
      ["qp2p_idleTimeOut", "qp2p.idleTimeout"],
      ["qp2p_idle_timeout", "QP2P_IDLE_TIMEOUT"],
      ["qp2p_local_address", "QP2P_LOCAL_ADDRESS"]
    ] as const)("is an error when it is a setting misspelt: %s for %s", ([name, meant]) =>
      Effect.gen(function* () {
        const env = { [name]: "5", QP2P_MAX_CONNECTIONS: "7", QP2P_MAX_CONNECTIONS_PER_IP: "7" }
        const message = `unknown setting ${meant.includes(".") ? name.replace("_", ".") : name}; did you mean ${meant}?`
        const plainly = ConfigProvider.fromEnv({ env })
        const providers = name.startsWith("QP2P") ? [plainly, ConfigProvider.constantCase(plainly)] : [plainly]
        for (const provider of providers) {
          const error = yield* Effect.flip(EndpointConfig.config("qp2p").parse(provider))
          assert.strictEqual(error.message, `SchemaError(${message})`)
        }
      })
    )

    it.effect("is an error when it is a setting misspelt, in a file, too", () =>
      Effect.gen(function* () {
        const provider = ConfigProvider.fromUnknown({ node: { messageBufer: 5 } })
        const error = yield* Effect.flip(EndpointConfig.config("node").parse(provider))
        assert.include(error.message, "unknown setting node.messageBufer; did you mean node.messageBuffer?")
      })
    )

    it.effect("is an error when it is a setting with the number of an item, for one that is no list", () =>
      Effect.gen(function* () {
        for (const [env, name] of [
          [{ QP2P_IDLE_TIMEOUT_0: "5s" }, "QP2P_IDLE_TIMEOUT"],
          [{ QP2P_LOCAL_ADDRESS_0: "127.0.0.1:0" }, "QP2P_LOCAL_ADDRESS"]
        ] as const) {
          const error = yield* Effect.flip(EndpointConfig.config("qp2p").parse(ConfigProvider.fromEnv({ env })))
          assert.strictEqual(error.message, `SchemaError(${name} must be a single value)`)
        }
      })
    )

    it.effect("is a line in the log when no setting is near", () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        // As Kubernetes sets it for a service of that name.
        const env = {
          QP2P_SERVICE_HOST: "10.0.0.1",
          QP2P_PORT_4000000000_UDP: "udp://10.0.0.1",
          QP2P_IDLE_TIMEOUT: "2s"
        }
        const reading = EndpointConfig.config("qp2p").parse(ConfigProvider.fromEnv({ env }))
        const config = yield* Effect.provide(reading, logged(lines))
        assert.deepInclude(plain(config), { idleTimeout: "2000 ms" })
        assert.deepStrictEqual(lines, ["no settings of an endpoint: QP2P_SERVICE_HOST, QP2P_PORT"])
      })
    )

    it.effect("is not looked at when it belongs to others, or there is no path", () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const others = {
          QP2P_QUICHE_BINDING: "x",
          QP2P_LOCAL_ADDRESS: "x",
          QP2P_CONTACTS_0: "x",
          QP2P_STREAMS: "x",
          PATH: "/bin",
          QP3P_X: "x"
        }
        yield* EndpointConfig.config("qp2p")
          .parse(ConfigProvider.fromEnv({ env: others }))
          .pipe(Effect.provide(logged(lines)))
        const own = { QP2P_INTERVAL: "x", QP2P_IDLE_TIME: "x" }
        yield* EndpointConfig.config("qp2p", { others: ["interval", "idleTime"] })
          .parse(ConfigProvider.fromEnv({ env: own }))
          .pipe(Effect.provide(logged(lines)))
        yield* EndpointConfig.config()
          .parse(ConfigProvider.fromEnv({ env: { IDLE_TIMOUT: "x", HOME: "/" } }))
          .pipe(Effect.provide(logged(lines)))
        assert.deepStrictEqual(lines, [])
      })
    )
  })

  describe("settings that contradict each other", () => {
    const tooLong = (limit: string) =>
      `keepAliveInterval: must be less than idleTimeout (${limit}), or infinite to turn keep-alive off`
    const tooShort =
      "idleTimeout: must be at least 100 milliseconds, for keep-alive to be in time, unless keepAliveInterval is infinite"
    it.effect("are named, with the reason, from an object and from text", () =>
      Effect.gen(function* () {
        for (const [input, message] of [
          [{ keepAliveInterval: "5 seconds", idleTimeout: "3 seconds" }, tooLong("3s")],
          [{ keepAliveInterval: 3_000, idleTimeout: "3 seconds" }, tooLong("3s")],
          [{ keepAliveInterval: "2 minutes" }, tooLong("1m")],
          [{ idleTimeout: 99 }, tooShort],
          [{ idleTimeout: 50, keepAliveInterval: 10 }, tooShort]
        ] as const) {
          const error = yield* Effect.flip(EndpointConfig.decode(input))
          assert.strictEqual(error.message, message)
          const env = Object.fromEntries(
            Object.entries(input).map(([key, value]) => [key, typeof value === "number" ? `${value}ms` : value])
          )
          const provider = ConfigProvider.fromEnv({ env })
          const fromText = yield* Effect.flip(EndpointConfig.config().parse(provider))
          assert.include(fromText.message, error.detail)
        }
      })
    )

    it.effect("are only those that were asked for: the default keep-alive goes with every idle timeout", () =>
      Effect.gen(function* () {
        const short = yield* EndpointConfig.decode({ idleTimeout: "2 seconds" })
        const again = yield* EndpointConfig.decode(short)
        assert.deepStrictEqual(plain(again), { ...plain(EndpointConfig.defaults), idleTimeout: "2000 ms" })
        yield* EndpointConfig.decode({ ...EndpointConfig.defaults, idleTimeout: "2 seconds" })
        const provider = ConfigProvider.fromEnv({ env: { idleTimeout: "2 seconds" } })
        assert.deepStrictEqual(plain(yield* EndpointConfig.config().parse(provider)), plain(short))
      })
    )

    it.effect("are none when keep-alive is off, or follows the idle timeout a little late", () =>
      Effect.gen(function* () {
        yield* EndpointConfig.decode({ idleTimeout: 1, keepAliveInterval: Infinity })
        yield* EndpointConfig.decode({ idleTimeout: "1 minute", keepAliveInterval: "59 seconds" })
        yield* EndpointConfig.decode({ idleTimeout: Infinity, keepAliveInterval: "10 minutes" })
      })
    )
  })

  it.effect("only the first, in the order of the fields", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        EndpointConfig.decode({ maxConnections: 0, messageBuffer: 5, idleTimeout: "soon" })
      )
      assert.strictEqual(error.message, `idleTimeout: ${positive}`)
    })
  )

  for (const input of [null, 5, "quickly", [], undefined, () => {}]) {
    it.effect(`${shown(input)} is no configuration`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(EndpointConfig.decode(input))
        assert.strictEqual(error.path, "")
        assert.strictEqual(error.message, "options: must be an object of settings")
      })
    )
  }

  it.effect("in JSON text, too", () =>
    Effect.gen(function* () {
      const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(EndpointConfig.EndpointConfig), {
        onExcessProperty: "error"
      })
      for (const [text, ...expected] of [
        ["{", "JSON"],
        ["[]", "must be an object of settings"],
        [`{ "idleTimeout": "soon" }`, positive, `["idleTimeout"]`],
        [`{ "externalIp": 5 }`, cases.externalIp.reason, `["externalIp"]`],
        [`{ "idleTimeOut": 5 }`, "unknown setting", `["idleTimeOut"]`]
      ] as const) {
        const error = yield* Effect.flip(decode(text))
        for (const part of expected) assert.include(error.message, part)
      }
    })
  )

  const ofText = (least: string) => `needs a unit, such as "30 seconds", "500ms" or "2s", and must be ${least}`
  const timesInText: Partial<Record<string, string>> = {
    idleTimeout: ofText("more than 0"),
    keepAliveInterval: `${ofText("more than 0")}, or off`,
    retryDuration: ofText("0 or more")
  }
  const wrongTexts: ReadonlyArray<readonly [keyof EndpointConfig.EndpointConfig, string]> = [
    ["forwardPort", "perhaps"],
    ["externalIp", "somewhere"],
    ["externalIp", "5"],
    ["externalPort", "70000"],
    ["idleTimeout", "soon"],
    ["idleTimeout", "5"],
    ["idleTimeout", "5000"],
    ["idleTimeout", "0"],
    ["idleTimeout", "off"],
    ["keepAliveInterval", "-5"],
    ["keepAliveInterval", "-5s"],
    ["retryDuration", "5 parsecs"],
    ["retryDuration", "5"],
    ["maxMessageSize", "1.5"],
    ["messageBuffer", "many"],
    ["maxSendRate", "NaN"]
  ]

  for (const [name, text] of wrongTexts) {
    it.effect(`in the environment, too: ${name}=${text}`, () =>
      Effect.gen(function* () {
        for (const provider of [
          ConfigProvider.fromEnv({ env: { [`qp2p_${name}`]: text } }),
          ConfigProvider.fromUnknown({ qp2p: { [name]: text } })
        ]) {
          const error = yield* Effect.flip(EndpointConfig.config("qp2p").parse(provider))
          assert.instanceOf(error, Config.ConfigError)
          assert.include(error.message, `["qp2p"]["${name}"]`)
          assert.include(error.message, timesInText[name] ?? cases[name].reason)
        }
      })
    )
  }

  it.effect("in a configuration source, where a value is a group of others", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromUnknown({ idleTimeout: { seconds: 5 } })
      const error = yield* Effect.flip(EndpointConfig.config().parse(provider))
      assert.include(error.message, `must be a single value\n  at ["idleTimeout"]`)
    })
  )
})
