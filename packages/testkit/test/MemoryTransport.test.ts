import { ApplicationClosed, type Close, IdleTimedOut, LocallyClosed } from "@qp2p/core/Close"
import { ConnectionTimedOut, EndpointStopped, TooManyConnections } from "@qp2p/core/ConnectionError"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import {
  address,
  bind,
  connect,
  outcomes,
  provide,
  ramp,
  Received,
  sameBytes,
  setLatency,
  settle,
  text,
  until,
  window
} from "./support/recordingSockets.ts"

describe("bind", () => {
  it.effect("gives each address its ports from 49152 on", () =>
    Effect.gen(function* () {
      const ports = []
      for (const local of ["10.0.0.1:0", "10.0.0.1:49153", "10.0.0.1:0", "10.0.0.2:0", "[::1]:0"]) {
        const { socket } = yield* bind(local)
        ports.push(NetAddress.formatInet(socket.address))
      }
      // A port that was let go is not the next one.
      yield* Effect.scoped(bind("10.0.0.1:0"))
      const { socket } = yield* bind("10.0.0.1:0")
      ports.push(NetAddress.formatInet(socket.address))
      assert.deepStrictEqual(ports, [
        "10.0.0.1:49152",
        "10.0.0.1:49153",
        "10.0.0.1:49154",
        "10.0.0.2:49152",
        "[::1]:49152",
        "10.0.0.1:49156"
      ])
    }).pipe(provide)
  )

  it.effect("fails with BindError when the address is in use, the wildcard address included", () =>
    Effect.gen(function* () {
      const { socket } = yield* bind("0.0.0.0:4433")
      assert.strictEqual(NetAddress.formatInet(socket.address), "0.0.0.0:4433")
      const error = yield* Effect.flip(bind("127.0.0.1:4433"))
      assert.strictEqual(error._tag, "BindError")
      assert.strictEqual(NetAddress.formatInet(error.address), "127.0.0.1:4433")
    }).pipe(provide)
  )

  it.effect("closes everything with its scope: the peers are told, dials stop, the port is free", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const server = yield* bind("10.0.0.2:2")
      const client = yield* Scope.provide(bind("10.0.0.1:1"), scope)
      const dial = client.dial(server.socket.address)
      yield* until(() => server.accepted.length > 0)
      const pending = client.dial(address("10.0.0.3:3"))
      yield* setLatency("50 millis")

      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(dial.connected[0]!.closes, [new LocallyClosed()])
      assert.deepStrictEqual(pending.failed, [new EndpointStopped()])
      const late = client.dial(server.socket.address)
      yield* settle
      assert.deepStrictEqual(late.failed, [new EndpointStopped()])
      yield* bind("10.0.0.1:1")

      yield* TestClock.adjust("49 millis")
      assert.deepStrictEqual(server.accepted[0]!.closes, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(server.accepted[0]!.closes, [new ApplicationClosed({ code: 0, detail: "" })])
      assert.deepStrictEqual([dial.connected[0]!.closes.length, pending.failed.length], [1, 1])
    }).pipe(provide)
  )
})

