/**
 * Stateless resets of a socket on a fake binding: what is answered with one, and what counts as one.
 */
import { StatelessReset } from "@qp2p/core/Close"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connectionIdLength, randomId } from "../../../src/internal/packets/connectionId.ts"
import { asBigInt } from "../../../src/internal/packets/resetToken.ts"
import {
  connectionIdInterval,
  maxAskedForResets,
  maxResets,
  maxResetsPerIp
} from "../../../src/internal/tunables/connectionIds.ts"
import { bind, fakeTokens, initial, shortHeader, turns } from "../../support/fakeBinding.ts"
import { decrypted } from "../../support/frames.ts"
import { address } from "../../support/quicSockets.ts"

const limits = { keepAlive: 20_000, handshake: 10_000, stall: 60_000 }
const port = 1

/** A packet that ends with these bytes. */
const ending = (token: Uint8Array, length = 43): Uint8Array => {
  const packet = shortHeader(randomId(), length)
  packet.set(token, length - token.length)
  return packet
}

describe("a packet for an unknown connection id", () => {
  it.live("is answered once, with the token of that id, where it came from", () =>
    Effect.gen(function* () {
      const it = bind()
      const id = randomId()
      it.receive(shortHeader(id, 1_200), 77)
      yield* turns
      assert.strictEqual(it.datagrams.length, 1)
      assert.strictEqual(String(it.datagrams[0]!.address), "127.0.0.1:77")
      assert.deepStrictEqual([...it.sent[0]!.subarray(-16)], [...fakeTokens(port)(id)])
      it.socket.close()
    })
  )

  it.live("is answered with less than it has itself, or not at all", () =>
    Effect.gen(function* () {
      const it = bind({ maxConnections: 100 })
      const sizes: Array<number> = []
      for (let length = 1; length <= 60; length++) {
        it.receive(shortHeader(randomId(), length).subarray(0, length))
        yield* turns
        const answer = it.sent.shift()
        if (answer === undefined) assert.isBelow(length, 41)
        else {
          assert.isBelow(answer.length, length)
          assert.isAtLeast(answer.length, 21)
          sizes.push(answer.length)
        }
      }
      assert.strictEqual(sizes.length, 20)
      it.socket.close()
    })
  )

  it.live("with a long header, without the fixed bit, or from port 0, is not answered", () =>
    Effect.gen(function* () {
      const it = bind()
      const handshake = shortHeader(randomId(), 1_200)
      handshake.set([0xe0, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 9])
      it.receive(handshake)
      const unfixed = shortHeader(randomId(), 1_200)
      unfixed[0] = 0x3f
      it.receive(unfixed)
      it.receive(shortHeader(randomId(), 1_200), 0)
      yield* turns
      assert.deepStrictEqual(it.sent, [])
      it.socket.close()
    })
  )

  it.live("is answered so many times for one IP address, and so many times in all", () =>
    Effect.gen(function* () {
      const it = bind()
      let received = 0
      const flood = function* (from: (i: number) => string, count: number) {
        for (let i = 0; i < count; i++) {
          const packet = shortHeader(randomId(), 41 + (i % 10))
          received += packet.length
          it.receiveFrom(packet, from(i), 1 + (i % 60_000))
          if (i % 1_000 === 0) yield* turns
        }
        yield* turns
      }
      yield* flood(() => "192.0.2.1", 5_000)
      assert.strictEqual(it.sent.length, maxResetsPerIp)
      yield* flood((i) => `198.51.${i % 256}.${(i >> 8) % 256}`, 20_000)
      assert.strictEqual(it.sent.length, maxResets)
      const bytes = it.sent.reduce((sum, each) => sum + each.length, 0)
      assert.isBelow(bytes, received)
      it.socket.close()
    })
  )

  it.live("counts by /64 where it is of IPv6", () =>
    Effect.gen(function* () {
      const it = bind({ localAddress: address("[::]:1") })
      for (let i = 0; i < 1_000; i++) it.receiveFrom(shortHeader(randomId()), `2001:db8::${i.toString(16)}:1`, 9)
      yield* turns
      assert.strictEqual(it.sent.length, maxResetsPerIp)
      it.receiveFrom(shortHeader(randomId()), "2001:db8:0:1::1", 9)
      yield* turns
      assert.strictEqual(it.sent.length, maxResetsPerIp + 1)
      it.socket.close()
    })
  )

  it.live("is not answered when a socket of this process with the same key and port has the connection", () =>
    Effect.gen(function* () {
      const one = bind()
      const two = bind({ localAddress: address("127.0.0.2:1") })
      const other = bind({ localAddress: address("127.0.0.2:5") })
      one.dial()
      const id = one.ids[0]!
      two.receive(shortHeader(id))
      other.receive(shortHeader(id))
      yield* turns
      assert.strictEqual(two.sent.length, 0)
      // Its tokens are others.
      assert.strictEqual(other.sent.length, 1)
      assert.notDeepEqual([...other.sent[0]!.subarray(-16)], [...fakeTokens(1)(id)])
      // It has ended a moment ago: its peer may not know yet.
      one.natives[0]!.over = true
      one.receive(shortHeader(id))
      yield* turns
      two.receive(shortHeader(id))
      yield* turns
      assert.strictEqual(two.sent.length, 0)
      one.socket.close()
      two.receive(shortHeader(id))
      yield* turns
      assert.strictEqual(two.sent.length, 1)
      two.socket.close()
      other.socket.close()
    })
  )

  it.live("sets off no endless exchange between two sockets that both know no connection", () =>
    Effect.gen(function* () {
      const one = bind()
      const two = bind({ localAddress: address("127.0.0.1:2") })
      one.receive(shortHeader(randomId(), 1_200), 2)
      let packets = 0
      for (let i = 0; i < 20; i++) {
        yield* turns
        for (const packet of one.sent.splice(0)) {
          packets += 1
          two.receive(packet, 1)
        }
        yield* turns
        for (const packet of two.sent.splice(0)) {
          packets += 1
          one.receive(packet, 2)
        }
      }
      assert.strictEqual(packets, 4)
      one.socket.close()
      two.socket.close()
    })
  )
})

