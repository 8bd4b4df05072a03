/** The requests to a gateway, in PCP or NAT-PMP. */
import { type GatewayProtocolError, type GatewayUnreachable, PortMapperUnsupported } from "@qp2p/core/PortMapperError"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as client from "./client.ts"
import * as epochs from "./epoch.ts"
import { type Protocol, protocolError, Refusal } from "./failures.ts"
import * as pcp from "./pcp.ts"
import * as pmp from "./pmp.ts"

/** A mapping as it is requested. */
export interface MapRequest {
  readonly nonce: Uint8Array
  readonly internalPort: number
  /** The requested external address and port. The unspecified address and port 0 stand for any. */
  readonly external: NetAddress.InetAddressV4
  /** In seconds; 0 removes the mapping. */
  readonly lifetime: number
}

/** A mapping that a gateway granted, with the protocol that renews it. */
export interface Grant {
  readonly protocol: Protocol
  readonly internal: NetAddress.InetAddressV4
  readonly external: NetAddress.InetAddressV4
  /** In seconds. */
  readonly lifetime: number
}

/** Callbacks during a request. */
export interface Observer {
  /** A request that makes a mapping is about to be sent. */
  readonly asking: (protocol: Protocol) => void
  /** The gateway answered, with success or a refusal. */
  readonly answered: (epoch: number, rule: epochs.Rule) => Effect.Effect<void>
  /** The gateway does not speak PCP, so the request made no mapping. */
  readonly onlyNatPmp: () => void
}

type Failure = Refusal | GatewayUnreachable | GatewayProtocolError

/** Makes or renews the mapping. Sends PCP first, unless the gateway is known not to speak it. */
export const obtain = Effect.fnUntraced(function* (
  conversation: client.Conversation,
  request: MapRequest,
  protocol: Protocol | undefined,
  observer: Observer
): Effect.fn.Return<Grant, Failure> {
  if (protocol !== "NAT-PMP") {
    observer.asking("PCP")
    const answer = yield* askPcp(conversation, request, pmp.externalAddressRequest())
    if (answer !== "NAT-PMP") {
      yield* observer.answered(answer.epoch, epochs.pcp)
      return yield* grantOfPcp(conversation, answer)
    }
    observer.onlyNatPmp()
  }
  const asked = yield* conversation.ask(pmp.externalAddressRequest(), readExternalAddress)
  yield* observer.answered(asked.epoch, epochs.natPmp)
  const { address } = yield* refused(asked)
  observer.asking("NAT-PMP")
  const answer = yield* conversation.ask(natPmpRequest(request), readMapped(request))
  yield* observer.answered(answer.epoch, epochs.natPmp)
  const { externalPort, lifetime } = yield* refused(answer)
  return yield* grant(conversation, "NAT-PMP", request.internalPort, address, externalPort, lifetime)
})

/** Requests the external address in NAT-PMP. */
export const externalAddress = Effect.fnUntraced(function* (
  conversation: client.Conversation
): Effect.fn.Return<NetAddress.Ipv4Address, Failure> {
  const { address } = yield* refused(yield* conversation.ask(pmp.externalAddressRequest(), readExternalAddress))
  if (NetAddress.isUnicast(address)) return address
  return yield* protocolError(conversation.gateway, `its external address is ${NetAddress.formatIp(address)}`)
})

/**
 * The lifetime of a trial mapping, in seconds: long enough to be removed, short enough to be harmless when its removal
 * is lost.
 */
const trialLifetime = 30

/**
 * Learns the external address in PCP, which has no request for it: maps the socket's own port, where nothing else
 * listens, and removes the mapping. When it is interrupted, it sends the removal once.
 */
export const trial = (
  conversation: client.Conversation
): Effect.Effect<NetAddress.Ipv4Address, Failure | PortMapperUnsupported> =>
  Effect.suspend(() => {
    const internalPort = conversation.localPort
    const nonce = crypto.getRandomValues(new Uint8Array(pcp.nonceLength))
    return Effect.flatMap(at(NetAddress.ipv4Unspecified, 0), (external) => {
      const request: MapRequest = { nonce, internalPort, external, lifetime: trialLifetime }
      return Effect.onInterrupt(tryOut(conversation, request), () =>
        Effect.ignore(abandon(conversation, request, "PCP"))
      )
    })
  })

const tryOut = Effect.fnUntraced(function* (
  conversation: client.Conversation,
  request: MapRequest
): Effect.fn.Return<NetAddress.Ipv4Address, Failure | PortMapperUnsupported> {
  const answer = yield* askPcp(conversation, request)
  if (answer === "NAT-PMP") {
    return yield* new PortMapperUnsupported({ detail: `the gateway at ${conversation.gateway} knows NAT-PMP only` })
  }
  const granted = yield* Effect.result(grantOfPcp(conversation, answer))
  if (answer.code === pcp.results.success) yield* Effect.ignore(remove(conversation, request, "PCP"))
  return (yield* Effect.fromResult(granted)).external.address
})

/** Removes the mapping, and waits for the gateway to confirm it. */
export const remove = Effect.fnUntraced(function* (
  conversation: client.Conversation,
  request: MapRequest,
  protocol: Protocol
): Effect.fn.Return<void, Failure> {
  const removal = { ...request, lifetime: 0 }
  if (protocol === "NAT-PMP") {
    yield* refused(yield* conversation.ask(natPmpRequest(removal), readMapped(removal)))
    return
  }
  const answer = yield* askPcp(conversation, removal)
  if (answer !== "NAT-PMP" && answer.code !== pcp.results.success) {
    return yield* new Refusal({ protocol, code: answer.code })
  }
})

