/**
 * Peers whose packets come from addresses that are not theirs, and which acknowledge what they have not received.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { encodeUser } from "@qp2p/core/WireMessage"
import { PROTOCOL_VIOLATION } from "../src/internal/binding/errorCodes.ts"
import { forgingPeer } from "./support/forgingPeer.ts"
import { nothing, endpoint, onLoopback } from "./support/quicEndpoints.ts"
import { address, at, bind, type Bound, pattern, until } from "./support/quicSockets.ts"
import { type Udp, udp } from "./support/udpPeers.ts"

const ping = [0x01]

/** Numbers of up to 30 bits, in four bytes (RFC 9000, section 16). */
const varint = (value: number) => [0x80 | (value >>> 24), (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff]

/** Acknowledges every packet from 0 to `largest`. */
const ackAll = (largest: number) => [0x02, ...varint(largest), 0, 0, ...varint(largest)]

/** A STREAM frame with an end. */
const stream = (id: number, bytes: Uint8Array) => [0x0b, ...varint(id), ...varint(bytes.length), ...bytes]

/** Linux has all of 127.0.0.0/8 without being told; others have one address of it. */
const places = process.platform === "linux" ? ["127.0.0.1", "127.0.0.2"] : ["127.0.0.1"]

const received = ({ heard }: Udp) => heard.reduce((sum, { bytes }) => sum + bytes.length, 0)

/**
 * A server, a peer of it that forges its packets, and a host that takes part in nothing. `as` sends packets
 * from there, and counts their bytes.
 */
const setup = Effect.fnUntraced(function* (host: string) {
  const server = yield* bind()
  const { port } = server.socket.address
  const { peer, seal, send } = yield* forgingPeer(port)
  peer.stop()
  yield* until("the acceptor", () => server.accepted.length === 1)
  const far = server.accepted[0]!
  const victim = yield* udp(host)
  let told = 0
  const as = (frames: ReadonlyArray<number>) => {
    const packet = seal(Uint8Array.from(frames))
    told += packet.length
    victim.send(packet, port, "127.0.0.1")
  }
  return {
    server,
    peer,
    far,
    victim,
    as,
    told: () => told,
    send: (frames: ReadonlyArray<number>) => send(seal(Uint8Array.from(frames)))
  }
})

/**
 * Pings until a probe comes. The first ping may be taken for an older packet than the last honest one: between them the numbers
 * jump.
 */
const probed = Effect.fnUntraced(function* (victim: Udp, send: () => void) {
  while (victim.heard.length === 0) {
    send()
    yield* Effect.sleep("50 millis")
  }
})

/** Waits until nothing more arrives at a host: too early costs a test its strength, and never its verdict. */
const quiet = Effect.fnUntraced(function* (host: Udp) {
  for (let before = -1; before !== received(host);) {
    before = received(host)
    yield* Effect.sleep("300 millis")
  }
})

/** Waits until a server has dealt with what was sent before. */
const after = (server: Bound, condition: () => boolean) =>
  until("what was sent has arrived", () => condition() || server.accepted[0]!.closes.length > 0)

for (const host of places) {
  describe(`packets of a peer from ${host === "127.0.0.1" ? "another port" : "another IP address"}`, () => {
    it.live("get no more than three times their bytes sent there, and the peer stays where it is", () =>
      Effect.gen(function* () {
        const { as, far, peer, server, told, victim } = yield* setup(host)
        const { port } = peer.socket
        yield* probed(victim, () => as([...ping, 0]))
        assert.isAtMost(received(victim), 3 * told())
        far.send(pattern(16 << 20))
        for (let i = 0; i < 50; i++) {
          as([...ping, 0])
          yield* Effect.sleep("5 millis")
          assert.isAtMost(received(victim), 3 * told())
        }
        yield* after(server, () => far.connection.stats().packetsReceived >= 50)
        yield* quiet(victim)
        assert.isAtMost(received(victim), 3 * told())
        assert.strictEqual(String(far.connection.remoteAddress), `127.0.0.1:${port}`)
        assert.deepStrictEqual([far.moves, far.closes], [0, []])
      })
    )

    it.live("get no more with invented acknowledgements: they end the connection", () =>
      Effect.gen(function* () {
        const { as, far, told, victim } = yield* setup(host)
        yield* probed(victim, () => as([...ping, 0]))
        far.send(pattern(16 << 20))
        // Less than has been sent, so that only the withheld numbers show that they are invented.
        as([...ackAll(20), ...ping])
        yield* until("the end", () => far.closes.length > 0)
        yield* quiet(victim)
        assert.isAtMost(received(victim), 3 * told())
        assert.strictEqual(far.moves, 0)
        assert.deepInclude(far.closes[0], { _tag: "TransportClosed", code: PROTOCOL_VIOLATION })
      })
    )
  })
}

describe("an acknowledgement of a packet that was never sent", () => {
  it.live("ends the connection, and nothing is sent faster for it", () =>
    Effect.gen(function* () {
      const { far, send } = yield* setup("127.0.0.1")
      const { results } = far.send(pattern(16 << 20))
      send([...ackAll(1_000_000), ...ping])
      yield* until("the end", () => far.closes.length > 0)
      assert.deepInclude(far.closes[0], { _tag: "TransportClosed", code: PROTOCOL_VIOLATION })
      assert.isBelow(far.connection.stats().bytesSent, 1 << 20)
      assert.strictEqual(results.length, 1)
    })
  )
})

for (const host of places) {
  describe(`a peer of an endpoint that names an address of ${host} which is not its own`, () => {
    it.live("is told of, found and answered where it has proven to be", () =>
      Effect.gen(function* () {
        const self = yield* endpoint({ keepAliveInterval: "1 hour", idleTimeout: "2 hours" })
        const { port } = self.localAddress
        const { peer, seal } = yield* forgingPeer(port)
        peer.stop()
        const own = at(peer.socket.port)
        const victim = yield* udp(host)
        const claimed = address(`${host}:${victim.port}`)
        const connection = yield* self.nextConnection
        for (let i = 0; i < 20; i++) {
          const frames = stream(2 + 4 * i, encodeUser(Uint8Array.of(i)))
          victim.send(seal(Uint8Array.from(frames)), port, "127.0.0.1")
          const message = yield* self.nextMessage
          assert.deepStrictEqual([String(message.peer), message.payload[0]], [String(own), i])
        }
        assert.strictEqual(String(connection.remoteAddress), String(own))
        assert.deepStrictEqual((yield* self.connectionId(own))._tag, "Some")
        assert.deepStrictEqual((yield* self.connectionId(claimed))._tag, "None")
        assert.strictEqual((yield* Effect.flip(self.trySendMessage(Uint8Array.of(1), claimed)))._tag, "NotConnected")
        assert.isTrue(yield* nothing(self.nextConnection))
      }).pipe(onLoopback)
    )
  })
}
