/**
 * What a trace tells, and that tracing changes nothing.
 */
import { assert, describe, it, vi } from "@effect/vitest"
import { ApplicationClosed } from "@qp2p/core/Close"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PeerId from "@qp2p/core/PeerId"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import {
  type BackingConnection,
  type ConnectionEvents,
  type RecvEvents,
  type SocketEvents,
  Transport
} from "@qp2p/core/Transport"
import * as WireMessage from "@qp2p/core/WireMessage"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as TestConsole from "effect/testing/TestConsole"
import * as MemoryNetwork from "../src/MemoryNetwork.ts"
import * as MemoryTransport from "../src/MemoryTransport.ts"
import * as TestIdentity from "../src/TestIdentity.ts"
import * as TrafficTrace from "../src/TrafficTrace.ts"
import { address, bind, connect, Received, settle, text, until } from "./support/recordingSockets.ts"

type Memory = Layer.Success<ReturnType<typeof TrafficTrace.layerMemory>>

const onNetwork = <A, E>(effect: Effect.Effect<A, E, Memory | PortMapper.PortMapper | Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(Layer.merge(TrafficTrace.layerMemory(), PortMapper.layerNone)))

const lines = Effect.flatMap(TrafficTrace.TrafficTrace, (trace) => trace.lines)

const note = (message: string) => Effect.flatMap(TrafficTrace.TrafficTrace, (trace) => trace.note(message))

/** The lines since the last note, without the times. */
const sinceNote = Effect.map(lines, (all) => {
  const untimed = all.map((line) => line.slice("00:00:00.000  ".length))
  return untimed.slice(untimed.findLastIndex((line) => line.startsWith("* ")) + 1)
})

