/**
 * The QUIC driver with real sockets, and time that passes only when the test says so. Each test asks for what happens
 * below a limit and above it; no limit is near enough for real time to reach.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as TestClock from "effect/testing/TestClock"
import { IdleTimedOut, TransportClosed } from "@qp2p/core/Close"
import { ConnectionTimedOut } from "@qp2p/core/ConnectionError"
import type * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import * as packetHeader from "../src/internal/packets/packetHeader.ts"
import { retryThreshold, retryTokenLifetime } from "../src/internal/tunables/handshakes.ts"
import { livenessProbeTimeout } from "../src/internal/tunables/liveness.ts"
import { maxSweep } from "../src/internal/tunables/turns.ts"
import { countingDials } from "../../core/test/support/memoryEndpoints.ts"
import { endpoint, onLoopback } from "./support/quicEndpoints.ts"
import { blocked, Network, open } from "./support/impairedNetwork.ts"
import { at, type Bound, bind, type Pair, type Setup, text } from "./support/quicSockets.ts"
import { rawClient } from "./support/nativePeers.ts"
import * as turns from "./support/quicSocketsOnTestClock.ts"
import { type Udp, udp } from "./support/udpPeers.ts"

/** Nothing of this happens in a test. The idle timeout is the binding's, and runs on the system's clock. */
const never = {
  idleTimeout: Duration.days(1),
  keepAliveInterval: Duration.infinity,
  handshakeTimeout: Duration.days(1),
  stallTimeout: Duration.days(1)
}

const limit = Duration.minutes(10)

/** How often the housekeeping looks. */
const sweep = Duration.millis(maxSweep)

/** Lets time pass, to one millisecond before `limit` has. */
const justBelow = TestClock.adjust(Duration.subtract(limit, Duration.millis(1)))

/** Then on, for as much as the housekeeping may be late: it counts from one look to another. */
const justAbove = TestClock.adjust(Duration.sum(Duration.times(sweep, 2), Duration.millis(1)))

/** So that what is timed does not begin when the housekeeping looks. */
const betweenSweeps = TestClock.adjust(Duration.times(sweep, 3.9))

/** Begins a handshake from `socket`; yields the client, who goes on only by hand, and what comes back. */
const firstFlight = Effect.fnUntraced(function* (server: Bound, socket: Udp) {
  const client = yield* rawClient(server.socket.address.port, { socket })
  for (const packet of client.take()) socket.send(packet, server.socket.address.port)
  yield* turns.until("an answer to the first flight", () => socket.heard.length > 0)
  return { client, answer: socket.heard.shift()!.bytes }
})

describe("handshake timeout", () => {
  it.effect("ends a dial to a silent peer, and not before", () =>
    Effect.gen(function* () {
      const silent = yield* udp()
      const client = yield* bind({ ...never, handshakeTimeout: limit })
      yield* betweenSweeps
      const dial = client.dial(at(silent.port))
      yield* turns.until("the first flight", () => silent.heard.length > 0)
      yield* justBelow
      yield* turns.pass()
      assert.deepStrictEqual(dial.failed, [])
      yield* justAbove
      assert.deepStrictEqual(yield* turns.failure(dial), new ConnectionTimedOut({ peer: at(silent.port) }))
      assert.deepStrictEqual(dial.connected, [])
    })
  )

  it.effect("ends an incoming handshake that does not go on, and frees its place, and not before", () =>
    Effect.gen(function* () {
      const config: Setup = { ...never, handshakeTimeout: limit, maxConnections: 2 }
      const [server, client] = [yield* bind(config), yield* bind(never)]
      // One that the server has dialled keeps its place, however long it is idle.
      const near = yield* turns.connected(server.dial(client.socket.address))
      yield* turns.until("it is accepted", () => client.accepted.length > 0)
      const far = client.accepted[0]!
      const stuck = yield* udp()
      yield* betweenSweeps
      yield* firstFlight(server, stuck)
      for (const time of [Effect.void, justBelow]) {
        yield* time
        yield* turns.pass()
        const error = yield* turns.failure(client.dial(server.socket.address))
        assert.deepInclude(error, { _tag: "TransportError", code: 2 })
      }
      yield* justAbove
      // How many turns the end takes is the binding's affair.
      let last = client.dial(server.socket.address)
      yield* turns.until("room for another", () => {
        if (last.failed.length > 0) last = client.dial(server.socket.address)
        return last.connected.length > 0
      })
      assert.deepStrictEqual([...near.closes, ...far.closes], [])
    })
  )

  it.effect("is not put off by other connections that come about all the time", () =>
    Effect.gen(function* () {
      const silent = yield* udp()
      const server = yield* bind(never)
      const client = yield* bind({ ...never, handshakeTimeout: Duration.seconds(20) })
      const dial = client.dial(at(silent.port))
      yield* turns.until("the first flight", () => silent.heard.length > 0)
      for (let i = 0; i < 25; i++) {
        yield* turns.connected(client.dial(server.socket.address))
        yield* TestClock.adjust(sweep)
        yield* turns.pass(2)
      }
      assert.deepStrictEqual(yield* turns.failure(dial), new ConnectionTimedOut({ peer: at(silent.port) }))
    })
  )

  it.effect("does not end what is established", () =>
    Effect.gen(function* () {
      const config = { ...never, handshakeTimeout: limit }
      const { far, near } = yield* turns.connect({ client: config, server: config })
      yield* TestClock.adjust(Duration.times(limit, 3))
      yield* turns.pass()
      assert.deepStrictEqual([...near.closes, ...far.closes], [])
    })
  )
})

