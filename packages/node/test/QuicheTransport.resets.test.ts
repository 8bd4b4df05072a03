/**
 * Stateless resets (RFC 9000, section 10.3) of sockets on loopback that lose their connections as a crash does, and are back on their
 * port with their key.
 */
import { StatelessReset } from "@qp2p/core/Close"
import * as Identity from "@qp2p/core/Identity"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { createHmac, hkdfSync, randomBytes } from "node:crypto"
import * as Redacted from "effect/Redacted"
import { retryThreshold } from "../src/internal/tunables/handshakes.ts"
import { blocked, Network, open } from "./support/impairedNetwork.ts"
import { rawClient, rawServer } from "./support/nativePeers.ts"
import { at, bind, type Bound, connected, type Peer, settled, text, until } from "./support/quicSockets.ts"
import { freePort, relay, udp } from "./support/udpPeers.ts"

/** A token as RFC 5869 has it: an implementation of its own. */
const tokenOf = (identity: Identity.Identity, port: number, id: Uint8Array): string => {
  const key = new Uint8Array(hkdfSync("sha256", Redacted.value(identity.secretKey), "", "qp2p stateless reset v1", 32))
  const block = createHmac("sha256", key)
    .update(Uint8Array.of(port >> 8, port & 255, ...id, 1))
    .digest()
  return block.toString("hex", 0, 16)
}

const isShort = (packet: Uint8Array) => (packet[0]! & 0x80) === 0
const idOf = (packet: Uint8Array) => Buffer.from(packet.subarray(1, 21)).toString("hex")

/** A peer that can crash: it sends and hears nothing any more, and its connections are gone without a word. */
const mortal = Effect.fnUntraced(function* (identity: Identity.Identity, port: number) {
  const network = new Network()
  /** The ids that short packets came for, in their order. */
  const ids: Array<string> = []
  network.incoming = (packet) => {
    if (isShort(packet) && idOf(packet) !== ids.at(-1)) ids.push(idOf(packet))
    return open(packet)
  }
  const scope = yield* Scope.fork(yield* Effect.scope)
  const bound = yield* Scope.provide(
    bind({ identity, local: `127.0.0.1:${port}`, openSocket: network.openSocket }),
    scope
  )
  const crash = Effect.suspend(() => {
    network.outgoing = network.incoming = blocked
    return Scope.close(scope, Exit.void)
  })
  return { bound, crash, ids }
})

type By = "the survivor" | "the peer"

/** A survivor, and a peer that has a connection with it which `by` has dialled. */
const joined = Effect.fnUntraced(function* (by: By) {
  const identity = yield* Identity.generate
  const port = yield* freePort
  const peer = yield* mortal(identity, port)
  const survivor = yield* bind()
  const from = by === "the survivor" ? survivor : peer.bound
  const to = by === "the survivor" ? peer.bound : survivor
  const dialled = yield* connected(from.dial(to.socket.address))
  yield* until("it is accepted", () => to.accepted.length > 0)
  const near = by === "the survivor" ? dialled : to.accepted[0]!
  if (by === "the peer") {
    yield* until("the first id is retired", () => {
      near.send(text("?"))
      return peer.ids.length > 1
    })
  }
  return { ...peer, identity, near, port, survivor }
})

/** What is heard while the survivor sends messages. */
const sending = (near: Peer) => {
  const timer = setInterval(() => near.closes.length === 0 && near.send(text("are you there?")), 20)
  return Effect.ensuring(
    until("the connection is over", () => near.closes.length > 0),
    Effect.sync(() => clearInterval(timer))
  )
}

