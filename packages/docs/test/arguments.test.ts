/**
 * Every argument of every public function, from callers without types: a typed error, or nothing at all; never a throw, a
 * defect or a socket on all interfaces.
 *
 * The tables are by the exports of the packages, and by the members of what these make: a function or a parameter that is
 * added without a case is missed by the compiler, and a function by the first test as well.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Core from "@qp2p/core"
import type { Connection } from "@qp2p/core/Connection"
import type { ProtocolStream } from "@qp2p/core/ProtocolStream"
import type { RecvStream } from "@qp2p/core/RecvStream"
import type { SendStream } from "@qp2p/core/SendStream"
import { Transport } from "@qp2p/core/Transport"
import * as Node from "@qp2p/node"
import * as Rpc from "@qp2p/rpc"
import * as Testkit from "@qp2p/testkit"
import * as FakeRouter from "@qp2p/testkit/FakeRouter"
import * as SimulatedNetwork from "@qp2p/testkit/SimulatedNetwork"
import * as TestRpc from "@qp2p/testkit/TestRpc"
import * as Upnp from "@qp2p/upnp"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as FastCheck from "fast-check"
import { junk, type Outcome, outcomeOf } from "./junk.ts"

// What is called against its types has types of its own here.
// @effect-diagnostics unsafeEffectTypeAssertion:off

const { Endpoint, PortMapper } = Core

interface Param {
  readonly valid: unknown
  /** What else will do. Anything else must be refused. */
  readonly accepts: (value: unknown) => boolean
}

/** How one function is called. */
interface Call {
  readonly params: ReadonlyArray<Param>
  /** It has no way to say what is wrong: it does nothing then, or answers with nothing. */
  readonly silent?: boolean
  /** Not run with what it accepts: it would talk to the network. */
  readonly refusalsOnly?: boolean
  /** Kinds of junk that are as good as what is asked for as long as nobody uses them, and fail whoever does. */
  readonly except?: ReadonlyArray<string>
}

type AnyFunction = (...args: never) => unknown

type CallOf<F> = F extends (...args: infer A) => unknown
  ? Call & { readonly params: { readonly [I in keyof Required<A>]: Param } }
  : never

/** A call for each function of a module, or of a service. */
type Calls<M> = { readonly [K in keyof M as M[K] extends AnyFunction ? K : never]: CallOf<M[K]> }

type Modules<P> = { readonly [M in keyof P as P[M] extends object ? M : never]: Calls<P[M]> }

// --- kinds of parameters ---------------------------------------------------------------------------------------------

const param = (valid: unknown, accepts: (value: unknown) => boolean = () => false): Param => ({ valid, accepts })

const or =
  (...many: ReadonlyArray<(value: unknown) => boolean>) =>
  (value: unknown) =>
    many.some((one) => one(value))

const isUndefined = (value: unknown): boolean => value === undefined
const isText = (value: unknown): boolean => typeof value === "string"
const isNumber = (value: unknown): boolean => typeof value === "number"
const isFunction = (value: unknown): boolean => typeof value === "function"
/** An object with nothing in it is as good as no options, whatever made it. */
const isEmpty = (value: unknown): boolean => Core.InvalidArgument.isRecord(value) && Object.keys(value).length === 0

const isAddressText = (value: unknown): boolean =>
  isText(value) && NetAddress.inetAddressFromString(value as string)._tag === "Success"
const isTime = (value: unknown): boolean =>
  (isNumber(value) && (value as number) >= 0) ||
  (typeof value === "bigint" && value >= 0n) ||
  value === "1 second" ||
  (Array.isArray(value) && value.length === 2 && value.every(Number.isFinite))

const there = "10.0.0.2:2"
const nobody = NetAddress.inetAddressFromStringUnsafe("10.0.0.9:9")

const options = param({}, or(isUndefined, isEmpty))
const record = param({}, isEmpty)
const peer = param(there, or(NetAddress.isInetAddress, isAddressText))
const inet = param(nobody, NetAddress.isInetAddress)
const payload = param(
  Uint8Array.of(1),
  (value) => value instanceof Uint8Array && ArrayBuffer.isView(value) && value.length > 0
)
const text = param("text", isText)
const number = param(5, isNumber)
const protocolName = param("protocol", (value) => isText(value) && value !== "")
const schemas = param({ message: Schema.String, answer: Schema.String })
const path = param("path", or(isUndefined, isText))
const time = param("1 second", isTime)
const func = param(() => 1, isFunction)
const effect = param(Effect.void, Effect.isEffect)
const any = param(undefined, () => true)
const list = param([], (value) => Array.isArray(value) && value.length === 0)