describe("a trace", () => {
  /** A message with latency, and another across a partition. */
  const program = onNetwork(
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.setLatency("20 millis")
      const one = yield* Endpoint.make({
        identity: TestIdentity.make(1),
        localAddress: "10.0.0.1:1",
        config: { retryDuration: 0 }
      })
      yield* Endpoint.make({ identity: TestIdentity.make(2), localAddress: "10.0.0.2:2" })
      const send = (message: string) => Effect.forkChild(one.sendMessage(text(message), "10.0.0.2:2"))
      yield* send("hello")
      yield* TestClock.adjust("90 seconds")
      yield* note("the cable is cut")
      yield* network.partition("10.0.0.1:1", "10.0.0.2:2")
      yield* send("nobody hears")
      yield* TestClock.adjust("5 minutes")
      return yield* lines
    })
  )

  it.effect("tells when what happened where, to its end", () =>
    Effect.gen(function* () {
      const trace = yield* program
      assert.deepStrictEqual(trace.slice(0, 17), [
        `00:00:00.000  * network: setLatency("20 millis")`,
        `00:00:00.000  10.0.0.1:1  bound`,
        `00:00:00.000  10.0.0.2:2  bound`,
        `00:00:00.000  10.0.0.1:1 → 10.0.0.2:2  dial 1`,
        `00:00:00.040  10.0.0.1:1 ← 10.0.0.2:2  #1 connected by dial 1`,
        `00:00:00.040  10.0.0.1:1 → 10.0.0.2:2  #1 out1 opened`,
        `00:00:00.040  10.0.0.1:1 → 10.0.0.2:2  #1 out1 message of 5 bytes "hello", fin`,
        `00:00:00.060  10.0.0.2:2 ← 10.0.0.1:1  #1 accepted`,
        `00:00:00.060  10.0.0.2:2 ← 10.0.0.1:1  #1 in1 opened`,
        `00:00:00.060  10.0.0.2:2 ← 10.0.0.1:1  #1 in1 message of 5 bytes "hello"`,
        `00:00:00.060  10.0.0.2:2 ← 10.0.0.1:1  #1 in1 fin`,
        `00:00:00.080  10.0.0.1:1 ← 10.0.0.2:2  #1 accepted by the peer`,
        `00:00:00.080  10.0.0.1:1 ← 10.0.0.2:2  #1 out1 acknowledged`,
        `00:01:30.000  * the cable is cut`,
        `00:01:30.000  * network: partition("10.0.0.1:1", "10.0.0.2:2")`,
        `00:01:30.000  10.0.0.1:1 → 10.0.0.2:2  #1 out2 opened`,
        `00:01:30.000  10.0.0.1:1 → 10.0.0.2:2  #1 out2 message of 12 bytes "nobody hears", fin`
      ])
      const ends = trace.filter((line) => line.includes(" #1 ended"))
      assert.strictEqual(ends.length, 2)
      for (const end of ends) assert.match(end, /^00:02:\d\d\.\d{3} {2}10\.0\.0\.\d:\d ← 10\.0\.0\.\d:\d {2}#1 ended: /)
    })
  )

  it.effect("is the same for the same program", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* program, yield* program)
    })
  )

  it.effect("names what endpoints say to each other, both ways on a stream", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* Endpoint.make({ identity: TestIdentity.make(1), localAddress: "10.0.0.1:1" })
        yield* Endpoint.make({ identity: TestIdentity.make(2), localAddress: "10.0.0.2:2", contacts: ["10.0.0.1:1"] })
        yield* settle
        const trace = yield* sinceNote
        for (const line of [
          "10.0.0.2:2 → 10.0.0.1:1  #1 out1 opened, both ways",
          "10.0.0.2:2 → 10.0.0.1:1  #1 out1 EndpointEchoReq, fin",
          "10.0.0.1:1 ← 10.0.0.2:2  #1 in1 opened, both ways",
          "10.0.0.1:1 ← 10.0.0.2:2  #1 in1 EndpointEchoReq",
          "10.0.0.1:1 → 10.0.0.2:2  #1 in1 EndpointEchoResp 10.0.0.2:2, fin",
          "10.0.0.2:2 ← 10.0.0.1:1  #1 out1 EndpointEchoResp 10.0.0.2:2",
          "10.0.0.2:2 → 10.0.0.1:1  #1 out2 EndpointVerificationReq 10.0.0.2:2, fin",
          `10.0.0.1:1 → 10.0.0.2:2  dial 2, expecting ${PeerId.short(TestIdentity.make(2).peerId)}`,
          "10.0.0.2:2 ← 10.0.0.1:1  #2 accepted",
          "10.0.0.2:2 → 10.0.0.1:1  #1 asked for a sign of life",
          "10.0.0.1:1 → 10.0.0.2:2  #2 close with code 0",
          "10.0.0.2:2 ← 10.0.0.1:1  #2 ended: closed by the peer with code 0",
          "10.0.0.1:1 ← 10.0.0.2:2  #2 ended: closed by this side",
          "10.0.0.2:2 ← 10.0.0.1:1  #1 out2 EndpointVerificationResp true"
        ])
          assert.include(trace, line)
      })
    )
  )

  it.effect("names the protocol of a stream, and shows what follows as bytes, whatever it looks like", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* Endpoint.make({ identity: TestIdentity.make(1), localAddress: "10.0.0.1:1" })
        const two = yield* Endpoint.make({ identity: TestIdentity.make(2), localAddress: "10.0.0.2:2" })
        yield* two.serveProtocol("echo", (stream) =>
          Effect.flatMap(stream.pull, ([chunk]) => stream.write(chunk, { fin: true }))
        )
        const ask = Effect.fnUntraced(function* (name: string, question: Uint8Array) {
          const stream = yield* one.openProtocol("10.0.0.2:2", name)
          yield* Effect.forkChild(stream.write(question))
          yield* Effect.exit(stream.pull)
          yield* settle
        })
        yield* ask("echo", WireMessage.encodeUser(text("hi")))
        yield* ask("nobody's", text("hello"))
        const trace = yield* sinceNote
        for (const line of [
          `10.0.0.1:1 → 10.0.0.2:2  #1 out1 ProtocolOpenReq "echo"`,
          "10.0.0.1:1 → 10.0.0.2:2  #1 out1 11 bytes 0x0001000000020000006869",
          "10.0.0.2:2 → 10.0.0.1:1  #1 in1 ProtocolOpenResp Accepted",
          "10.0.0.2:2 → 10.0.0.1:1  #1 in1 11 bytes 0x0001000000020000006869, fin",
          `10.0.0.2:2 ← 10.0.0.1:1  #1 in2 5 bytes "hello"`,
          "10.0.0.1:1 ← 10.0.0.2:2  #1 out2 ProtocolOpenResp NotServed"
        ])
          assert.include(trace, line)
      })
    )
  )

  it.effect("tells of dials without a connection, and of sockets", () =>
    onNetwork(
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { dial } = yield* bind("10.0.0.1:1", { accept: false })
            yield* Effect.flip(bind("10.0.0.1:1"))
            dial(address("10.0.0.9:0"))
            yield* settle
            dial(address("10.0.0.9:9"))
            const { cancel } = dial(address("10.0.0.9:9"))
            cancel()
            cancel()
            yield* TestClock.adjust("11 seconds")
          })
        )
        assert.deepStrictEqual(yield* sinceNote, [
          "10.0.0.1:1  bound, for dialling only",
          "10.0.0.1:1  not bound: cannot listen on 10.0.0.1:1: the address is in use",
          "10.0.0.1:1 → 10.0.0.9:0  dial 1",
          "10.0.0.1:1 ← 10.0.0.9:0  dial 1 failed: cannot dial 10.0.0.9:0: port 0 cannot be dialled",
          "10.0.0.1:1 → 10.0.0.9:9  dial 2",
          "10.0.0.1:1 → 10.0.0.9:9  dial 3",
          "10.0.0.1:1 → 10.0.0.9:9  dial 3 given up",
          "10.0.0.1:1 ← 10.0.0.9:9  dial 2 failed: 10.0.0.9:9 did not answer",
          "10.0.0.1:1  freed"
        ])
      })
    )
  )

  it.effect("tells of the key that a dial expects, and of peers that are refused or wait", () =>
    onNetwork(
      Effect.gen(function* () {
        const id = (n: number) => PeerId.short(TestIdentity.make(n).peerId)
        const one = yield* bind("10.0.0.1:1", { identity: TestIdentity.make(1) })
        const two = yield* bind("10.0.0.2:2", { identity: TestIdentity.make(2) }, () => {})
        yield* note("bound")
        one.dial(two.socket.address, TestIdentity.make(3).peerId)
        yield* settle
        const { connected } = one.dial(two.socket.address, TestIdentity.make(2).peerId)
        yield* settle
        two.handshakes[0]!.decide(true)
        yield* settle
        one.dial(two.socket.address)
        yield* settle
        two.handshakes[1]!.decide(false)
        yield* settle
        assert.strictEqual(connected[0]!.acceptances, 1)
        assert.deepStrictEqual(yield* sinceNote, [
          `10.0.0.1:1 → 10.0.0.2:2  dial 1, expecting ${id(3)}`,
          `10.0.0.1:1 ← 10.0.0.2:2  dial 1 failed: 10.0.0.2:2 is the peer ${id(2)}, not ${id(3)}`,
          `10.0.0.1:1 → 10.0.0.2:2  dial 2, expecting ${id(2)}`,
          "10.0.0.1:1 ← 10.0.0.2:2  #1 connected by dial 2",
          `10.0.0.2:2 ← 10.0.0.1:1  ${id(1)} waits for admission`,
          `10.0.0.2:2 → 10.0.0.1:1  admits ${id(1)}`,
          "10.0.0.2:2 ← 10.0.0.1:1  #1 accepted",
          "10.0.0.1:1 ← 10.0.0.2:2  #1 accepted by the peer",
          "10.0.0.1:1 → 10.0.0.2:2  dial 3",
          "10.0.0.1:1 ← 10.0.0.2:2  #2 connected by dial 3",
          `10.0.0.2:2 ← 10.0.0.1:1  ${id(1)} waits for admission`,
          `10.0.0.2:2 → 10.0.0.1:1  refuses ${id(1)}`,
          "10.0.0.1:1 ← 10.0.0.2:2  #2 ended: closed by the peer with code 4: refused"
        ])
      })
    )
  )

  it.effect("does not call a dial given up that has connected", () =>
    onNetwork(
      Effect.gen(function* () {
        const { dial } = yield* bind("10.0.0.1:1")
        const { socket } = yield* bind("10.0.0.2:2")
        const { cancel, connected } = dial(socket.address)
        yield* until(() => connected.length > 0)
        yield* note("connected")
        cancel()
        yield* settle
        assert.isEmpty((yield* sinceNote).filter((line) => line.includes("given up")))
      })
    )
  )

  it.effect("tells of resets, stops, priorities, closes and what becomes of them", () =>
    onNetwork(
      Effect.gen(function* () {
        const { near, far } = yield* connect()
        yield* note("connected")
        const frame = WireMessage.encodeUser(text("hello"))
        const first = near.connection.openUni(5)
        first.write(frame, false, () => {})
        first.setPriority(-1)
        yield* settle
        first.write(frame.subarray(0, 12), false, () => {})
        yield* settle
        first.reset(7)
        first.reset(8)
        yield* settle
        const second = near.connection.openUni(0)
        second.write(text("no qp2p"), false, () => {})
        yield* settle
        far.streams[1]!.receive!.stop(9)
        yield* settle
        second.write(text("?"), true, () => {})
        near.connection.close(3, "enough")
        near.connection.close(4, "again")
        yield* settle
        near.connection.close(5, "too late")
        assert.deepStrictEqual(yield* sinceNote, [
          "10.0.0.1:1 → 10.0.0.2:2  #1 out1 opened, priority 5",
          `10.0.0.1:1 → 10.0.0.2:2  #1 out1 message of 5 bytes "hello"`,
          "10.0.0.1:1 → 10.0.0.2:2  #1 out1 priority -1",
          "10.0.0.2:2 ← 10.0.0.1:1  #1 in1 opened",
          `10.0.0.2:2 ← 10.0.0.1:1  #1 in1 message of 5 bytes "hello"`,
          "10.0.0.1:1 → 10.0.0.2:2  #1 out1 reset with code 7",
          "10.0.0.2:2 ← 10.0.0.1:1  #1 in1 failed: the peer reset the stream with code 7; the stream ended after 3 of the 5 bytes of a message",
          "10.0.0.1:1 → 10.0.0.2:2  #1 out2 opened",
          `10.0.0.1:1 → 10.0.0.2:2  #1 out2 7 bytes "no qp2p"`,
          "10.0.0.2:2 ← 10.0.0.1:1  #1 in2 opened",
          `10.0.0.2:2 ← 10.0.0.1:1  #1 in2 7 bytes "no qp2p"`,
          "10.0.0.2:2 → 10.0.0.1:1  #1 in2 stop with code 9",
          `10.0.0.1:1 → 10.0.0.2:2  #1 out2 1 byte "?", fin`,
          "10.0.0.1:1 ← 10.0.0.2:2  #1 out2 failed: the peer stopped the stream with code 9",
          "10.0.0.1:1 → 10.0.0.2:2  #1 close with code 3: enough",
          "10.0.0.2:2 ← 10.0.0.1:1  #1 ended: closed by the peer with code 3: enough",
          "10.0.0.1:1 ← 10.0.0.2:2  #1 ended: closed by this side"
        ])
      })
    )
  )

  it.effect("counts at each end, and shows a long or binary payload in part", () =>
    onNetwork(
      Effect.gen(function* () {
        const { near, far } = yield* connect()
        yield* note("connected")
        const back = far.connection.openUni(0)
        back.write(WireMessage.encodeUser(text("ä".repeat(40))), false, () => {})
        back.write(WireMessage.encodeUser(Uint8Array.of(0, 1, 255)), true, () => {})
        yield* settle
        const there = near.connection.openUni(0)
        const frame = WireMessage.encodeUser(text(`${"-".repeat(31)}äé`))
        there.write(frame.subarray(0, 20), false, () => {})
        there.write(frame.subarray(20), true, () => {})
        yield* settle
        assert.deepStrictEqual(yield* sinceNote, [
          "10.0.0.2:2 → 10.0.0.1:1  #1 out1 opened",
          `10.0.0.2:2 → 10.0.0.1:1  #1 out1 message of 80 bytes "${"ä".repeat(16)}…"`,
          "10.0.0.2:2 → 10.0.0.1:1  #1 out1 message of 3 bytes 0x0001ff, fin",
          "10.0.0.1:1 ← 10.0.0.2:2  #1 in1 opened",
          `10.0.0.1:1 ← 10.0.0.2:2  #1 in1 message of 80 bytes "${"ä".repeat(16)}…"`,
          "10.0.0.1:1 ← 10.0.0.2:2  #1 in1 message of 3 bytes 0x0001ff",
          "10.0.0.1:1 ← 10.0.0.2:2  #1 in1 fin",
          "10.0.0.2:2 ← 10.0.0.1:1  #1 out1 acknowledged",
          "10.0.0.1:1 → 10.0.0.2:2  #1 out1 opened",
          `10.0.0.1:1 → 10.0.0.2:2  #1 out1 message of 35 bytes "${"-".repeat(31)}…", fin`,
          "10.0.0.2:2 ← 10.0.0.1:1  #1 in1 opened",
          `10.0.0.2:2 ← 10.0.0.1:1  #1 in1 message of 35 bytes "${"-".repeat(31)}…"`,
          "10.0.0.2:2 ← 10.0.0.1:1  #1 in1 fin",
          "10.0.0.1:1 ← 10.0.0.2:2  #1 out1 acknowledged"
        ])
      })
    )
  )

  it.effect("tells each message of a stream that several share, when they leave", () =>
    onNetwork(
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.MemoryNetwork
        yield* Endpoint.make({ identity: TestIdentity.make(2), localAddress: "10.0.0.2:2" })
        const one = yield* Endpoint.make({ identity: TestIdentity.make(1), localAddress: "10.0.0.1:1" })
        const connection = yield* one.connectTo("10.0.0.2:2")
        yield* network.setLatency("20 millis")
        yield* note("connected")
        const send = (message: Uint8Array) => Effect.forkChild(connection.send(message), { startImmediately: true })
        // As much as may be under way, so that what follows waits for its turn.
        yield* send(new Uint8Array(1 << 20))
        const waiting = yield* Effect.forEach(["one", "two", "three"], (message) => send(text(message)))
        waiting[1]!.interruptUnsafe()
        yield* TestClock.adjust("1 second")
        const trace = yield* sinceNote
        assert.deepStrictEqual(
          trace.filter((line) => line.includes("out2")),
          [
            "10.0.0.1:1 → 10.0.0.2:2  #1 out2 opened",
            `10.0.0.1:1 → 10.0.0.2:2  #1 out2 message of 3 bytes "one"`,
            `10.0.0.1:1 → 10.0.0.2:2  #1 out2 message of 5 bytes "three", fin`,
            "10.0.0.1:1 ← 10.0.0.2:2  #1 out2 acknowledged"
          ]
        )
        assert.isEmpty(trace.filter((line) => line.includes("out3")))
        const from = (line: string) => trace.findIndex((other) => other.includes(line))
        assert.isBelow(from(`in2 message of 3 bytes "one"`), from(`in2 message of 5 bytes "three"`))
        assert.isAbove(from(`in2 message of 3 bytes "one"`), 0)
      })
    )
  )

  it.effect("tells how a stream that several share has failed", () =>
    onNetwork(
      Effect.gen(function* () {
        const { near } = yield* connect()
        yield* note("connected")
        const stream = near.connection.openUni(0)
        const content = Buffer.concat(["one", "two"].map((message) => WireMessage.encodeUser(text(message))))
        stream.writeWhole!(
          () => ({ bytes: content, weight: content.length }),
          () => {}
        )
        stream.reset(7)
        stream.writeWhole!(
          () => ({ bytes: new Uint8Array(1), weight: 1 }),
          () => {}
        )
        yield* settle
        assert.deepStrictEqual(
          (yield* sinceNote).filter((line) => line.includes("out1")),
          [
            "10.0.0.1:1 → 10.0.0.2:2  #1 out1 opened",
            `10.0.0.1:1 → 10.0.0.2:2  #1 out1 message of 3 bytes "one"`,
            `10.0.0.1:1 → 10.0.0.2:2  #1 out1 message of 3 bytes "two", fin`,
            "10.0.0.1:1 → 10.0.0.2:2  #1 out1 reset with code 7",
            "10.0.0.1:1 ← 10.0.0.2:2  #1 out1 failed: the stream has ended"
          ]
        )
      })
    )
  )

  it.effect("tells when a reader holds the peer back", () =>
    onNetwork(
      Effect.gen(function* () {
        const { near, far } = yield* connect()
        far.pauseAt = 1
        yield* note("connected")
        const stream = near.connection.openUni(0)
        stream.write(WireMessage.encodeUser(text("one")), false, () => {})
        stream.write(WireMessage.encodeUser(text("two")), true, () => {})
        yield* settle
        const received = far.streams[0]!
        received.pauseAt = Infinity
        received.receive!.resume()
        received.receive!.resume()
        yield* settle
        assert.deepStrictEqual(
          (yield* sinceNote).filter((line) => line.includes("in1")),
          [
            "10.0.0.2:2 ← 10.0.0.1:1  #1 in1 opened",
            `10.0.0.2:2 ← 10.0.0.1:1  #1 in1 message of 3 bytes "one"`,
            "10.0.0.2:2 → 10.0.0.1:1  #1 in1 paused",
            "10.0.0.2:2 → 10.0.0.1:1  #1 in1 resumed",
            `10.0.0.2:2 ← 10.0.0.1:1  #1 in1 message of 3 bytes "two"`,
            "10.0.0.2:2 ← 10.0.0.1:1  #1 in1 fin"
          ]
        )
      })
    )
  )

  it.effect("keeps the latest lines, and says how many it dropped", () =>
    Effect.gen(function* () {
      const trace = yield* TrafficTrace.make({ capacity: 3 })
      for (let i = 1; i <= 3; i++) yield* trace.note(`${i}`)
      assert.strictEqual(yield* trace.dropped, 0)
      for (let i = 4; i <= 8; i++) yield* trace.note(`${i}`)
      yield* TestClock.adjust(Duration.hours(100))
      yield* trace.note("9")
      assert.deepStrictEqual(yield* trace.lines, ["00:00:00.000  * 7", "00:00:00.000  * 8", "100:00:00.000  * 9"])
      assert.strictEqual(yield* trace.dropped, 6)
      const { error, printed } = captured()
      yield* TrafficTrace.print.pipe(
        Effect.provideService(TrafficTrace.TrafficTrace, trace),
        Effect.provideService(Console.Console, { ...console, error })
      )
      assert.match(printed[0]!, /^traffic, 3 lines after 6 that were dropped:\n00:00:00\.000 {2}\* 7\n/)
    })
  )

  it.effect("records every call on the network, and on its hosts and gateways", () =>
    onNetwork(
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.MemoryNetwork
        yield* network.partition(address("10.0.0.1:1"), ["10.0.0.2", "10.0.0.3"])
        yield* network.setBandwidth(1000, { from: "10.0.0.1" })
        yield* network.setLatency(Duration.seconds(1))
        const { heal } = network
        yield* heal
        const gateway = yield* network.gateway({ address: "203.0.113.1", kind: "Symmetric" })
        assert.strictEqual(String(gateway.address), "203.0.113.1")
        yield* gateway.restart("203.0.113.2")
        assert.strictEqual(String(gateway.address), "203.0.113.2")
        yield* Effect.flip(network.refuse("nowhere"))
        assert.deepStrictEqual(yield* lines, [
          `00:00:00.000  * network: partition("10.0.0.1:1", ["10.0.0.2", "10.0.0.3"])`,
          `00:00:00.000  * network: setBandwidth(1000, { from: "10.0.0.1" })`,
          `00:00:00.000  * network: setLatency("1s")`,
          `00:00:00.000  * network: heal`,
          `00:00:00.000  * network: gateway({ address: "203.0.113.1", kind: "Symmetric" })`,
          `00:00:00.000  * network gateway: restart("203.0.113.2")`,
          `00:00:00.000  * network: refuse("nowhere")`
        ])
      })
    )
  )

  it.effect("of several hosts is one", () =>
    Effect.gen(function* () {
      const trace = yield* TrafficTrace.TrafficTrace
      const host = (ip: string) =>
        Effect.provide(
          bind(`${ip}:1`),
          Layer.fresh(Layer.provide(TrafficTrace.layerTransport, MemoryTransport.layerHost({ address: ip })))
        )
      const one = yield* host("10.0.0.1")
      const two = yield* host("10.0.0.2")
      one.dial(two.socket.address)
      yield* until(() => two.accepted.length > 0)
      assert.include(yield* trace.lines, "00:00:00.000  10.0.0.1:1 ← 10.0.0.2:1  #1 connected by dial 1")
      assert.include(yield* trace.lines, "00:00:00.000  10.0.0.2:1 ← 10.0.0.1:1  #1 accepted")
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(TrafficTrace.layerTrace(), MemoryNetwork.layer())))
  )

  it.live("tells the same over QUIC", () =>
    Effect.gen(function* () {
      const localAddress = "127.0.0.1:0"
      const one = yield* Endpoint.make({ localAddress })
      const two = yield* Endpoint.make({ localAddress })
      yield* one.sendMessage(text("hello"), two.localAddress)
      yield* two.nextMessage
      yield* one.disconnectFrom(two.localAddress)
      yield* two.nextDisconnection
      const trace = yield* sinceNote
      const there = `${one.localAddress} → ${two.localAddress}`
      const back = `${one.localAddress} ← ${two.localAddress}`
      const heard = `${two.localAddress} ← ${one.localAddress}`
      const of = (side: string) =>
        trace.filter((line) => line.startsWith(side)).map((line) => line.slice(side.length + 2))
      assert.deepStrictEqual(of(there), [
        "dial 1",
        "#1 out1 opened",
        `#1 out1 message of 5 bytes "hello", fin`,
        "#1 close with code 0"
      ])
      assert.deepStrictEqual(of(back), [
        "#1 connected by dial 1",
        "#1 accepted by the peer",
        "#1 out1 acknowledged",
        "#1 ended: closed by this side"
      ])
      assert.deepStrictEqual(of(heard), [
        "#1 accepted",
        "#1 in1 opened",
        `#1 in1 message of 5 bytes "hello"`,
        "#1 in1 fin",
        "#1 ended: closed by the peer with code 0"
      ])
    }).pipe(
      Effect.scoped,
      Effect.provide([Layer.provide(TrafficTrace.layer(), QuicheTransport.layer()), PortMapper.layerNone])
    )
  )
})

