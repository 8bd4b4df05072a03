import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as packetHeader from "../src/internal/packets/packetHeader.ts"
import * as tunables from "../src/internal/tunables/handshakes.ts"
import { at, bind, type Bound, connected, settled, text, until } from "./support/quicSockets.ts"
import { rawClient } from "./support/nativePeers.ts"
import { type Udp, udp } from "./support/udpPeers.ts"

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

  it.live(
    "takes no place unless it may open a connection, and is not answered unless it may be of a connection that was forgotten",
    () =>
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
          // It may be of a connection that the process had in a former life.
          const answers = name === "short header" ? [43] : []
          assert.deepStrictEqual(
            stranger.heard.splice(0).map(({ bytes }) => bytes.length),
            answers,
            name
          )
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
      other.client.native.recv(other.answer, {
        from: { host: "127.0.0.1", port: server.socket.address.port },
        to: local
      })
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
