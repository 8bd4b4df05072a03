import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as packetHeader from "../src/internal/packets/packetHeader.ts"
import * as tunables from "../src/internal/tunables/memory.ts"
import { Network, open, random } from "./support/impairedNetwork.ts"
import { at, bind, type Bound, connected, pattern, type Peer, settled, text, until } from "./support/quicSockets.ts"
import { type RawPeer, rawClient } from "./support/nativePeers.ts"
import { relay, udp } from "./support/udpPeers.ts"

/** Keeps messages flowing both ways until told to stop. */
const converse = (near: Peer, far: Peer) => {
  let going = true
  let sent = 0
  let confirmed = 0
  const failures: Array<unknown> = []
  const next = (from: Peer) => {
    if (!going) return
    sent += 1
    from.connection.openUni(0).write(pattern(1 + ((sent * 997) % 5_000), sent), true, (failure) => {
      confirmed += 1
      if (failure !== undefined) failures.push(failure)
      setImmediate(() => next(from))
    })
  }
  for (const peer of [near, far]) for (let i = 0; i < 4; i++) next(peer)
  const whole = (peer: Peer) =>
    peer.streams.filter(({ ends, length }) => ends.length === 1 && ends[0] === undefined && length > 0).length
  const before = whole(near) + whole(far)
  const finish = Effect.gen(function* () {
    going = false
    yield* until("all confirmations", () => confirmed === sent)
    yield* until("all ends", () => whole(near) + whole(far) - before === sent)
    assert.deepStrictEqual(failures, [])
    return sent
  })
  return { finish, sent: () => sent }
}

/** Hands `count` packets to `send`, a few at a time, so that the socket gets its turns. */
const pour = Effect.fnUntraced(function* (count: number, send: (i: number) => void) {
  for (let i = 0; i < count; i++) {
    send(i)
    if (i % 32 === 31) yield* Effect.promise(() => new Promise(setImmediate))
  }
})

const mutate = (packet: Uint8Array, next: () => number): Uint8Array => {
  const mutant = packet.slice()
  const times = 1 + Math.floor(next() * 4)
  for (let i = 0; i < times; i++) mutant[Math.floor(next() * mutant.length)] = Math.floor(next() * 256)
  return next() < 0.2 ? mutant.subarray(0, 1 + Math.floor(next() * mutant.length)) : mutant
}

