import { assert, describe, it, vi } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { IdleTimedOut, LocallyClosed, StatelessReset, TransportClosed } from "@qp2p/core/Close"
import { ConnectionReset, DatagramRefused, EndpointStopped } from "@qp2p/core/ConnectionError"
import { endedIdLifetime } from "../../../src/internal/tunables/connectionIds.ts"
import { maxOutOfOrder, unexplainedBytes } from "../../../src/internal/tunables/memory.ts"
import { burst, maxDatagramsInFlight } from "../../../src/internal/tunables/path.ts"
import { fromPublicKey, type PeerId } from "@qp2p/core/PeerId"
import { certificateOf, publicKeyOf } from "../../support/certificates.ts"
import {
  acknowledging,
  bind,
  initial,
  negotiation,
  peerId,
  pingsTo,
  type Setup,
  shortHeader,
  turns
} from "../../support/fakeBinding.ts"
import { address, type Dial, outcomes, until } from "../../support/quicSockets.ts"
import { decryptedLong } from "../../support/frames.ts"
import { minDatagramSize } from "../../../src/internal/packets/datagramSize.ts"

const limits = { keepAlive: 20_000, handshake: 10_000, stall: 60_000 }
const peer = address("127.0.0.1:2")
const MiB = 1 << 20

/** A socket with so many connections that it has dialled. */
const dialled = Effect.fnUntraced(function* (count: number, setup: Setup = {}) {
  const it = bind(setup)
  const dials = Array.from({ length: count }, () => it.dial())
  for (const native of it.natives) {
    native.established = true
    native.received = 1
  }
  yield* turns
  return { ...it, peers: dials.map((dial: Dial) => dial.connected[0]!) }
})

/** The peer of the first connection sends from an address until it has proven to receive there. */
const moveTo = Effect.fnUntraced(function* (
  { datagrams, ids, natives, receiveFrom }: ReturnType<typeof bind>,
  host: string,
  port: number,
  number = 1
) {
  natives[0]!.makesPings = true
  const packet = shortHeader(ids[0]!, 1_200)
  packet[1 + ids[0]!.length] = number
  receiveFrom(packet, host, port)
  yield* turns
  const to = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
  receiveFrom(acknowledging(ids[0]!, number + 1, pingsTo(datagrams, to)), host, port)
  yield* turns
})

describe("unread bytes", () => {
  it.live("near the limit have the connection with the most of them take less, and the others go on", () =>
    Effect.gen(function* () {
      const { ids, natives, overloads, peers, receive, socket } = yield* dialled(3, { unreadBuffer: 1_000_000 })
      const arrive = (i: number, packets: number) => {
        natives[i]!.streams.set(3, packets * 50_000)
        for (let n = 0; n < packets; n++) receive(shortHeader(ids[i]!, 50_000))
        return turns
      }
      for (const native of natives) native.authenticates = true
      const taken = () => natives.map(({ received }) => received)
      for (const peer of peers) peer.heed = (stream) => (stream.demand = () => 0)
      yield* arrive(0, 4)
      yield* arrive(1, 10)
      const before = taken()
      yield* arrive(2, 2)
      // Of a datagram of this size, another is taken after seconds.
      yield* arrive(1, 1)
      yield* arrive(1, 3)
      yield* arrive(0, 1)
      assert.deepStrictEqual(
        taken().map((count, i) => count - before[i]!),
        [1, 1, 2]
      )
      assert.deepStrictEqual(overloads, [])
      for (const { closes } of peers) assert.deepStrictEqual(closes, [])
      socket.close()
    })
  )

  it.live("far over the limit close the connection with the most of them, which was held back", () =>
    Effect.gen(function* () {
      const { ids, natives, overloads, peers, receive, socket } = yield* dialled(2, { unreadBuffer: 10 * MiB })
      for (const peer of peers) peer.heed = (stream) => (stream.demand = () => 0)
      peers[0]!.connection.charge!(9 * MiB)
      peers[1]!.connection.charge!(MiB)
      assert.deepStrictEqual(overloads, [])
      peers[1]!.connection.charge!(5 * MiB)
      yield* turns
      assert.deepStrictEqual(overloads, [["127.0.0.1:2", 9 * MiB]])
      assert.deepStrictEqual(
        peers.map(({ closes }) => closes),
        [[new LocallyClosed()], []]
      )
      assert.deepStrictEqual(natives[0]!.closes, [[true, 3, "the application does not keep up"]])
      // What it had counts no more, also when its owner gives it back later.
      peers[0]!.connection.charge!(-9 * MiB)
      peers[1]!.connection.charge!(7 * MiB)
      yield* turns
      assert.strictEqual(overloads.length, 1)
      receive(shortHeader(ids[1]!, 100))
      socket.close()
    })
  )

  it.live("keep further peers of the same IP address out until some of them are read, and no others", () =>
    Effect.gen(function* () {
      const { accepted, ids, natives, peers, receive, receiveFrom, sent, socket } = yield* dialled(1, {
        unreadBuffer: 150_000
      })
      peers[0]!.heed = (stream) => (stream.demand = () => 0)
      natives[0]!.streams.set(3, 80_000)
      for (let n = 0; n < 80; n++) receive(shortHeader(ids[0]!, 1_000))
      yield* turns
      receive(initial(), 3)
      yield* turns
      assert.strictEqual(natives.length, 1)
      assert.strictEqual(sent.length, 1)
      receiveFrom(initial(Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1)), "192.0.2.5", 3)
      assert.strictEqual(natives.length, 2)
      for (let reads = 0; reads < 5; reads++) {
        natives[0]!.streams.set(3, 80_000)
        peers[0]!.streams[0]!.demand = undefined
        peers[0]!.streams[0]!.resume()
        yield* turns
      }
      receive(initial(), 3)
      assert.strictEqual(natives.length, 3)
      assert.deepStrictEqual(accepted, [])
      socket.close()
    })
  )
})

