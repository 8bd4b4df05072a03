/**
 * The end of a handshake on real sockets, and the connection ids that are issued with it.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { isLongHeader } from "../src/internal/packets/packetHeader.ts"
import { Network, open, type Path } from "./support/impairedNetwork.ts"
import { assertSame, at, bind, connect, connected, pattern, text, until } from "./support/quicSockets.ts"
import { type RawPeer, rawClient, rawServer } from "./support/nativePeers.ts"

describe("the datagrams of a handshake", () => {
  /** Those of both sides, in which a message goes right behind the handshake. */
  const handshake = Effect.fnUntraced(function* (maxUdpPayload: number, path: Path) {
    const datagrams: Array<Uint8Array> = []
    const recording: Path = (payload) => {
      datagrams.push(payload.slice())
      return path(payload)
    }
    const server = yield* bind({
      openSocket: new Network(recording).openSocket,
      maxUdpPayload,
      onPeer: (peer) => void peer.send(pattern(100_000, 1))
    })
    const client = yield* bind({
      openSocket: new Network(recording).openSocket,
      maxUdpPayload,
      onPeer: (peer) => void peer.send(pattern(100_000, 2))
    })
    const near = yield* connected(client.dial(server.socket.address))
    yield* until("the server has the connection", () => server.accepted.length > 0)
    const far = server.accepted[0]!
    yield* until("both have the message", () =>
      [near, far].every((peer) => peer.filled[0] !== undefined && peer.filled[0].length === 100_000)
    )
    assertSame(near.filled[0]!.bytes, pattern(100_000, 1))
    assertSame(far.filled[0]!.bytes, pattern(100_000, 2))
    const last = datagrams.findLastIndex(isLongHeader)
    return { first: datagrams.slice(0, last + 1), lengths: datagrams.map(({ length }) => length) }
  })

  it.live.each([1_350, 16_383])("have 1,200 bytes, also where %s may get through", (maxUdpPayload) =>
    Effect.gen(function* () {
      const { first, lengths } = yield* handshake(maxUdpPayload, open)
      for (const { length } of first) assert.isAtMost(length, 1_200)
      // Those behind it are larger.
      assert.isAbove(Math.max(...lengths), 1_200)
    })
  )

  it.live("all get through where nothing larger does", () =>
    Effect.gen(function* () {
      const lost: Array<Uint8Array> = []
      yield* handshake(16_383, (payload) => {
        if (payload.length <= 1_200) return [payload]
        lost.push(payload.slice())
        return []
      })
      assert.isAbove(lost.length, 0)
      assert.deepStrictEqual(lost.filter(isLongHeader), [])
    })
  )

  it.live("that are sent again have no more, although more data waits behind them", () =>
    Effect.gen(function* () {
      // The listener gets nothing but the first datagram of the dialler for a while.
      const seen: Array<Uint8Array> = []
      const network = new Network((payload) => {
        seen.push(payload.slice())
        return seen.length === 1 || seen.length > 6 ? [payload] : []
      })
      const server = yield* bind({ maxUdpPayload: 16_383 })
      const client = yield* bind({ openSocket: network.openSocket, maxUdpPayload: 16_383 })
      const near = yield* connected(client.dial(server.socket.address))
      const { results } = near.send(pattern(100_000))
      yield* until("the message is confirmed", () => results.length > 0)
      assert.deepStrictEqual(results, ["done"])
      const handshake = seen.filter(isLongHeader)
      assert.isAbove(handshake.length, 2)
      for (const { length } of handshake) assert.isAtMost(length, 1_200)
    })
  )
})

describe("a connection id", () => {
  /**
   * Has the peer retire the id that it has used so far. Its packets from before come late: one in the same turn as the one
   * that retires, and one later. `first` is the first stream that it may open.
   */
  const retire = (peer: RawPeer, first: number): { readonly late: Uint8Array } => {
    const packet = (stream: number, message: string) => {
      peer.native.streamSend(stream, text(message), true)
      const [only, ...others] = peer.take()
      assert.deepStrictEqual(others, [])
      return only!
    }
    const soon = packet(first, "soon")
    const late = packet(first + 4, "late")
    peer.native.retireDestinationCid(0)
    for (const one of peer.take()) peer.socket.send(one, peer.peerPort)
    peer.socket.send(soon, peer.peerPort)
    return { late }
  }

  it.live("that a dialler has retired does not end the connection by a packet that is late", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const client = yield* rawClient(server.socket.address.port)
      client.flush()
      yield* until("the connection", () => server.accepted.length > 0 && client.native.availableDcids() > 0)
      const far = server.accepted[0]!
      const { late } = retire(client, 2)
      client.native.streamSend(10, text("next"), true)
      client.flush()
      yield* until("the next message", () => far.filled.some((stream) => stream.text === "next"))
      client.socket.send(late, client.peerPort)
      client.native.streamSend(14, text("last"), true)
      client.flush()
      yield* until("the last message", () => far.filled.some((stream) => stream.text === "last"))
      assert.deepStrictEqual(far.closes, [])
      yield* until("the retired one is replaced", () => client.native.availableDcids() > 0)
    })
  )

  it.live("that a listener has retired does not end the connection by a packet that is late", () =>
    Effect.gen(function* () {
      const server = yield* rawServer()
      const client = yield* bind()
      const near = yield* connected(client.dial(at(server.port)))
      yield* until("the connection", () => server.peers[0]!.native.availableDcids() > 0)
      const peer = server.peers[0]!
      const { late } = retire(peer, 3)
      peer.native.streamSend(11, text("next"), true)
      peer.flush()
      yield* until("the next message", () => near.filled.some((stream) => stream.text === "next"))
      peer.socket.send(late, peer.peerPort)
      peer.native.streamSend(15, text("last"), true)
      peer.flush()
      yield* until("the last message", () => near.filled.some((stream) => stream.text === "last"))
      assert.deepStrictEqual(near.closes, [])
      yield* until("the retired one is replaced", () => peer.native.availableDcids() > 0)
    })
  )

  it.live("is issued to each side of a connection, and a spare one to a peer that stores more", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const client = yield* rawClient(server.socket.address.port, {
        configure: (config) => config.setActiveConnectionIdLimit(4)
      })
      client.flush()
      yield* until("three spare ones", () => client.native.availableDcids() === 3)
      const { far, near } = yield* connect()
      const sent = near.send(text("hello"))
      yield* until("confirmed", () => sent.results.length > 0)
      assert.deepStrictEqual([far.closes, near.closes], [[], []])
    })
  )
})
