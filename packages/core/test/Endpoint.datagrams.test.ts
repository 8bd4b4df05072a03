/**
 * Datagrams between endpoints: what arrives, what is dropped and counted, and what a send fails with.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryNetwork from "@qp2p/testkit/MemoryNetwork"
import type { Connection } from "../src/Connection.ts"
import { ConnectionClosed, EndpointStopped } from "../src/ConnectionError.ts"
import { DatagramQueueFull, DatagramsUnsupported, DatagramTooLarge } from "../src/DatagramError.ts"
import type * as Endpoint from "../src/Endpoint.ts"
import type * as EndpointConfig from "../src/EndpointConfig.ts"
import { datagramOverhead } from "../src/internal/datagramInbox.ts"
import { PeerPolicy } from "../src/PeerPolicy.ts"
import { ConnectionLost, SerializationError } from "../src/SendError.ts"
import { raw } from "./support/bareSockets.ts"
import { endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"
import { bytes, textOf } from "./support/values.ts"

const here = "10.0.0.1:1"
const there = "10.0.0.2:2"

type Service = Endpoint.Endpoint["Service"]

/** Two endpoints, and both ends of the connection that the first made. */
const joined = Effect.fnUntraced(function* (one: EndpointConfig.Input = {}, two: EndpointConfig.Input = {}) {
  const [dialler, acceptor] = yield* Effect.all([endpoint(here, one), endpoint(there, two)])
  const near = yield* dialler.connectTo(there)
  const far = yield* acceptor.nextConnection
  return { one: dialler, two: acceptor, near, far }
})

/** Takes what waits, and nothing that comes later. */
const taken = Effect.fnUntraced(function* (from: Service) {
  const texts: Array<string> = []
  for (;;) {
    const next = yield* Effect.timeoutOption(Effect.orDie(from.nextDatagram), 0)
    if (Option.isNone(next)) return texts
    texts.push(textOf(next.value.payload))
  }
})

const sendAll = (connection: Connection, count: number, size = 1) =>
  Effect.forEach(Array.from({ length: count }), () =>
    Effect.andThen(connection.sendDatagram(new Uint8Array(size)), Effect.yieldNow)
  )

const setDatagrams = (faults: MemoryNetwork.DatagramFaults) =>
  Effect.flatMap(MemoryNetwork.MemoryNetwork, (network) => network.setDatagrams(faults))

