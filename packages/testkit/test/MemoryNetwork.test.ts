import { ApplicationClosed, IdleTimedOut, TransportClosed, StatelessReset } from "@qp2p/core/Close"
import { ConnectionTimedOut, TransportError } from "@qp2p/core/ConnectionError"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { MemoryNetwork } from "../src/MemoryNetwork.ts"
import { address, bind, connect, outcomes, provide, settle, until } from "./support/recordingSockets.ts"

const keepAliveInterval = Duration.seconds(20)
const keptAlive = { client: { keepAliveInterval }, server: { keepAliveInterval } }

describe("refuse", () => {
  it.effect("fails dials after a round trip, whether anything is bound there or not, until healed", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const client = yield* bind("10.0.0.1:1")
      const server = yield* bind("10.0.0.2:2")
      yield* network.refuse("10.0.0.2:2")
      yield* network.refuse(address("10.0.0.3:3"))
      yield* network.setLatency("50 millis")
      const dials = [client.dial(server.socket.address), client.dial(address("10.0.0.3:3"))]
      yield* TestClock.adjust("99 millis")
      assert.deepStrictEqual(
        dials.map(({ failed }) => failed.length),
        [0, 0]
      )
      yield* TestClock.adjust("1 millis")
      for (const [index, peer] of ["10.0.0.2:2", "10.0.0.3:3"].entries()) {
        const refused = new TransportError({ peer: address(peer), code: 2, detail: "connection refused" })
        assert.deepStrictEqual(dials[index]!.failed, [refused])
      }
      yield* network.heal
      const { connected } = client.dial(server.socket.address)
      yield* TestClock.adjust("150 millis")
      assert.deepStrictEqual([connected.length, server.accepted.length], [1, 1])
    }).pipe(provide)
  )

  it.effect("does not take what is no address", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const error = yield* Effect.flip(network.refuse("nowhere"))
      assert.strictEqual(error._tag, "NetAddressError")
    }).pipe(provide)
  )
})

describe("blackhole", () => {
  it.effect("swallows dials in both directions", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const [a, b, c] = [yield* bind("10.0.0.1:1"), yield* bind("10.0.0.2:2"), yield* bind("10.0.0.3:3")]
      yield* network.blackhole("10.0.0.2:2")
      const lost = [a.dial(address("10.0.0.2:2")), b.dial(address("10.0.0.3:3"))]
      const { connected } = a.dial(address("10.0.0.3:3"))
      yield* until(() => c.accepted.length === 1 && connected.length === 1)
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(
        lost.map(({ failed }) => failed.length),
        [0, 0]
      )
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(
        lost.map(({ failed }) => failed),
        [
          [new ConnectionTimedOut({ peer: address("10.0.0.2:2") })],
          [new ConnectionTimedOut({ peer: address("10.0.0.3:3") })]
        ]
      )
      assert.deepStrictEqual([b.accepted.length, c.accepted.length], [0, 1])
    }).pipe(provide)
  )

  it.effect("lets nothing of a connection through, from here or from there", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { far, near } = yield* connect()
      yield* network.blackhole("10.0.0.1:1")
      for (const { connection } of [near, far]) connection.openUni(0).write(Uint8Array.of(1), true, () => {})
      yield* settle
      assert.deepStrictEqual([near.streams, far.streams], [[], []])
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual([near.closes, far.closes], [[new IdleTimedOut()], [new IdleTimedOut()]])
    }).pipe(provide)
  )

  it.effect("lets a dial through that is healed before the handshake timeout", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const client = yield* bind("10.0.0.1:1")
      const server = yield* bind("10.0.0.2:2")
      yield* network.blackhole("10.0.0.2:2")
      const { connected } = client.dial(server.socket.address)
      yield* TestClock.adjust("9 seconds")
      yield* network.heal
      yield* until(() => connected.length === 1 && server.accepted.length === 1)
    }).pipe(provide)
  )
})

