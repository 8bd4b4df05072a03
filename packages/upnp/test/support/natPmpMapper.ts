/**
 * Mappers whose gateway is in memory, for the tests of `NatPmp`.
 */
import type { PortMapper } from "@qp2p/core/PortMapper"
import { assert } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import * as mapper from "../../src/internal/natpmp/mapper.ts"
import type { InternalOptions } from "../../src/internal/natpmp/options.ts"
import * as fake from "./fakePmpGateway.ts"

export const address = NetAddress.inetAddressFromStringUnsafe
export const internal = address("192.168.1.20:4433")
export const lease = Duration.seconds(120)

type MapOptions = Parameters<PortMapper["Service"]["map"]>[0]

export const makeMapper = (gateway: fake.FakePmpGateway, options?: InternalOptions) =>
  mapper.make({ gateway: "192.168.1.1", openSocket: gateway.openSocket, ...options })

export const mapAt = (gateway: fake.FakePmpGateway, request?: Partial<MapOptions>, options?: InternalOptions) =>
  makeMapper(gateway, options).map({ internal, lease, ...request })

export const failure = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.flip(Effect.scoped(effect))

/** The first request of a kind, or the one that comes `index` after it. */
export const nth = (gateway: fake.FakePmpGateway, kind: fake.Kind, index = 0): fake.Request => {
  const found = gateway.requests.filter((request) => request.kind === kind)[index]
  assert.isDefined(found)
  return found
}

/** Neither PCP nor anything else, until NAT-PMP is tried. */
export const speakNatPmp = (gateway: fake.FakePmpGateway) => gateway.answer("PcpMap", fake.onlyNatPmp)

export const protocols = [
  { protocol: "PCP", kind: "PcpMap", speak: () => {}, reply: fake.pcpReply, before: [] },
  {
    protocol: "NAT-PMP",
    kind: "PmpMap",
    speak: speakNatPmp,
    reply: fake.pmpReply,
    before: ["PcpMap", "ExternalAddress"]
  }
] as const
