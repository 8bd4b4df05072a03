/**
 * The datagrams of one connection, on a binding that has what a test says.
 */
import { assert, describe, it } from "@effect/vitest"
import type { NativeConnection } from "../../../src/internal/binding/native.ts"
import { Datagrams, maxDatagramSize, packetOverhead } from "../../../src/internal/connection/datagrams.ts"
import {
  maxArrivedDatagramBytes,
  maxArrivedDatagrams,
  maxQueuedDatagramBytes,
  maxQueuedDatagrams
} from "../../../src/internal/tunables/datagrams.ts"

const setup = () => {
  const arrived: Array<Uint8Array> = []
  const queued: Array<Uint8Array> = []
  const handedOn: Array<Uint8Array> = []
  const state = { most: 16_000 as number | null, mtu: 1_200, closing: false, read: 0, turns: 0, purges: 0, error: "" }
  const native = {
    dgramMaxWritableLen: () => state.most,
    dgramSend: (datagram: Uint8Array) => {
      if (state.error !== "") throw new Error(state.error)
      if (queued.length >= maxQueuedDatagrams) return null
      queued.push(datagram)
      return undefined
    },
    dgramSendQueueByteSize: () => queued.reduce((sum, { length }) => sum + length, 0),
    dgramPurgeOutgoing: (drops: (datagram: Uint8Array) => boolean) => {
      state.purges += 1
      for (const each of queued.splice(0)) if (!drops(each)) queued.push(each)
    },
    dgramRecv: (buffer: Uint8Array) => {
      const datagram = arrived.shift()
      if (datagram === undefined) return null
      buffer.set(datagram)
      return datagram.length
    }
  } as unknown as NativeConnection
  const host = {
    native,
    mtu: {
      get current() {
        return state.mtu
      }
    },
    budget: { read: (bytes: number) => (state.read += bytes) },
    scratch: new Uint8Array(65_536),
    schedule: () => (state.turns += 1),
    isClosing: () => state.closing
  }
  const datagrams = new Datagrams(host)
  const events = {
    onStream: () => assert.fail("a stream"),
    onClosed: () => {},
    onDatagram: (datagram: Uint8Array) => void handedOn.push(datagram)
  }
  /** A packet has come with these. */
  const take = (...all: ReadonlyArray<Uint8Array>) => {
    arrived.push(...all)
    datagrams.take(all.length)
  }
  return { datagrams, events, handedOn, host, queued, state, take, arrived }
}

const filled = (length: number, value: number) => new Uint8Array(length).fill(value)

describe("the size of a datagram", () => {
  it("is what a packet on the path has room for, and no more than the peer takes", () => {
    const { host, state } = setup()
    assert.strictEqual(maxDatagramSize(host), 1_200 - packetOverhead)
    state.mtu = 1_452
    assert.strictEqual(maxDatagramSize(host), 1_452 - packetOverhead)
    state.most = 500
    assert.strictEqual(maxDatagramSize(host), 500)
    state.most = null
    assert.strictEqual(maxDatagramSize(host), 0)
  })
})

describe("datagrams to send", () => {
  it("are queued with a turn to come, up to the largest size", () => {
    const { datagrams, queued, state } = setup()
    const largest = 1_200 - packetOverhead
    assert.isTrue(datagrams.send(filled(largest, 1)))
    assert.isFalse(datagrams.send(filled(largest + 1, 1)))
    assert.deepStrictEqual([queued.length, state.turns], [1, 1])
  })

  it("are bounded in number and in bytes", () => {
    const many = setup()
    for (let i = 0; i < maxQueuedDatagrams; i++) assert.isTrue(many.datagrams.send(filled(1, 0)))
    assert.isFalse(many.datagrams.send(filled(1, 0)))
    const long = setup()
    long.state.mtu = 16_383
    const size = maxDatagramSize(long.host)
    let taken = 0
    while (taken < maxQueuedDatagrams && long.datagrams.send(filled(Math.min(size, 16_000), 0))) taken += 1
    assert.strictEqual(taken, Math.floor(maxQueuedDatagramBytes / 16_000))
  })

  it("are dropped when the binding refuses them, and when this side closes", () => {
    const { datagrams, queued, state } = setup()
    state.error = "InvalidState"
    assert.isFalse(datagrams.send(filled(1, 0)))
    state.error = ""
    state.closing = true
    assert.isFalse(datagrams.send(filled(1, 0)))
    assert.deepStrictEqual(queued, [])
  })

  it("are dropped and counted when packets become too small for them, and the others stay", () => {
    const { datagrams, queued, state } = setup()
    state.mtu = 1_400
    datagrams.send(filled(1_300, 1))
    datagrams.send(filled(100, 2))
    datagrams.send(filled(1_200 - packetOverhead + 1, 3))
    datagrams.dropTooLarge()
    assert.strictEqual(queued.length, 3)
    state.mtu = 1_200
    datagrams.dropTooLarge()
    assert.deepStrictEqual(queued, [filled(100, 2)])
    assert.strictEqual(datagrams.unsent, 2)
    datagrams.dropTooLarge()
    assert.strictEqual(state.purges, 1)
  })
})

