import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { TooManyConnections } from "@qp2p/core/ConnectionError"
import { acceptsPerIpAndSecond, maxAcceptsPerIp } from "../../../src/internal/tunables/handshakes.ts"
import { logInterval, maxLogLinesPerIp } from "../../../src/internal/tunables/logs.ts"
import { evictableIdle } from "../../../src/internal/tunables/places.ts"
import { bind, initial, type Setup, shortHeader, turns } from "../../support/fakeBinding.ts"
import { address } from "../../support/quicSockets.ts"

const address6 = address("[::1]:1")

const many: Setup = { maxConnections: 10_000, maxConnectionsPerIp: 10_000 }

/** A socket, and the handshakes that peers complete with it. */
const setup = (options: Setup = many) => {
  const it = bind(options)
  let count = 0
  const id = () => {
    count += 1
    return Uint8Array.of(1, 2, 3, 4, 5, 6, count >> 8, count & 0xff)
  }
  /** Sends so many first packets. Returns how many connections were made of them, whose handshakes are complete then. */
  const dialFrom = Effect.fnUntraced(function* (host: string, times: number) {
    let made = 0
    for (let i = 0; i < times; i++) {
      const before = it.natives.length
      it.receiveFrom(initial(id()), host, 10_000 + count)
      if (it.natives.length === before) continue
      made += 1
      it.natives.at(-1)!.established = true
      yield* turns
    }
    return made
  })
  return { ...it, dialFrom }
}

describe("a packet that belongs to no connection", () => {
  it.live(
    "makes none, and costs no look at its address, when it is too small, of the handshake, damaged or not the first",
    () =>
      Effect.gen(function* () {
        const { natives, sent, socket } = bind()
        let looks = 0
        const receive = (payload: Uint8Array) =>
          socket.receive({
            payload,
            host: "192.0.2.1",
            port: 7,
            get address() {
              looks += 1
              return address("192.0.2.1:7")
            }
          })
        receive(initial().subarray(1))
        receive(initial().subarray(0, 1_199))
        receive(initial().fill(0xe0, 0, 1))
        receive(initial().fill(0xff, 5, 6))
        receive(initial(Uint8Array.of(1, 2, 3, 4, 5, 6, 7)))
        receive(initial().fill(0, 4, 5))
        yield* turns
        assert.deepStrictEqual([natives.length, sent.length, looks], [0, 0, 0])
        receive(initial())
        assert.deepStrictEqual([natives.length, looks], [1, 1])
        receive(initial().fill(0x40, 0, 1))
        assert.strictEqual(natives.length, 1)
        socket.close()
      })
  )
})

describe("peers that dial", () => {
  it.live("too often from one IP address have to wait, and those of others not", () =>
    Effect.gen(function* () {
      // Packets that would get a Retry are dropped.
      const { clock, dialFrom, socket } = setup()
      assert.strictEqual(yield* dialFrom("192.0.2.1", 100), maxAcceptsPerIp)
      assert.strictEqual(yield* dialFrom("192.0.2.2", 1), 1)
      clock.now = 1_000
      assert.strictEqual(yield* dialFrom("192.0.2.1", 100), acceptsPerIpAndSecond)
      socket.close()
    })
  )

  it.live("from addresses of one /64 of IPv6 count together", () =>
    Effect.gen(function* () {
      const { dialFrom, socket } = setup({ ...many, localAddress: address6, maxConnectionsPerIp: 3 })
      let made = 0
      for (let i = 1; i <= 10; i++) made += yield* dialFrom(`2001:db8::${i}`, 1)
      assert.strictEqual(made, 3)
      assert.strictEqual(yield* dialFrom("2001:db8:0:1::1", 1), 1)
      socket.close()
    })
  )
})

describe("a full socket", () => {
  it.live(
    "dials in the place of connections that are idle, and logs only some of them, and how many more there were",
    () =>
      Effect.gen(function* () {
        const { accepted, clock, dial, dialFrom, evicted, socket, warnings } = setup({ ...many, maxConnections: 20 })
        assert.strictEqual(yield* dialFrom("192.0.2.1", 30), 18)
        const dials = [dial(), dial()]
        const late = dial()
        yield* turns
        // All may be in use until they are known not to be.
        assert.deepStrictEqual(late.failed, [new TooManyConnections({ limit: 20 })])
        clock.now = evictableIdle
        for (let i = 0; i < 10; i++) dials.push(dial())
        yield* turns
        assert.deepStrictEqual(
          dials.flatMap(({ failed }) => failed),
          []
        )
        const closed = accepted.filter(({ closes }) => closes.length > 0)
        assert.deepStrictEqual(closed, accepted.slice(0, 10))
        assert.deepStrictEqual([evicted.length, warnings], [maxLogLinesPerIp, []])
        clock.now += logInterval
        socket.sweep(logInterval)
        assert.deepStrictEqual(warnings, [`${10 - maxLogLinesPerIp} further lines about peers were left out`])
        socket.close()
      })
  )

  it.live("closes no connection for handshakes that only begin, and one for each that is completed", () =>
    Effect.gen(function* () {
      const { accepted, dialFrom, evicted, failAccept, ids, natives, receiveFrom, retries, socket } = setup({
        ...many,
        maxConnections: 20,
        makesRetries: true,
        // Nothing has passed on the connections.
        onPeer: (peer) => void Object.assign(peer, { hasCarriedData: false })
      })
      assert.strictEqual(yield* dialFrom("192.0.2.1", 18), 18)
      /** A client sends its first packet, and another one with the token that it gets. Returns whether that made a connection. */
      const begin = (port: number) => {
        receiveFrom(initial(Uint8Array.of(9, 9, 9, 9, 9, 9, 9, port)), "192.0.2.2", port)
        const retry = retries.pop()
        if (retry === undefined) return false
        const before = natives.length
        receiveFrom(initial(retry.newScid, retry.token), "192.0.2.2", port)
        return natives.length > before
      }
      assert.deepStrictEqual([begin(1), begin(2), begin(3)], [true, true, false])
      yield* turns
      assert.deepStrictEqual(evicted, [])
      natives.at(-1)!.established = true
      receiveFrom(shortHeader(ids.at(-1)!), "192.0.2.2", 2)
      yield* turns
      assert.deepStrictEqual([evicted.length, accepted.length], [1, 19])
      // When the others have come into use meanwhile, the new one goes.
      for (const peer of accepted) Object.assign(peer, { hasCarriedData: true })
      natives.at(-2)!.established = true
      receiveFrom(shortHeader(ids.at(-2)!), "192.0.2.2", 1)
      yield* turns
      assert.deepStrictEqual(natives.at(-2)!.closes, [[true, ErrorCode.evicted, "no room for another connection"]])
      assert.strictEqual(evicted.length, 1)
      for (const peer of accepted) Object.assign(peer, { hasCarriedData: false })
      failAccept(new Error("no memory"))
      assert.isFalse(begin(4))
      yield* turns
      assert.strictEqual(evicted.length, 1)
      socket.close()
    })
  )

  it.live("tells the peer of a connection that gives up its place with code 5", () =>
    Effect.gen(function* () {
      const { clock, dial, dialFrom, natives, socket } = setup({ ...many, maxConnections: 1 })
      yield* dialFrom("192.0.2.1", 1)
      dial()
      clock.now = evictableIdle
      dial()
      yield* turns
      assert.deepStrictEqual(natives[0]!.closes, [[true, ErrorCode.evicted, "no room for idle connections"]])
      socket.close()
    })
  )
})