/** Whatever says where something is on a network of the testkit. */
const places = param(
  "10.0.0.3",
  or(
    isAddressText,
    NetAddress.isInetAddress,
    NetAddress.isIpAddress,
    (value) => Array.isArray(value) && value.length === 0
  )
)
const ip = param(
  "10.0.0.3",
  or(NetAddress.isIpAddress, (value) => isText(value) && NetAddress.ipFromString(value as string)._tag === "Success")
)
const direction = param({ from: "10.0.0.3" }, or(isUndefined, isEmpty))

const isBytes = (value: unknown): boolean => value instanceof Uint8Array && ArrayBuffer.isView(value)
const bytes = param(new Uint8Array(32), isBytes)
const peerId = param("25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkena")

/** Text that can be read with these interfaces only. */
const zoned = param("[fe80::1%eth0]:9", isAddressText)
const interfaces = param(() => [{ address: nobody.address, name: "eth0", prefixLength: 64, scopeId: 2 }])

const call = <const P extends ReadonlyArray<Param>>(...params: P) => ({ params })
const silent = <const P extends ReadonlyArray<Param>>(...params: P) => ({ params, silent: true })

// --- what the packages export ----------------------------------------------------------------------------------------

const errors = {}

/** Records of Effect's `Data.taggedEnum`: what they are handed to looks at them. */
type Records = "MappingStatus" | "Misbehaviour"

const nodePackage: Modules<typeof Node> = {
  NodeEndpoint: {
    layer: { ...call(options), refusalsOnly: true },
    layerClient: { ...call(options), refusalsOnly: true },
    layerConfig: { ...call(path, options), refusalsOnly: true },
    layerClientConfig: { ...call(path, options), refusalsOnly: true }
  },
  // It would make files with these names.
  NodeIdentity: {
    fromFile: { ...call(param("path", (value) => isText(value) && value !== "")), refusalsOnly: true }
  },
  QuicheTransport: {
    // What it makes says what is wrong when it binds: see below.
    make: silent(options),
    layer: silent(options)
  }
}

