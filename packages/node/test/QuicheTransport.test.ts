// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import { ConnectionClosed, ConnectionTimedOut, EndpointStopped, TooManyConnections } from "@qp2p/core/ConnectionError"
import { LocallyClosed } from "@qp2p/core/Close"
import { blocked, Network, open } from "./support/impairedNetwork.ts"
import { address, at, bind, connect, connected, type Dial, type Peer, text, until } from "./support/quicSockets.ts"
import { rawServer } from "./support/nativePeers.ts"
import { freePort, udp } from "./support/udpPeers.ts"

describe("bind", () => {
  it.live("tells the port that the system chose", () =>
    Effect.gen(function* () {
      const { socket } = yield* bind()
      assert.notStrictEqual(socket.address.port, 0)
      assert.strictEqual(NetAddress.formatHost(socket.address), "127.0.0.1")
    })
  )

  it.live("fails with a BindError that names the reason when the port is in use", () =>
    Effect.gen(function* () {
      const { socket } = yield* bind()
      const local = NetAddress.formatInet(socket.address)
      const error = yield* Effect.flip(bind({ local }))
      assert.strictEqual(error._tag, "BindError")
      assert.strictEqual(NetAddress.formatInet(error.address), local)
      assert.strictEqual(error.detail, "the address is in use")
    })
  )

  it.live("fails with a BindError when the address is not one of this machine", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(bind({ local: "192.0.2.1:0" }))
      assert.strictEqual(error._tag, "BindError")
      assert.strictEqual(error.detail, "the address is not one of this machine")
    })
  )
})

const echo = (peer: Peer) => {
  peer.heed = (stream) => {
    stream.heed = (chunk) => stream.send?.write(chunk.slice(), false, () => {})
  }
}