describe("a handshake that comes in pieces", () => {
  it.live("is taken up to a number of them, and others go on", () =>
    Effect.gen(function* () {
      const { natives, receive, socket } = bind()
      const pieces = Array.from({ length: 250 }, () => [0x06, 0, 1, 9]).flat()
      const first = decryptedLong("Initial", [...pieces, ...Array.from({ length: 200 }, () => 0)])
      for (let i = 0; i < 5; i++) receive(first.slice())
      yield* turns
      assert.deepStrictEqual(
        natives.map(({ taken }) => taken),
        [1]
      )
      const another = [9, 9, 9, 9, 9, 9, 9, 9]
      const usual = decryptedLong("Initial", [0x06, 0, 1, 9, ...Array.from({ length: 1_200 }, () => 0)], {
        dcid: another
      })
      for (let i = 0; i < 5; i++) receive(usual.slice())
      yield* turns
      assert.strictEqual(natives[1]!.taken, 5)
      // With the last piece the handshake may be complete.
      natives[0]!.established = true
      receive(first.slice())
      assert.strictEqual(natives[0]!.taken, 2)
      socket.close()
    })
  )
})

describe("a defect", () => {
  it.live("in a connection's turn costs that connection and no other, and the socket goes on", () =>
    Effect.gen(function* () {
      const { defects, dial, ids, natives, peers, receive, sent } = yield* dialled(2)
      natives[0]!.readError = new Error("a mistake")
      for (const id of ids) receive(shortHeader(id))
      natives[1]!.streams.set(3, 5)
      yield* turns
      assert.deepStrictEqual(defects, [new Error("a mistake")])
      assert.deepStrictEqual(peers[0]!.closes, [new LocallyClosed()])
      // Its peer is told.
      assert.deepStrictEqual(natives[0]!.closes, [[true, 0, ""]])
      assert.deepStrictEqual(sent, [Uint8Array.of(0xcc)])
      assert.deepStrictEqual(peers[1]!.closes, [])
      assert.strictEqual(peers[1]!.streams[0]?.length, 5)
      // What is left of it is not looked at again.
      receive(shortHeader(ids[0]!))
      yield* turns
      assert.strictEqual(defects.length, 1)
      const next = dial()
      natives[2]!.established = true
      yield* turns
      assert.strictEqual(next.connected.length, 1)
    })
  )

  it.live("in a callback and in `onClosed` costs that connection and no other", () =>
    Effect.gen(function* () {
      const { defects, ids, natives, peers, receive } = yield* dialled(2)
      const mistake = () => {
        throw new Error("a mistake")
      }
      peers[0]!.heed = mistake
      Object.assign(peers[0]!, { onClosed: mistake })
      for (const [i, id] of ids.entries()) {
        natives[i]!.streams.set(3, 5)
        receive(shortHeader(id))
      }
      yield* turns
      assert.strictEqual(defects.length, 2)
      assert.strictEqual(peers[1]!.streams[0]?.length, 5)
    })
  )

  it.live("in `onClosed` keeps no other connection open when the socket closes", () =>
    Effect.gen(function* () {
      const { defects, peers, socket } = yield* dialled(3)
      const mistake = new Error("a mistake")
      Object.assign(peers[0]!, {
        onClosed: () => {
          throw mistake
        }
      })
      socket.close()
      assert.deepStrictEqual(defects, [mistake])
      for (const { closes } of peers.slice(1)) assert.deepStrictEqual(closes, [new LocallyClosed()])
      assert.isTrue(socket.isQuiet)
    })
  )

  it.live("in a sweep costs that connection and no other", () =>
    Effect.gen(function* () {
      const { defects, natives, peers, socket } = yield* dialled(2)
      natives[0]!.sendAckEliciting = () => {
        throw new Error("a mistake")
      }
      for (let i = 0; i < 3; i++) socket.sweep(limits.keepAlive, limits)
      assert.isAtLeast(defects.length, 1)
      assert.isAtLeast(natives[1]!.pings, 1)
      assert.deepStrictEqual(peers[1]!.closes, [])
    })
  )

  it.live("in a datagram costs that datagram", () =>
    Effect.gen(function* () {
      const { defects, ids, natives, peers, receive } = yield* dialled(1)
      natives[0]!.statsError = new Error("a mistake")
      receive(shortHeader(ids[0]!), 3)
      assert.deepStrictEqual(defects, [new Error("a mistake")])
      natives[0]!.statsError = undefined
      natives[0]!.streams.set(3, 5)
      receive(shortHeader(ids[0]!))
      yield* turns
      assert.strictEqual(peers[0]!.streams[0]?.length, 5)
      assert.deepStrictEqual(peers[0]!.closes, [])
    })
  )

  it("of the binding with a stranger's packet leaves no connection behind", () => {
    const { failAccept, natives, receive, socket } = bind()
    failAccept(new Error("TlsFail"))
    receive(initial())
    assert.strictEqual(natives.length, 0)
    assert.isTrue(socket.isQuiet)
  })
})