const core: Omit<Modules<typeof Core>, Records> = {
  // What they answer with is what is wrong with the address.
  Address: {
    fromString: call(zoned, interfaces),
    notOneHost: silent(param(nobody.address), func),
    unbindable: silent(inet),
    undiallable: silent(inet, func)
  },
  BidirectionalStream: {},
  Bootstrap: {},
  ClientEndpointError: errors,
  Close: errors,
  Connection: {},
  ConnectionError: errors,
  ConnectionId: { fromAddress: call(inet) },
  ConnectionPool: {},
  DatagramError: errors,
  Direction: {},
  Disconnection: {},
  ErrorCode: { clamp: silent(any) },
  Fifo: {},
  KeepAlive: { keepAliveInterval: silent(any, any) },
  Endpoint: {
    config: call(path, options),
    make: call(options),
    makeClient: call(options),
    layer: call(options),
    layerClient: call(options),
    layerConfig: call(options),
    layerClientConfig: call(options),
    layerWithoutDependencies: call(options)
  },
  EndpointConfig: { config: call(path, options), decode: call(record), durationFromString: silent(text) },
  EndpointError: errors,
  Identity: { config: call(path), fromSecretKey: call(param(new Uint8Array(32))) },
  IncomingDatagram: {},
  IncomingMessage: {},
  IncomingStream: {},
  // These are what looks at arguments: they take anything.
  InvalidArgument: {
    between: silent(any, any),
    bytes: silent(any),
    check: silent(any, func),
    duration: silent(any),
    effect: silent(any),
    flag: silent(any),
    func: silent(any),
    inetAddress: silent(any),
    integer: silent(any, any),
    isRecord: silent(any),
    list: silent(any),
    number: silent(any),
    ofFields: silent(text, any, record),
    ofOptions: silent(any, record, text),
    ofRecord: silent(text, any, record),
    ofValue: silent(text, any, func),
    oneOf: silent() as never,
    optional: silent(func),
    positiveDuration: silent(any),
    show: silent(any),
    text: silent(any),
    // It calls them at once.
    unless: { ...silent(func, func), except: ["a class"] },
    untyped: silent(any)
  },
  // Packages that serve protocols use these two.
  Pace: {},
  PeerAddress: {
    fromInput: call(param(zoned.valid, peer.accepts), interfaces),
    fromString: call(zoned, interfaces),
    isPeerAddress: silent(any),
    // No text is no peers.
    listFromString: call(
      param(
        zoned.valid,
        or(isAddressText, (value) => value === "")
      ),
      interfaces
    ),
    make: call(param({ addresses: [zoned.valid] }), interfaces),
    // What is no address has none to dial.
    toInetAddress: silent(any)
  },
  PeerId: {
    fromPublicKey: call(param(Uint8Array.of(2, ...new Uint8Array(31)))),
    short: call(param(peerId.valid, isText)),
    toPublicKey: call(peerId),
    verify: call(peerId, bytes, bytes)
  },
  PortMapper: {
    granted: call(inet, inet),
    layerFirstOf: call(param({}, isEmpty))
  },
  PortMapperError: errors,
  RecvError: errors,
  RecvStream: {},
  // Every peer is accepted, whatever it is.
  PeerPolicy: { acceptAll: call(any) },
  Reservations: {},
  RetrySchedule: {
    exponential: call(param(Duration.seconds(1), isTime)),
    isTransient: silent(any),
    isTransientLoss: silent(any)
  },
  RpcError: errors,
  Messages: { make: call(protocolName, schemas, options), makeClient: call(protocolName, schemas, options) },
  MessagesClient: {},
  MessagesError: errors,
  MessagesIncoming: {},
  Protocol: { layer: call(protocolName, func, options) },
  ProtocolError: errors,
  ProtocolStream: {},
  SendError: errors,
  SendStream: {},
  ServeOptions: {},
  StreamError: errors,
  Transport: { problemOfBind: silent(any, any) },
  WireMessage: {
    checkPayload: call(
      payload,
      param(5, (value) => isNumber(value) && (value as number) >= 1)
    ),
    encode: call(param({ _tag: "EndpointEchoReq" })),
    encodeHeader: call(
      param(5, (value) => value === 5),
      param(0, (value) => value === 0)
    ),
    encodeUser: call(param(Uint8Array.of(1), (value) => value instanceof Uint8Array && ArrayBuffer.isView(value))),
    encodeUserInto: call(
      param(Uint8Array.of(1), (value) => value instanceof Uint8Array && ArrayBuffer.isView(value)),
      param(new Uint8Array(20)),
      param(0, (value) => value === 0 || value === 5)
    )
  }
}

const upnp: Modules<typeof Upnp> = {
  HomeRouter: {
    diagnose: { ...silent(options), refusalsOnly: true },
    // What these make says what is wrong when it maps: see below.
    layer: silent(options),
    reachOf: call(param(NetAddress.ipv4Loopback, NetAddress.isIpv4Address))
  },
  NatPmp: { layer: silent(options) },
  NatUpnp: { layer: silent(options) }
}

const rpc: Modules<typeof Rpc> = {
  QuicRpc: {},
  // A peer that is none is told by the first call, or the first reader.
  QuicRpcClient: { makeProtocol: call(any, options), layerProtocol: call(any, options) },
  QuicRpcServer: { makeProtocol: call(options), layerProtocol: call(options) },
  QuicRunner: {
    layer: call(options),
    layerClientOnly: call(options),
    layerHealth: call(options),
    layerShardingConfig: call(options)
  },
  QuicSocket: { make: call(any, options), layer: call(any, options) },
  QuicSocketServer: { make: call(options), layer: call(options) }
}

const host = param({ address: "10.0.0.3" })
const sized = param({ size: 0 })

/** With the modules that its index leaves out. */
const wholeTestkit = { ...Testkit, FakeRouter, SimulatedNetwork, TestRpc }