/** Packets that either end has sent. */
const packets = ({ far, near }: Pair) => near.connection.stats().packetsSent + far.connection.stats().packetsSent

describe("keep-alive", () => {
  const pair = Effect.fnUntraced(function* (client: Setup, server: Setup) {
    const both = yield* turns.connect({ client: { ...never, ...client }, server: { ...never, ...server } })
    yield* turns.steady(() => packets(both))
    // With the first sweeps the acceptor issues its connection ids.
    yield* TestClock.adjust("2 seconds")
    yield* turns.steady(() => packets(both))
    return both
  })

  for (const side of ["client", "server"] as const) {
    // The first connection of a socket waits for nine tenths of the interval, and for all of it when it has pinged last.
    it.effect(`of the ${side} pings when nothing was sent for the interval, and not before, and then again`, () =>
      Effect.gen(function* () {
        const interval = Duration.times(limit, 10 / 9)
        const alive: Setup = { keepAliveInterval: interval }
        const both = yield* pair(side === "client" ? alive : {}, side === "server" ? alive : {})
        const [near, far] = side === "client" ? [both.near, both.far] : [both.far, both.near]
        const heard = () => far.connection.stats().packetsReceived
        for (const which of ["first", "second"]) {
          // The ping and what is sent after it are told apart by a look in between.
          yield* TestClock.adjust(sweep)
          const { results } = near.send(text("something"))
          yield* turns.until("the confirmation", () => results.length > 0)
          yield* turns.steady(() => packets(both))
          const before = packets(both)
          yield* justBelow
          yield* turns.pass()
          assert.strictEqual(packets(both), before, `before the ${which} ping`)
          const sofar = heard()
          yield* justAbove
          yield* turns.until(`the ${which} ping`, () => heard() > sofar)
        }
        yield* turns.steady(() => packets(both))
        const sofar = heard()
        yield* TestClock.adjust(limit)
        yield* turns.pass()
        assert.strictEqual(heard(), sofar, "it is the peer's turn")
        yield* TestClock.adjust(Duration.subtract(interval, limit))
        yield* justAbove
        yield* turns.until("another", () => heard() > sofar)
        assert.deepStrictEqual([...near.closes, ...far.closes], [])
      })
    )
  }

  it.effect("that is infinite sends nothing in hours", () =>
    Effect.gen(function* () {
      const both = yield* pair({}, {})
      const before = packets(both)
      yield* TestClock.adjust("3 hours")
      yield* turns.pass()
      assert.strictEqual(packets(both), before)
    })
  )
})

const stalled = new TransportClosed({ code: 1, detail: "stalled" })

describe("stall timeout", () => {
  it.effect("ends a connection whose peer acknowledges nothing, and not before", () =>
    Effect.gen(function* () {
      const network = new Network()
      const client: Setup = { ...never, stallTimeout: limit, openSocket: network.openSocket }
      const { near } = yield* turns.connect({ client, server: never })
      yield* betweenSweeps
      let lost = 0
      network.outgoing = () => {
        lost += 1
        return []
      }
      const { results } = near.send(text("lost"))
      yield* turns.until("it has left", () => lost > 0)
      yield* justBelow
      yield* turns.pass()
      assert.deepStrictEqual([...near.closes, ...results], [])
      yield* justAbove
      yield* turns.until("the end", () => near.closes.length > 0)
      assert.deepStrictEqual(near.closes, [stalled])
      assert.deepStrictEqual(results, [stalled])
    })
  )

  it.effect("begins anew with each thing that gets through", () =>
    Effect.gen(function* () {
      const network = new Network()
      const client: Setup = { ...never, stallTimeout: limit, openSocket: network.openSocket }
      const { near } = yield* turns.connect({ client, server: never })
      for (let round = 0; round < 3; round++) {
        network.outgoing = blocked
        const { results } = near.send(text("late"))
        yield* turns.pass()
        yield* justBelow
        network.outgoing = open
        yield* turns.until("the confirmation", () => results.length > 0)
        assert.deepStrictEqual(results, ["done"])
      }
      assert.deepStrictEqual(near.closes, [])
    })
  )
})