describe("dial", () => {
  it.effect("takes a round trip, and never reports from within the call", () =>
    Effect.gen(function* () {
      yield* setLatency("50 millis")
      const client = yield* bind("10.0.0.1:0")
      const server = yield* bind("10.0.0.2:2")
      const { connected } = client.dial(server.socket.address)
      yield* TestClock.adjust("99 millis")
      assert.strictEqual(connected.length, 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(connected.length, 1)
      assert.strictEqual(server.accepted.length, 0)
      yield* TestClock.adjust("50 millis")
      assert.strictEqual(server.accepted.length, 1)
      assert.strictEqual(NetAddress.formatInet(connected[0]!.connection.remoteAddress), "10.0.0.2:2")
      assert.strictEqual(NetAddress.formatInet(server.accepted[0]!.connection.remoteAddress), "10.0.0.1:49152")
      assert.deepStrictEqual(connected[0]!.connection.stats().roundTripTime, Duration.millis(100))
    }).pipe(provide)
  )

  it.effect("needs no clock when there is no latency, but takes a turn of the scheduler", () =>
    Effect.gen(function* () {
      const server = yield* bind("0.0.0.0:0")
      const { connected } = server.dial(address("127.0.0.1:49152"))
      assert.strictEqual(connected.length, 0)
      yield* until(() => server.accepted.length > 0)
      assert.strictEqual(connected.length, 1)
      assert.strictEqual(NetAddress.formatInet(server.accepted[0]!.connection.remoteAddress), "127.0.0.1:49152")
    }).pipe(provide)
  )

  it.effect(
    "times out at an unused address, and at a socket that does not accept, not before the handshake timeout",
    () =>
      Effect.gen(function* () {
        const client = yield* bind("10.0.0.1:0")
        yield* bind("10.0.0.2:2", { accept: false })
        const dials = [client.dial(address("10.0.0.2:2")), client.dial(address("10.0.0.3:3"))]
        yield* TestClock.adjust("9999 millis")
        assert.deepStrictEqual(
          dials.map(({ failed }) => failed.length),
          [0, 0]
        )
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(
          dials.map(({ failed }) => failed),
          [
            [new ConnectionTimedOut({ peer: address("10.0.0.2:2") })],
            [new ConnectionTimedOut({ peer: address("10.0.0.3:3") })]
          ]
        )
      }).pipe(provide)
  )

  it.effect("is refused by a peer that is full, or has enough from one address", () =>
    Effect.gen(function* () {
      const server = yield* bind("10.0.0.9:9", { maxConnections: 2, maxConnectionsPerIp: 1 })
      const peers = []
      for (const local of ["10.0.0.1:0", "10.0.0.1:0", "10.0.0.2:0", "10.0.0.3:0"]) {
        const { dial } = yield* bind(local)
        const dialled = dial(server.socket.address)
        yield* until(() => dialled.connected.length + dialled.failed.length > 0)
        peers.push(dialled.failed[0]?._tag === "TransportError" ? dialled.failed[0].code : dialled.connected.length)
      }
      yield* settle
      assert.deepStrictEqual(peers, [1, 2, 1, 2])
      assert.strictEqual(server.accepted.length, 2)
    }).pipe(provide)
  )

  it.effect("is refused by a peer for which others of its host hold too much, and not for what other hosts hold", () =>
    Effect.gen(function* () {
      const server = yield* bind("10.0.0.9:9", { unreadBuffer: 2 ** 20 })
      const outcome = Effect.fnUntraced(function* (local: string) {
        const { dial } = yield* bind(local)
        const dialled = dial(server.socket.address)
        yield* until(() => dialled.connected.length + dialled.failed.length > 0)
        yield* settle
        return dialled.failed[0]?._tag === "TransportError" ? dialled.failed[0].code : dialled.connected.length
      })
      assert.strictEqual(yield* outcome("10.0.0.1:0"), 1)
      server.accepted[0]!.connection.charge!(2 ** 19 + 1)
      assert.deepStrictEqual([yield* outcome("10.0.0.1:0"), yield* outcome("10.0.0.2:0")], [2, 1])
      server.accepted[1]!.connection.charge!(64 << 10)
      assert.strictEqual(yield* outcome("10.0.0.2:0"), 1)
      server.accepted[1]!.connection.charge!(1)
      assert.strictEqual(yield* outcome("10.0.0.2:0"), 2)
    }).pipe(provide)
  )

  it.effect("is refused by a peer that has enough from one /64 of IPv6", () =>
    Effect.gen(function* () {
      const server = yield* bind("[2001:db8:0:9::9]:9", { maxConnectionsPerIp: 1 })
      const outcomes = []
      for (const local of ["[2001:db8::1]:0", "[2001:db8::2]:0", "[2001:db8:0:1::1]:0"]) {
        const { dial } = yield* bind(local)
        const dialled = dial(server.socket.address)
        yield* until(() => dialled.connected.length + dialled.failed.length > 0)
        outcomes.push(dialled.connected.length)
      }
      assert.deepStrictEqual(outcomes, [1, 0, 1])
    }).pipe(provide)
  )

  it.effect("reports without delay what cannot be dialled, unless it was cancelled", () =>
    Effect.gen(function* () {
      const client = yield* bind("10.0.0.1:0", { maxConnections: 1 })
      const dials = ["10.0.0.2:0", "[::1]:1", "0.0.0.0:1"].map((peer) => client.dial(address(peer)))
      const cancelled = client.dial(address("10.0.0.2:0"))
      cancelled.cancel()
      assert.deepStrictEqual(
        dials.map(({ failed }) => failed.length),
        [0, 0, 0]
      )
      yield* settle
      assert.deepStrictEqual(
        dials.map(({ failed }) => failed.map(({ _tag }) => _tag)),
        [["InvalidAddress"], ["InvalidAddress"], ["InvalidAddress"]]
      )
      assert.deepStrictEqual(cancelled.failed, [])
      client.dial(address("10.0.0.2:2"))
      const second = client.dial(address("10.0.0.2:2"))
      yield* settle
      assert.deepStrictEqual(second.failed, [new TooManyConnections({ limit: 1 })])
    }).pipe(provide)
  )

  for (const elapsed of [0, 10, 60, 99]) {
    it.effect(`leaves nothing on either side when cancelled after ${elapsed} ms of 100`, () =>
      Effect.gen(function* () {
        yield* setLatency("50 millis")
        const client = yield* bind("10.0.0.1:0", { maxConnections: 1 })
        const server = yield* bind("10.0.0.2:2", { maxConnections: 1 })
        const first = client.dial(server.socket.address)
        yield* TestClock.adjust(Duration.millis(elapsed))
        first.cancel()
        yield* TestClock.adjust("200 millis")
        assert.deepStrictEqual([first.connected, first.failed, server.accepted], [[], [], []])

        const second = client.dial(server.socket.address)
        yield* TestClock.adjust("150 millis")
        assert.strictEqual(second.connected.length, 1)
        second.cancel()
        yield* TestClock.adjust("150 millis")
        assert.deepStrictEqual([second.connected[0]!.closes, server.accepted[0]!.closes], [[], []])
      }).pipe(provide)
    )
  }
})

describe("close", () => {
  it.effect("tells the peer code and reason after what was underway, and drops what was queued", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      yield* setLatency("50 millis")
      const { done, results } = outcomes()
      far.pauseAt = 1
      near.connection.openUni(0).write(ramp(3_000), true, done)
      near.connection.openUni(0).write(ramp(window * 2), false, done)
      near.connection.close(3, "done here")
      near.connection.close(4, "again")
      assert.deepStrictEqual([near.closes, results], [[], []])
      yield* settle
      assert.deepStrictEqual(near.closes, [new LocallyClosed()])
      assert.deepStrictEqual(results, [new LocallyClosed(), new LocallyClosed()])
      near.connection.openUni(0).write(text("late"), true, done)
      assert.deepStrictEqual(results[2], new LocallyClosed())

      const code = new ApplicationClosed({ code: 3, detail: "done here" })
      const answer = new Received()
      far.connection.openBi(0, answer)
      yield* TestClock.adjust("49 millis")
      assert.deepStrictEqual(far.closes, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(far.closes, [code])
      // All that arrived was offered, to a receiver that had paused too.
      assert.strictEqual(far.streams[0]!.bytes.length, 3_000)
      assert.deepStrictEqual(far.streams[0]!.ends, [undefined])
      assert.isAtLeast(far.streams[1]!.bytes.length, window - 5_000)
      assert.deepStrictEqual(far.streams[1]!.ends, [code])
      assert.deepStrictEqual(answer.ends, [code])
      // Nothing more comes of it, whatever is called.
      for (const { receive } of far.streams) receive!.resume()
      far.connection.close(0, "")
      far.connection.openUni(0).write(text("late"), true, done)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual([far.closes.length, near.closes.length, results[3]], [1, 1, code])
      assert.deepStrictEqual(
        far.streams.map(({ ends }) => ends.length),
        [1, 1]
      )
    }).pipe(provide)
  )

  it.effect("comes also to a connection whose socket goes while it is being announced", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(bind("10.0.0.1:1"), scope)
      const server = yield* bind("10.0.0.2:2")
      const runSync = Effect.runSyncWith(yield* Effect.context())
      const closes: Array<Close> = []
      client.socket.dial(server.socket.address, {
        onConnected: () => {
          runSync(Scope.close(scope, Exit.void))
          return { onStream: () => new Received(), onClosed: (close) => void closes.push(close) }
        },
        onFailed: (error) => assert.fail(error.message)
      })
      yield* until(() => closes.length > 0)
      yield* settle
      assert.deepStrictEqual(closes, [new LocallyClosed()])
    }).pipe(provide)
  )

  it.effect("is the last event: streams and writes fail before it", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const events = {
        onData: () => true,
        onEnd: () => void near.log.push("end")
      }
      near.connection.openBi(0, events).send.write(ramp(window * 2), false, () => near.log.push("write"))
      far.connection.close(0, "")
      yield* until(() => near.closes.length > 0)
      assert.deepStrictEqual(near.log, ["end", "write", "closed"])
    }).pipe(provide)
  )
})