describe("datagrams", () => {
  it.effect("arrive with their peer and connection, both ways, on the connection that a message uses", () =>
    Effect.gen(function* () {
      const { far, near, one, two } = yield* joined()
      yield* near.sendDatagram(bytes("over there"))
      yield* far.sendDatagram(bytes("and back"))
      const received = yield* two.nextDatagram
      assert.deepStrictEqual(received, { peerId: one.peerId, connection: far, payload: bytes("over there") })
      const [back] = yield* Stream.runCollect(Stream.take(one.datagrams, 1))
      assert.deepStrictEqual(back, { peerId: two.peerId, connection: near, payload: bytes("and back") })
      assert.isTrue(back!.connection === near && received.connection === far)
    }).pipe(onNetwork)
  )

  it.effect("may be empty, and may have as many bytes as the connection says, and no more", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined()
      assert.strictEqual(near.maxDatagramSize, 1_155)
      yield* near.sendDatagram(new Uint8Array(0))
      yield* near.sendDatagram(new Uint8Array(1_155).fill(7))
      assert.deepStrictEqual((yield* two.nextDatagram).payload, new Uint8Array(0))
      assert.deepStrictEqual((yield* two.nextDatagram).payload, new Uint8Array(1_155).fill(7))
      const error = yield* Effect.flip(near.sendDatagram(new Uint8Array(1_156)))
      assert.deepStrictEqual(error, new DatagramTooLarge({ size: 1_156, limit: 1_155 }))
      assert.strictEqual(error.message, "a datagram of 1156 bytes is larger than the 1155 that the connection carries")
    }).pipe(onNetwork)
  )

  it.effect("follow the size of the path's packets, also where a program has copied the connection", () =>
    Effect.gen(function* () {
      const { near } = yield* joined()
      yield* setDatagrams({ mtu: 1_400 })
      assert.deepStrictEqual([near.maxDatagramSize, { ...near }.maxDatagramSize], [1_355, 1_355])
      yield* near.sendDatagram(new Uint8Array(1_355))
      yield* setDatagrams({ mtu: 1_300 })
      const error = yield* Effect.flip(near.sendDatagram(new Uint8Array(1_355)))
      assert.deepStrictEqual(error, new DatagramTooLarge({ size: 1_355, limit: 1_255 }))
    }).pipe(onNetwork)
  )

  it.effect("are refused when the peer takes none, also an empty one", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined()
      yield* setDatagrams({ mtu: 44 })
      assert.strictEqual(near.maxDatagramSize, 0)
      for (const size of [0, 1]) {
        const error = yield* Effect.flip(near.sendDatagram(new Uint8Array(size)))
        assert.deepStrictEqual(error, new DatagramsUnsupported({ peerId: two.peerId }))
      }
      assert.strictEqual((yield* near.stats).datagramsSent, 0)
    }).pipe(onNetwork)
  )

  it.effect("are copied: what a program changes after the send does not arrive", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined()
      const payload = bytes("before")
      yield* near.sendDatagram(payload)
      payload.fill(0)
      assert.strictEqual(textOf((yield* two.nextDatagram).payload), "before")
    }).pipe(onNetwork)
  )

  it.effect("are refused when they are no bytes, and nothing is sent", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined()
      for (const wrong of ["text", [1], new ArrayBuffer(2), null, undefined, new Uint16Array(1)]) {
        const error = yield* Effect.flip(near.sendDatagram(wrong as unknown as Uint8Array))
        assert.instanceOf(error, SerializationError)
      }
      yield* settle
      assert.deepStrictEqual(yield* taken(two), [])
    }).pipe(onNetwork)
  )

  it.effect("fail with ConnectionLost on a connection that has ended, as a message does", () =>
    Effect.gen(function* () {
      const { far, near } = yield* joined()
      yield* far.close({ code: 7, detail: "enough" })
      yield* near.closed
      const failed = yield* Effect.flip(near.sendDatagram(bytes("late")))
      assert.instanceOf(failed, ConnectionLost)
      assert.instanceOf(failed.reason, ConnectionClosed)
      assert.deepStrictEqual(failed, yield* Effect.flip(near.send(bytes("late"))))
    }).pipe(onNetwork)
  )

  it.effect("are dropped with DatagramQueueFull when too many wait to leave, and leave messages alone", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined()
      let full = 0
      for (let i = 0; i < 1_000; i++) {
        const sent = yield* Effect.result(near.sendDatagram(new Uint8Array(100)))
        if (Result.isSuccess(sent)) continue
        assert.deepStrictEqual(sent.failure, new DatagramQueueFull({ peerId: two.peerId }))
        full += 1
      }
      assert.isAbove(full, 0)
      yield* near.send(bytes("a message"))
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "a message")
      const { datagramsSent, datagramsUnsent } = yield* near.stats
      assert.deepStrictEqual([datagramsSent, datagramsUnsent], [1_000 - full, full])
      yield* near.sendDatagram(bytes("now"))
    }).pipe(onNetwork)
  )

  it.effect("wait for a program that has not read yet, up to a bound, and the newest are dropped and counted", () =>
    Effect.gen(function* () {
      const { far, near, two } = yield* joined({}, { messageBuffer: 30 })
      for (let i = 0; i < 40; i++) {
        yield* near.sendDatagram(bytes(`${i}`))
        yield* settle
      }
      const { datagramsDropped, datagramsReceived } = yield* far.stats
      // A third of the queue is one peer's.
      assert.deepStrictEqual([datagramsReceived, datagramsDropped], [10, 30])
      assert.deepStrictEqual(
        yield* taken(two),
        Array.from({ length: 10 }, (_, i) => `${i}`)
      )
      yield* near.sendDatagram(bytes("there is room"))
      assert.strictEqual(textOf((yield* two.nextDatagram).payload), "there is room")
    }).pipe(onNetwork)
  )

  it.effect("are bounded in bytes, those without a byte included", () =>
    Effect.gen(function* () {
      // A sixteenth of it is for datagrams, of which a third is one peer's.
      const most = 3 * 16 * 20 * datagramOverhead
      const { far, near } = yield* joined({}, { messageBufferBytes: most })
      yield* sendAll(near, 200, 0)
      yield* settle
      const { datagramsDropped, datagramsReceived } = yield* far.stats
      assert.strictEqual(datagramsReceived + datagramsDropped, 200)
      assert.strictEqual(datagramsReceived, 20)
    }).pipe(onNetwork)
  )

  it.effect("of one peer leave room for those of others", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined({}, { messageBuffer: 30 })
      const other = yield* endpoint("10.0.0.3:3")
      yield* sendAll(near, 100)
      yield* settle
      const third = yield* other.connectTo(there)
      yield* third.sendDatagram(bytes("mine"))
      yield* settle
      assert.include((yield* taken(two)).slice(0, 10), "mine")
    }).pipe(onNetwork)
  )

  it.effect("count against the memory of the transport until they are taken", () =>
    Effect.gen(function* () {
      const charged: Array<number> = []
      const { far, near, two } = yield* joined()
      const backing = (far as unknown as { backing: { charge: (change: number) => void } }).backing
      const { charge } = backing
      Object.assign(backing, {
        charge: (change: number) => {
          charged.push(change)
          charge(change)
        }
      })
      for (let i = 0; i < 3; i++) yield* near.sendDatagram(new Uint8Array(100))
      yield* settle
      assert.deepStrictEqual(
        charged,
        Array.from({ length: 3 }, () => 100 + datagramOverhead)
      )
      yield* two.nextDatagram
      yield* Stream.runDrain(Stream.take(two.datagrams, 2))
      assert.strictEqual(
        charged.reduce((sum, each) => sum + each, 0),
        0
      )
    }).pipe(onNetwork)
  )

  it.effect("of unknown kinds, of a relay's, and those without a kind are dropped and counted", () =>
    Effect.gen(function* () {
      const two = yield* endpoint(there)
      const stranger = yield* raw(here)
      const backing = yield* stranger.dial(there)
      const far = yield* two.nextConnection
      for (const datagram of [[], [1, 5], [2], [0x40, 0], [255, 0, 0]]) {
        assert.isTrue(backing.sendDatagram!(Uint8Array.from(datagram)))
      }
      backing.sendDatagram!(Uint8Array.of(0, 65))
      assert.strictEqual(textOf((yield* two.nextDatagram).payload), "A")
      const { datagramsDropped, datagramsReceived, datagramsUnknown } = yield* far.stats
      assert.deepStrictEqual([datagramsReceived, datagramsDropped, datagramsUnknown], [1, 0, 5])
    }).pipe(onNetwork)
  )

  it.effect("carry data as messages do: a connection with one is announced, and is no verification", () =>
    Effect.gen(function* () {
      const two = yield* endpoint(there)
      const stranger = yield* raw(here)
      yield* stranger.dial(there, (backing) => void backing.sendDatagram!(Uint8Array.of(0)))
      const far = yield* two.nextConnection
      yield* two.nextDatagram
      assert.isTrue((far as unknown as { hasCarriedData: boolean }).hasCarriedData)
      const { near } = yield* Effect.map(endpoint("10.0.0.4:4"), (one) => ({ near: one.connectTo(there) }))
      const sending = yield* near
      assert.isFalse((sending as unknown as { hasCarriedData: boolean }).hasCarriedData)
      yield* sending.sendDatagram(bytes("x"))
      assert.isTrue((sending as unknown as { hasCarriedData: boolean }).hasCarriedData)
    }).pipe(onNetwork)
  )

  it.effect("of unknown kinds carry no data", () =>
    Effect.gen(function* () {
      const two = yield* endpoint(there)
      const stranger = yield* raw(here)
      yield* stranger.dial(there, (backing) => void backing.sendDatagram!(Uint8Array.of(9)))
      const far = yield* two.nextConnection
      yield* settle
      assert.strictEqual((yield* far.stats).datagramsUnknown, 1)
      assert.isFalse((far as unknown as { hasCarriedData: boolean }).hasCarriedData)
    }).pipe(onNetwork)
  )

  it.effect("leave at once from the side that dials, and surface when the other side has admitted it, or never", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.setLatency("10 millis")
      for (const isAdmitted of [true, false]) {
        const port = isAdmitted ? 5 : 6
        const policy = () => Effect.as(Effect.sleep("5 seconds"), isAdmitted)
        const two = yield* Effect.provideService(endpoint(`10.0.0.2:${port}`), PeerPolicy, policy)
        const stranger = yield* raw(`10.0.0.1:${port}`)
        const dial = yield* Effect.forkChild(
          stranger.dial(`10.0.0.2:${port}`, (backing) => void backing.sendDatagram!(Uint8Array.of(0, 65)))
        )
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(dial)
        assert.deepStrictEqual(yield* taken(two), [])
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* taken(two), isAdmitted ? ["A"] : [])
      }
    }).pipe(onNetwork)
  )

  it.effect("stay to be taken when their connection ends, and the stream ends with the endpoint", () =>
    Effect.gen(function* () {
      const { far, near, two } = yield* joined()
      yield* near.sendDatagram(bytes("last"))
      yield* settle
      yield* near.close()
      yield* far.closed
      const reading = yield* Effect.forkChild(Stream.runCollect(two.datagrams))
      yield* settle
      yield* two.close
      assert.deepStrictEqual(
        (yield* Fiber.join(reading)).map(({ payload }) => textOf(payload)),
        ["last"]
      )
      assert.deepStrictEqual(yield* Effect.flip(two.nextDatagram), new EndpointStopped())
    }).pipe(onNetwork)
  )
})