describe("tracing", () => {
  /** A transport that keeps what it was given, and makes connections of `connection`. */
  const backing = (connection: Partial<BackingConnection>) => {
    const given: { socket?: SocketEvents; back?: RecvEvents; writes: Array<Uint8Array> } = { writes: [] }
    const whole: BackingConnection = {
      peerId: TestIdentity.make(2).peerId,
      isAccepted: true,
      remoteAddress: address("10.0.0.2:2"),
      openUni: () => ({
        write: (bytes, _fin, done) => {
          given.writes.push(bytes)
          done()
        },
        onStopped: () => {},
        setPriority: () => {},
        reset: () => {}
      }),
      openBi: (priority, events) => {
        given.back = events
        return { send: whole.openUni(priority), receive: { resume: () => {}, stop: () => {} } }
      },
      close: () => {},
      stats: () => assert.fail("nobody asked"),
      ...connection
    }
    const transport = Transport.of({
      bind: (options, events) =>
        Effect.sync(() => {
          given.socket = events
          return { address: options.localAddress, dial: () => () => {} }
        })
    })
    return { given, connection: whole, layer: Layer.succeed(Transport, transport) }
  }

  /** Has a connection accepted: what the owner gets, and what the transport gets of `events`. */
  const accept = Effect.fnUntraced(function* (fake: ReturnType<typeof backing>, events: ConnectionEvents) {
    const transport = yield* Transport
    const accepted: Array<BackingConnection> = []
    yield* transport.bind(bindOptions, {
      onConnection: (connection) => {
        accepted.push(connection)
        return events
      }
    })
    const wrapped = fake.given.socket!.onConnection(fake.connection)
    return { connection: accepted[0]!, events: wrapped }
  })

  const bindOptions = {
    localAddress: address("10.0.0.1:1"),
    identity: TestIdentity.make(1),
    accept: true,
    idleTimeout: Duration.infinity,
    keepAliveInterval: Duration.infinity,
    handshakeTimeout: Duration.infinity,
    stallTimeout: Duration.infinity,
    maxConnections: 1,
    maxConnectionsPerIp: 1,
    maxSendRate: 1,
    unreadBuffer: 1
  }

  const traced = (fake: ReturnType<typeof backing>) => Effect.provide(Layer.provide(TrafficTrace.layer(), fake.layer))

  const silent: ConnectionEvents = { onStream: () => new Received(), onClosed: () => {} }
  const noStream = { resume: () => {}, stop: () => {} }

  it.effect("adds nothing to a connection that can do less", () =>
    Effect.suspend(() => {
      const fake = backing({})
      const received = Object.assign(new Received(), { demand: undefined as (() => number) | undefined })
      return Effect.gen(function* () {
        const { connection, events } = yield* accept(fake, { ...silent, onStream: () => received })
        assert.isUndefined(connection.checkAlive)
        assert.isUndefined(connection.isUnresponsive)
        assert.isUndefined(connection.timeOut)
        assert.isUndefined(events.onUnresponsive)
        assert.isUndefined(connection.seniority)
        assert.isUndefined(events.onMoved)
        const incoming = events.onStream(noStream, undefined)
        assert.isUndefined(incoming.demand)
        assert.isTrue(incoming.onData(text("x")))
        received.demand = () => 0
        assert.strictEqual(incoming.demand!(), 0)
        assert.include(yield* sinceNote, "10.0.0.1:1 → 10.0.0.2:2  #1 in1 paused")
      }).pipe(traced(fake))
    })
  )

  it.effect("takes nothing from a connection that can do more, and follows it", () =>
    Effect.suspend(() => {
      let checked = 0
      let moved = 0
      let unresponsive = 0
      let timedOut = 0
      const place = { remoteAddress: address("10.0.0.2:2") }
      const fake = backing({
        seniority: "a",
        isUnresponsive: true,
        checkAlive: () => {
          checked++
        },
        timeOut: () => {
          timedOut++
        }
      })
      Object.defineProperty(fake.connection, "remoteAddress", { get: () => place.remoteAddress })
      const received = Object.assign(new Received(), { demand: () => 3 })
      return Effect.gen(function* () {
        const { connection, events } = yield* accept(fake, {
          ...silent,
          onStream: () => received,
          onMoved: () => {
            moved++
          },
          onUnresponsive: () => {
            unresponsive++
          }
        })
        assert.strictEqual(connection.seniority, "a")
        connection.checkAlive!()
        assert.strictEqual(checked, 1)
        events.onUnresponsive!()
        assert.strictEqual(unresponsive, 1)
        assert.isTrue(connection.isUnresponsive)
        place.remoteAddress = address("10.0.0.3:3")
        events.onMoved!()
        assert.strictEqual(moved, 1)
        assert.strictEqual(String(connection.remoteAddress), "10.0.0.3:3")
        const incoming = events.onStream(noStream, undefined)
        assert.strictEqual(incoming.demand!(), 3)
        received.pauseAt = 0
        assert.isFalse(incoming.onData(text("x")))
        connection.timeOut!()
        assert.strictEqual(timedOut, 1)
        events.onClosed(new ApplicationClosed({ code: 1, detail: "" }))
        assert.deepStrictEqual(yield* sinceNote, [
          "10.0.0.1:1  bound",
          "10.0.0.1:1 ← 10.0.0.2:2  #1 accepted",
          "10.0.0.1:1 → 10.0.0.2:2  #1 asked for a sign of life",
          "10.0.0.1:1 ← 10.0.0.2:2  #1 does not answer",
          "10.0.0.1:1 ← 10.0.0.3:3  #1 moved, from 10.0.0.2:2",
          "10.0.0.1:1 ← 10.0.0.3:3  #1 in1 opened",
          `10.0.0.1:1 ← 10.0.0.3:3  #1 in1 1 byte "x"`,
          "10.0.0.1:1 → 10.0.0.3:3  #1 in1 paused",
          "10.0.0.1:1 → 10.0.0.3:3  #1 timed out",
          "10.0.0.1:1 ← 10.0.0.3:3  #1 ended: closed by the peer with code 1"
        ])
      }).pipe(traced(fake))
    })
  )

  it.effect("hands over the bytes themselves, within the call", () =>
    Effect.suspend(() => {
      const fake = backing({})
      return Effect.gen(function* () {
        const { connection } = yield* accept(fake, silent)
        const received = new Received()
        const { send } = connection.openBi(0, received)
        const bytes = text("mine")
        let done = 0
        send.write(bytes, false, () => {
          done++
          if (done === 1) send.write(bytes, true, () => done++)
        })
        assert.strictEqual(done, 2)
        assert.strictEqual(fake.given.writes[0], bytes)
        const chunk = text("lent")
        fake.given.back!.onData(chunk)
        assert.strictEqual(received.kept[0], chunk)
        chunk.fill(0xdd)
        assert.include(yield* sinceNote, `10.0.0.1:1 ← 10.0.0.2:2  #1 out1 4 bytes "lent"`)
      }).pipe(traced(fake))
    })
  )
})

