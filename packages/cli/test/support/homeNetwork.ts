/**
 * A network in memory: a machine at home, a contact outside, and what is between them.
 */
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import { Transport } from "@qp2p/core/Transport"
import type { Gateway, Host, NatKind } from "@qp2p/testkit/Gateway"
import { MemoryNetwork } from "@qp2p/testkit/MemoryNetwork"
import * as MemoryTransport from "@qp2p/testkit/MemoryTransport"
import * as TestPortMapper from "@qp2p/testkit/TestPortMapper"
import type * as HomeRouter from "@qp2p/upnp/HomeRouter"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Gather from "../../src/doctor/Gather.ts"
import { Machine } from "../../src/doctor/Machine.ts"
import { address, contactIdentity, identity, ip, peer } from "./findings.ts"

export const contactAddress = "5.6.7.8:4433"

/** Runs a test on a network where everything takes its time, as it does outside. */
export const onNetwork = <A, E>(effect: Effect.Effect<A, E, MemoryNetwork | Transport | Scope.Scope>) =>
  Effect.flatMap(MemoryNetwork, (network) => network.setLatency("5 millis")).pipe(
    Effect.andThen(effect),
    Effect.scoped,
    Effect.provide(MemoryTransport.layerNetwork())
  )

export const endpointOn = Effect.fnUntraced(function* (host: Host, localAddress: string, identity = contactIdentity) {
  const transport = yield* MemoryTransport.makeHost(host)
  return yield* Endpoint.make({ localAddress, identity }).pipe(
    Effect.provideService(Transport, transport),
    Effect.provide(PortMapper.layerNone)
  )
})

/** The peer outside. */
export const contact = endpointOn({ address: "5.6.7.8" }, contactAddress)

export const gateway = (kind: NatKind, behind?: Gateway) =>
  Effect.flatMap(MemoryNetwork, (network) =>
    network.gateway({ address: behind === undefined ? "1.2.3.1" : "10.0.0.9", kind, behind })
  )

export const atHome = (gateway: Gateway) => ({ address: "192.168.1.5", gateway })

const unknownRouter: HomeRouter.Diagnosis = { gateway: Option.none(), protocols: [] }

export const machineLayer = (address: string, router: Effect.Effect<HomeRouter.Diagnosis>) =>
  Layer.succeed(Machine, {
    interfaces: Effect.succeed([{ name: "eth0", address: ip(address) }]),
    outbound: () => Effect.succeedSome(ip(address)),
    router
  })

export interface Patient extends Partial<Gather.Options> {
  readonly host: Host & { readonly address: string }
  readonly router?: Effect.Effect<HomeRouter.Diagnosis>
}

/** What the doctor of this machine has to work with; the gateway that it is behind maps ports. */
export const layerOf = ({ host, router = Effect.succeed(unknownRouter) }: Patient) => {
  const { gateway } = host
  const mapper =
    gateway === undefined ? PortMapper.layerNone : TestPortMapper.layerHost({ address: host.address, gateway })
  return Layer.mergeAll(MemoryTransport.layerHost(host), mapper, machineLayer(host.address, router))
}

/** As long as a command may take, to the last millisecond. */
export const patience = "19999 millis"

/** What `effect` comes to within the time that it may take. */
export const inTime = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const running = yield* Effect.forkChild(effect, { startImmediately: true })
  yield* TestClock.adjust(patience)
  const exit = running.pollUnsafe()
  if (exit === undefined) return yield* Effect.die(`still running after ${patience}`)
  return yield* Fiber.join(running)
})

/** Looks at a machine that listens on port 4433 and asks the contact, unless told otherwise. */
export const gather = (patient: Patient) =>
  inTime(
    Gather.gather({
      listen: patient.listen ?? address("0.0.0.0:4433"),
      contacts: patient.contacts ?? [peer(contactAddress)],
      identity
    })
  )