describe("a liveness probe", () => {
  const probeTimeout = Duration.millis(livenessProbeTimeout)

  it.effect("ends a connection whose peer does not respond in time, and not before", () =>
    Effect.gen(function* () {
      const network = new Network()
      const { near } = yield* turns.connect({ client: { ...never, openSocket: network.openSocket }, server: never })
      yield* betweenSweeps
      network.outgoing = blocked
      near.connection.checkAlive!()
      yield* TestClock.adjust(Duration.subtract(probeTimeout, Duration.millis(1)))
      yield* turns.pass()
      assert.deepStrictEqual(near.closes, [])
      yield* justAbove
      yield* turns.until("the end", () => near.closes.length > 0)
      assert.deepStrictEqual(near.closes, [new IdleTimedOut()])
    })
  )

  it.effect("keeps a connection whose peer responds", () =>
    Effect.gen(function* () {
      const both = yield* turns.connect({ client: never, server: never })
      yield* turns.steady(() => packets(both))
      const { packetsReceived } = both.near.connection.stats()
      both.near.connection.checkAlive!()
      yield* turns.until("the answer", () => both.near.connection.stats().packetsReceived > packetsReceived)
      yield* TestClock.adjust(Duration.times(probeTimeout, 10))
      yield* turns.pass()
      assert.deepStrictEqual([...both.near.closes, ...both.far.closes], [])
    })
  )
})

describe("a Retry token", () => {
  const isRetry = (bytes: Uint8Array) => (bytes[0]! & 0xf0) === 0xf0

  it.effect("is valid for its lifetime, and no longer", () =>
    Effect.gen(function* () {
      const server = yield* bind(never)
      const crowd = yield* udp()
      for (let i = 0; i < retryThreshold; i++) yield* firstFlight(server, crowd)
      crowd.onHeard = () => {}

      /** A client that has its token, and has not shown it yet. */
      const holder = Effect.gen(function* () {
        const socket = yield* udp()
        const { answer, client } = yield* firstFlight(server, socket)
        assert.isTrue(isRetry(answer))
        client.native.recv(answer, {
          from: { host: "127.0.0.1", port: server.socket.address.port },
          to: { host: "127.0.0.1", port: socket.port }
        })
        const second = client.take()[0]!
        assert.isAbove(packetHeader.parseLongHeader(second)!.token.length, 0)
        return { socket, show: () => socket.send(second, server.socket.address.port) }
      })
      const punctual = yield* holder
      const late = yield* holder
      yield* TestClock.adjust(retryTokenLifetime)
      punctual.show()
      yield* turns.until("the answer to a token that is good", () => punctual.socket.heard.length > 0)
      assert.isFalse(isRetry(punctual.socket.heard[0]!.bytes))
      yield* TestClock.adjust("1 millis")
      late.show()
      yield* turns.settled(server.socket.address)
      assert.deepStrictEqual(late.socket.heard, [])
    })
  )
})

describe("the time of day", () => {
  it.effect("may be set forth or back without any effect", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let offset = 0
      const millis = () => clock.currentTimeMillisUnsafe() + offset
      const nanos = () => BigInt(millis()) * 1_000_000n
      const wall: Clock.Clock = {
        currentTimeMillisUnsafe: millis,
        currentTimeMillis: Effect.sync(millis),
        currentTimeNanosUnsafe: nanos,
        currentTimeNanos: Effect.sync(nanos),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      }
      const silent = yield* udp()
      const client = yield* Effect.provideService(bind({ ...never, handshakeTimeout: limit }), Clock.Clock, wall)
      const dial = client.dial(at(silent.port))
      offset = Duration.toMillis("2 days")
      yield* justBelow
      yield* turns.pass()
      assert.deepStrictEqual(dial.failed, [])
      offset = -offset
      yield* justAbove
      assert.strictEqual((yield* turns.failure(dial))._tag, "ConnectionTimedOut")
    })
  )
})

const endpointNever = { ...never, retryDuration: 0, rpcTimeout: never.handshakeTimeout } satisfies EndpointConfig.Input

/** `effect` goes on for `span`, and then ends. */
const takes = <A, E, R>(effect: Effect.Effect<A, E, R>, begun: () => boolean, span: Duration.Duration) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* turns.until("it has begun", begun)
    yield* TestClock.adjust(Duration.subtract(span, Duration.millis(1)))
    yield* turns.pass()
    assert.isUndefined(fiber.pollUnsafe())
    yield* justAbove
    yield* turns.until("the outcome", () => fiber.pollUnsafe() !== undefined)
    return yield* Fiber.join(fiber)
  })