describe("partition", () => {
  it.effect("lets connections die by idle timeout on both sides, keep-alive or not", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { client, far, near } = yield* connect(keptAlive)
      const third = yield* bind("10.0.0.3:3", { keepAliveInterval })
      const spared = client.dial(third.socket.address)
      yield* until(() => third.accepted.length === 1)
      yield* network.partition("10.0.0.2:2", "10.0.0.1:1")
      yield* TestClock.adjust("59999 millis")
      assert.deepStrictEqual([near.closes, far.closes], [[], []])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([near.closes, far.closes], [[new IdleTimedOut()], [new IdleTimedOut()]])
      assert.isAbove(near.connection.stats().packetsLost, 0)
      assert.deepStrictEqual(spared.connected[0]!.closes, [])
      // What was lost stays lost.
      yield* network.heal
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual([near.closes.length, far.closes.length], [1, 1])
    }).pipe(provide)
  )

  it.effect("that heals before the idle timeout loses nothing, and keeps the order", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { far, near } = yield* connect(keptAlive)
      yield* network.setLatency("50 millis")
      const { done, results } = outcomes()
      const send = near.connection.openUni(0)
      const write = (value: number, fin: boolean) => send.write(Uint8Array.of(value), fin, done)
      write(1, false)
      yield* TestClock.adjust("20 millis")
      yield* network.partition("10.0.0.1:1", "10.0.0.2:2")
      write(2, false)
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(far.streams, [])
      write(3, false)
      yield* TestClock.adjust("20 millis")
      yield* network.heal
      yield* TestClock.adjust("40 millis")
      assert.deepStrictEqual(far.streams, [])
      write(4, true)
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(far.streams[0]!.bytes, [1, 2, 3, 4])
      assert.deepStrictEqual(results, ["done", "done", "done", "done"])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual([near.closes, far.closes], [[], []])
    }).pipe(provide)
  )

  it.effect("swallows a close for good", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { far, near } = yield* connect()
      yield* network.partition("10.0.0.1:1", "10.0.0.2:2")
      near.connection.openUni(0).write(Uint8Array.of(1), false, () => {})
      near.connection.close(5, "unheard")
      yield* settle
      yield* network.heal
      yield* TestClock.adjust("59999 millis")
      assert.deepStrictEqual([far.closes, far.streams], [[], []])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(far.closes, [new IdleTimedOut()])
    }).pipe(provide)
  )
})

describe("reset", () => {
  it.effect("takes both ends away at once, and the peer is told by a stateless reset; others stay", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { client, far, near, server } = yield* connect(keptAlive)
      yield* network.reset("10.0.0.2:2", "10.0.0.3:1")
      assert.deepStrictEqual([far.closes, near.closes], [[], []])
      yield* network.reset("10.0.0.2:2", "10.0.0.1:1")
      assert.deepStrictEqual(far.closes, [new TransportClosed({ code: 1, detail: "killed" })])
      assert.deepStrictEqual(near.closes, [new StatelessReset()])
      const { connected } = client.dial(server.socket.address)
      yield* until(() => connected.length === 1 && server.accepted.length === 2)
      assert.deepStrictEqual([connected[0]!.closes, server.accepted[1]!.closes], [[], []])
    }).pipe(provide)
  )
})

describe("kill", () => {
  it.effect("takes one end away at once; the other finds out by its idle timeout, keep-alive or not", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { client, far, near, server } = yield* connect(keptAlive)
      yield* network.kill("10.0.0.2:2", "10.0.0.1:1")
      assert.deepStrictEqual(far.closes, [new TransportClosed({ code: 1, detail: "killed" })])
      yield* TestClock.adjust("59999 millis")
      assert.deepStrictEqual(near.closes, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(near.closes, [new IdleTimedOut()])

      // The way between them is open.
      const { connected } = client.dial(server.socket.address)
      yield* until(() => connected.length === 1 && server.accepted.length === 2)
      connected[0]!.connection.close(1, "")
      yield* until(() => server.accepted[1]!.closes.length === 1)
      assert.deepStrictEqual(server.accepted[1]!.closes, [new ApplicationClosed({ code: 1, detail: "" })])
    }).pipe(provide)
  )
})

it.effect("what happens at the same time happens in the order in which it was caused", () =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork
    yield* network.setLatency("50 millis")
    const server = yield* bind("10.0.0.9:9")
    const clients = yield* Effect.forEach([1, 2, 3, 4, 5], (port) => bind(`10.0.0.1:${port}`))
    for (const { dial } of clients) dial(server.socket.address)
    yield* TestClock.adjust("150 millis")
    const ports = server.accepted.map(({ connection }) => connection.remoteAddress.port)
    assert.deepStrictEqual(ports, [1, 2, 3, 4, 5])
  }).pipe(provide)
)

it.effect("the same program sees the same events in the same order", () => {
  const program = Effect.gen(function* () {
    const network = yield* MemoryNetwork
    yield* network.setLatency("3 millis")
    const server = yield* bind("10.0.0.9:9")
    const log: Array<string> = []
    for (let index = 0; index < 5; index++) {
      const { dial } = yield* bind(`10.0.0.${index}:1`)
      const { connected } = dial(server.socket.address)
      yield* TestClock.adjust("7 millis")
      const send = connected[0]!.connection.openUni(index)
      for (let round = 0; round < 5; round++) {
        send.write(new Uint8Array(20_000 * index), round === 4, () => log.push(`${index}.${round}`))
      }
    }
    yield* TestClock.adjust("1 second")
    log.push(...server.accepted.map(({ streams }) => `${streams[0]?.bytes.length} ${streams[0]?.kept.length}`))
    return log
  }).pipe(provide, Effect.scoped)
  return Effect.gen(function* () {
    const first = yield* program
    assert.isAbove(first.length, 25)
    assert.deepStrictEqual(yield* program, first)
  })
})