describe("a packet that the system refuses to send", () => {
  const packet = () => Uint8Array.of(0xc0)

  it.live("fails its dial at once when it was the first, and no other dial or connection", () =>
    Effect.gen(function* () {
      const { accepted, datagrams, dial, natives, receive, socket } = bind()
      const there = dial()
      natives[0]!.established = true
      yield* turns
      const lost = dial()
      const beside = dial()
      natives[1]!.outgoing.push(packet())
      natives[2]!.outgoing.push(packet())
      receive(initial(), 2)
      yield* turns
      assert.strictEqual(datagrams.length, 2)
      socket.refused(datagrams[0]!, "ENETUNREACH")
      yield* turns
      const detail = "the network is unreachable"
      assert.deepStrictEqual(lost.failed, [new DatagramRefused({ peer, systemCode: "ENETUNREACH", detail })])
      assert.deepStrictEqual(beside.failed, [])
      assert.deepStrictEqual(there.connected[0]!.closes, [])
      natives[3]!.established = true
      receive(initial(), 2)
      yield* turns
      assert.strictEqual(accepted.length, 1)
    })
  )

  it.live("is like a loss when another has left, and then explains why the peer has not answered", () =>
    Effect.gen(function* () {
      const { datagrams, dial, natives, socket } = bind()
      const dialled = dial()
      natives[0]!.outgoing.push(packet(), packet())
      yield* turns
      socket.refused(datagrams[1]!, "EPERM")
      yield* turns
      assert.deepStrictEqual(dialled.failed, [])
      socket.sweep(0, limits)
      socket.sweep(limits.handshake, limits)
      yield* turns
      assert.strictEqual(dialled.failed[0]?._tag, "DatagramRefused")
    })
  )

  for (const code of ["EAGAIN", "ENOBUFS", "ENOMEM", "ECONNREFUSED", "ECONNRESET"]) {
    it.live(`with ${code} is like a loss`, () =>
      Effect.gen(function* () {
        const { datagrams, dial, natives, socket } = bind()
        const dialled = dial()
        natives[0]!.outgoing.push(packet())
        yield* turns
        socket.refused(datagrams[0]!, code)
        yield* turns
        assert.deepStrictEqual(dialled.failed, [])
        natives[0]!.established = true
        natives[0]!.received = 1
        natives[0]!.outgoing.push(packet())
        socket.sweep(0, limits)
        socket.sweep(limits.handshake, limits)
        yield* turns
        assert.strictEqual(dialled.connected.length, 1)
      })
    )
  }

  it.live("is counted on its connection, and logged once, however many connections there are", () =>
    Effect.gen(function* () {
      const { datagrams, natives, peers, socket, warnings } = yield* dialled(3)
      for (const peer of peers) peer.connection.openUni(0).write(Uint8Array.of(1), false, () => {})
      for (const native of natives) native.outgoing.push(packet(), packet())
      yield* turns
      assert.strictEqual(datagrams.length, 6)
      for (const datagram of datagrams) socket.refused(datagram, "EPERM")
      yield* turns
      for (const { closes, connection } of peers) {
        assert.strictEqual(connection.stats().packetsRefused, 2)
        assert.deepStrictEqual(closes, [])
      }
      assert.deepStrictEqual(warnings, [
        "a packet to 127.0.0.1:2 was not sent: the system does not permit it, as with a firewall or a broadcast address (EPERM); further ones are only counted"
      ])
    })
  )

  it("belongs to no connection when it replies to a stranger", () => {
    const { defects, socket, warnings } = bind()
    socket.refused({ payload: packet(), address: peer, sender: undefined }, "EPERM")
    assert.deepStrictEqual([defects, warnings], [[], []])
  })
})

