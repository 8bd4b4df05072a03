import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ConnectionIds } from "../../../src/internal/packets/connectionIds.ts"
import { idKey, keyOf } from "../../../src/internal/packets/packetHeader.ts"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import {
  connectionIdInterval,
  maxConnectionIds,
  retiredIdLifetime
} from "../../../src/internal/tunables/connectionIds.ts"
import { bind, initial, Native, shortHeader, turns } from "../../support/fakeBinding.ts"
import { decrypted } from "../../support/frames.ts"
import { connectionIdLength, randomId } from "../../../src/internal/packets/connectionId.ts"

const limits = { keepAlive: 20_000, handshake: 10_000, stall: 60_000 }

/** A connection, dialled or accepted, with a peer that stores so many ids; `taken` are the packets that the binding gets. */
const established = Effect.fnUntraced(function* (side: "dialled" | "accepted", peerIdLimit = 4) {
  const it = bind()
  if (side === "dialled") it.dial()
  else it.receive(initial())
  const native = it.natives[0]!
  const taken: Array<Uint8Array> = []
  Object.assign(native, { peerIdLimit, recv: (packet: Uint8Array) => void taken.push(packet) })
  yield* turns
  assert.deepStrictEqual(native.issued, [])
  native.established = true
  // Its last packet of the handshake.
  it.receive(side === "dialled" ? shortHeader(it.ids[0]!) : initial())
  yield* turns
  taken.length = 0
  return { ...it, native, id: it.ids[0]!, taken }
})

describe.each(["dialled", "accepted"] as const)("of a connection that was %s, connection ids", (side) => {
  it.live(
    "are issued once the handshake is complete, a dialler's first at once, and soon as many as the peer stores, up to eight in all",
    () =>
      Effect.gen(function* () {
        for (const [peerIdLimit, issued] of [
          [2, 1],
          [4, 3],
          [8, 7],
          [2 ** 53, 7]
        ] as const) {
          const { native, socket } = yield* established(side, peerIdLimit)
          assert.strictEqual(native.issued.length, side === "dialled" ? 1 : 0)
          for (let i = 0; i < 3; i++) socket.sweep(connectionIdInterval, limits)
          assert.strictEqual(native.issued.length, issued)
          assert.isTrue(native.issued.every((id) => id.length === connectionIdLength))
        }
      })
  )

  it.live("lead to it, each of them, and no longer than it is there", () =>
    Effect.gen(function* () {
      const { id, native, receive, socket, taken } = yield* established(side)
      socket.sweep(connectionIdInterval, limits)
      for (const each of [...native.issued, id]) receive(shortHeader(each))
      assert.strictEqual(taken.length, 4)
      yield* turns
      socket.close()
      taken.length = 0
      for (const each of [...native.issued, id]) receive(shortHeader(each))
      assert.strictEqual(taken.length, 0)
    })
  )

  it.live("that were retired are replaced at once, eight of them, and after that one a second", () =>
    Effect.gen(function* () {
      const { id, native, receive, socket, taken } = yield* established(side)
      const sweep = (elapsed: number) => socket.sweep(elapsed, limits)
      sweep(connectionIdInterval)
      assert.strictEqual(native.issued.length, 3)
      receive(shortHeader(native.issued[2]!))
      yield* turns
      native.retired.push(id, ...native.issued.slice(0, 2))
      receive(shortHeader(native.issued[2]!))
      yield* turns
      // Read to the end of the list.
      assert.deepStrictEqual(native.retired, [])
      assert.strictEqual(native.issued.length, 6)
      for (const last of [5, 8]) {
        receive(shortHeader(native.issued[last]!))
        yield* turns
        native.retired.push(...native.issued.slice(last - 3, last))
        receive(shortHeader(native.issued[last]!))
        yield* turns
      }
      assert.strictEqual(native.issued.length, 11)
      for (let i = 0; i < 99; i++) sweep(10)
      assert.strictEqual(native.issued.length, 11)
      sweep(20)
      assert.strictEqual(native.issued.length, 12)
      for (let i = 0; i < 10; i++) sweep(connectionIdInterval)
      assert.strictEqual(native.issued.length, 12)
      taken.length = 0
      for (const each of native.issued.slice(8)) receive(shortHeader(each))
      assert.strictEqual(taken.length, 4)
    })
  )

  it.live(
    "that are retired twice do not leave the binding with a single one, at which it would close the connection",
    () =>
      Effect.gen(function* () {
        const { id, native, receive, socket } = yield* established(side, 2)
        socket.sweep(connectionIdInterval, limits)
        const issued: Array<number> = []
        native.recv = () => {
          issued.push(native.issued.length)
          if (issued.length === 2) native.retired.push(id)
        }
        // The peer goes on with the other id, retires the first one, and does so again in the same turn.
        for (let i = 0; i < 3; i++) receive(shortHeader(native.issued[0]!))
        assert.deepStrictEqual(issued, [1, 1, 2])
      })
  )

  it.live("that were retired get no late packets through: the binding would close the connection for one", () =>
    Effect.gen(function* () {
      const { id, native, receive, socket, taken } = yield* established(side)
      socket.sweep(connectionIdInterval, limits)
      const [next, another] = native.issued as [Uint8Array, Uint8Array]
      receive(shortHeader(id))
      receive(shortHeader(next))
      // Retired by the packet that was just taken, and overtaken by it.
      native.retired.push(id)
      receive(shortHeader(id))
      receive(shortHeader(next))
      assert.strictEqual(taken.length, 3)
      yield* turns
      receive(shortHeader(id))
      receive(shortHeader(another))
      receive(shortHeader(id))
      assert.strictEqual(taken.length, 4)
      yield* turns
      // Nor is it taken for a stateless reset, which comes for no id at all.
      receive(shortHeader(id))
      yield* turns
      assert.strictEqual(taken.length, 4)
    })
  )
})