describe.each(["the survivor", "the peer"] as const)("a peer of a connection that %s had dialled", (by) => {
  it.live("resets it when it is back on its port with its key, and is dialled anew", () =>
    Effect.gen(function* () {
      const { crash, identity, near, port, survivor } = yield* joined(by)
      yield* crash
      const again = yield* bind({ identity, local: `127.0.0.1:${port}` })
      yield* sending(near)
      assert.deepStrictEqual(near.closes, [new StatelessReset()])
      const anew = yield* connected(survivor.dial(again.socket.address, identity.peerId))
      assert.deepStrictEqual(anew.closes, [])
    }).pipe(Effect.scoped)
  )

  it.live("cannot reset it with another key, nor on another port, and neither can who sees its packets", () =>
    Effect.gen(function* () {
      const { crash, identity, near, port } = yield* joined(by)
      yield* crash
      const heard: Array<Uint8Array> = []
      const network = new Network((packet) => {
        heard.push(packet.slice())
        return open(packet)
      })
      const scope = yield* Scope.fork(yield* Effect.scope)
      yield* Scope.provide(bind({ local: `127.0.0.1:${port}`, openSocket: network.openSocket }), scope)
      for (let i = 0; i < 20; i++) near.send(text(`message ${i}`))
      yield* until("it has answered with resets", () => heard.length > 2)
      assert.deepStrictEqual(near.closes, [])
      yield* Scope.close(scope, Exit.void)
      // The right key on another port answers for the same ids, with other tokens.
      const elsewhere = yield* bind({ identity })
      const stranger = yield* udp("127.0.0.1", port)
      const answers: Array<Uint8Array> = []
      stranger.onHeard = ({ bytes, port: from }) => {
        if (from === elsewhere.socket.address.port) answers.push(bytes)
        else stranger.send(bytes, elsewhere.socket.address.port)
      }
      near.send(text("once more"))
      yield* until("there are such resets", () => answers.length > 1)
      const survivorPort = Number(String(near.connection.remoteAddress).split(":").at(-1))
      assert.strictEqual(survivorPort, port)
      assert.deepStrictEqual(near.closes, [])
    }).pipe(Effect.scoped)
  )

  it.live("resets it when what is sent to it is as small as can be", () =>
    Effect.gen(function* () {
      const { crash, identity, near, port } = yield* joined(by)
      yield* crash
      yield* bind({ identity, local: `127.0.0.1:${port}` })
      near.connection.checkAlive!()
      yield* until("the connection is over", () => near.closes.length > 0)
      assert.deepStrictEqual(near.closes, [new StatelessReset()])
    }).pipe(Effect.scoped)
  )
})

describe("a peer that had sent a Retry to who dialled it", () => {
  it.live("resets the connection, too, although the binding has no room for a token in that handshake", () =>
    Effect.gen(function* () {
      const identity = yield* Identity.generate
      const port = yield* freePort
      const { bound, crash, ids } = yield* mortal(identity, port)
      // Handshakes that do not go on.
      for (let i = 0; i < retryThreshold; i++) {
        const client = yield* rawClient(port)
        client.deaf = true
        for (const packet of client.take()) client.socket.send(packet, port)
      }
      yield* Effect.scoped(settled(bound))
      const survivor = yield* bind()
      const way = yield* relay(() => port)
      way.recording = true
      const near = yield* connected(survivor.dial(at(way.port)))
      // Those of the probe that has shown that the load is there.
      ids.length = 0
      assert.isTrue(way.toClient.some((packet) => (packet[0]! & 0xf0) === 0xf0))
      yield* until("the first id is retired", () => {
        near.send(text("?"))
        return ids.length > 1
      })
      yield* crash
      yield* bind({ identity, local: `127.0.0.1:${port}` })
      yield* sending(near)
      assert.deepStrictEqual(near.closes, [new StatelessReset()])
    }).pipe(Effect.scoped)
  )
})