describe("idle connections", () => {
  it.effect("time out on both sides after the smaller of the two timeouts", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect({ server: { idleTimeout: Duration.seconds(30) } })
      yield* TestClock.adjust("20 seconds")
      const { done, results } = outcomes()
      near.connection.openUni(0).write(text("x"), true, done)
      yield* until(() => results.length === 1)
      yield* TestClock.adjust("29999 millis")
      assert.deepStrictEqual([near.closes, far.closes], [[], []])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([near.closes, far.closes], [[new IdleTimedOut()], [new IdleTimedOut()]])
    }).pipe(provide)
  )

  it.effect("live for 12 hours when one side keeps them alive", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect({ client: { keepAliveInterval: Duration.seconds(20) } })
      const before = near.connection.stats().packetsSent
      yield* TestClock.adjust("12 hours")
      assert.deepStrictEqual([near.closes, far.closes], [[], []])
      assert.strictEqual(near.connection.stats().packetsSent - before, (12 * 60 * 60) / 20)
    }).pipe(provide)
  )

  it.effect("are not pinged while there is traffic", () =>
    Effect.gen(function* () {
      const { near } = yield* connect({ client: { keepAliveInterval: Duration.seconds(20) } })
      const before = near.connection.stats().packetsSent
      const send = near.connection.openUni(0)
      for (let second = 0; second < 60; second += 15) {
        yield* TestClock.adjust("15 seconds")
        send.write(text("x"), false, () => {})
        yield* settle
      }
      assert.strictEqual(near.connection.stats().packetsSent - before, 4)
    }).pipe(provide)
  )
})

it.live("runs on the live clock as well", () =>
  Effect.gen(function* () {
    yield* setLatency("1 millis")
    const { far, near } = yield* connect()
    const { done, results } = outcomes()
    near.connection.openUni(0).write(ramp(2 * window), true, done)
    yield* until(() => results.length === 1)
    assert.isTrue(sameBytes(far.streams[0]!.bytes, ramp(2 * window)))
  }).pipe(provide)
)