describe("connection ids", () => {
  it.live("have the tokens that a restarted process makes, each its own", () =>
    Effect.gen(function* () {
      const it = bind()
      it.dial()
      it.receive(initial())
      it.receive(initial(Uint8Array.of(8, 8, 8, 8, 8, 8, 8, 8)), 3)
      const [dialled, accepted, another] = it.natives
      assert.strictEqual(accepted!.token, asBigInt(fakeTokens(port)(it.ids[1]!)))
      assert.strictEqual(another!.token, asBigInt(fakeTokens(port)(it.ids[2]!)))
      for (const native of [dialled!, accepted!]) {
        native.established = true
        native.peerIdLimit = 8
      }
      yield* turns
      it.receive(initial())
      yield* turns
      it.socket.sweep(connectionIdInterval, limits)
      for (const { issued, issuedTokens } of [dialled!, accepted!]) {
        assert.strictEqual(issued.length, 7)
        assert.deepStrictEqual(
          issuedTokens,
          issued.map((id) => asBigInt(fakeTokens(port)(id)))
        )
      }
      it.socket.close()
    })
  )
})

const token = (number: number) => new Uint8Array(16).fill(0x80 + number)
const peerId = (number: number) => new Uint8Array(connectionIdLength).fill(number)

/** NEW_CONNECTION_ID frames (RFC 9000, section 19.15). */
const newIds = (...numbers: ReadonlyArray<number>) =>
  numbers.flatMap((number) => [0x18, number, 0, connectionIdLength, ...peerId(number), ...token(number)])

/** A connection, dialled or accepted, whose peer has issued the ids 1 and 2, and is addressed by 1. */
const withIds = Effect.fnUntraced(function* (side: "dialled" | "accepted") {
  const it = bind()
  const dial = side === "dialled" ? it.dial() : undefined
  if (dial === undefined) it.receive(initial())
  const native = it.natives[0]!
  native.established = true
  native.destination = peerId(1)
  it.receive(side === "dialled" ? shortHeader(it.ids[0]!) : initial())
  yield* turns
  let number = 1
  const frames = (...bytes: ReadonlyArray<number>) => {
    const packet = decrypted(bytes, { number: number++ })
    packet.set(it.ids[0]!, 1)
    it.receive(packet)
  }
  frames(...newIds(1, 2))
  yield* turns
  const peer = (dial === undefined ? it.accepted : dial.connected)[0]!
  assert.deepStrictEqual(peer.closes, [])
  return { ...it, native, peer, frames }
})