const testkit: Omit<Modules<typeof wholeTestkit>, Records> = {
  Expect: {
    connection: call(any, options),
    disconnection: call(any, options),
    message: call(any, options),
    silence: call(any, options)
  },
  FakeRouter: { make: call(options), layer: call(options) },
  Gateway: {},
  Latency: {
    exponential: call(time, time),
    isDistribution: silent(any),
    make: call(func),
    normal: call(time, time),
    sampler: call(time, func),
    uniform: call(time, time)
  },
  MemoryNetwork: { make: call(options), layer: call(options) },
  MemoryTransport: { makeHost: call(host), layerHost: call(host), layerNetwork: call(options) },
  NetworkControl: {},
  SimulatedNetwork: { make: call(options), layer: call(options), layerHost: call(host) },
  TestIdentity: { make: call(param("ann", or(isText, isNumber))) },
  TestPair: {
    both: { ...call(effect), refusalsOnly: true },
    layer: call(options),
    layerOf: call(param({ server: Layer.empty, client: () => Layer.empty }), options)
  },
  TestPortMapper: { layer: call(options), layerHost: call(param(undefined)) },
  TestRpc: { layer: call(param({ server: Layer.empty }), options) },
  Topology: { layerMesh: call(sized), layerPair: call(options), layerStar: call(sized) },
  TrafficTrace: {
    layer: call(options),
    layerMemory: call(options),
    layerTrace: call(options),
    make: call(options),
    onFailure: call(effect)
  }
}

// --- what these make -------------------------------------------------------------------------------------------------

const endpoint: Calls<Core.Endpoint.Endpoint["Service"]> = {
  addressOf: call(text),
  bootstrap: call(param([], or(isUndefined, list.accepts))),
  connectTo: call(peer),
  connectToAny: call(param([there])),
  connectionId: call(param(there, or(peer.accepts, isText))),
  disconnectFrom: call(param(there, or(peer.accepts, isText))),
  isReachable: call(peer),
  openBidirectionalStream: call(peer, options),
  openProtocol: call(peer, protocolName, options),
  serveProtocol: call(protocolName, func, options),
  sendMessage: call(payload, peer, options),
  trySendMessage: call(payload, peer, options)
}

const connection: Calls<Connection> = {
  openBi: call(options),
  openProtocol: call(protocolName, options),
  openUni: call(options),
  send: call(payload, options),
  sendDatagram: call(bytes),
  // The last: what it accepts closes the connection.
  close: call(options)
}

const sendStream: Calls<SendStream> = {
  reset: call(number),
  sendMessage: call(payload, options),
  setPriority: call(number),
  write: call(bytes, options)
}

const messages: Calls<Core.Messages.Messages<string, string>> = {
  ask: call(peer, text, options),
  send: call(peer, text, options)
}

/** Its reading half is tried last: what it accepts stops it. */
const protocolStream: Calls<ProtocolStream> = {
  reset: call(number),
  setPriority: call(number),
  stop: call(number),
  toSocket: silent(),
  write: sendStream.write
}

const recvStream: Calls<RecvStream> = { stop: call(number) }

const pool: Calls<Core.ConnectionPool.Pool> = {
  add: silent(param(undefined), any),
  all: silent(inet),
  byId: silent(any),
  connect: call(inet, param(Effect.fail(new Core.ConnectionError.EndpointStopped()), Effect.isEffect)),
  current: silent(inet),
  dial: call(inet, param(Effect.fail(new Core.ConnectionError.EndpointStopped()), Effect.isEffect)),
  readdress: silent(any),
  remove: silent(any),
  size: silent()
}

const asker = { remoteAddress: nobody, isReachable: () => Effect.succeed(true) }
const node = {
  config: Core.EndpointConfig.defaults,
  localAddress: nobody,
  localAddresses: [nobody],
  mapped: Option.none(),
  known: Option.none(),
  reachAny: () => Effect.succeedNone
}

const bootstrap: Calls<Core.Bootstrap.Bootstrap["Service"]> = {
  respond: call(param(asker), param({ _tag: "EndpointEchoReq" })),
  run: call(param(node), list)
}

const mapOptions = { internal: nobody, lease: Duration.minutes(1) }
const portMapper: Calls<Core.PortMapper.PortMapper["Service"]> = { map: call(param(mapOptions)) }

const bindOptions = {
  ...Core.EndpointConfig.defaults,
  localAddress: NetAddress.inetAddressFromStringUnsafe("127.0.0.1:0"),
  identity: Testkit.TestIdentity.make("arguments"),
  accept: false
}
const bindNames: Readonly<Record<keyof Core.Transport.BindOptions, true>> = {
  localAddress: true,
  identity: true,
  accept: true,
  idleTimeout: true,
  keepAliveInterval: true,
  handshakeTimeout: true,
  stallTimeout: true,
  maxConnections: true,
  maxConnectionsPerIp: true,
  maxSendRate: true,
  unreadBuffer: true
}
const events = { onConnection: () => ({}) }
const transport: Calls<Core.Transport.Transport["Service"]> = { bind: call(param(bindOptions), param(events)) }