describe("a socket that gets packets of no connection", () => {
  /** Who sends them, and what comes back. */
  const asking = Effect.fnUntraced(function* (bound: Bound, host = "127.0.0.1") {
    const stranger = yield* udp(host)
    const port = bound.socket.address.port
    /** The answers to a packet; another socket's answer shows that no further one comes. */
    const ask = Effect.fnUntraced(function* (packet: Uint8Array) {
      stranger.heard.length = 0
      stranger.send(packet, port)
      // A version that there is not is answered at once, and packets keep their order.
      stranger.send(Buffer.concat([Uint8Array.of(0xc0, 9, 9, 9, 9, 8), randomBytes(8), new Uint8Array(1_300)]), port)
      yield* until("the version is refused", () => stranger.heard.some(({ bytes }) => !isShort(bytes)))
      return stranger.heard.filter(({ bytes }) => isShort(bytes)).map(({ bytes }) => bytes)
    })
    return { ask, port }
  })

  it.live("answers each with one reset, which is shorter, and has the token of its id alone", () =>
    Effect.gen(function* () {
      const bound = yield* bind()
      const { ask, port } = yield* asking(bound)
      const tokens = new Set<string>()
      for (const length of [0, 1, 20, 21, 40, 41, 42, 43, 44, 100, 1_200]) {
        const packet = randomBytes(length)
        if (length > 0) packet[0] = 0x40 | (packet[0]! & 0x3f)
        const answers = yield* ask(packet)
        assert.strictEqual(answers.length, length < 41 ? 0 : 1, String(length))
        for (const answer of answers) {
          assert.strictEqual(answer.length, Math.min(length - 1, 43))
          assert.strictEqual(answer[0]! & 0xc0, 0x40)
          const token = Buffer.from(answer.subarray(-16)).toString("hex")
          assert.strictEqual(token, tokenOf(bound.identity, port, packet.subarray(1, 21)))
          tokens.add(token)
        }
      }
      assert.strictEqual(tokens.size, 6)
    }).pipe(Effect.scoped)
  )

  it.live("does so as long as it only dials", () =>
    Effect.gen(function* () {
      const bound = yield* bind({ accept: false })
      const stranger = yield* udp()
      stranger.send(Uint8Array.of(0x40, ...randomBytes(60)), bound.socket.address.port)
      yield* until("there is a reset", () => stranger.heard.length > 0)
      assert.strictEqual(stranger.heard[0]!.bytes.length, 43)
    }).pipe(Effect.scoped)
  )

  it.live("shows nobody the token of a connection that another socket of the process has, with that key and port", () =>
    Effect.gen(function* () {
      const identity = yield* Identity.generate
      const port = yield* freePort
      const { bound, ids } = yield* mortal(identity, port)
      const peer = yield* bind()
      const near = yield* connected(peer.dial(bound.socket.address))
      near.send(text("?"))
      yield* until("it has come", () => ids.length > 0)
      const twin = yield* bind({ identity, local: `127.0.0.2:${port}` })
      const { ask } = yield* asking(twin, "127.0.0.2")
      const packetTo = (id: string) => Uint8Array.of(0x40, ...Buffer.from(id, "hex"), ...randomBytes(60))
      assert.deepStrictEqual(yield* ask(packetTo(ids[0]!)), [])
      assert.strictEqual((yield* ask(packetTo(randomBytes(20).toString("hex")))).length, 1)
    }).pipe(Effect.scoped)
  )
})

describe("connections as they are used", () => {
  it.live("cause no resets when they are made, used and closed by either side", () =>
    Effect.gen(function* () {
      const resets: Array<string> = []
      const identity = yield* Identity.generate
      const network = new Network((packet) => {
        const port = bound.socket.address.port
        const token = Buffer.from(packet.subarray(-16)).toString("hex")
        if (isShort(packet) && packet.length <= 43) {
          if (ids.some((id) => tokenOf(identity, port, Buffer.from(id, "hex")) === token)) resets.push(token)
        }
        return open(packet)
      })
      const ids: Array<string> = []
      network.incoming = (packet) => {
        if (isShort(packet) && idOf(packet) !== ids.at(-1)) ids.push(idOf(packet))
        return open(packet)
      }
      const bound: Bound = yield* bind({ identity, openSocket: network.openSocket })
      const peer = yield* bind()
      for (let i = 0; i < 20; i++) {
        const near = yield* connected(peer.dial(bound.socket.address))
        yield* until("it is accepted", () => bound.accepted.length === i + 1)
        const far = bound.accepted[i]!
        for (let n = 0; n < 20; n++) {
          near.send(text("there"))
          far.send(text("and back"))
        }
        if (i % 4 > 1) yield* Effect.sleep(i === 19 ? "2500 millis" : "10 millis")
        const end = i % 2 === 0 ? near : far
        end.connection.close(0, "")
        yield* until("it is over", () => near.closes.length > 0 && far.closes.length > 0)
        assert.deepInclude(
          [near, far].flatMap(({ closes }) => closes.map(({ _tag }) => _tag)),
          "ApplicationClosed"
        )
      }
      assert.isAbove(ids.length, 19)
      assert.deepStrictEqual(resets, [])
    }).pipe(Effect.scoped)
  )
})

describe("a dial", () => {
  it.live("takes the reset of a server that tells its token in the handshake, as other implementations do", () =>
    Effect.gen(function* () {
      const token = randomBytes(16)
      const server = yield* rawServer((config) => config.setStatelessResetToken(BigInt(`0x${token.toString("hex")}`)))
      const one = yield* bind()
      const near = yield* connected(one.dial(at(server.port)))
      const { peerPort, socket } = server.peers[0]!
      server.peers[0]!.deaf = true
      const forge = (end: Uint8Array) =>
        socket.send(Buffer.concat([Uint8Array.of(0x40, ...randomBytes(26)), end]), peerPort)
      for (let i = 0; i < 100; i++) forge(randomBytes(16))
      const before = yield* bind()
      yield* connected(before.dial(one.socket.address))
      assert.deepStrictEqual(near.closes, [])
      forge(token)
      yield* until("it is over", () => near.closes.length > 0)
      assert.deepStrictEqual(near.closes, [new StatelessReset()])
    }).pipe(Effect.scoped)
  )
})