describe("a flood", () => {
  it.live(
    "of random datagrams, mutants and replays does not hinder a real peer: every message arrives",
    () =>
      Effect.gen(function* () {
        let arrived = 0
        const network = new Network(open, (payload) => {
          arrived += 1
          return [payload]
        })
        const server = yield* bind({ openSocket: network.openSocket })
        const path = yield* relay(() => server.socket.address.port)
        const client = yield* bind({ maxUdpPayload: 1_350 })
        path.recording = true
        const near = yield* connected(client.dial(at(path.port)))
        yield* until("the acceptor", () => server.accepted.length === 1)
        const far = server.accepted[0]!
        const warm = near.send(pattern(100_000))
        yield* until("some real packets", () => warm.results.length === 1)
        path.recording = false
        // Of the handshake, and of the connection that lives.
        const captured = path.toServer
        assert.isAbove(captured.length, 50)
        const streams = far.streams.length
        const talk = converse(near, far)
        const attackers = [yield* udp(), yield* udp()]
        const next = random(11)
        const noise = randomBytes(1 << 16)
        const attack = (i: number) => {
          const attacker = attackers[i % 2]!
          const kind = next()
          const packet = captured[Math.floor(next() * captured.length)]!
          if (kind < 0.5) {
            const length = 1 + Math.floor(next() * (next() < 0.1 ? 9_000 : 1_300))
            const start = Math.floor(next() * (noise.length - length))
            attacker.send(noise.subarray(start, start + length), server.socket.address.port)
          } else if (kind < 0.9) attacker.send(mutate(packet, next), server.socket.address.port)
          else if (kind < 0.95) attacker.send(packet, server.socket.address.port)
          // From where the real peer is, as far as anybody can tell.
          else path.inject(mutate(packet, next))
        }
        for (let round = 0; round < 100; round++) {
          const before = talk.sent()
          yield* pour(1_000, attack)
          yield* until("messages under attack", () => talk.sent() >= before + 4)
        }
        assert.isAbove(arrived, 80_000)
        const sent = yield* talk.finish
        assert.strictEqual(near.streams.length + far.streams.length - streams, sent)
        assert.deepStrictEqual([...near.closes, ...far.closes], [])
        // And strangers are still welcome.
        yield* settled(server)
      }),
    60_000
  )

  it.live("of replayed first flights makes no connection that the server reports", () =>
    Effect.gen(function* () {
      const server = yield* bind({ handshakeTimeout: Duration.millis(500) })
      const path = yield* relay(() => server.socket.address.port)
      const client = yield* bind()
      path.recording = true
      yield* connected(client.dial(at(path.port)))
      yield* until("the acceptor", () => server.accepted.length === 1)
      path.recording = false
      const attacker = yield* udp()
      attacker.onHeard = () => {}
      const handshake = path.toServer.filter(packetHeader.isLongHeader)
      assert.isAbove(handshake.length, 0)
      yield* pour(2_000, (i) => attacker.send(handshake[i % handshake.length]!, server.socket.address.port))
      yield* settled(server)
      // The one that the flood was recorded from, and the one by which the server was seen to have settled.
      yield* until("the acceptor", () => server.accepted.length >= 2)
      assert.strictEqual(server.accepted.length, 2)
    })
  )

  it.live("with a live connection's id, from an observer of one of its packets, does not end that connection", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const path = yield* relay(() => server.socket.address.port)
      const client = yield* bind()
      path.recording = true
      const near = yield* connected(client.dial(at(path.port)))
      const warm = near.send(text("warm"))
      yield* until("some real packets", () => warm.results.length === 1)
      const far = server.accepted[0]!
      const id = path.toServer.findLast((packet) => !packetHeader.isLongHeader(packet))!.subarray(1, 21)
      const attacker = yield* udp()
      const packet = randomBytes(60_000)
      packet[0] = 0x40 | (packet[0]! & 0x3f)
      packet.set(id, 1)
      // Twice the budget for what is no data.
      const count = (2 * (tunables.unexplainedBytes + tunables.maxOutOfOrder)) / packet.length
      yield* pour(count * 4, (i) => {
        if (i % 4 === 0) attacker.send(packet, server.socket.address.port)
      })
      const after = near.send(text("after"))
      yield* until("the confirmation", () => after.results.length === 1)
      assert.deepStrictEqual(after.results, ["done"])
      assert.deepStrictEqual([...near.closes, ...far.closes], [])
    })
  )
})

describe("an observer that forges one packet and replays all others, hundreds of times", () => {
  /** The packet is forged when so many of eight messages have been sent. */
  const forgedAfter = (messages: number) =>
    Effect.gen(function* () {
      const server = yield* bind()
      const path = yield* relay(() => server.socket.address.port)
      const client = yield* bind()
      path.recording = true
      const near = yield* connected(client.dial(at(path.port)))
      const attacker = yield* udp()
      const send = Effect.fnUntraced(function* (count: number) {
        for (let i = 0; i < count; i++) {
          const sent = near.send(text("warm"))
          yield* until("the confirmation", () => sent.results.length === 1)
        }
        // The sweep in which connection ids are issued: a frame that a peer may send a few of.
        if (count > 0) yield* Effect.sleep("1200 millis")
      })
      const recorded = () => path.toServer.filter((packet) => !packetHeader.isLongHeader(packet))
      yield* until("the acceptor", () => server.accepted.length === 1)
      yield* send(messages)
      yield* until("a packet", () => recorded().length > 0)
      for (const length of [60, 30]) {
        const forged = randomBytes(length)
        forged[0] = 0x40 | (forged[0]! & 0x3f)
        forged.set(recorded().at(-1)!.subarray(1, 21), 1)
        attacker.send(forged, server.socket.address.port)
      }
      yield* send(8 - messages)
      path.recording = false
      const all = recorded()
      yield* pour(600 * all.length, (i) => attacker.send(all[Math.floor(i / 600)]!, server.socket.address.port))
      yield* settled(server)
      const after = near.send(text("after"))
      yield* until("the confirmation", () => after.results.length === 1)
      assert.deepStrictEqual(after.results, ["done"])
      assert.deepStrictEqual([...near.closes, ...server.accepted[0]!.closes], [])
    })

  it.live("does not end the connection: what comes twice is counted once, whatever came between", () => forgedAfter(8))

  it.live("does not end it either when the packet comes right behind the handshake", () => forgedAfter(0))
})

