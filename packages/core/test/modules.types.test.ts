/**
 * What the compiler is to know of the modules besides `Endpoint`: results and errors of everything that they export. A
 * wrong type fails `tsc -b`; at run time these only show that the modules load.
 */
import { describe, expectTypeOf, it } from "@effect/vitest"
import type * as Config from "effect/Config"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Host from "effect/net/Host"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import type * as Result from "effect/Result"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Bootstrap from "../src/Bootstrap.ts"
import type { Close } from "../src/Close.ts"
import type { Connection, ConnectionStats } from "../src/Connection.ts"
import type { ConnectionError, InvalidAddress } from "../src/ConnectionError.ts"
import type * as ConnectionId from "../src/ConnectionId.ts"
import type * as ConnectionPool from "../src/ConnectionPool.ts"
import type { DatagramError } from "../src/DatagramError.ts"
import type * as Endpoint from "../src/Endpoint.ts"
import type * as EndpointConfig from "../src/EndpointConfig.ts"
import type { EndpointConfigError, BindError } from "../src/EndpointError.ts"
import type * as Identity from "../src/Identity.ts"
import type { IncomingDatagram } from "../src/IncomingDatagram.ts"
import type * as PeerAddress from "../src/PeerAddress.ts"
import type * as PeerId from "../src/PeerId.ts"
import type * as PortMapper from "../src/PortMapper.ts"
import type * as Protocol from "../src/Protocol.ts"
import type { PortMapperError } from "../src/PortMapperError.ts"
import type * as RetrySchedule from "../src/RetrySchedule.ts"
import type { RpcError } from "../src/RpcError.ts"
import type { SendError, SerializationError } from "../src/SendError.ts"
import type { StreamError } from "../src/StreamError.ts"
import type * as Transport from "../src/Transport.ts"
import type * as WireMessage from "../src/WireMessage.ts"