const control = {
  addAddress: call(ip, ip),
  blackhole: call(places),
  gateway: call(param({ address: "10.0.0.4" })),
  mend: call(places, places),
  partition: call(places, places),
  partitionOneWay: call(places, places),
  setBandwidth: call(
    param(5, (value) => isNumber(value) && (value as number) >= 0),
    direction
  ),
  setLatency: call(time, direction)
}

const memoryNetwork: Calls<Testkit.MemoryNetwork.MemoryNetwork["Service"]> = {
  ...control,
  kill: call(places, places),
  reset: call(places, places),
  refuse: call(places),
  setDatagrams: call(record, direction)
}

const simulatedNetwork: Calls<SimulatedNetwork.SimulatedNetwork["Service"]> = {
  ...control,
  openSocket: call(inet),
  rebind: call(places),
  setFaults: call(record, direction)
}

const gateway: Calls<Testkit.Gateway.Gateway> = {
  restart: call(param("10.0.0.5", or(isUndefined, NetAddress.isIpAddress)))
}

const testPortMapper: Calls<Testkit.TestPortMapper.TestPortMapper["Service"]> = {
  failNext: call(
    param(new Core.PortMapperError.GatewayNotFound()),
    param(
      1,
      or(isUndefined, (value) => Number.isInteger(value) && (value as number) >= 0)
    )
  ),
  setDelay: call(time)
}

const fakeRouter: Calls<FakeRouter.FakeRouter["Service"]> = {
  misbehave: call(
    param(Testkit.Misbehaviour.SilentSearch()),
    param(
      1,
      or(isUndefined, (value) => isNumber(value) && (value as number) >= 0)
    )
  ),
  occupy: call(param(5, (value) => value === 5)),
  received: call(
    text,
    param(
      1,
      or(isUndefined, (value) => value === 5)
    )
  ),
  setExternal: call(param("192.0.2.9", NetAddress.isIpv4Address))
}

const trafficTrace: Calls<Testkit.TrafficTrace.TrafficTrace["Service"]> = { note: call(text) }

// --- calling them ----------------------------------------------------------------------------------------------------

type Table = Readonly<Record<string, Call>>

const packages = {
  "@qp2p/core": [Core, core],
  "@qp2p/node": [Node, nodePackage],
  "@qp2p/upnp": [Upnp, upnp],
  "@qp2p/rpc": [Rpc, rpc],
  "@qp2p/testkit": [wholeTestkit, testkit]
} as const

/** Classes and schemas are made by Effect's rules: `new` and their `make` throw a SchemaError. */
const isFunctionOfOurs = (value: unknown): boolean =>
  typeof value === "function" && !Schema.isSchema(value) && !/^class\b/u.test(String(value)) && !Context.isKey(value)

const records = new Set<string>(["MappingStatus", "Misbehaviour"] satisfies ReadonlyArray<Records>)

/** Where sockets were bound. */
const bound: Array<string> = []

const counting = Layer.effect(
  Transport,
  Effect.map(Transport, (given) =>
    Transport.of({
      bind: (options, socketEvents) => {
        bound.push(String(options.localAddress))
        return given.bind(options, socketEvents)
      }
    })
  )
)

const network = Layer.mergeAll(
  Layer.provideMerge(counting, Testkit.MemoryTransport.layerNetwork()),
  SimulatedNetwork.layer(),
  Testkit.TestPortMapper.layer(),
  Testkit.TrafficTrace.layerTrace(),
  Core.ConnectionPool.layer,
  Core.Bootstrap.layer
)

const describeOutcome = (outcome: Outcome): string => {
  switch (outcome.is) {
    case "threw":
      return `threw ${String(outcome.error)}`
    case "died":
      return `died of ${outcome.cause}`
    case "failed":
      return `failed with ${outcome.error._tag}: ${outcome.error.message}`
    default:
      return outcome.is
  }
}