describe("an observer that forges frames in plain", () => {
  it.live("is not heard, with the connection's id, alone and behind packets of a handshake", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const path = yield* relay(() => server.socket.address.port)
      const client = yield* bind()
      path.recording = true
      const near = yield* connected(client.dial(at(path.port)))
      const warm = near.send(text("warm"))
      yield* until("the confirmation", () => warm.results.length === 1)
      const [id, another] = [
        path.toServer.findLast((packet) => !packetHeader.isLongHeader(packet))!,
        randomBytes(60)
      ].map((packet) => packet.subarray(1, 21)) as [Uint8Array, Uint8Array]
      // An acknowledgement of packets that were not sent ends a connection, if it is the peer's.
      const forged = (to: Uint8Array) => [
        0x40,
        ...to,
        0x7f,
        0x02,
        0x80,
        0xff,
        0xff,
        0xff,
        0,
        0,
        0,
        ...new Uint8Array(40)
      ]
      const long = (type: number, to: Uint8Array, bytes: number) => [
        0xc0 | (type << 4),
        0,
        0,
        0,
        1,
        20,
        ...to,
        0,
        ...(type === 0 ? [0] : []),
        0x40,
        bytes,
        ...randomBytes(bytes)
      ]
      const attacker = yield* udp()
      const far = server.accepted[0]!
      for (const target of [forged(id), forged(another)]) {
        for (const before of [[], long(2, id, 60), long(0, id, 60), [...long(0, id, 60), ...long(2, id, 60)]]) {
          attacker.send(Buffer.from([...before, ...target]), server.socket.address.port)
          yield* Effect.sleep("20 millis")
        }
      }
      const after = near.send(text("after"))
      yield* until("the confirmation", () => after.results.length === 1)
      assert.deepStrictEqual(after.results, ["done"])
      assert.deepStrictEqual([...near.closes, ...far.closes], [])
    })
  )
})

describe("a peer that sends what is not data", () => {
  const established = Effect.fnUntraced(function* (server: Bound) {
    const raw = yield* rawClient(server.socket.address.port)
    raw.flush()
    yield* until("the handshake", () => raw.native.isEstablished() && server.accepted.length === 1)
    return raw
  })

  /** Pings, one a packet, until the connection is over or `bytes` have gone. */
  const ping = (raw: RawPeer, bytes: number) =>
    Effect.gen(function* () {
      let sent = 0
      while (sent < bytes && !raw.native.isClosed() && !raw.native.isDraining()) {
        for (let i = 0; i < 256; i++) {
          raw.native.sendAckEliciting()
          for (const packet of raw.take()) {
            raw.socket.send(packet, raw.peerPort)
            sent += packet.length
          }
        }
        yield* Effect.promise(() => new Promise(setImmediate))
      }
      return sent
    })

  it.live("in moderation is left alone", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const raw = yield* established(server)
      yield* ping(raw, 1 << 20)
      assert.deepStrictEqual(server.accepted[0]!.closes, [])
    })
  )
})