/** Sends the removal once, for a mapping that a silent gateway may have made. */
export const abandon = (
  conversation: client.Conversation,
  request: MapRequest,
  protocol: Protocol
): Effect.Effect<void, GatewayUnreachable> => {
  const removal = { ...request, lifetime: 0 }
  return conversation.tell(protocol === "PCP" ? pcpRequest(conversation, removal) : natPmpRequest(removal))
}

const pcpRequest = (conversation: client.Conversation, request: MapRequest): Uint8Array =>
  pcp.mapRequest({ ...request, client: conversation.localAddress })

/** RFC 6886, section 3.4: a removal has the external port 0. */
const natPmpRequest = ({ external, internalPort, lifetime }: MapRequest): Uint8Array =>
  pmp.mapRequest({ internalPort, externalPort: lifetime === 0 ? 0 : external.port, lifetime })

/**
 * Sends a PCP request. With `natPmp`, the external address request of NAT-PMP, it falls back to that for gateways that
 * ignore PCP instead of refusing its version.
 */
const askPcp = (
  conversation: client.Conversation,
  request: MapRequest,
  natPmp?: Uint8Array
): Effect.Effect<pcp.Answer | "NAT-PMP", GatewayUnreachable> =>
  conversation.ask(
    pcpRequest(conversation, request),
    (payload): client.Reading<pcp.Answer | "NAT-PMP"> => {
      if (pmp.refusesVersion(payload)) return client.answer("NAT-PMP")
      if (natPmp !== undefined && pmp.answersExternalAddress(payload)) return client.answer("NAT-PMP")
      if (natPmp !== undefined && pcp.refusesNatPmp(payload)) return client.unrelated
      const answer = pcp.decode(payload)
      if (Option.isNone(answer)) return client.malformed
      // A refusal may be too short to tell which request it belongs to.
      const same = Option.match(answer.value.assignment, {
        onNone: () => true,
        onSome: ({ internalPort, nonce }) =>
          internalPort === request.internalPort && nonce.every((byte, index) => byte === request.nonce[index])
      })
      return same ? client.answer(answer.value) : client.unrelated
    },
    natPmp
  )

const grantOfPcp = Effect.fnUntraced(function* (
  conversation: client.Conversation,
  { assignment, code, lifetime }: pcp.Answer
): Effect.fn.Return<Grant, Refusal | GatewayProtocolError> {
  if (code !== pcp.results.success || Option.isNone(assignment)) return yield* new Refusal({ protocol: "PCP", code })
  const { externalAddress, externalPort, internalPort } = assignment.value
  if (!NetAddress.isIpv4Address(externalAddress)) {
    return yield* protocolError(
      conversation.gateway,
      `its external address is ${NetAddress.formatIp(externalAddress)}, and not IPv4`
    )
  }
  return yield* grant(conversation, "PCP", internalPort, externalAddress, externalPort, lifetime)
})

const grant = Effect.fnUntraced(function* (
  { gateway, localAddress }: client.Conversation,
  protocol: Protocol,
  internalPort: number,
  address: NetAddress.Ipv4Address,
  externalPort: number,
  lifetime: number
): Effect.fn.Return<Grant, GatewayProtocolError> {
  const internal = yield* at(localAddress, internalPort)
  const external = yield* at(address, externalPort)
  if (!NetAddress.isUnicast(address) || externalPort === 0 || lifetime === 0) {
    return yield* protocolError(gateway, `a mapping of ${NetAddress.formatInet(external)} for ${lifetime} s`)
  }
  return { protocol, internal, external, lifetime }
})

/** Cannot fail: two bytes of a packet are always a valid port. */
const at = (address: NetAddress.Ipv4Address, port: number): Effect.Effect<NetAddress.InetAddressV4> =>
  Effect.orDie(Effect.fromResult(NetAddress.inetAddressV4(address, port)))

const readExternalAddress = (payload: Uint8Array): client.Reading<pmp.ExternalAddress | pmp.Refused> =>
  readNatPmp(payload, pmp.opcodes.externalAddress, (answer) =>
    answer._tag === "ExternalAddress" ? client.answer(answer) : client.unrelated
  )

const readMapped =
  (request: MapRequest) =>
  (payload: Uint8Array): client.Reading<pmp.Mapped | pmp.Refused> =>
    readNatPmp(payload, pmp.opcodes.mapUdp, (answer) => {
      if (answer._tag !== "Mapped") return client.unrelated
      // This socket asks for one port only. Some gateways truncate ports to eight bits, and which port they mapped is
      // then unknown.
      return answer.internalPort === request.internalPort ? client.answer(answer) : client.malformed
    })

const readNatPmp = <A>(
  payload: Uint8Array,
  opcode: number,
  read: (answer: pmp.ExternalAddress | pmp.Mapped) => client.Reading<A>
): client.Reading<A | pmp.Refused> => {
  const answer = pmp.decode(payload)
  if (Option.isNone(answer)) return client.malformed
  if (answer.value._tag !== "Refused") return read(answer.value)
  // A gateway refuses the version once for each PCP packet, and PCP's opcode MAP equals NAT-PMP's opcode for UDP.
  const same = answer.value.opcode === opcode && answer.value.code !== pmp.results.unsupportedVersion
  return same ? client.answer(answer.value) : client.unrelated
}

const refused = <A extends { readonly _tag: string }>(answer: A | pmp.Refused): Effect.Effect<A, Refusal> =>
  isRefused(answer) ? Effect.fail(new Refusal({ protocol: "NAT-PMP", code: answer.code })) : Effect.succeed(answer)

const isRefused = (answer: { readonly _tag: string }): answer is pmp.Refused => answer._tag === "Refused"
