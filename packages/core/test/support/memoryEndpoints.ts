/**
 * Endpoints on a network in memory, driven by `TestClock`, and what passes between them.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryNetwork from "@qp2p/testkit/MemoryNetwork"
import * as MemoryTransport from "@qp2p/testkit/MemoryTransport"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import { createHash } from "node:crypto"
import * as Endpoint from "../../src/Endpoint.ts"
import type * as EndpointConfig from "../../src/EndpointConfig.ts"
import * as PortMapper from "../../src/PortMapper.ts"
import type * as PeerAddress from "../../src/PeerAddress.ts"
import type { SendError } from "../../src/SendError.ts"
import { type DialEvents, Transport } from "../../src/Transport.ts"
import { textOf } from "./values.ts"

export const layer = Layer.merge(MemoryTransport.layerNetwork(), PortMapper.layerNone)

type Services = Layer.Success<typeof layer>

/** Runs a test on a network of its own; what it opened is closed before the network is. */
export const onNetwork = <A, E>(effect: Effect.Effect<A, E, Services | Scope.Scope>): Effect.Effect<A, E> =>
  effect.pipe(Effect.scoped, Effect.provide(layer))

let identities = 0

/** A new identity, at once: a key of the platform takes a turn of the event loop, which `TestClock` does not wait for. */
const fresh = Effect.sync(() => TestIdentity.make((identities += 1)))

export const endpoint = (
  localAddress: string,
  config: EndpointConfig.Input = {},
  contacts: ReadonlyArray<PeerAddress.Input> = []
) => Endpoint.make({ localAddress, identity: fresh, config, contacts })

export const client = (
  localAddress: string,
  config: EndpointConfig.Input = {},
  contacts: ReadonlyArray<PeerAddress.Input> = []
) => Endpoint.makeClient({ localAddress, identity: fresh, config, contacts })

/** Endpoints at 10.0.0.1:1 and 10.0.0.2:2. */
export const pair = (one: EndpointConfig.Input = {}, two: EndpointConfig.Input = {}) =>
  Effect.all([endpoint("10.0.0.1:1", one), endpoint("10.0.0.2:2", two)])

/** What a transport was asked to dial, and when. */
export interface Dials {
  readonly peers: Array<string>
  readonly times: Array<number>
  /** Dials that were given up before they had an outcome. */
  givenUp: number
}

/** Runs `body` on the transport at hand, and counts dials on the way. */
export const countingDials = <A, E, R>(body: (dials: Dials) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const transport = yield* Transport
    const dials: Dials = { peers: [], times: [], givenUp: 0 }
    const clock = yield* Clock.Clock
    const bind: Transport["Service"]["bind"] = (options, events) =>
      Effect.map(transport.bind(options, events), (socket) => ({
        address: socket.address,
        dial: (peer, outcome, expected) => {
          dials.peers.push(String(peer))
          dials.times.push(clock.currentTimeMillisUnsafe())
          let pending = true
          const counted: DialEvents = {
            onConnected: (connection) => {
              pending = false
              return outcome.onConnected(connection)
            },
            onFailed: (error) => {
              pending = false
              outcome.onFailed(error)
            }
          }
          const giveUp = socket.dial(peer, counted, expected)
          return () => {
            if (pending) dials.givenUp += 1
            giveUp()
          }
        }
      }))
    return yield* Effect.provideService(body(dials), Transport, Transport.of({ ...transport, bind }))
  })

/** Turns enough of the scheduler for everything that takes no time to have happened. */
export const settle = Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow, { discard: true })

export const setLatency = (latency: Duration.Input) =>
  Effect.flatMap(MemoryNetwork.MemoryNetwork, (network) => network.setLatency(latency))

export const refuse = (address: NetAddress.InetAddressInput) =>
  Effect.flatMap(MemoryNetwork.MemoryNetwork, (network) => network.refuse(address))

export const blackhole = (address: NetAddress.InetAddressInput) =>
  Effect.flatMap(MemoryNetwork.MemoryNetwork, (network) => network.blackhole(address))

export const heal = Effect.flatMap(MemoryNetwork.MemoryNetwork, (network) => network.heal)

export const kill = (local: NetAddress.InetAddressInput, peer: NetAddress.InetAddressInput) =>
  Effect.flatMap(MemoryNetwork.MemoryNetwork, (network) => network.kill(local, peer))

export const reset = (local: NetAddress.InetAddressInput, peer: NetAddress.InetAddressInput) =>
  Effect.flatMap(MemoryNetwork.MemoryNetwork, (network) => network.reset(local, peer))

/** The second endpoint of `pair`. */
export const peer = "10.0.0.2:2"

export const sha256 = (content: Uint8Array) => createHash("sha256").update(content).digest("hex")

/** The messages that are there to take, and no more. */
export const taken = Effect.fnUntraced(function* (from: Endpoint.Endpoint["Service"]) {
  const payloads: Array<Uint8Array> = []
  while (true) {
    const next = yield* from.nextMessage.pipe(
      Effect.timeoutOption(0),
      Effect.orElseSucceed(() => Option.none())
    )
    if (Option.isNone(next)) return payloads
    payloads.push(next.value.payload)
    // What waited for room comes up.
    yield* settle
  }
})

export const takenTexts = (from: Endpoint.Endpoint["Service"]) =>
  Effect.map(taken(from), (payloads) => payloads.map(textOf))

/** The tag of a send's error; of the connection's error where the connection was lost. */
export const lossOf = (error: SendError | { readonly _tag: "NotConnected" }) =>
  error._tag === "ConnectionLost" ? error.reason._tag : error._tag

/** Both endpoints with a connection, and 50 ms each way between them. */
export const apart = Effect.gen(function* () {
  const [one, two] = yield* pair()
  const connection = yield* one.connectTo(peer)
  yield* settle
  yield* setLatency("50 millis")
  return { one, two, connection }
})

/** Lets time pass in small steps, so that what one step causes is timed from there. */
export const pass = (millis: number) =>
  Effect.forEach(Array.from({ length: millis / 10 }), () => Effect.andThen(TestClock.adjust(10), settle), {
    discard: true
  })
