/**
 * What the compiler is to know of every public function. A wrong type fails `tsc -b`; at run time these only show that the
 * modules load and that each error is told apart by its tag.
 */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type * as Stream from "effect/Stream"
import type { BidirectionalStream } from "../src/BidirectionalStream.ts"
import type * as Bootstrap from "../src/Bootstrap.ts"
import { ClientEndpointError } from "../src/ClientEndpointError.ts"
import { Close } from "../src/Close.ts"
import type { Connection } from "../src/Connection.ts"
import {
  ConnectionError,
  ConnectionTimedOut,
  type EndpointStopped,
  InvalidAddress,
  NoneReachable
} from "../src/ConnectionError.ts"
import type { ConnectionId } from "../src/ConnectionId.ts"
import type * as ConnectionPool from "../src/ConnectionPool.ts"
import type * as Endpoint from "../src/Endpoint.ts"
import type { EndpointConfig } from "../src/EndpointConfig.ts"
import { EndpointError } from "../src/EndpointError.ts"
import type * as PeerAddress from "../src/PeerAddress.ts"
import type { PortMapper } from "../src/PortMapper.ts"
import { PortMapperError, PortMapperTimedOut } from "../src/PortMapperError.ts"
import { RecvError } from "../src/RecvError.ts"
import type * as Protocol from "../src/Protocol.ts"
import type { ProtocolRefused, ProtocolTaken } from "../src/ProtocolError.ts"
import type { ProtocolStream } from "../src/ProtocolStream.ts"
import type { RecvStream } from "../src/RecvStream.ts"
import { RpcError } from "../src/RpcError.ts"
import { type NotConnected, SendError } from "../src/SendError.ts"
import type { SendStream } from "../src/SendStream.ts"
import { StreamError } from "../src/StreamError.ts"
import type { Transport } from "../src/Transport.ts"
import { address } from "./support/values.ts"

type Service = Endpoint.Endpoint["Service"]
type Tag<E extends { readonly _tag: string }> = E["_tag"]

describe("an endpoint's members", () => {
  it("have the documented results and errors", () => {
    expectTypeOf<Service["localAddress"]>().toEqualTypeOf<NetAddress.InetAddress>()
    expectTypeOf<Service["publicAddress"]>().toEqualTypeOf<NetAddress.InetAddress>()
    expectTypeOf<Service["bootstrapContact"]>().toEqualTypeOf<Option.Option<PeerAddress.PeerAddress>>()
    expectTypeOf<Service["incomingConnections"]>().toEqualTypeOf<Stream.Stream<Connection>>()
    expectTypeOf<Service["incomingMessages"]>().toEqualTypeOf<Stream.Stream<Endpoint.IncomingMessage>>()
    expectTypeOf<Service["disconnections"]>().toEqualTypeOf<Stream.Stream<Endpoint.Disconnection>>()
    expectTypeOf<Service["nextConnection"]>().toEqualTypeOf<Effect.Effect<Connection, EndpointStopped>>()
    expectTypeOf<Service["nextMessage"]>().toEqualTypeOf<Effect.Effect<Endpoint.IncomingMessage, EndpointStopped>>()
    expectTypeOf<Service["nextDisconnection"]>().toEqualTypeOf<Effect.Effect<Endpoint.Disconnection, EndpointStopped>>()
    expectTypeOf<ReturnType<Service["connectTo"]>>().toEqualTypeOf<Effect.Effect<Connection, ConnectionError>>()
    expectTypeOf<ReturnType<Service["connectToAny"]>>().toEqualTypeOf<Effect.Effect<Connection, NoneReachable>>()
    expectTypeOf<ReturnType<Service["isReachable"]>>().toEqualTypeOf<Effect.Effect<void, RpcError>>()
    expectTypeOf<ReturnType<Service["disconnectFrom"]>>().toEqualTypeOf<Effect.Effect<void>>()
    expectTypeOf<ReturnType<Service["connectionId"]>>().toEqualTypeOf<Effect.Effect<Option.Option<ConnectionId>>>()
    expectTypeOf<ReturnType<Service["addressOf"]>>().toEqualTypeOf<
      Effect.Effect<Option.Option<NetAddress.InetAddress>>
    >()
    expectTypeOf<ReturnType<Service["openBidirectionalStream"]>>().toEqualTypeOf<
      Effect.Effect<BidirectionalStream, ConnectionError>
    >()
    expectTypeOf<ReturnType<Service["openProtocol"]>>().toEqualTypeOf<
      Effect.Effect<ProtocolStream, ConnectionError, Scope.Scope>
    >()
    type Handler = (stream: ProtocolStream) => Effect.Effect<void, Error, Scope.Scope | PortMapper>
    const serve = (one: Service, handler: Handler) => one.serveProtocol("name", handler)
    expectTypeOf<ReturnType<typeof serve>>().toEqualTypeOf<
      Effect.Effect<void, ProtocolTaken, Scope.Scope | PortMapper>
    >()
    const layer = (make: typeof Protocol.layer, handler: Handler) => make("name", handler)
    expectTypeOf<ReturnType<typeof layer>>().toEqualTypeOf<
      Layer.Layer<never, ProtocolTaken, Endpoint.Endpoint | PortMapper>
    >()
    expectTypeOf<ReturnType<Service["trySendMessage"]>>().toEqualTypeOf<Effect.Effect<void, NotConnected | SendError>>()
    expectTypeOf<ReturnType<Service["sendMessage"]>>().toEqualTypeOf<Effect.Effect<void, SendError>>()
    expectTypeOf<Service["close"]>().toEqualTypeOf<Effect.Effect<void>>()
  })

  it("take peers as values or as text, and durations in every form", () => {
    expectTypeOf<Parameters<Service["connectTo"]>[0]>().toEqualTypeOf<PeerAddress.Input>()
    expectTypeOf<Parameters<Service["addressOf"]>[0]>().toEqualTypeOf<ConnectionId>()
    expectTypeOf<{ readonly retryDuration: "5 seconds"; readonly priority: -3 }>().toExtend<
      NonNullable<Parameters<Service["sendMessage"]>[2]>
    >()
    expectTypeOf<{ readonly retryDuration: "soon" }>().not.toExtend<
      NonNullable<Parameters<Service["sendMessage"]>[2]>
    >()
  })
})