describe("version negotiation", () => {
  it.live("ends a dial whose server does not speak version 1, and nothing else", () =>
    Effect.gen(function* () {
      const { accepted, dial, ids, natives, receive, sent } = bind()
      const there = dial()
      natives[0]!.established = true
      yield* turns
      const lost = dial()
      receive(initial())
      natives[2]!.established = true
      // A packet of this server has come: it speaks the version (RFC 9000, section 6.2).
      const answered = dial()
      natives[3]!.received = 1
      yield* turns
      for (const id of ids) receive(negotiation(id, 1))
      yield* turns
      assert.deepStrictEqual(lost.failed, [])
      for (const id of ids) receive(negotiation(id, 2))
      yield* turns
      assert.strictEqual(lost.failed[0]?._tag, "VersionMismatch")
      assert.deepStrictEqual(answered.failed, [])
      assert.deepStrictEqual(there.connected[0]!.closes, [])
      assert.deepStrictEqual(accepted[0]!.closes, [])
      // The server answers the packet that withdraws the dial in the same way.
      const before = sent.length
      for (let i = 0; i < 4; i++) for (const id of ids) receive(negotiation(id, 2))
      yield* turns
      assert.strictEqual(sent.length, before)
    })
  )
})

describe("a datagram", () => {
  it.live("of no bytes, or that comes after the socket was closed, is dropped", () =>
    Effect.gen(function* () {
      const { defects, ids, natives, receive, socket } = yield* dialled(1)
      let taken = 0
      natives[0]!.recv = () => {
        taken += 1
      }
      receive(new Uint8Array(0))
      receive(shortHeader(ids[0]!))
      assert.strictEqual(taken, 1)
      socket.close()
      receive(shortHeader(ids[0]!))
      receive(initial())
      assert.strictEqual(taken, 1)
      assert.strictEqual(natives.length, 1)
      assert.deepStrictEqual(defects, [])
    })
  )
})

describe("a datagram from port 0", () => {
  it.live("is dropped: it opens no connection, gets no reply, and moves no peer", () =>
    Effect.gen(function* () {
      const it = yield* dialled(1)
      const { ids, natives, peers, receive, sent } = it
      natives[0]!.authenticates = true
      const before = sent.length
      receive(initial(), 0)
      receive(shortHeader(ids[0]!), 0)
      yield* turns
      assert.strictEqual(natives.length, 1)
      assert.strictEqual(sent.length, before)
      assert.strictEqual(peers[0]!.moves, 0)
      // From a port it would.
      yield* moveTo(it, "127.0.0.1", 3)
      assert.strictEqual(peers[0]!.moves, 1)
    })
  )
})