describe("dial", () => {
  for (const local of ["127.0.0.1:0", "[::1]:0"]) {
    it.live(`connects two sockets on ${local}, either way, and both see the other's address`, () =>
      Effect.gen(function* () {
        const a = yield* bind({ local, onPeer: echo })
        const b = yield* bind({ local, onPeer: echo })
        for (const [from, to] of [
          [a, b],
          [b, a]
        ] as const) {
          const near = yield* connected(from.dial(to.socket.address))
          yield* until("the peer has the connection", () => to.accepted.length === 1)
          const far = to.accepted[0]!
          assert.deepStrictEqual(near.connection.remoteAddress, to.socket.address)
          assert.deepStrictEqual(far.connection.remoteAddress, from.socket.address)
          const answer: Array<string> = []
          const stream = near.connection.openBi(0, {
            onData: (chunk) => (answer.push(Buffer.from(chunk).toString()), true),
            onEnd: () => {}
          })
          stream.send.write(text("hello"), false, () => {})
          yield* until("the echo", () => answer.join("") === "hello")
          assert.strictEqual(far.streams.length, 1)
        }
      })
    )
  }

  it.live("connects a socket with itself", () =>
    Effect.gen(function* () {
      const { accepted, dial, socket } = yield* bind()
      const near = yield* connected(dial(socket.address))
      near.send(text("me"))
      yield* until("the message", () => accepted[0]?.streams[0]?.text === "me")
    })
  )

  it.live("reports nothing from within the call", () =>
    Effect.gen(function* () {
      const { dial, socket } = yield* bind()
      for (const peer of [socket.address, at(0)]) {
        const { connected, failed } = dial(peer)
        assert.strictEqual(connected.length + failed.length, 0)
        yield* until("the outcome", () => connected.length + failed.length === 1)
      }
    })
  )

  it.live("of a silent peer and of a closed port fails with ConnectionTimedOut after the handshake timeout", () =>
    Effect.gen(function* () {
      const silent = yield* udp()
      const closed = { port: yield* freePort }
      const { dial } = yield* bind({ handshakeTimeout: Duration.millis(300) })
      const dials = [silent, closed].map(({ port }) => ({ port, dial: dial(at(port)) }))
      for (const { dial, port } of dials) {
        yield* until("the failure", () => dial.failed.length > 0)
        assert.deepStrictEqual(dial.failed, [new ConnectionTimedOut({ peer: at(port) })])
        assert.deepStrictEqual(dial.connected, [])
      }
      assert.isAbove(silent.heard.length, 0)
      assert.strictEqual(silent.heard[0]!.bytes.length, 1_200)
    })
  )

  it.live("that was given up reports nothing and frees its place", () =>
    Effect.gen(function* () {
      const silent = yield* udp()
      const server = yield* bind()
      const client = yield* bind({ maxConnections: 1 })
      const given = client.dial(at(silent.port))
      yield* until("the first flight", () => silent.heard.length > 0)
      given.cancel()
      given.cancel()
      const again: Array<ReturnType<typeof client.dial>> = []
      yield* until("a place for another dial", () => {
        const last = again.at(-1)
        if (last === undefined || last.failed.length > 0) again.push(client.dial(server.socket.address))
        return last !== undefined && last.connected.length > 0
      })
      assert.strictEqual(given.connected.length + given.failed.length, 0)
    })
  )

  it.live("that is given up before the peer responds is withdrawn: the peer keeps no place for it", () =>
    Effect.gen(function* () {
      const network = new Network()
      const answers: Array<Uint8Array> = []
      // Answers are made, and never arrive.
      network.outgoing = (payload) => {
        answers.push(payload)
        return []
      }
      const server = yield* bind({ maxConnections: 1, openSocket: network.openSocket })
      const client = yield* bind()
      const dial = client.dial(server.socket.address)
      yield* until("the server has answered", () => answers.length > 0)
      dial.cancel()
      network.outgoing = open
      // Refused as long as the first one has the only place.
      const others: Array<Dial> = [client.dial(server.socket.address)]
      yield* until("the place is free again", () => {
        const last = others.at(-1)!
        if (last.failed.length > 0) others.push(client.dial(server.socket.address))
        return last.connected.length > 0
      })
      yield* until("the server has it", () => server.accepted.length > 0)
      assert.strictEqual(server.accepted.length, 1)
      assert.deepStrictEqual([dial.connected, dial.failed], [[], []])
    })
  )

  it.live("that was given up before anything left reports nothing, and so does one of a bad address", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const client = yield* bind()
      const early = client.dial(server.socket.address)
      early.cancel()
      const bad = client.dial(at(0))
      bad.cancel()
      yield* connected(client.dial(server.socket.address))
      assert.strictEqual(early.connected.length + early.failed.length, 0)
      assert.strictEqual(bad.connected.length + bad.failed.length, 0)
    })
  )

  for (const [what, local, peer] of [
    ["port 0", "127.0.0.1:0", "127.0.0.1:0"],
    ["an IPv6 address from an IPv4 socket", "127.0.0.1:0", "[::1]:4433"],
    ["an IPv4 address from an IPv6 socket", "[::1]:0", "127.0.0.1:4433"],
    ["the unspecified IPv4 address", "127.0.0.1:0", "0.0.0.0:4433"],
    ["the unspecified IPv6 address", "[::1]:0", "[::]:4433"],
    ["an IPv4 multicast address", "127.0.0.1:0", "224.0.0.1:4433"],
    ["an IPv6 multicast address", "[::1]:0", "[ff02::1]:4433"],
    ["the broadcast address", "127.0.0.1:0", "255.255.255.255:4433"]
  ] as const) {
    it.live(`of ${what} fails with InvalidAddress`, () =>
      Effect.gen(function* () {
        const { dial } = yield* bind({ local })
        const { failed } = dial(address(peer))
        yield* until("the failure", () => failed.length > 0)
        assert.strictEqual(failed[0]!._tag, "InvalidAddress")
        assert.include(failed[0]!.message, peer)
      })
    )
  }

  it.live("of a peer that speaks another application protocol fails with VersionMismatch", () =>
    Effect.gen(function* () {
      const server = yield* rawServer((config) => config.setApplicationProtos(["other/1"]))
      const { dial } = yield* bind()
      const { failed } = dial(at(server.port))
      yield* until("the failure", () => failed.length > 0)
      assert.strictEqual(failed[0]!._tag, "VersionMismatch")
    })
  )

  it.live("works where packets are up to 16,383 bytes long", () =>
    Effect.gen(function* () {
      let longest = 0
      const network = new Network((payload) => {
        longest = Math.max(longest, payload.length)
        return [payload]
      })
      const { far, near } = yield* connect({
        client: { maxUdpPayload: 16_383, openSocket: network.openSocket },
        server: { maxUdpPayload: 16_383 }
      })
      near.send(new Uint8Array(1 << 20))
      yield* until("the message", () => far.streams[0]?.length === 1 << 20)
      assert.isAbove(longest, 16_000)
      assert.isAtMost(longest, 16_383)
    })
  )
})