describe("the constructors and layers", () => {
  it("say what they need and how they fail", () => {
    type Needs = Transport | PortMapper
    expectTypeOf<ReturnType<typeof Endpoint.make>>().toEqualTypeOf<
      Effect.Effect<Service, EndpointError, Scope.Scope | Needs>
    >()
    expectTypeOf<ReturnType<typeof Endpoint.makeClient>>().toEqualTypeOf<
      Effect.Effect<Service, ClientEndpointError, Scope.Scope | Transport>
    >()
    expectTypeOf<ReturnType<typeof Endpoint.layer>>().toEqualTypeOf<
      Layer.Layer<Endpoint.Endpoint, EndpointError, Needs>
    >()
    expectTypeOf<ReturnType<typeof Endpoint.layerClient>>().toEqualTypeOf<
      Layer.Layer<Endpoint.Endpoint, ClientEndpointError, Transport>
    >()
    expectTypeOf<ReturnType<typeof Endpoint.layerWithoutDependencies>>().toEqualTypeOf<
      Layer.Layer<Endpoint.Endpoint, EndpointError, Needs | ConnectionPool.ConnectionPool | Bootstrap.Bootstrap>
    >()
  })

  it("take partial options and configurations, and no others", () => {
    expectTypeOf<{}>().toExtend<Endpoint.Options>()
    expectTypeOf<{
      readonly localAddress: undefined
      readonly contacts: []
      readonly config: {}
    }>().toExtend<Endpoint.Options>()
    expectTypeOf<{ readonly config: { readonly messageBuffer: "many" } }>().not.toExtend<Endpoint.Options>()
    expectTypeOf<{ readonly contacts: ReadonlyArray<number> }>().not.toExtend<Endpoint.Options>()
  })
})