describe("an endpoint", () => {
  it.effect("gives up a dial after the handshake timeout", () =>
    Effect.gen(function* () {
      const silent = yield* udp()
      const one = yield* endpoint({ ...endpointNever, handshakeTimeout: limit })
      yield* betweenSweeps
      const connecting = Effect.flip(one.connectTo(at(silent.port)))
      const error = yield* takes(connecting, () => silent.heard.length > 0, limit)
      assert.deepStrictEqual(error, new ConnectionTimedOut({ peer: at(silent.port) }))
    }).pipe(onLoopback)
  )

  it.effect("gives up isReachable after the RPC timeout", () =>
    Effect.gen(function* () {
      const silent = yield* udp()
      const one = yield* endpoint({ ...endpointNever, rpcTimeout: limit })
      const asking = Effect.flip(one.isReachable(at(silent.port)))
      const error = yield* takes(asking, () => silent.heard.length > 0, limit)
      assert.deepInclude(error, { _tag: "RpcTimedOut" })
    }).pipe(onLoopback)
  )

  it.effect("gives up on a peer that answers no question after the RPC timeout", () =>
    Effect.gen(function* () {
      const mute = yield* bind(never)
      const asked = () => mute.accepted.at(-1)?.filled.length === 1
      const one = yield* endpoint({ ...endpointNever, rpcTimeout: limit })
      const error = yield* takes(Effect.flip(one.isReachable(mute.socket.address)), asked, limit)
      assert.deepInclude(error, { _tag: "RpcTimedOut" })
    }).pipe(onLoopback)
  )

  it.effect("gives up its start when the contact answers no question for the RPC timeout", () =>
    Effect.gen(function* () {
      const mute = yield* bind(never)
      const starting = Effect.flip(endpoint({ ...endpointNever, rpcTimeout: limit }, [mute.socket.address]))
      const error = yield* takes(starting, () => mute.accepted[0]?.filled.length === 1, limit)
      assert.deepInclude(error._tag === "EndpointEchoError" ? error.reason : error, { _tag: "RpcTimedOut" })
    }).pipe(onLoopback)
  )

  it.effect("answers a verification with no after half the RPC timeout", () =>
    Effect.gen(function* () {
      const silent = yield* udp()
      // A newcomer that has sent little is not looked for much longer.
      const half = Duration.seconds(2)
      const contact = yield* endpoint({ ...endpointNever, rpcTimeout: Duration.times(half, 2) })
      const config: EndpointConfig.Input = { ...endpointNever, externalPort: silent.port }
      const starting = Effect.flip(endpoint(config, [contact.localAddress]))
      const error = yield* takes(starting, () => silent.heard.length > 0, half)
      assert.deepInclude(error, { _tag: "Unreachable", publicAddress: at(silent.port) })
    }).pipe(onLoopback)
  )

  const retryDuration = Duration.seconds(20)
  const calls = {
    connectTo: (one: Endpoint.Endpoint["Service"], peer: NetAddress.InetAddress) =>
      Effect.flip(Effect.asVoid(one.connectTo(peer))),
    sendMessage: (one: Endpoint.Endpoint["Service"], peer: NetAddress.InetAddress) =>
      Effect.flip(
        Effect.mapError(one.sendMessage(text("x"), peer), (error) =>
          error._tag === "ConnectionLost" ? error.reason : error
        )
      )
  }
  for (const [name, call] of Object.entries(calls)) {
    it.effect(`tries ${name} again for the retry duration`, () =>
      countingDials(({ times }) =>
        Effect.gen(function* () {
          // The connection that it has is one that it dialled: no idling makes it give up its place.
          const { client: full } = yield* turns.connect({ server: never, client: { ...never, maxConnections: 1 } })
          const one = yield* endpoint({ ...endpointNever, retryDuration })
          const fiber = yield* Effect.forkChild(call(one, full.socket.address))
          yield* turns.pass()
          assert.strictEqual(times.length, 1)
          while (fiber.pollUnsafe() === undefined) {
            yield* TestClock.adjust("250 millis")
            yield* turns.pass(5)
          }
          assert.deepInclude(yield* Fiber.join(fiber), { _tag: "TransportError", code: 2 })
          assert.isAtLeast(yield* Clock.currentTimeMillis, Duration.toMillis(retryDuration))
          assert.isAtLeast(times.length, 3)
          // Half of the wait that is planned is the shortest that chance makes of it.
          for (let i = 1; i < times.length; i++) assert.isAtLeast(times[i]! - times[i - 1]!, 250 * 1.5 ** (i - 1))
        })
      ).pipe(onLoopback)
    )
  }
})