describe("the parts that can be swapped, and what else is public", () => {
  type Pool = ConnectionPool.Pool

  it("are all here: what is added to a module is added below", () => {
    expectTypeOf<keyof typeof Endpoint>().toEqualTypeOf<
      | "Endpoint"
      | "make"
      | "makeClient"
      | "layer"
      | "layerClient"
      | "layerWithoutDependencies"
      | "config"
      | "layerConfig"
      | "layerClientConfig"
    >()
    expectTypeOf<keyof typeof Bootstrap>().toEqualTypeOf<"Bootstrap" | "BootstrapError" | "make" | "layer">()
    expectTypeOf<keyof typeof ConnectionPool>().toEqualTypeOf<"ConnectionPool" | "make" | "layer">()
    expectTypeOf<keyof typeof ConnectionId>().toEqualTypeOf<"ConnectionId" | "fromAddress">()
    expectTypeOf<keyof typeof EndpointConfig>().toEqualTypeOf<
      "EndpointConfig" | "decode" | "defaults" | "config" | "durationFromString"
    >()
    expectTypeOf<keyof typeof Identity>().toEqualTypeOf<"IdentityError" | "fromSecretKey" | "generate" | "config">()
    expectTypeOf<keyof typeof PeerId>().toEqualTypeOf<"PeerId" | "fromPublicKey" | "toPublicKey" | "short" | "verify">()
    expectTypeOf<keyof typeof PeerAddress>().toEqualTypeOf<
      | "PeerAddress"
      | "PeerAddressFromString"
      | "expected"
      | "maxAddresses"
      | "maxLength"
      | "maxPeers"
      | "isPeerAddress"
      | "fromString"
      | "listFromString"
      | "fromInput"
      | "make"
      | "toInetAddress"
    >()
    expectTypeOf<keyof typeof PortMapper>().toEqualTypeOf<"PortMapper" | "granted" | "layerFirstOf" | "layerNone">()
    expectTypeOf<keyof typeof Protocol>().toEqualTypeOf<"ProtocolRefused" | "ProtocolTaken" | "layer">()
    expectTypeOf<keyof typeof RetrySchedule>().toEqualTypeOf<
      "RetrySchedule" | "exponential" | "isTransient" | "isTransientLoss"
    >()
    expectTypeOf<keyof typeof Transport>().toEqualTypeOf<"Transport" | "problemOfBind">()
    expectTypeOf<keyof typeof WireMessage>().toEqualTypeOf<
      | "headerLength"
      | "largestControlFrame"
      | "checkPayload"
      | "encode"
      | "encodeHeader"
      | "encodeUser"
      | "encodeUserInto"
      | "Decoder"
    >()
  })

  it("Bootstrap", () => {
    type Run = Bootstrap.Bootstrap["Service"]["run"]
    expectTypeOf<ReturnType<Run>>().toEqualTypeOf<Effect.Effect<Bootstrap.Outcome, Bootstrap.BootstrapError>>()
    expectTypeOf<Parameters<Run>>().toEqualTypeOf<[Bootstrap.Node, ReadonlyArray<PeerAddress.PeerAddress>]>()
    expectTypeOf<ReturnType<Bootstrap.Bootstrap["Service"]["respond"]>>().toEqualTypeOf<
      Effect.Effect<Option.Option<WireMessage.ControlMessage>>
    >()
    expectTypeOf<ReturnType<Bootstrap.Contact["ask"]>>().toEqualTypeOf<
      Effect.Effect<WireMessage.WireMessage, RpcError>
    >()
    expectTypeOf<ReturnType<Bootstrap.Node["reachAny"]>>().toEqualTypeOf<
      Effect.Effect<Option.Option<Bootstrap.Contact>>
    >()
    expectTypeOf<ReturnType<Bootstrap.Asker["isReachable"]>>().toEqualTypeOf<Effect.Effect<boolean>>()
    expectTypeOf<typeof Bootstrap.make>().toEqualTypeOf<Effect.Effect<Bootstrap.Bootstrap["Service"]>>()
    expectTypeOf<typeof Bootstrap.layer>().toEqualTypeOf<Layer.Layer<Bootstrap.Bootstrap>>()
  })

  it("ConnectionPool and ConnectionId", () => {
    expectTypeOf<ConnectionPool.ConnectionPool["Service"]["open"]>().toEqualTypeOf<
      Effect.Effect<Pool, never, Scope.Scope>
    >()
    expectTypeOf<typeof ConnectionPool.make>().toEqualTypeOf<Effect.Effect<Pool, never, Scope.Scope>>()
    expectTypeOf<typeof ConnectionPool.layer>().toEqualTypeOf<Layer.Layer<ConnectionPool.ConnectionPool>>()
    expectTypeOf<Pool["connect"]>().toEqualTypeOf<
      (
        peer: ConnectionPool.PeerKey,
        dial: Effect.Effect<Connection, ConnectionError>
      ) => Effect.Effect<Connection, ConnectionError>
    >()
    expectTypeOf<ReturnType<Pool["current"]>>().toEqualTypeOf<Connection | undefined>()
    expectTypeOf<ReturnType<Pool["byId"]>>().toEqualTypeOf<Option.Option<Connection>>()
    expectTypeOf<typeof ConnectionId.fromAddress>().toEqualTypeOf<
      (peer: NetAddress.InetAddress) => ConnectionId.ConnectionId
    >()
    expectTypeOf<typeof ConnectionId.ConnectionId>().toEqualTypeOf<
      Context.Reference<(peer: NetAddress.InetAddress) => ConnectionId.ConnectionId>
    >()
  })

  it("EndpointConfig", () => {
    expectTypeOf<typeof EndpointConfig.decode>().toEqualTypeOf<
      (input: unknown) => Effect.Effect<EndpointConfig.EndpointConfig, EndpointConfigError>
    >()
    expectTypeOf<typeof EndpointConfig.config>().toEqualTypeOf<
      (path?: string, options?: EndpointConfig.SourceOptions) => Config.Config<EndpointConfig.EndpointConfig>
    >()
    expectTypeOf<typeof EndpointConfig.durationFromString>().toEqualTypeOf<
      (text: string) => Option.Option<Duration.Duration>
    >()
    expectTypeOf<typeof EndpointConfig.defaults>().toEqualTypeOf<EndpointConfig.EndpointConfig>()
    expectTypeOf<typeof EndpointConfig.EndpointConfig.Type>().toEqualTypeOf<EndpointConfig.EndpointConfig>()
  })

  it("PeerAddress", () => {
    type Interfaces = () => ReadonlyArray<Transport.NetworkInterface>
    type Read<A> = Result.Result<A, InvalidAddress>
    expectTypeOf<PeerAddress.Input>().toEqualTypeOf<string | PeerAddress.PeerAddress | NetAddress.InetAddress>()
    expectTypeOf<PeerId.PeerId>().toExtend<PeerAddress.Input>()
    expectTypeOf<PeerAddress.PeerAddress["peerId"]>().toEqualTypeOf<Option.Option<PeerId.PeerId>>()
    expectTypeOf<PeerAddress.PeerAddress["addresses"]>().toEqualTypeOf<ReadonlyArray<Host.HostPort>>()
    expectTypeOf<typeof PeerAddress.fromString>().toEqualTypeOf<
      (input: string, interfaces?: Interfaces) => Read<PeerAddress.PeerAddress>
    >()
    expectTypeOf<typeof PeerAddress.listFromString>().toEqualTypeOf<
      (input: string, interfaces?: Interfaces) => Read<ReadonlyArray<PeerAddress.PeerAddress>>
    >()
    expectTypeOf<typeof PeerAddress.fromInput>().toEqualTypeOf<
      (input: PeerAddress.Input, interfaces?: Interfaces) => Read<PeerAddress.PeerAddress>
    >()
    expectTypeOf<typeof PeerAddress.PeerAddressFromString.Type>().toEqualTypeOf<PeerAddress.PeerAddress>()
    expectTypeOf<typeof PeerAddress.PeerAddressFromString.Encoded>().toEqualTypeOf<string>()
  })

  it("PortMapper", () => {
    expectTypeOf<PortMapper.PortMapper["Service"]["map"]>().toEqualTypeOf<
      (options: PortMapper.MapOptions) => Effect.Effect<PortMapper.Mapping, PortMapperError, Scope.Scope>
    >()
    expectTypeOf<typeof PortMapper.layerNone>().toEqualTypeOf<Layer.Layer<PortMapper.PortMapper>>()
  })

  it("Transport", () => {
    expectTypeOf<ReturnType<Transport.Transport["Service"]["bind"]>>().toEqualTypeOf<
      Effect.Effect<Transport.BackingSocket, BindError, Scope.Scope>
    >()
    expectTypeOf<Parameters<Transport.DialEvents["onFailed"]>>().toEqualTypeOf<[error: ConnectionError]>()
    expectTypeOf<Parameters<Transport.ConnectionEvents["onClosed"]>>().toEqualTypeOf<[close: Close]>()
    expectTypeOf<Transport.StreamFailure>().toEqualTypeOf<StreamError | Close>()
    expectTypeOf<Connection["stats"]>().toEqualTypeOf<Effect.Effect<ConnectionStats>>()
    expectTypeOf<ConnectionStats>().toExtend<Transport.ConnectionStats>()
    expectTypeOf<Connection["maxDatagramSize"]>().toEqualTypeOf<number>()
    expectTypeOf<Connection["sendDatagram"]>().toEqualTypeOf<
      (payload: Uint8Array) => Effect.Effect<void, DatagramError>
    >()
    expectTypeOf<Endpoint.Endpoint["Service"]["datagrams"]>().toEqualTypeOf<Stream.Stream<IncomingDatagram>>()
  })

  it("RetrySchedule", () => {
    type Policy = (retryDuration: Duration.Duration) => Schedule.Schedule<unknown>
    expectTypeOf<typeof RetrySchedule.exponential>().toEqualTypeOf<Policy>()
    expectTypeOf<typeof RetrySchedule.RetrySchedule>().toEqualTypeOf<Context.Reference<Policy>>()
    expectTypeOf<typeof RetrySchedule.isTransient>().toEqualTypeOf<(error: ConnectionError) => boolean>()
    expectTypeOf<typeof RetrySchedule.isTransientLoss>().toEqualTypeOf<(error: SendError) => boolean>()
  })

  it("WireMessage", () => {
    type Decoder = InstanceType<typeof WireMessage.Decoder>
    expectTypeOf<ReturnType<typeof WireMessage.checkPayload>>().toEqualTypeOf<SerializationError | undefined>()
    expectTypeOf<typeof WireMessage.encode>().toEqualTypeOf<(message: WireMessage.WireMessage) => Uint8Array>()
    expectTypeOf<typeof WireMessage.encodeUser>().toEqualTypeOf<(payload: Uint8Array) => Uint8Array>()
    expectTypeOf<typeof WireMessage.encodeHeader>().toEqualTypeOf<(length: number, flag: 0 | 1) => Uint8Array>()
    expectTypeOf<ReturnType<Decoder["push"]>>().toEqualTypeOf<SerializationError | undefined>()
    expectTypeOf<ReturnType<Decoder["end"]>>().toEqualTypeOf<SerializationError | undefined>()
    expectTypeOf<Decoder["buffered"]>().toEqualTypeOf<number>()
  })
})