describe("connections and streams", () => {
  it("have the documented results and errors", () => {
    expectTypeOf<ReturnType<Connection["openProtocol"]>>().toEqualTypeOf<
      Effect.Effect<ProtocolStream, ConnectionError, Scope.Scope>
    >()
    expectTypeOf<ProtocolStream["read"]>().toEqualTypeOf<Stream.Stream<Uint8Array, RecvError | ProtocolRefused>>()
    expectTypeOf<ReturnType<ProtocolStream["write"]>>().toEqualTypeOf<
      Effect.Effect<void, SendError | ProtocolRefused>
    >()
    expectTypeOf<ProtocolStream["finish"]>().toEqualTypeOf<Effect.Effect<void, SendError | ProtocolRefused>>()
    expectTypeOf<ReturnType<ProtocolStream["toSocket"]>>().toEqualTypeOf<Socket.Socket>()
    expectTypeOf<ReturnType<Connection["send"]>>().toEqualTypeOf<Effect.Effect<void, SendError>>()
    expectTypeOf<ReturnType<Connection["openUni"]>>().toEqualTypeOf<Effect.Effect<SendStream, ConnectionError>>()
    expectTypeOf<ReturnType<Connection["openBi"]>>().toEqualTypeOf<
      Effect.Effect<BidirectionalStream, ConnectionError>
    >()
    expectTypeOf<Connection["close"]>().toEqualTypeOf<
      (options?: { readonly code?: number | undefined; readonly detail?: string | undefined }) => Effect.Effect<void>
    >()
    expectTypeOf<Connection["closed"]>().toEqualTypeOf<Effect.Effect<Close>>()
    expectTypeOf<ReturnType<SendStream["sendMessage"]>>().toEqualTypeOf<Effect.Effect<void, SendError>>()
    expectTypeOf<ReturnType<SendStream["setPriority"]>>().toEqualTypeOf<Effect.Effect<void>>()
    expectTypeOf<SendStream["finish"]>().toEqualTypeOf<Effect.Effect<void, SendError>>()
    expectTypeOf<ReturnType<SendStream["reset"]>>().toEqualTypeOf<Effect.Effect<void>>()
    expectTypeOf<RecvStream["next"]>().toEqualTypeOf<Effect.Effect<Uint8Array, RecvError>>()
    expectTypeOf<RecvStream["messages"]>().toEqualTypeOf<Stream.Stream<Uint8Array, RecvError>>()
    expectTypeOf<ReturnType<RecvStream["stop"]>>().toEqualTypeOf<Effect.Effect<void>>()
    expectTypeOf<Endpoint.IncomingMessage["reply"]>().toEqualTypeOf<Option.Option<SendStream>>()
    expectTypeOf<Endpoint.Disconnection["reason"]>().toEqualTypeOf<Close>()
  })
})