describe("the id that a dialler brings to its handshake, which has no stateless reset token,", () => {
  /** HANDSHAKE_DONE, and an acknowledgement. */
  const confirmations = [
    [0x1e, 0, 0],
    [0x02, 0, 0, 0, 0]
  ]

  it.live("is retired once the handshake is confirmed, once, and not before", () =>
    Effect.gen(function* () {
      for (const frames of confirmations) {
        for (const peerIdLimit of [2, 8]) {
          const { id, native, receive, socket } = yield* established("dialled", peerIdLimit)
          for (let i = 0; i < 3; i++) socket.sweep(connectionIdInterval, limits)
          assert.strictEqual(native.retirements, 0)
          assert.strictEqual(native.issued.length, peerIdLimit - 1)
          // The packet that is acknowledged.
          native.outgoing.push(shortHeader(id))
          receive(shortHeader(id))
          yield* turns
          const packet = decrypted(frames)
          packet.set(id, 1)
          // The stub of the tests above authenticates nothing.
          Object.assign(native, { recv: () => void (native.received += 1) })
          receive(packet)
          yield* turns
          for (let i = 0; i < 3; i++) socket.sweep(connectionIdInterval, limits)
          assert.strictEqual(native.retirements, 1)
          assert.strictEqual(native.issued.length, peerIdLimit)
          // That it is retired does not make room for another one.
          native.retired.push(id)
          receive(shortHeader(native.issued[0]!))
          yield* turns
          for (let i = 0; i < 3; i++) socket.sweep(connectionIdInterval, limits)
          assert.strictEqual(native.issued.length, peerIdLimit)
          assert.strictEqual(native.retirements, 1)
          socket.close()
        }
      }
    })
  )

  it.live("has one with a connection that was accepted, and stays", () =>
    Effect.gen(function* () {
      const { id, native, receive, socket } = yield* established("accepted", 2)
      native.authenticates = true
      // The packet that is acknowledged.
      native.outgoing.push(shortHeader(id))
      receive(shortHeader(id))
      yield* turns
      for (const frames of confirmations) {
        const packet = decrypted(frames)
        packet.set(id, 1)
        receive(packet)
        yield* turns
      }
      for (let i = 0; i < 3; i++) socket.sweep(connectionIdInterval, limits)
      assert.strictEqual(native.retirements, 0)
      assert.strictEqual(native.issued.length, 1)
      socket.close()
    })
  )
})

describe("retired connection ids", () => {
  it("are forgotten when none was retired for some time, so that a connection that lives on keeps nothing of them", () => {
    const native = new Native()
    native.peerIdLimit = 4
    const known = new Set(["first"])
    const ids = new ConnectionIds(
      {
        native: native as unknown as NativeConnection,
        addId: (key) => known.add(key),
        removeId: (key) => known.delete(key),
        newId: () => ({ id: randomId(), resetToken: 0n }),
        canRetireFirst: () => false
      },
      "first",
      true
    )
    ids.tick(1)
    const [one, two] = native.issued as [Uint8Array, Uint8Array]
    native.retired.push(one)
    ids.readRetired()
    ids.tick(retiredIdLifetime - 1)
    native.retired.push(two)
    ids.readRetired()
    ids.tick(retiredIdLifetime - 1)
    for (const late of [one, two]) {
      assert.isTrue(known.has(keyOf(late)))
      assert.isFalse(ids.accepts(keyOf(late)))
    }
    ids.tick(1)
    assert.isFalse(known.has(keyOf(one)) || known.has(keyOf(two)))
    assert.strictEqual(known.size, 4)
    assert.isTrue(known.has("first"))
  })
})

describe("a peer that retires every id that it gets", () => {
  it("costs one id a second, and no more memory than before", () => {
    const native = new Native()
    native.peerIdLimit = 2 ** 40
    const known = new Set<string>()
    const ids = new ConnectionIds(
      {
        native: native as unknown as NativeConnection,
        addId: (key) => known.add(key),
        removeId: (key) => known.delete(key),
        newId: () => ({ id: randomId(), resetToken: 0n }),
        canRetireFirst: () => false
      },
      "first",
      true
    )
    ids.issueFirst()
    ids.tick(1)
    let read = 0
    for (let seconds = 1; seconds <= 1_000; seconds++) {
      native.retired.push(...native.issued.slice(read))
      read = native.issued.length
      ids.readRetired()
      ids.tick(connectionIdInterval)
      assert.isAtMost(native.issued.length, 2 * maxConnectionIds - 1 + seconds)
      assert.isAtMost(known.size, 2 * maxConnectionIds)
    }
    // The one that it was given last is good.
    assert.isTrue(known.has(idKey(native.issued.at(-1)!, 0, connectionIdLength)))
  })
})
