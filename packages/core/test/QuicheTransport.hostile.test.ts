import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as packetHeader from "../src/internal/quiche/packetHeader.ts"
import * as tunables from "../src/internal/quiche/tunables.ts"
import { Network, open, random } from "./support/impaired.ts"
import { at, bind, type Bound, connected, pattern, type Peer, text, until } from "./support/quic.ts"
import { type RawPeer, rawClient } from "./support/raw.ts"
import { relay, type Udp, udp } from "./support/udp.ts"

/** A long header packet of `length` bytes. `kind` is the first byte. */
const longPacket = (kind: number, version: number, dcid: Uint8Array, scid: Uint8Array, length: number): Uint8Array => {
  const packet = randomBytes(length)
  packet[0] = kind
  packet.writeUInt32BE(version, 1)
  packet[5] = dcid.length
  packet.set(dcid, 6)
  packet[6 + dcid.length] = scid.length
  packet.set(scid, 7 + dcid.length)
  return packet
}

/** The token length of an Initial packet comes right after the ids; 0 makes it one without a token. */
const withoutToken = (packet: Uint8Array, dcid: Uint8Array, scid: Uint8Array): Uint8Array => {
  packet[7 + dcid.length + scid.length] = 0
  return packet
}

/** Waits until the socket has dealt with what was sent to it before: a dial of its own comes back. */
const settled = Effect.fnUntraced(function* (server: Bound) {
  const probe = yield* bind()
  yield* connected(probe.dial(server.socket.address))
})

const initials = Effect.fnUntraced(function* (peerPort: number, count: number) {
  return yield* Effect.forEach(Array.from({ length: count }), () => rawClient(peerPort))
})

describe("a packet of no connection", () => {
  it.live("of an unknown version is answered with version negotiation that offers version 1 and echoes the ids", () =>
    Effect.gen(function* () {
      const { socket } = yield* bind()
      const stranger = yield* udp()
      for (const [dcid, scid] of [
        [randomBytes(8), randomBytes(8)],
        [randomBytes(20), new Uint8Array(0)],
        [randomBytes(255), randomBytes(100)]
      ] as const) {
        stranger.send(longPacket(0xc0, 0x1a2a3a4a, dcid, scid, 1_200), socket.address.port)
        yield* until("the answer", () => stranger.heard.length > 0)
        const { bytes } = stranger.heard.shift()!
        assert.strictEqual(bytes[0]! & 0x80, 0x80)
        const header = packetHeader.parseLongHeader(bytes)!
        assert.strictEqual(header.version, 0)
        assert.deepStrictEqual(Buffer.from(header.dcid), Buffer.from(scid))
        assert.deepStrictEqual(Buffer.from(header.scid), Buffer.from(dcid))
        assert.deepStrictEqual(packetHeader.offeredVersions(bytes, header), [1])
      }
    })
  )

  it.live("is not answered and takes no place unless it may open a connection", () =>
    Effect.gen(function* () {
      const server = yield* bind({ maxConnections: 1 })
      const stranger = yield* udp()
      const dcid = randomBytes(20)
      const scid = randomBytes(20)
      const unknown = 0x1a2a3a4a
      const packets: Record<string, Uint8Array> = {
        "short header": Buffer.concat([Uint8Array.of(0x40), randomBytes(1_199)]),
        "short header, tiny": Uint8Array.of(0x40),
        "short header, id only": Buffer.concat([Uint8Array.of(0x40), dcid]),
        "0-RTT": longPacket(0xd0, 1, dcid, scid, 1_200),
        Handshake: longPacket(0xe0, 1, dcid, scid, 1_200),
        Retry: longPacket(0xf0, 1, dcid, scid, 1_200),
        "version negotiation": longPacket(0x80, 0, dcid, scid, 1_200),
        "Initial of 1,199 bytes": withoutToken(longPacket(0xc0, 1, dcid, scid, 1_199), dcid, scid),
        "Initial with a destination id of 7 bytes": withoutToken(
          longPacket(0xc0, 1, dcid.subarray(0, 7), scid, 1_200),
          dcid.subarray(0, 7),
          scid
        ),
        "Initial with an id of 21 bytes": longPacket(0xc0, 1, randomBytes(21), scid, 1_200),
        "Initial that is cut in its ids": longPacket(0xc0, 1, dcid, scid, 1_200).subarray(0, 30),
        "Initial with a token that is not ours": (() => {
          const packet = longPacket(0xc0, 1, dcid, scid, 1_200)
          packet[47] = 56
          return packet
        })(),
        "unknown version, 1,199 bytes": longPacket(0xc0, unknown, dcid, scid, 1_199),
        "one byte": Uint8Array.of(0xc0),
        "seven bytes": Uint8Array.of(0xc0, 0, 0, 0, 1, 0, 0),
        zeroes: new Uint8Array(1_200),
        ones: new Uint8Array(1_200).fill(0xff)
      }
      for (const [name, packet] of Object.entries(packets)) {
        stranger.send(packet, server.socket.address.port)
        yield* Effect.scoped(settled(server))
        yield* until("the place is free again", () => server.accepted.every(({ closes }) => closes.length === 1))
        if (name === "ones") stranger.heard.length = Math.max(0, stranger.heard.length - 1)
        assert.deepStrictEqual(stranger.heard, [], name)
      }
    })
  )
})