describe("replies to strangers", () => {
  it.live("do not pile up: while the kernel takes nothing, none are made", () =>
    Effect.gen(function* () {
      const { receive, sent, stopTaking } = bind({ maxConnections: 1, maxConnectionsPerIp: 0 })
      receive(initial())
      yield* turns
      assert.strictEqual(sent.length, 1)
      stopTaking()
      for (let i = 0; i < maxDatagramsInFlight + 100; i++) receive(initial())
      yield* turns
      assert.strictEqual(sent.length, 1 + maxDatagramsInFlight)
    })
  )
})

describe("closing the socket", () => {
  it.live("ends every connection and dial, once", () =>
    Effect.gen(function* () {
      const { dial, natives, peers, sent, socket } = yield* dialled(1)
      const pending = dial()
      assert.isTrue(socket.beginClose())
      socket.close()
      socket.close()
      assert.deepStrictEqual(peers[0]!.closes, [new LocallyClosed()])
      assert.deepStrictEqual(pending.failed, [new EndpointStopped()])
      assert.deepStrictEqual(natives[0]!.closes, [[true, 0, ""]])
      const after = sent.length
      const late = dial()
      yield* turns
      assert.deepStrictEqual(late.failed, [new EndpointStopped()])
      assert.strictEqual(sent.length, after)
      assert.strictEqual(natives.length, 2)
    })
  )
})