describe("limits", () => {
  it.live("a dial over maxConnections fails with TooManyConnections", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const client = yield* bind({ maxConnections: 2 })
      yield* connected(client.dial(server.socket.address))
      yield* connected(client.dial(server.socket.address))
      const { failed } = client.dial(server.socket.address)
      yield* until("the failure", () => failed.length > 0)
      assert.deepStrictEqual(failed, [new TooManyConnections({ limit: 2 })])
    })
  )

  for (const limit of ["maxConnections", "maxConnectionsPerIp"] as const) {
    it.live(`a peer at its ${limit} refuses with code 2, and accepts again when there is room`, () =>
      Effect.gen(function* () {
        const server = yield* bind({ [limit]: 1 })
        const client = yield* bind()
        const first = yield* connected(client.dial(server.socket.address))
        yield* until("the first connection", () => server.accepted.length === 1)
        const { failed } = client.dial(server.socket.address)
        yield* until("the refusal", () => failed.length > 0)
        assert.strictEqual(failed[0]!._tag, "TransportError")
        assert.deepInclude(failed[0], { code: 2, peer: server.socket.address })
        assert.strictEqual(server.accepted.length, 1)
        first.connection.close(0, "")
        const dials = [client.dial(server.socket.address)]
        yield* until("room", () => {
          const last = dials.at(-1)!
          if (last.failed.length > 0) dials.push(client.dial(server.socket.address))
          return last.connected.length > 0
        })
      })
    )
  }

  it.live("a socket that does not accept sends no response, and still dials", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      let sent = 0
      const network = new Network((payload) => {
        sent += 1
        return [payload]
      })
      const deaf = yield* bind({ accept: false, openSocket: network.openSocket })
      const stranger = yield* bind({ handshakeTimeout: Duration.millis(500) })
      const { failed } = stranger.dial(deaf.socket.address)
      yield* until("the failure", () => failed.length > 0)
      assert.strictEqual(failed[0]!._tag, "ConnectionTimedOut")
      assert.strictEqual(sent, 0)
      assert.deepStrictEqual(deaf.accepted, [])
      yield* connected(deaf.dial(server.socket.address))
    })
  )

  it.live("an incoming handshake that does not go on is given up after the handshake timeout", () =>
    Effect.gen(function* () {
      const server = yield* bind({ maxConnections: 1, handshakeTimeout: Duration.millis(300) })
      const network = new Network()
      const stuck = yield* bind({ openSocket: network.openSocket })
      let flights = 0
      network.outgoing = (payload) => (flights++ === 0 ? [payload] : [])
      network.incoming = blocked
      stuck.dial(server.socket.address)
      yield* until("the first flight", () => flights > 0)
      const client = yield* bind()
      const dials = [client.dial(server.socket.address)]
      yield* until("room", () => {
        const last = dials.at(-1)!
        if (last.failed.length > 0) dials.push(client.dial(server.socket.address))
        return last.connected.length > 0
      })
      network.incoming = open
    })
  )
})

describe("scope", () => {
  it.live("closing it tells the peers, reports each connection once, and frees the port at once", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const scope = yield* Scope.make()
      const local = `127.0.0.1:${yield* freePort}`
      const client = yield* Scope.provide(bind({ local }), scope)
      const dialled = [
        yield* connected(client.dial(server.socket.address)),
        yield* connected(client.dial(server.socket.address))
      ]
      const accepted = yield* connected(server.dial(client.socket.address))
      yield* until("all connections", () => server.accepted.length === 2 && client.accepted.length === 1)
      yield* Scope.close(scope, Exit.void)
      for (const peer of [...dialled, ...client.accepted]) assert.deepStrictEqual(peer.closes, [new LocallyClosed()])
      yield* bind({ local })
      const remote = [...server.accepted, accepted]
      yield* until("the peers know", () => remote.every(({ closes }) => closes.length > 0))
      for (const { closes } of remote) {
        assert.strictEqual(closes.length, 1)
        assert.deepInclude(closes[0], { _tag: "ApplicationClosed", code: 0, detail: "" })
      }
    })
  )

  it.live("closing it fails the dials under way and those that come after", () =>
    Effect.gen(function* () {
      const silent = yield* udp()
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(bind(), scope)
      const pending = client.dial(at(silent.port))
      yield* until("the first flight", () => silent.heard.length > 0)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(pending.failed.length, 1)
      assert.notInstanceOf(pending.failed[0], ConnectionClosed)
      assert.deepStrictEqual(pending.failed, [new EndpointStopped()])
      const late = client.dial(at(silent.port))
      yield* until("the failure", () => late.failed.length > 0, "2 seconds")
      assert.deepStrictEqual(late.failed, [new EndpointStopped()])
    })
  )

  it.live("closing it leaves no timer and no handle behind", () =>
    Effect.gen(function* () {
      const count = (name: string) => process.getActiveResourcesInfo().filter((resource) => resource === name).length
      const before = count("Timeout")
      // Modules, keys and thread pools are loaded once.
      yield* Effect.scoped(connect())
      const sockets = () => count("UDPWrap") + count("UDPWRAP") + count("UDPSendWrap")
      yield* until("nothing of the first pair", () => sockets() === 0)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const silent = yield* udp()
          const { client, far, near } = yield* connect()
          client.dial(at(silent.port))
          near.send(new Uint8Array(100_000))
          yield* until("the message", () => far.streams[0]?.length === 100_000)
        })
      )
      assert.isAtMost(count("Timeout"), before)
      yield* until("no sockets", () => sockets() === 0)
    })
  )
})