/** A place for `console.error` to write to. */
const captured = () => {
  const printed: Array<string> = []
  return { printed, error: (...parameters: ReadonlyArray<unknown>) => void printed.push(parameters.join(" ")) }
}

describe("onFailure", () => {
  /** What `body` prints, in the console at hand and in that of the process. */
  const printedBy = <E>(body: Effect.Effect<unknown, E, TrafficTrace.TrafficTrace>) =>
    Effect.gen(function* () {
      const { printed, error } = captured()
      const spy = vi.spyOn(console, "error").mockImplementation(error)
      yield* note("before").pipe(
        Effect.andThen(body),
        TrafficTrace.onFailure,
        Effect.provide(TrafficTrace.layerTrace()),
        Effect.exit,
        Effect.ensuring(Effect.sync(() => spy.mockRestore()))
      )
      return { here: yield* TestConsole.errorLines, process: printed }
    })

  const text = "traffic, 1 line:\n00:00:00.000  * before"

  it.effect("prints nothing of what succeeds", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* printedBy(Effect.void), { here: [], process: [] })
    })
  )

  it.effect("prints the trace of what fails, past a console that keeps it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* printedBy(Effect.fail("no")), { here: [text], process: [text] })
    })
  )

  it.effect("prints the trace of what dies", () =>
    Effect.gen(function* () {
      const assertion = Effect.sync(() => assert.fail("no"))
      assert.deepStrictEqual(yield* printedBy(assertion), { here: [text], process: [text] })
    })
  )

  it.effect("prints the trace of what is interrupted, as a test that takes too long is", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(printedBy(Effect.never))
      yield* settle
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* TestConsole.errorLines, [text])
    })
  )

  it.live("prints once to a console that shows it", () =>
    Effect.gen(function* () {
      const { printed, error } = captured()
      const spy = vi.spyOn(console, "error").mockImplementation(error)
      yield* Effect.fail("no").pipe(
        TrafficTrace.onFailure,
        Effect.provide(TrafficTrace.layerTrace()),
        Effect.exit,
        Effect.ensuring(Effect.sync(() => spy.mockRestore()))
      )
      assert.deepStrictEqual(printed, ["traffic, 0 lines:"])
    })
  )
})