describe("datagrams that arrive", () => {
  it("are taken with their packet and handed on in a turn, in their order and in memory of their own", () => {
    const { datagrams, events, handedOn, state, take } = setup()
    take(filled(3, 1), filled(0, 0))
    take(filled(2, 2))
    assert.deepStrictEqual([handedOn, state.read], [[], 5])
    assert.strictEqual(datagrams.deliver(events), 5)
    assert.deepStrictEqual(handedOn, [filled(3, 1), filled(0, 0), filled(2, 2)])
    assert.strictEqual(datagrams.deliver(events), 0)
    assert.strictEqual(handedOn.length, 3)
    assert.deepStrictEqual([handedOn[0]!.buffer.byteLength, handedOn[2]!.buffer.byteLength], [3, 2])
  })

  it("are bounded until the turn, in number and in bytes, and the newest are dropped and counted", () => {
    const many = setup()
    for (let i = 0; i < maxArrivedDatagrams + 5; i++) many.take(filled(1, i & 1))
    assert.strictEqual(many.datagrams.dropped, 5)
    assert.strictEqual(many.datagrams.deliver(many.events), maxArrivedDatagrams + 5)
    assert.strictEqual(many.handedOn.length, maxArrivedDatagrams)
    many.take(filled(1, 7))
    many.datagrams.deliver(many.events)
    assert.deepStrictEqual(many.handedOn.at(-1), filled(1, 7))
    const long = setup()
    const fits = Math.floor(maxArrivedDatagramBytes / 16_000)
    for (let i = 0; i < fits + 3; i++) long.take(filled(16_000, 0))
    assert.strictEqual(long.datagrams.dropped, 3)
    assert.strictEqual(long.state.read, (fits + 3) * 16_000)
  })

  it("are counted when a packet had more than the binding keeps", () => {
    const { arrived, datagrams, events, handedOn } = setup()
    arrived.push(filled(1, 1))
    datagrams.take(4)
    datagrams.deliver(events)
    assert.deepStrictEqual([handedOn.length, datagrams.dropped], [1, 3])
  })

  it("are dropped and counted where nobody takes any, and end with the connection", () => {
    const { datagrams, events, handedOn, state, take } = setup()
    take(filled(1, 1), filled(1, 2))
    datagrams.deliver({ ...events, onDatagram: undefined })
    assert.deepStrictEqual([handedOn, datagrams.dropped], [[], 2])
    take(filled(1, 3), filled(1, 4))
    datagrams.deliver({
      ...events,
      onDatagram: (datagram) => {
        handedOn.push(datagram)
        state.closing = true
      }
    })
    assert.strictEqual(handedOn.length, 1)
    take(filled(1, 5))
    datagrams.clear()
    state.closing = false
    assert.strictEqual(datagrams.deliver(events), 0)
    assert.strictEqual(handedOn.length, 1)
  })

  it("count as work, in both directions", () => {
    const { datagrams, events, take } = setup()
    take(filled(1, 1))
    assert.strictEqual(datagrams.work, 0)
    datagrams.deliver(events)
    assert.strictEqual(datagrams.work, 1)
    datagrams.send(filled(1, 1))
    assert.strictEqual(datagrams.work, 2)
  })
})