describe("a connection", () => {
  it.live("whose peer sends too much that is not data is closed with that reason", () =>
    Effect.gen(function* () {
      const { ids, natives, peers, receive } = yield* dialled(1)
      const native = natives[0]!
      native.receivedBytes = Infinity
      const packet = shortHeader(ids[0]!, 65_000)
      for (let bytes = 0; bytes <= unexplainedBytes + maxOutOfOrder; bytes += packet.length) {
        assert.deepStrictEqual(peers[0]!.closes, [])
        receive(packet)
      }
      yield* turns
      const detail = "too much that is not data"
      assert.deepStrictEqual(peers[0]!.closes, [new TransportClosed({ code: 1, detail })])
      assert.deepStrictEqual(native.closes, [[false, 1, detail]])
    })
  )

  it.live("that the binding ends without a reason has met a stateless reset", () =>
    Effect.gen(function* () {
      const { dial, ids, natives, peers, receive } = yield* dialled(1)
      const pending = dial()
      for (const native of natives) native.over = true
      for (const id of ids) receive(shortHeader(id))
      yield* turns
      assert.deepStrictEqual(peers[0]!.closes, [new StatelessReset()])
      assert.deepStrictEqual(pending.failed, [new ConnectionReset({ peer })])
    })
  )

  it.live("keeps nothing that it may never need: neither what made it, nor records of streams and of addresses", () =>
    Effect.gen(function* () {
      const it = yield* dialled(1)
      const { peers, receive } = it
      receive(initial())
      it.natives[1]!.established = true
      receive(shortHeader(it.ids[1]!))
      yield* turns
      const inside = (object: object, ...path: ReadonlyArray<string>): unknown =>
        path.reduce((each, name) => Reflect.get(each, name) as object, object)
      const { connection } = peers[0]!
      for (const each of [connection, it.accepted[0]!.connection]) {
        assert.isUndefined(inside(each, "owner"))
        assert.isUndefined(inside(each, "parts", "ownProof"))
        assert.isUndefined(inside(each, "parts", "frames", "held", "streams"))
      }
      assert.isDefined(inside(connection, "handlers"))
      // A peer that moves has one from then on.
      it.natives[0]!.authenticates = true
      yield* moveTo(it, "127.0.0.2", 2)
      assert.isDefined(inside(connection, "parts", "ownProof"))
      assert.strictEqual(String(connection.remoteAddress), "127.0.0.2:2")
    })
  )

  it.live("has no turn for a packet that is no stateless reset of it, and one for that which is", () =>
    Effect.gen(function* () {
      const { natives, peers, receive } = yield* dialled(1)
      const native = natives[0]!
      native.received = 1
      let calls = 0
      native.retiredScidNext = () => {
        calls += 1
        return null
      }
      const send = native.send.bind(native)
      native.send = (buffer) => {
        calls += 1
        return send(buffer)
      }
      const unknown = shortHeader(new Uint8Array(20).fill(7))
      const { taken } = native
      receive(unknown)
      yield* turns
      assert.deepStrictEqual([native.taken - taken, calls], [1, 0])
      native.closed = true
      receive(unknown)
      yield* turns
      assert.deepStrictEqual(peers[0]!.closes, [new StatelessReset()])
    })
  )

  it.live("goes on when the binding has no packet for it, and lets others have their turn when it has many", () =>
    Effect.gen(function* () {
      const { ids, natives, peers, receive, sent } = yield* dialled(1)
      const native = natives[0]!
      native.sendError = new Error("Done")
      receive(shortHeader(ids[0]!))
      yield* turns
      assert.deepStrictEqual(peers[0]!.closes, [])
      native.sendError = undefined
      const packets = Math.ceil(burst / minDatagramSize) + 1
      native.outgoing.push(...Array.from({ length: packets }, () => new Uint8Array(minDatagramSize)))
      receive(shortHeader(ids[0]!))
      yield* turns
      assert.strictEqual(sent.length, packets)
    })
  )

  it.live("whose peer does not answer a liveness probe ends like an idle one", () =>
    Effect.gen(function* () {
      const { dial, natives, peers, socket } = yield* dialled(1)
      const pending = dial()
      const [connection] = peers
      connection!.connection.checkAlive!()
      assert.strictEqual(natives[0]!.pings, 1)
      for (let i = 0; i < 5; i++) socket.sweep(1_000, limits)
      yield* turns
      assert.deepStrictEqual(connection!.closes, [new IdleTimedOut()])
      assert.strictEqual(natives[1]!.pings, 0)
      assert.deepStrictEqual(pending.failed, [])
    })
  )

  it.live("has counters that are all zero as long as it has no path", () =>
    Effect.gen(function* () {
      const { peers } = yield* dialled(1)
      const { roundTripTime, ...counters } = peers[0]!.connection.stats()
      assert.isTrue(Duration.isZero(roundTripTime))
      assert.deepStrictEqual(new Set(Object.values(counters)), new Set([0]))
    })
  )

  it.live("sends what is left of its handshake before the close frame, which the binding would hold back for it", () =>
    Effect.gen(function* () {
      const { natives, peers, sent } = yield* dialled(1)
      yield* turns
      const handshake = Uint8Array.of(0xe0)
      natives[0]!.outgoing.push(handshake)
      peers[0]!.connection.close(0, "")
      yield* turns
      assert.deepStrictEqual(sent, [handshake, Uint8Array.of(0xcc)])
      assert.deepStrictEqual(peers[0]!.closes, [new LocallyClosed()])
    })
  )

  it.live("is over for its application although the binding refuses to close it", () =>
    Effect.gen(function* () {
      const { defects, natives, peers, socket } = yield* dialled(1)
      natives[0]!.closeError = new Error("Done")
      peers[0]!.connection.close(3, "bye")
      yield* turns
      socket.close()
      assert.deepStrictEqual(defects, [])
      assert.deepStrictEqual(peers[0]!.closes, [new LocallyClosed()])
    })
  )

  it.live("that has ended is silent, at every call", () =>
    Effect.gen(function* () {
      const { natives, peers, socket } = yield* dialled(1)
      const native = natives[0]!
      peers[0]!.connection.close(3, "bye")
      yield* turns
      assert.deepStrictEqual(peers[0]!.closes, [new LocallyClosed()])
      peers[0]!.connection.close(4, "again")
      peers[0]!.connection.checkAlive!()
      for (let i = 0; i < 100; i++) socket.sweep(1_000, limits)
      yield* turns
      assert.deepStrictEqual(native.closes, [[true, 3, "bye"]])
      assert.strictEqual(native.pings, 0)
      assert.strictEqual(peers[0]!.closes.length, 1)
    })
  )

  it.live(
    "that its peer has closed is forgotten at once, and its late packets make no connection and get no answer",
    () =>
      Effect.gen(function* () {
        const { accepted, ids, natives, receive, sent, socket } = bind()
        const time = performance.now()
        receive(initial())
        natives[0]!.established = true
        yield* turns
        natives[0]!.over = true
        receive(shortHeader(ids[0]!))
        yield* turns
        assert.deepStrictEqual(accepted[0]!.closes, [new StatelessReset()])
        const { taken } = natives[0]!
        const late = function* () {
          receive(initial())
          receive(shortHeader(ids[0]!, 1_200))
          yield* turns
        }
        yield* late()
        const now = vi.spyOn(performance, "now").mockReturnValue(time + endedIdLifetime - 1)
        yield* late()
        assert.deepStrictEqual([natives.length, natives[0]!.taken, sent.length], [1, taken, 0])
        now.mockReturnValue(time + 3 * endedIdLifetime)
        socket.sweep(1_000, limits)
        yield* late()
        now.mockRestore()
        // Long after it the first packet is that of another connection, and the other one gets a stateless reset.
        assert.deepStrictEqual([natives.length, sent.length], [2, 1])
        socket.close()
      })
  )

  it.live(
    "that this side has closed is forgotten as soon as its close frame has left, which answers its late packets",
    () =>
      Effect.gen(function* () {
        const { datagrams, ids, natives, peers, receiveFrom, sent, socket } = yield* dialled(1)
        peers[0]!.connection.close(7, "bye")
        yield* turns
        assert.strictEqual(sent.length, 1)
        const { taken } = natives[0]!
        // The answers go where the peer was, wherever the packets come from.
        for (let i = 0; i < 8; i++) receiveFrom(shortHeader(ids[0]!), "127.0.0.3", 9)
        yield* turns
        assert.deepStrictEqual(
          sent.map((packet) => [...packet]),
          Array.from({ length: 1 + 4 }, () => [0xcc])
        )
        for (const datagram of datagrams) assert.strictEqual(String(datagram.address), "127.0.0.1:2")
        assert.strictEqual(natives[0]!.taken, taken)
        assert.isTrue(socket.isQuiet)
        socket.close()
      })
  )

  it.live("whose handshake is complete does not time out before the turn that finds out", () =>
    Effect.gen(function* () {
      const { accepted, dial, natives, receive, socket } = bind()
      receive(initial())
      const { connected, failed } = dial()
      yield* turns
      socket.sweep(1_000, limits)
      for (const native of natives) native.established = true
      // The time is over; packets have come, and no turn since.
      socket.sweep(limits.handshake, limits)
      yield* turns
      assert.deepStrictEqual([accepted.length, connected.length, failed.length], [1, 1, 0])
      assert.deepStrictEqual(
        natives.map(({ closes }) => closes),
        [[], []]
      )
    })
  )

  it.live("does not acknowledge what came too late to be read, once the peer has the keys for its close frame", () =>
    Effect.gen(function* () {
      const { accepted, dial, ids, natives, receive, sent, socket } = bind()
      receive(initial())
      const { connected } = dial()
      Object.assign(natives[1]!, { established: true, received: 1 })
      yield* turns
      receive(shortHeader(ids[1]!))
      yield* turns
      // The handshake of the one that was accepted takes too long, and is complete with data behind it before its close
      // frame is out. The one that was dialled is closed by its application.
      for (let waited = 0; waited <= limits.handshake; waited += 1_000) socket.sweep(1_000, limits)
      connected[0]!.connection.close(0, "")
      for (const native of natives) {
        native.established = true
        native.acknowledgements.push(Uint8Array.of(0xaa))
      }
      yield* turns
      assert.deepStrictEqual(sent, [Uint8Array.of(0xcc), Uint8Array.of(0xcc)])
      assert.strictEqual(accepted.length, 0)
    })
  )

  it.live("completes no stream just because of the binding's timer, once that has run out more than once", () =>
    Effect.gen(function* () {
      const { ids, natives, peers, receive } = yield* dialled(2)
      const results: Array<ReadonlyArray<unknown>> = []
      for (const [i, native] of natives.entries()) {
        native.paths = [{ rtt: 1 }]
        const { done, results: each } = outcomes()
        results.push(each)
        peers[i]!.connection.openBi(0, { onData: () => true, onEnd: () => {} }).send.write(Uint8Array.of(1), true, done)
        yield* turns
        // The first one's runs out once, the second one's twice.
        for (let times = 0; times <= i; times++) native.timers.push(0)
        receive(shortHeader(ids[i]!))
        yield* until("all have run out", () => native.timers.length === 0)
        native.received += 1
        receive(shortHeader(ids[i]!))
        // The proof is called for, or not needed.
        yield* until("it is looked into", () => each.length > 0 || native.finished.length > 1)
      }
      assert.deepStrictEqual(results, [["done"], []])
      // What goes to prove it.
      assert.deepStrictEqual(natives[1]!.finished, [0, 2])
    })
  )
})