const checkOutcome = (outcome: Outcome, isRefused: boolean, what: string): void => {
  if (outcome.is === "threw" || outcome.is === "died") assert.fail(`${what} ${describeOutcome(outcome)}`)
  if (!isRefused) return
  if (outcome.is !== "failed") return assert.fail(`${what} is not refused: ${describeOutcome(outcome)}`)
  const { message } = outcome.error
  assert.isAbove(message.length, 10, what)
  assert.notMatch(
    message.replace("a message must have", ""),
    /\n(?! {2}at \[)|\[object|undefined is not|Cannot read/u,
    what
  )
}

/** Fresh ones every time: what is handed over may be changed by whoever has got it. */
const arbitrary = FastCheck.sample(
  FastCheck.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true
  }),
  { numRuns: 40, seed: 16 }
)

/** Calls each function of `target` with each argument wrong, in each way. */
const tryAll = (name: string, target: object, table: Table, patiently = false) =>
  Effect.gen(function* () {
    const context = yield* Effect.context()
    for (const [key, { except = [], params, refusalsOnly = false, silent: isSilent = false }] of Object.entries(
      table
    )) {
      const member = Reflect.get(target, key) as (...args: ReadonlyArray<unknown>) => unknown
      const run = (args: ReadonlyArray<unknown>) =>
        outcomeOf(() => {
          const made: unknown = Reflect.apply(member, target, args)
          if (Layer.isLayer(made))
            return Layer.provide(made as Layer.Any as Layer.Layer<never, unknown>, Layer.succeedContext(context))
          return Effect.isEffect(made)
            ? Effect.scoped(Effect.provideContext(made as Effect.Effect<unknown>, context))
            : made
        }, patiently)
      for (let i = 0; i < params.length; i++) {
        const { accepts } = params[i]!
        const withArgument = (value: unknown) => params.map(({ valid }, at) => (at === i ? value : valid))
        for (const [kind, value] of junk) {
          if (except.includes(kind)) continue
          const isRefused = !accepts(value)
          if (refusalsOnly && !isRefused) continue
          const outcome = yield* run(withArgument(value))
          checkOutcome(outcome, isRefused && !isSilent, `${name}.${key} with ${kind} as argument ${i}`)
        }
        for (const value of arbitrary) {
          if (refusalsOnly && accepts(value)) continue
          checkOutcome(
            yield* run(withArgument(value)),
            false,
            `${name}.${key} with ${FastCheck.stringify(value)} as argument ${i}`
          )
        }
      }
    }
  })

const tryModules = (
  given: Readonly<Record<string, object>>,
  tables: Readonly<Record<string, Table>>,
  only?: ReadonlyArray<string>
) =>
  Effect.forEach(
    Object.entries(tables).filter(([module]) => only === undefined || only.includes(module)),
    ([module, table]) => tryAll(module, given[module]!, table)
  )