describe.each(["dialled", "accepted"] as const)("of a connection that was %s, a stateless reset", (side) => {
  it.live("with the token of the id in use ends it, and nothing is sent any more, not even a reset", () =>
    Effect.gen(function* () {
      const { ids, native, peer, receive, sent, socket } = yield* withIds(side)
      yield* turns
      const before = sent.length
      native.outgoing.push(Uint8Array.of(1, 2, 3))
      receive(ending(token(1)))
      yield* turns
      assert.deepStrictEqual(peer.closes, [new StatelessReset()])
      assert.strictEqual(sent.length, before)
      assert.deepStrictEqual(native.closes, [])
      // It is gone: the same packet again is nobody's.
      receive(ending(token(1)))
      yield* turns
      assert.strictEqual(peer.closes.length, 1)
      // Late packets of the peer's are no reason for a reset of this side's.
      const answered = sent.length
      receive(shortHeader(ids[0]!))
      yield* turns
      assert.strictEqual(sent.length, answered)
      socket.close()
    })
  )

  it.live("is as short as RFC 9000 allows, and as long as it likes", () =>
    Effect.gen(function* () {
      for (const length of [21, 22, 40, 41, 1_200]) {
        const { peer, receive, socket } = yield* withIds(side)
        const packet = new Uint8Array(length).fill(7)
        packet[0] = 0x40
        packet.set(token(1), length - 16)
        receive(packet)
        yield* turns
        assert.deepStrictEqual(peer.closes, [new StatelessReset()], String(length))
        socket.close()
      }
    })
  )

  it.live("is none with another token, with that of an id that is not in use, or from elsewhere", () =>
    Effect.gen(function* () {
      const { ids, peer, receive, receiveFrom, socket } = yield* withIds(side)
      receive(ending(token(9)))
      receive(ending(token(2)))
      const almost = token(1)
      almost[15]! ^= 1
      receive(ending(almost))
      receive(ending(token(1)), 3)
      receiveFrom(ending(token(1)), "127.0.0.9", 2)
      // A packet of the connection that ends so is none.
      receive(Buffer.concat([shortHeader(ids[0]!), token(1)]))
      yield* turns
      assert.deepStrictEqual(peer.closes, [])
      socket.close()
    })
  )

  it.live("has the token of the id that the peer has changed to, and no longer that of the one before", () =>
    Effect.gen(function* () {
      const { frames, native, peer, receive, socket } = yield* withIds(side)
      native.destination = peerId(2)
      frames(...newIds(3))
      receive(ending(token(1)))
      yield* turns
      assert.deepStrictEqual(peer.closes, [])
      receive(ending(token(2)))
      yield* turns
      assert.deepStrictEqual(peer.closes, [new StatelessReset()])
      socket.close()
    })
  )

  it.live("hands on first what has arrived before it", () =>
    Effect.gen(function* () {
      const { native, ids, peer, receive, socket } = yield* withIds(side)
      native.streams.set(side === "dialled" ? 3 : 2, 10)
      receive(shortHeader(ids[0]!))
      receive(ending(token(1)))
      yield* turns
      assert.deepStrictEqual(
        peer.streams.map(({ length }) => length),
        [10]
      )
      assert.deepStrictEqual(peer.closes, [new StatelessReset()])
      socket.close()
    })
  )
})

describe("packets for unknown connection ids", () => {
  it.live("from the address of many dialled connections are shown to some of them only", () =>
    Effect.gen(function* () {
      const it = bind({ maxConnections: 1_000 })
      for (let i = 0; i < 3 * maxAskedForResets; i++) it.dial()
      it.receive(shortHeader(randomId()))
      yield* turns
      assert.strictEqual(
        it.natives.reduce((sum, { taken }) => sum + taken, 0),
        maxAskedForResets
      )
      it.socket.close()
    })
  )
})