describe("a peer that answers from elsewhere than it was dialled at", () => {
  const local = address("0.0.0.0:1")
  const name = "127.0.0.2:2"

  /** Dialled at `name`, it answers from 127.0.0.1:2. */
  const elsewhere = Effect.gen(function* () {
    const it = bind({ localAddress: local })
    const dial = it.dial(name)
    it.natives[0]!.established = true
    it.natives[0]!.authenticates = true
    yield* turns
    yield* moveTo(it, "127.0.0.1", 2)
    const peer = dial.connected[0]!
    assert.strictEqual(String(peer.connection.remoteAddress), "127.0.0.1:2")
    return { ...it, peer }
  })

  it.live("is given a stateless reset that it sends from there, and none from where it was dialled", () =>
    Effect.gen(function* () {
      const { natives, receiveFrom } = yield* elsewhere
      const before = natives[0]!.taken
      const unknown = shortHeader(new Uint8Array(20).fill(7))
      receiveFrom(unknown, "127.0.0.2", 2)
      receiveFrom(unknown, "127.0.0.1", 3)
      assert.strictEqual(natives[0]!.taken, before)
      receiveFrom(unknown, "127.0.0.1", 2)
      assert.strictEqual(natives[0]!.taken, before + 1)
    })
  )

  for (const again of [name, "127.0.0.1:2"]) {
    it.live(`ranks a later dial of ${again} after the connection that there is`, () =>
      Effect.gen(function* () {
        const { dial, natives, peer } = yield* elsewhere
        const later = dial(again)
        natives[1]!.established = true
        yield* turns
        const { seniority } = later.connected[0]!.connection
        assert.strictEqual(seniority!.charCodeAt(0), peer.connection.seniority!.charCodeAt(0) + 1)
      })
    )
  }
})

