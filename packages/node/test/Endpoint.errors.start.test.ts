/**
 * Every way in which an endpoint does not start, over QUIC.
 */
// @module-tag platform
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Bootstrap from "@qp2p/core/Bootstrap"
import type { ClientEndpointError } from "@qp2p/core/ClientEndpointError"
import * as ConnectionPool from "@qp2p/core/ConnectionPool"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as NodeEndpoint from "../src/NodeEndpoint.ts"
import * as EndpointConfig from "@qp2p/core/EndpointConfig"
import {
  EndpointConfigError,
  EndpointEchoError,
  type EndpointError,
  EndpointVerificationError,
  BindError,
  Unreachable
} from "@qp2p/core/EndpointError"
import { IdentityError } from "@qp2p/core/Identity"
import * as PortMapper from "@qp2p/core/PortMapper"
import {
  GatewayNotFound,
  GatewayProtocolError,
  GatewayUnreachable,
  MappingConflict,
  MappingNotAuthorized,
  NoneMapped,
  type PortMapperError,
  PortMapperTimedOut,
  PortMapperUnsupported
} from "@qp2p/core/PortMapperError"
import type { RpcError } from "@qp2p/core/RpcError"
import { SerializationError } from "@qp2p/core/SendError"
import * as WireMessage from "@qp2p/core/WireMessage"
import { address, bytes } from "../../core/test/support/values.ts"
import {
  assertFails,
  type Misbehaviour,
  misbehaviours,
  misbehaving,
  rowsOf,
  type Services,
  type Setup,
  type Table,
  unreadable,
  type Variant,
  type Ways
} from "./support/errorTables.ts"
import { endpoint, onLoopback } from "./support/quicEndpoints.ts"
import { at } from "./support/quicSockets.ts"
import { udp } from "./support/udpPeers.ts"

/** A start, and why it fails. */
interface Start<E> {
  readonly start: Effect.Effect<unknown, EndpointError, Services>
  readonly error: E
}

type Starts<E extends { readonly _tag: string }> = Table<{
  readonly [T in E["_tag"]]: Start<Variant<E, T>>
}>

type Make = (options: Endpoint.Options) => Start<never>["start"]

const run = (starts: { readonly [tag: string]: Ways<Start<EndpointError>> }) => {
  for (const [name, setup] of rowsOf(starts)) {
    it.live(name, () =>
      Effect.flatMap(setup, ({ error, start }) => assertFails("the start", start, error)).pipe(onLoopback)
    )
  }
}

// --- what every constructor may fail with --------------------------------------------------------------------------

const loopback = "127.0.0.1:0"

const unusable = (path: string, text: string, options: Endpoint.Options) => (make: Make) =>
  Effect.succeed({
    start: make(options),
    error: new EndpointConfigError({ path, detail: `${text}: ${unreadable(text)}` })
  })

const badAddress = unusable("localAddress", "nowhere", { localAddress: "nowhere" })
const badContact = unusable("contacts.1", "127.0.0.1", {
  localAddress: loopback,
  contacts: ["127.0.0.1:1", "127.0.0.1"]
})

const config: EndpointConfig.Input = { retryDuration: 0, idleTimeout: "-1 seconds" }
const badSetting = (make: Make): Setup<Start<EndpointConfigError>> =>
  Effect.map(Effect.flip(EndpointConfig.decode(config)), ({ detail }) => ({
    start: make({ localAddress: loopback, config }),
    error: new EndpointConfigError({ path: "idleTimeout", detail })
  }))

const cannotBind = (make: Make, localAddress: NetAddress.InetAddress, detail: string): Start<BindError> => ({
  start: make({ localAddress }),
  error: new BindError({ address: localAddress, detail, cause: "of the system" })
})

const anyStart = (make: Make): Starts<ClientEndpointError> => ({
  EndpointConfigError: [
    ["a local address that is none", badAddress(make)],
    ["a contact that is none", badContact(make)],
    ["a setting out of range", badSetting(make)]
  ],
  IdentityError: [
    [
      "no identity",
      Effect.sync(() => {
        const error = new IdentityError({ detail: "there is no key today" })
        return { start: make({ localAddress: loopback, identity: Effect.fail(error) }), error }
      })
    ]
  ],
  BindError: [
    [
      "a port that is taken",
      Effect.map(endpoint(), ({ localAddress }) => cannotBind(make, localAddress, "the address is in use"))
    ],
    [
      "an address of another machine",
      // From RFC 5737: nobody's, and so not this machine's.
      Effect.succeed(cannotBind(make, address("192.0.2.1:0"), "the address is not one of this machine"))
    ]
  ]
})

const makers: { readonly [name: string]: Make } = {
  make: Endpoint.make,
  makeClient: Endpoint.makeClient,
  layer: (options) => Layer.build(Endpoint.layer(options)),
  layerClient: (options) => Layer.build(Endpoint.layerClient(options)),
  layerNode: (options) => Layer.build(NodeEndpoint.layer(options)),
  layerWithoutDependencies: (options) =>
    Layer.build(Layer.provide(Endpoint.layerWithoutDependencies(options), [ConnectionPool.layer, Bootstrap.layer]))
}

for (const [name, make] of Object.entries(makers)) {
  describe(`${name} fails with`, () => {
    run(anyStart(make))
  })
}