describe("every union of errors", () => {
  type Ports =
    | "GatewayNotFound"
    | "GatewayUnreachable"
    | "GatewayProtocolError"
    | "MappingConflict"
    | "MappingNotAuthorized"
    | "PortMapperUnsupported"
    | "PortMapperTimedOut"
    | "NoneMapped"
  type Connections =
    | "EndpointStopped"
    | "TooManyConnections"
    | "InvalidAddress"
    | "InvalidArgument"
    | "VersionMismatch"
    | "TransportError"
    | "DatagramRefused"
    | "ConnectionReset"
    | "ConnectionTimedOut"
    | "ConnectionClosed"
    | "PeerMismatch"
    | "PeerRefused"
    | "PeerNotFound"
  type Sends = "SerializationError" | "ConnectionLost" | "StreamLost"

  it("has the documented variants", () => {
    expectTypeOf<Tag<EndpointError>>().toEqualTypeOf<
      | "EndpointConfigError"
      | "IdentityError"
      | "BindError"
      | "EndpointEchoError"
      | "EndpointVerificationError"
      | "Unreachable"
      | Ports
    >()
    expectTypeOf<Tag<ClientEndpointError>>().toEqualTypeOf<"EndpointConfigError" | "IdentityError" | "BindError">()
    expectTypeOf<Tag<ConnectionError>>().toEqualTypeOf<Connections>()
    expectTypeOf<Tag<SendError>>().toEqualTypeOf<Sends>()
    expectTypeOf<Tag<RecvError>>().toEqualTypeOf<Sends>()
    expectTypeOf<Tag<RpcError>>().toEqualTypeOf<"RpcTimedOut" | Sends>()
    expectTypeOf<Tag<StreamError>>().toEqualTypeOf<"StreamStopped" | "StreamReset" | "StreamClosed">()
    expectTypeOf<Tag<Close>>().toEqualTypeOf<
      "LocallyClosed" | "ApplicationClosed" | "TransportClosed" | "StatelessReset" | "IdleTimedOut"
    >()
    expectTypeOf<Tag<PortMapperError>>().toEqualTypeOf<Ports>()
  })

  it("carries the facts", () => {
    type Of<E, T> = Extract<E, { readonly _tag: T }>
    expectTypeOf<Of<SendError, "ConnectionLost">["reason"]>().toEqualTypeOf<ConnectionError>()
    expectTypeOf<Of<SendError, "StreamLost">["reason"]>().toEqualTypeOf<StreamError>()
    expectTypeOf<Of<StreamError, "StreamStopped">["code"]>().toEqualTypeOf<number>()
    expectTypeOf<Of<StreamError, "StreamReset">["code"]>().toEqualTypeOf<number>()
    expectTypeOf<Of<ConnectionError, "ConnectionClosed">["close"]>().toEqualTypeOf<Close>()
    expectTypeOf<Of<ConnectionError, "TransportError">["code"]>().toEqualTypeOf<number>()
    expectTypeOf<Of<EndpointError, "EndpointEchoError">["reason"]>().toEqualTypeOf<RpcError>()
    expectTypeOf<Of<EndpointError, "EndpointVerificationError">["peer"]>().toEqualTypeOf<NetAddress.InetAddress>()
    expectTypeOf<Of<EndpointError, "Unreachable">["publicAddress"]>().toEqualTypeOf<NetAddress.InetAddress>()
    expectTypeOf<NoneReachable["attempts"][number]["error"]>().toEqualTypeOf<ConnectionError>()
  })

  it("is narrowed by catchTag, one variant after the other, until none is left", () => {
    const connecting: Effect.Effect<Connection, ConnectionError> = Effect.never
    const none = connecting.pipe(
      Effect.catchTag("EndpointStopped", () => Effect.void),
      Effect.catchTag("TooManyConnections", ({ limit }) => Effect.succeed(limit)),
      Effect.catchTag("InvalidAddress", ({ input, detail }) => Effect.succeed(input + detail)),
      Effect.catchTag("InvalidArgument", ({ argument, detail }) => Effect.succeed(argument + detail)),
      Effect.catchTag("VersionMismatch", ({ peer }) => Effect.succeed(peer)),
      Effect.catchTag("TransportError", ({ code, detail }) => Effect.succeed([code, detail])),
      Effect.catchTag("DatagramRefused", ({ peer, detail, systemCode }) => Effect.succeed([peer, systemCode, detail])),
      Effect.catchTag("ConnectionReset", ({ peer }) => Effect.succeed(peer)),
      Effect.catchTag("ConnectionTimedOut", ({ peer }) => Effect.succeed(peer)),
      Effect.catchTag("PeerMismatch", ({ actual, address, expected }) => Effect.succeed([expected, actual, address])),
      Effect.catchTag("PeerRefused", ({ by, peerId }) => Effect.succeed([peerId, by])),
      Effect.catchTag("PeerNotFound", ({ peerId }) => Effect.succeed(peerId))
    )
    expectTypeOf<Tag<Effect.Error<typeof none>>>().toEqualTypeOf<"ConnectionClosed">()
    const handled = Effect.catchTag(none, "ConnectionClosed", ({ close }) => Effect.succeed(close._tag))
    expectTypeOf<Effect.Error<typeof handled>>().toEqualTypeOf<never>()
    assert.isTrue(Effect.isEffect(handled))
  })

  const peer = address("192.0.2.1:1")
  const facts: Record<string, unknown> = {
    limit: 5,
    expected: TestIdentity.make(1).peerId,
    actual: TestIdentity.make(2).peerId,
    peerId: TestIdentity.make(3).peerId,
    by: "Remote",
    input: "nowhere",
    argument: "options.priority",
    detail: "because",
    peer,
    publicAddress: peer,
    address: peer,
    code: 7,
    systemCode: "EINVAL",
    path: "contacts.1",
    gateway: "192.0.2.9",
    externalPort: 9,
    action: "AddPortMapping",
    cause: new Error("cause"),
    status: 500
  }
  const unions = {
    Close,
    StreamError,
    ConnectionError,
    SendError,
    RecvError,
    RpcError,
    PortMapperError,
    ClientEndpointError,
    EndpointError
  }

  const throughJson = <T, E>(schema: Schema.Codec<T, E>, value: T) =>
    Effect.gen(function* () {
      const codec = Schema.toCodecJson(schema)
      const json: unknown = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(codec)(value)))
      return yield* Schema.decodeUnknownEffect(codec)(json)
    })

  it.effect("makes each variant an error with a message of one line, which catchTag finds and which JSON carries", () =>
    Effect.gen(function* () {
      const made = new Set<string>()
      const nested: Record<string, unknown> = { ...facts }
      type AnyError = Error & { readonly _tag: string }
      type AnyClass = { new (fields: Record<string, unknown>): AnyError }
      for (const [name, union] of Object.entries(unions)) {
        const classes = union.members.flatMap((member): ReadonlyArray<unknown> =>
          "members" in member ? member.members : [member]
        )
        for (const one of classes as ReadonlyArray<AnyClass>) {
          const error = new one({
            ...nested,
            ...(one.name === "NoneMapped"
              ? { attempts: [{ by: "the router", error: new PortMapperTimedOut({ gateway: "it" }) }] }
              : {}),
            code: name === "PortMapperError" || name === "EndpointError" ? Option.some(7) : 7,
            close: nested["Close"],
            reason:
              nested[
                one.name === "StreamLost"
                  ? "StreamError"
                  : one.name === "ConnectionLost"
                    ? "ConnectionError"
                    : "RpcError"
              ]
          })
          nested[name] = error
          made.add(error._tag)
          assert.instanceOf(error, Error)
          assert.strictEqual(error._tag, one.name)
          assert.isAbove(error.message.length, 5)
          assert.notInclude(error.message, "\n")
          assert.notInclude(error.message, "undefined")
          assert.notInclude(error.message, "[object")
          assert.isTrue(Schema.is(union as Schema.Schema<unknown>)(error), `${error._tag} in ${name}`)
          const caught = yield* Effect.fail(error).pipe(Effect.catchTag(error._tag, ({ _tag }) => Effect.succeed(_tag)))
          assert.strictEqual(caught, error._tag)
          const back = yield* throughJson(union as unknown as Schema.Codec<AnyError>, error)
          assert.instanceOf(back, one)
          assert.strictEqual(back.message, error.message)
        }
      }
      assert.strictEqual(made.size, 39)
    })
  )

  it.effect("survives encoding and decoding, nested ones included", () =>
    Effect.gen(function* () {
      const invalid = new InvalidAddress({ input: "nowhere", detail: "because" })
      const error = new NoneReachable({
        attempts: [
          { peer: "nowhere", error: invalid },
          { peer, error: new ConnectionTimedOut({ peer }) }
        ]
      })
      const back = yield* throughJson(NoneReachable, error)
      assert.strictEqual(back._tag, "NoneReachable")
      assert.strictEqual(back.attempts[0]?.peer, "nowhere")
      assert.deepStrictEqual(back.attempts[1]?.peer, peer)
      assert.deepStrictEqual(
        back.attempts.map((attempt) => attempt.error._tag),
        ["InvalidAddress", "ConnectionTimedOut"]
      )
      assert.strictEqual(back.message, error.message)
    })
  )
})