describe("a dial for a peer", () => {
  it.live("comes after the connections with its key, and not after those of others at its address", () =>
    Effect.gen(function* () {
      const { dial, natives } = bind()
      const first = dial("127.0.0.1:2")
      natives[0]!.established = true
      yield* turns
      const of = (expected: PeerId) => {
        const later = dial("127.0.0.1:2", expected)
        natives.at(-1)!.established = true
        natives.at(-1)!.certificates = [certificateOf(publicKeyOf(expected === peerId ? 1 : 3))]
        return Effect.map(turns, () => later.connected[0]!.connection.seniority!.charCodeAt(0))
      }
      const rank = first.connected[0]!.connection.seniority!.charCodeAt(0)
      assert.strictEqual(yield* of(fromPublicKey(publicKeyOf(3))), 0)
      assert.strictEqual(yield* of(peerId), rank + 1)
    })
  )
})

describe("a link-local peer", () => {
  const local = address("[fe80::1%2]:1")

  it.live("is where it is, whether its zone comes as a name or as a number", () =>
    Effect.gen(function* () {
      const it = bind({ localAddress: local })
      const { datagrams, dial, ids, natives, receiveFrom } = it
      const near = dial("[fe80::2%2]:2")
      natives[0]!.established = true
      natives[0]!.authenticates = true
      yield* turns
      for (const zone of ["eth0", "2"]) receiveFrom(shortHeader(ids[0]!), `fe80::2%${zone}`, 2)
      yield* turns
      assert.strictEqual(near.connected[0]!.moves, 0)
      natives[0]!.makesPings = true
      for (const [i, zone] of ["eth0", "2"].entries()) {
        const packet = shortHeader(ids[0]!, 1_200)
        packet[1 + ids[0]!.length] = i + 1
        receiveFrom(packet, `fe80::3%${zone}`, 2)
        yield* turns
      }
      const pings = pingsTo(datagrams, "[fe80::3%2]:2")
      receiveFrom(acknowledging(ids[0]!, 3, pings), "fe80::3%eth0", 2)
      assert.strictEqual(near.connected[0]!.moves, 1)
      receiveFrom(acknowledging(ids[0]!, 4, []), "fe80::3%2", 2)
      assert.strictEqual(near.connected[0]!.moves, 1)
    })
  )

  it.live("counts by its address and zone", () =>
    Effect.gen(function* () {
      const { accepted, natives, receiveFrom } = bind({ localAddress: local, maxConnectionsPerIp: 1 })
      receiveFrom(initial(), "fe80::2%eth0", 2)
      receiveFrom(initial(Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1)), "fe80::2%eth0", 3)
      receiveFrom(initial(Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 2)), "fe80::2%2", 4)
      assert.strictEqual(natives.length, 1)
      receiveFrom(initial(Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 3)), "fe80::2%3", 2)
      assert.strictEqual(natives.length, 2)
      assert.deepStrictEqual(accepted, [])
    })
  )
})