// --- what a server's may -------------------------------------------------------------------------------------------

/** A start from a contact that misbehaves after `honest` answers. */
const from = <E>(honest: number, act: Misbehaviour["act"], error: (peer: NetAddress.InetAddress) => E) =>
  Effect.map(misbehaving(act, honest), (peer) => ({
    start: endpoint({ rpcTimeout: "1 second" }, [peer]),
    error: error(peer)
  }))

/** A contact that answers question number `honest` with an answer to another question. */
const besidesThePoint = <E>(
  honest: number,
  answer: WireMessage.WireMessage,
  wrap: (fields: { readonly peer: NetAddress.InetAddress; readonly reason: RpcError }) => E
) => {
  const reason = new SerializationError({ detail: `a ${answer._tag} answers another question` })
  const say: Misbehaviour["act"] = (reply) => reply.write(WireMessage.encode(answer), true, () => {})
  return [`${answer._tag} is what the contact says`, from(honest, say, (peer) => wrap({ peer, reason }))] as const
}

const unanswered = <E>(
  honest: number,
  wrap: (fields: { readonly peer: NetAddress.InetAddress; readonly reason: RpcError }) => E
): ReadonlyArray<Ways<Start<E>>[number]> =>
  Object.entries(misbehaviours).flatMap(([tag, ways]) =>
    ways.map(
      ([how, { act, error }]) =>
        [`${tag}: the contact ${how}`, from(honest, act, (peer) => wrap({ peer, reason: error(peer) }))] as const
    )
  )

const gateway = "http://192.0.2.9:5000/ctl"

const mapperErrors: { readonly [T in PortMapperError["_tag"]]: Variant<PortMapperError, T> } = {
  GatewayNotFound: new GatewayNotFound(),
  GatewayUnreachable: new GatewayUnreachable({ gateway, cause: new Error("connect ECONNREFUSED") }),
  GatewayProtocolError: new GatewayProtocolError({ gateway, code: Option.some(501), detail: "action failed" }),
  MappingConflict: new MappingConflict({ gateway, externalPort: 4433 }),
  MappingNotAuthorized: new MappingNotAuthorized({ gateway }),
  PortMapperUnsupported: new PortMapperUnsupported({ detail: "not for this family" }),
  PortMapperTimedOut: new PortMapperTimedOut({ gateway }),
  NoneMapped: new NoneMapped({ attempts: [{ by: "UPnP", error: new PortMapperTimedOut({ gateway }) }] })
}

const unmapped = <E extends PortMapperError>(error: E): Ways<Start<E>>[number] => {
  const mapper = { map: () => Effect.fail(error) }
  return [
    "the mapper says so",
    Effect.succeed({
      start: Effect.provideService(endpoint({ forwardPort: true }), PortMapper.PortMapper, mapper),
      error
    })
  ]
}

const noMapper = new PortMapperUnsupported({
  detail: "forwardPort is set, but this endpoint was given no port mapper"
})

const serverStarts: Starts<Exclude<EndpointError, ClientEndpointError>> = {
  EndpointEchoError: [
    besidesThePoint(0, { _tag: "EndpointVerificationResp", reachable: true }, (it) => new EndpointEchoError(it)),
    besidesThePoint(0, { _tag: "UserMessage", payload: bytes("you") }, (it) => new EndpointEchoError(it)),
    ...unanswered(0, (it) => new EndpointEchoError(it))
  ],
  EndpointVerificationError: [
    besidesThePoint(1, { _tag: "EndpointEchoReq" }, (it) => new EndpointVerificationError(it)),
    besidesThePoint(1, { _tag: "EndpointEchoResp", address: at(9) }, (it) => new EndpointVerificationError(it)),
    ...unanswered(1, (it) => new EndpointVerificationError(it))
  ],
  Unreachable: [
    [
      "no socket listens at the public address",
      Effect.gen(function* () {
        const nobody = yield* udp()
        const contact = yield* endpoint({ rpcTimeout: "600 millis" })
        return {
          start: endpoint({ externalPort: nobody.port }, [contact.localAddress]),
          error: new Unreachable({ publicAddress: at(nobody.port) })
        }
      })
    ],
    [
      "the public address is another machine's",
      Effect.map(endpoint(), ({ localAddress }) => ({
        start: endpoint({ externalIp: "192.0.2.7", externalPort: 4433 }, [localAddress]),
        error: new Unreachable({ publicAddress: address("192.0.2.7:4433") })
      }))
    ]
  ],
  GatewayNotFound: [unmapped(mapperErrors.GatewayNotFound)],
  GatewayUnreachable: [unmapped(mapperErrors.GatewayUnreachable)],
  GatewayProtocolError: [unmapped(mapperErrors.GatewayProtocolError)],
  MappingConflict: [unmapped(mapperErrors.MappingConflict)],
  MappingNotAuthorized: [unmapped(mapperErrors.MappingNotAuthorized)],
  PortMapperUnsupported: [
    unmapped(mapperErrors.PortMapperUnsupported),
    ["there is no mapper", Effect.succeed({ start: endpoint({ forwardPort: true }), error: noMapper })]
  ],
  PortMapperTimedOut: [unmapped(mapperErrors.PortMapperTimedOut)],
  NoneMapped: [unmapped(mapperErrors.NoneMapped)]
}

describe("a server fails with", () => {
  run(serverStarts)
})