describe("bootstrapping again, and options from Config", () => {
  it("have the documented results and errors", () => {
    expectTypeOf<Service["bootstrap"]>().toEqualTypeOf<
      (
        contacts?: ReadonlyArray<PeerAddress.Input>
      ) => Effect.Effect<Bootstrap.Outcome, Bootstrap.BootstrapError | InvalidAddress | EndpointStopped>
    >()
    expectTypeOf<Tag<Bootstrap.BootstrapError>>().toEqualTypeOf<
      "EndpointEchoError" | "EndpointVerificationError" | "Unreachable"
    >()
    expectTypeOf<ReturnType<typeof Endpoint.layerConfig>>().toEqualTypeOf<
      Layer.Layer<Endpoint.Endpoint, EndpointError | Config.ConfigError, Transport | PortMapper>
    >()
    expectTypeOf<ReturnType<typeof Endpoint.layerClientConfig>>().toEqualTypeOf<
      Layer.Layer<Endpoint.Endpoint, ClientEndpointError | Config.ConfigError, Transport>
    >()
    expectTypeOf<Parameters<typeof Endpoint.layerConfig>[0]>().toEqualTypeOf<
      Config.Wrap<Endpoint.Options> | undefined
    >()
    expectTypeOf<ReturnType<typeof Endpoint.config>>().toEqualTypeOf<Config.Config<Endpoint.Options>>()
    expectTypeOf<Config.Config<EndpointConfig>>().toExtend<Config.Config<Endpoint.Options["config"]>>()
    expectTypeOf<{ readonly localAddress: Config.Config<string> }>().toExtend<Config.Wrap<Endpoint.Options>>()
    expectTypeOf<{ readonly localAddress: Config.Config<number> }>().not.toExtend<Config.Wrap<Endpoint.Options>>()
  })

  it("take durations in every form, and no others", () => {
    expectTypeOf<{ readonly config: { readonly idleTimeout: readonly [1, 0] | 5n } }>().toExtend<Endpoint.Options>()
    expectTypeOf<{ readonly config: { readonly idleTimeout: Duration.Input } }>().toExtend<Endpoint.Options>()
    expectTypeOf<{ readonly config: { readonly idleTimeout: boolean } }>().not.toExtend<Endpoint.Options>()
  })
})