describe("a server that answers with version negotiation", () => {
  const negotiating = Effect.fnUntraced(function* (versions: ReadonlyArray<number>) {
    const server = yield* udp()
    let answers = 0
    server.onHeard = ({ bytes, port }) => {
      const header = packetHeader.parseLongHeader(bytes)
      if (header === undefined || header.version !== 1) return
      const packet = Buffer.alloc(7 + header.scid.length + header.dcid.length + 4 * versions.length)
      packet[0] = 0x80
      packet[5] = header.scid.length
      packet.set(header.scid, 6)
      packet[6 + header.scid.length] = header.dcid.length
      packet.set(header.dcid, 7 + header.scid.length)
      versions.forEach((version, i) => packet.writeUInt32BE(version, packet.length - 4 * (versions.length - i)))
      server.send(packet, port)
      answers += 1
    }
    return { port: server.port, answers: () => answers }
  })

  it.live("without version 1 fails the dial with VersionMismatch", () =>
    Effect.gen(function* () {
      const server = yield* negotiating([2, 0xff00001d])
      const { dial } = yield* bind()
      const { failed } = dial(at(server.port))
      yield* until("the failure", () => failed.length > 0)
      assert.strictEqual(failed[0]!._tag, "VersionMismatch")
    })
  )

  it.live("that lists version 1 is ignored", () =>
    Effect.gen(function* () {
      const server = yield* negotiating([2, 1])
      const { dial } = yield* bind({ handshakeTimeout: Duration.millis(600) })
      const { failed } = dial(at(server.port))
      yield* until("the failure", () => failed.length > 0)
      assert.strictEqual(failed[0]!._tag, "ConnectionTimedOut")
      assert.isAbove(server.answers(), 0)
    })
  )
})

const isRetry = (bytes: Uint8Array) => (bytes[0]! & 0xf0) === 0xf0

describe("under a load of handshakes", () => {
  /** Handshakes that begin and do not go on, each from a native client that never answers. */
  const flood = Effect.fnUntraced(function* (server: Bound) {
    const clients = yield* initials(server.socket.address.port, tunables.retryThreshold)
    for (const client of clients) {
      client.deaf = true
      for (const packet of client.take()) client.socket.send(packet, server.socket.address.port)
    }
    yield* settled(server)
  })

  /** The first flight of a native client, and what comes back for it. */
  const probe = Effect.fnUntraced(function* (server: Bound, socket: Udp) {
    const client = yield* rawClient(server.socket.address.port, { socket })
    const first = client.take()[0]!
    socket.send(first, server.socket.address.port)
    yield* until("the answer", () => socket.heard.length > 0)
    return { client, first, answer: socket.heard.shift()!.bytes }
  })

  it.live("a client first gets a Retry; a real dial gets through all the same", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const before = yield* probe(server, yield* udp())
      assert.isFalse(isRetry(before.answer))
      yield* flood(server)
      const { answer } = yield* probe(server, yield* udp())
      assert.isTrue(isRetry(answer))
      const client = yield* bind()
      const near = yield* connected(client.dial(server.socket.address))
      const { results } = near.send(text("through"))
      yield* until("the confirmation", () => results.length === 1)
      assert.isTrue(server.accepted.some(({ streams }) => streams[0]?.text === "through"))
    })
  )

  it.live("a token opens a connection for the address that it was given to, and for no other; a forged one never", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      yield* flood(server)
      const honest = yield* udp()
      const thief = yield* udp()
      const { answer, client } = yield* probe(server, honest)
      client.hear(answer)
      yield* until("the answer", () => honest.heard.length > 0)
      // The second flight left in `hear`; here it is made again for the others.
      assert.isFalse(isRetry(honest.heard[0]!.bytes))

      const other = yield* probe(server, thief)
      const local = { host: "127.0.0.1", port: thief.port }
      other.client.native.recv(other.answer, { from: { host: "127.0.0.1", port: server.socket.address.port }, to: local })
      const second = other.client.take()[0]!
      const header = packetHeader.parseLongHeader(second)!
      assert.isAbove(header.token.length, 0)
      // Another address with the same token.
      const stranger = yield* udp()
      stranger.send(second, server.socket.address.port)
      // The right address with a token that differs in one bit.
      const start = header.token.byteOffset - second.byteOffset
      for (const at of [0, 7, 8, 39, header.token.length - 1]) {
        const forged = second.slice()
        forged[start + at] = forged[start + at]! ^ 1
        thief.send(forged, server.socket.address.port)
      }
      yield* settled(server)
      assert.deepStrictEqual([...stranger.heard, ...thief.heard], [])
      thief.send(second, server.socket.address.port)
      yield* until("the answer", () => thief.heard.length > 0)
      assert.isFalse(isRetry(thief.heard[0]!.bytes))
    })
  )
})

describe("early data", () => {
  it.live("is not offered: a client that comes back with a ticket sends none, and gets through without", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const first = yield* rawClient(server.socket.address.port)
      first.flush()
      yield* until("the handshake", () => first.native.isEstablished())
      yield* until("a ticket", () => first.native.session() !== null)
      const again = yield* rawClient(server.socket.address.port, { configure: (config) => config.enableEarlyData() })
      again.native.setSession(first.native.session()!)
      again.native.streamSend(2, text("early"), true)
      const flight = again.take()
      assert.isAbove(flight.length, 0)
      assert.isFalse(again.native.isInEarlyData())
      // Everything is one Initial packet: a 0-RTT packet would have been in a datagram of its own or behind it.
      assert.deepStrictEqual(
        flight.map(({ length }) => length),
        [1_200]
      )
      for (const packet of flight) again.socket.send(packet, server.socket.address.port)
      yield* until("the handshake", () => again.native.isEstablished())
      assert.isTrue(again.native.isResumed())
      yield* until("the message, late", () => server.accepted[1]?.streams[0]?.text === "early")
    })
  )
})

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
        const client = yield* bind()
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
      assert.strictEqual(server.accepted.length, 2)
    })
  )

  it.live("with a live connection's id, from whoever has seen one packet of it, does not end that connection", () =>
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
      const count = (2 * (tunables.unexplainedBytes + tunables.maxConnectionWindow)) / packet.length
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