describe("the arguments of public functions", () => {
  it("have a case for each function of each package", () => {
    for (const [name, [given, tables]] of Object.entries(packages)) {
      for (const [module, exports] of Object.entries(given)) {
        if (records.has(module)) continue
        const functions = Object.entries(exports)
          .filter(([, value]) => isFunctionOfOurs(value))
          .map(([key]) => key)
        const cases = Object.keys((tables as Readonly<Record<string, Table>>)[module] ?? {})
        assert.deepStrictEqual(functions.toSorted(), cases.toSorted(), `${name}/${module}`)
      }
    }
  })

  it.effect(
    "of @qp2p/core are refused with a typed error when they are wrong, and no socket is wider than was said",
    () =>
      Effect.gen(function* () {
        yield* tryModules(
          Core,
          core,
          Object.keys(core).filter((module) => module !== "Protocol" && module !== "Messages")
        )
        // What left them out may listen everywhere; what said anything else may not.
        bound.length = 0
        const context = yield* Effect.context<Transport | Core.PortMapper.PortMapper>()
        for (const [kind, value] of [...junk, ...arbitrary.map((each) => [FastCheck.stringify(each), each] as const)]) {
          for (const given of [{ localAddress: value }, { contacts: value, localAddress: "127.0.0.1:0" }]) {
            if (given.localAddress === undefined) continue
            yield* outcomeOf(() => Effect.scoped(Effect.provideContext(Endpoint.make(given as never), context)))
            yield* outcomeOf(() => Effect.scoped(Effect.provideContext(Endpoint.makeClient(given as never), context)))
            const wide = bound.filter((address) => address.startsWith("0.0.0.0") || address.startsWith("[::]"))
            assert.deepStrictEqual(wide, [], `${kind} as ${"contacts" in given ? "contacts" : "localAddress"}`)
          }
          bound.length = 0
        }
      }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("of what @qp2p/core makes are refused with a typed error when they are wrong", () =>
    Effect.gen(function* () {
      const one = yield* Endpoint.make({ localAddress: "10.0.0.1:1", config: { retryDuration: 0 } })
      const two = yield* Endpoint.make({ localAddress: there })
      const made = yield* one.connectTo(there)
      yield* tryAll("Endpoint", one, endpoint)
      yield* tryAll("Connection", yield* one.connectTo(there), connection)
      const opened = yield* one.openBidirectionalStream(there)
      yield* tryAll("SendStream", opened.send, { sendMessage: sendStream.sendMessage })
      yield* tryAll("SendStream", opened.send, sendStream)
      yield* tryAll("RecvStream", opened.receive, recvStream)
      // It serves at an endpoint.
      yield* Effect.provideService(tryAll("Protocol", Core.Protocol, core.Protocol), Endpoint.Endpoint, one)
      yield* Effect.provideService(tryAll("Messages", Core.Messages, core.Messages), Endpoint.Endpoint, one)
      const make = Core.Messages.make("typed", { message: Schema.String, answer: Schema.String })
      const typed = yield* Effect.provideService(make, Endpoint.Endpoint, two)
      yield* Effect.forkScoped(Stream.runForEach(typed.incoming, ({ reply, value }) => reply(value)))
      yield* tryAll("Messages", yield* Effect.provideService(make, Endpoint.Endpoint, one), messages)
      const protocol = yield* one.openProtocol(there, "protocol")
      yield* tryAll("ProtocolStream", protocol, protocolStream)
      yield* tryAll("Pool", yield* Core.ConnectionPool.make, pool)
      yield* tryAll("Bootstrap", yield* Core.Bootstrap.make, bootstrap)
      yield* tryAll(
        "PortMapper",
        yield* Layer.build(PortMapper.layerNone).pipe(
          Effect.map((services) => Context.get(services, PortMapper.PortMapper))
        ),
        {
          map: { ...portMapper.map, silent: true }
        }
      )
      assert.isDefined(made.id)
      yield* two.close
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.live("of transports are refused with a typed error when they are wrong, and nothing is bound", () =>
    Effect.gen(function* () {
      yield* tryAll("QuicheTransport", Node.QuicheTransport.make(), transport, true)
      yield* tryAll("MemoryTransport", yield* Testkit.MemoryTransport.make, transport, true)
      for (const name of Object.keys(bindNames)) {
        const wrong = { ...bindOptions, [name]: Number.NaN }
        const outcome = yield* outcomeOf(
          () => Effect.scoped(Node.QuicheTransport.make().bind(wrong, events as never)),
          true
        )
        checkOutcome(outcome, true, `bind with ${name}: NaN`)
      }
      for (const [kind, value] of junk) {
        if (options.accepts(value)) continue
        const made = Node.QuicheTransport.make(value as never)
        const outcome = yield* outcomeOf(() => Effect.scoped(made.bind(bindOptions, events as never)), true)
        checkOutcome(outcome, true, `QuicheTransport.make with ${kind}`)
      }
    }).pipe(Effect.scoped, Effect.provide(Testkit.MemoryNetwork.layer()))
  )

  it.live("of @qp2p/node are refused with a typed error when they are wrong", () => tryModules(Node, nodePackage))

  it.effect("of @qp2p/upnp are refused with a typed error when they are wrong", () =>
    Effect.gen(function* () {
      yield* tryModules(Upnp, upnp)
      for (const [name, layer] of [
        ["HomeRouter", Upnp.HomeRouter.layer],
        ["NatPmp", Upnp.NatPmp.layer],
        ["NatUpnp", Upnp.NatUpnp.layer]
      ] as const) {
        const mapWith = (given: unknown, request: unknown) =>
          outcomeOf(
            () =>
              Effect.scoped(
                Effect.flatMap(Layer.build(layer(given as never)), (services) =>
                  Context.get(services, PortMapper.PortMapper).map(request as never)
                )
              ),
            true
          )
        for (const [kind, value] of junk) {
          if (!options.accepts(value))
            checkOutcome(yield* mapWith(value, mapOptions), true, `${name}.layer with ${kind}`)
          checkOutcome(yield* mapWith(undefined, value), true, `${name}'s map with ${kind}`)
        }
        for (const wrong of [
          { natPMP: {} },
          { natUpnp: { searchTimeout: "soon" }, natPmp: { gateway: 5 } },
          { gatway: "10.0.0.1" }
        ]) {
          checkOutcome(yield* mapWith(wrong, mapOptions), true, `${name}.layer with ${JSON.stringify(wrong)}`)
        }
      }
    }).pipe(Effect.scoped)
  )

  it.effect("of @qp2p/rpc are refused with a typed error when they are wrong", () =>
    Effect.gen(function* () {
      const endpoint = yield* Endpoint.make({ localAddress: "10.0.0.1:1" })
      yield* tryModules(Rpc, rpc).pipe(
        Effect.provideService(Endpoint.Endpoint, endpoint),
        Effect.provide(RpcSerialization.layerNdjson)
      )
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("of @qp2p/testkit, and of what it makes, are refused with a typed error when they are wrong", () =>
    Effect.gen(function* () {
      const kept = [
        "Latency",
        "MemoryNetwork",
        "MemoryTransport",
        "SimulatedNetwork",
        "TestIdentity",
        "TestPair",
        "TestPortMapper",
        "Topology",
        "TrafficTrace"
      ]
      yield* tryModules(wholeTestkit, testkit, kept)
      const memory = yield* Testkit.MemoryNetwork.MemoryNetwork
      const simulated = yield* SimulatedNetwork.SimulatedNetwork
      yield* tryAll("Gateway", yield* memory.gateway({ address: "10.0.0.6" }), gateway)
      yield* tryAll("MemoryNetwork", memory, memoryNetwork)
      yield* tryAll("SimulatedNetwork", simulated, simulatedNetwork)
      yield* tryAll("TestPortMapper", yield* Testkit.TestPortMapper.TestPortMapper, testPortMapper)
      yield* tryAll("TestPortMapper's PortMapper", yield* PortMapper.PortMapper, portMapper)
      yield* tryAll("TrafficTrace", yield* Testkit.TrafficTrace.TrafficTrace, trafficTrace)
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("of what waits for an endpoint are refused with a typed error when they are wrong", () =>
    Effect.gen(function* () {
      const one = yield* Endpoint.make({ localAddress: "10.0.0.1:1" })
      const table = Object.fromEntries(
        Object.entries(testkit.Expect).map(([key, { params }]) => [key, { params: [param(one), params[1]] }])
      )
      yield* tryAll("Expect", Testkit.Expect, table as Table)
      const scope = yield* Scope.make()
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.live("of a FakeRouter are refused with a typed error when they are wrong", () =>
    Effect.gen(function* () {
      const refused = { make: { ...testkit.FakeRouter.make, refusalsOnly: true } }
      yield* tryAll("FakeRouter", FakeRouter, refused, true)
      yield* tryAll("FakeRouter", yield* FakeRouter.make(), fakeRouter)
    }).pipe(Effect.scoped)
  )

  it("of a Decoder are an error of everything that it decodes", () => {
    const { Decoder } = Core.WireMessage
    for (const [kind, value] of junk) {
      const decoder = new Decoder(value as never)
      assert.strictEqual(decoder.push(Uint8Array.of(0), [])?._tag, "SerializationError", kind)
      assert.strictEqual(decoder.end()?._tag, "SerializationError", kind)
      const sound = new Decoder({ maxMessageSize: 5 })
      if (!(value instanceof Uint8Array) || !ArrayBuffer.isView(value)) {
        assert.strictEqual(sound.push(value as never, [])?._tag, "SerializationError", kind)
      }
      if (!Array.isArray(value))
        assert.strictEqual(sound.push(Uint8Array.of(0), value as never)?._tag, "SerializationError", kind)
      assert.isUndefined(sound.end())
    }
  })

  it("of a Latency that are wrong are reported by each function that takes it", () => {
    const made = Testkit.Latency.uniform("soon" as never, 5)
    const outcome = Effect.runSync(
      Effect.scoped(
        Effect.flatMap(Testkit.MemoryNetwork.make(), ({ setLatency }) => outcomeOf(() => setLatency(made), true))
      )
    )
    assert.include(describeOutcome(outcome), `shortest must be 0 or more, as a duration such as "30 seconds"`)
    assert.isFalse(Schedule.isSchedule(Core.RetrySchedule.exponential("soon" as never)))
  })
})
