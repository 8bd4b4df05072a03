import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ApplicationClosed, IdleTimedOut, LocallyClosed, TransportClosed } from "@qp2p/core/Close"
import { isLongHeader, splitDatagram } from "../src/internal/packets/packetHeader.ts"
import { blocked, Network, open } from "./support/impairedNetwork.ts"
import { at, bind, connect, connected, pattern, Received, text, until } from "./support/quicSockets.ts"
import { relay, udp } from "./support/udpPeers.ts"

const idle = { idleTimeout: Duration.millis(400), keepAliveInterval: Duration.infinity }

describe("idle", () => {
  it.live("an unused connection ends with IdleTimedOut on both sides, and fails its streams with that", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect({ client: idle, server: idle })
      const answer = new Received()
      near.connection.openBi(0, answer).send.write(text("begun"), false, () => {})
      yield* until("the bytes", () => far.streams.length === 1)
      yield* until("the end", () => near.closes.length === 1 && far.closes.length === 1)
      for (const peer of [near, far]) assert.deepStrictEqual(peer.closes, [new IdleTimedOut()])
      for (const stream of [answer, far.streams[0]!]) assert.deepStrictEqual(stream.ends, [new IdleTimedOut()])
    })
  )

  it.live("the smaller idle timeout of both sides counts", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect({ client: idle, server: { keepAliveInterval: Duration.infinity } })
      yield* until("the end", () => near.closes.length === 1 && far.closes.length === 1)
      for (const peer of [near, far]) assert.deepStrictEqual(peer.closes, [new IdleTimedOut()])
    })
  )

  for (const side of ["client", "server"] as const) {
    it.live(`keep-alive of the ${side} alone keeps an unused connection`, () =>
      Effect.gen(function* () {
        // A busy machine may give this process no time for much longer than the interval.
        const unused = { ...idle, idleTimeout: Duration.seconds(2) }
        const alive = { ...unused, keepAliveInterval: Duration.millis(100) }
        const { far, near } = yield* connect({ client: unused, server: unused, [side]: alive })
        // More than three idle timeouts.
        yield* Effect.sleep("6500 millis")
        assert.deepStrictEqual([...near.closes, ...far.closes], [])
        near.send(text("alive"))
        yield* until("the message", () => far.streams[0]?.text === "alive")
      })
    )
  }

  it.live("keep-alive does not keep a connection whose peer has gone", () =>
    Effect.gen(function* () {
      const network = new Network()
      const { near } = yield* connect({
        client: { ...idle, keepAliveInterval: Duration.millis(100), openSocket: network.openSocket }
      })
      network.outgoing = () => []
      network.incoming = () => []
      yield* until("the end", () => near.closes.length === 1)
      assert.deepStrictEqual(near.closes, [new IdleTimedOut()])
    })
  )
})

describe("close", () => {
  for (const [code, arrives] of [
    [0, 0],
    [42, 42],
    [-7, 0],
    [Number.NaN, 0],
    [2 ** 62, Number.MAX_SAFE_INTEGER],
    [2 ** 63, Number.MAX_SAFE_INTEGER]
  ] as const) {
    it.live(`with code ${code} arrives as ${arrives}, with its reason, once`, () =>
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        near.connection.close(code, "that was it")
        near.connection.close(9, "again")
        assert.deepStrictEqual(near.closes, [])
        yield* until("both know", () => near.closes.length > 0 && far.closes.length > 0)
        yield* Effect.sleep("20 millis")
        assert.deepStrictEqual(near.closes, [new LocallyClosed()])
        assert.deepStrictEqual(far.closes, [new ApplicationClosed({ code: arrives, detail: "that was it" })])
      })
    )
  }

  it.live("with an infinite code does not take the process down", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      near.connection.close(Infinity, "")
      yield* until("the peer knows", () => far.closes.length > 0)
      assert.strictEqual(far.closes[0]!._tag, "ApplicationClosed")
    })
  )

  for (const [what, reason] of [
    ["5,000 letters", "x".repeat(5_000)],
    ["two-byte characters", "é".repeat(2_000)],
    ["four-byte characters", `a${"😀".repeat(1_000)}`],
    ["exactly 1,000 bytes", "y".repeat(1_000)]
  ] as const) {
    it.live(`with a reason of ${what} arrives, cut at a character where it is too long`, () =>
      Effect.gen(function* () {
        const { far, near } = yield* connect()
        near.connection.close(1, reason)
        yield* until("the peer knows", () => far.closes.length > 0)
        const close = far.closes[0] as ApplicationClosed
        assert.strictEqual(close._tag, "ApplicationClosed")
        assert.isTrue(reason.startsWith(close.detail), close.detail.slice(-4))
        assert.isAtLeast(text(close.detail).length, Math.min(990, reason.length))
      })
    )
  }

  it.live("drops what is queued and fails every write that waits", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.heed = (stream) => {
        stream.pausing = true
      }
      const { results } = near.send(pattern(12 << 20))
      const answer = new Received()
      const question = near.connection.openBi(0, answer)
      question.send.write(text("?"), true, () => {})
      yield* until("some of it", () => far.streams.some(({ length }) => length > 1))
      const half = far.streams.find(({ length }) => length > 1)!
      near.connection.close(3, "enough")
      yield* until("both know", () => near.closes.length > 0 && far.closes.length > 0)
      assert.deepStrictEqual(results, [new LocallyClosed()])
      assert.deepStrictEqual(answer.ends, [new LocallyClosed()])
      const gone = new ApplicationClosed({ code: 3, detail: "enough" })
      assert.deepStrictEqual(half.ends, [gone])
      // The record is silent now, and calls on it do nothing.
      near.connection.close(4, "")
      near.connection.openUni(0).write(text("late"), true, () => {})
      question.receive.resume()
      question.receive.stop(1)
      question.send.reset(1)
      half.resume()
      yield* Effect.sleep("20 millis")
      assert.deepStrictEqual([near.closes.length, far.closes.length], [1, 1])
      assert.deepStrictEqual(answer.ends, [new LocallyClosed()])
    })
  )

  it.live("by the peer comes after everything that arrived before it, paused streams included", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.heed = (stream) => {
        stream.pausing = true
      }
      const stream = near.connection.openUni(0)
      // As much as the peer takes without reading it.
      const bytes = pattern(60_000)
      let accepted = 0
      for (let i = 0; i < bytes.length; i += 1_000) {
        stream.write(bytes.subarray(i, i + 1_000), false, () => (accepted += 1))
      }
      yield* until("all written", () => accepted === 60)
      yield* until("a part", () => (far.streams[0]?.length ?? 0) > 0)
      // With the fin of another stream acknowledged, what was written before has arrived.
      const { results } = near.send(text("marker"), -1)
      yield* until("the confirmation", () => results.length === 1)
      yield* Effect.sleep("100 millis")
      near.connection.close(0, "")
      yield* until("the peer knows", () => far.closes.length > 0)
      assert.strictEqual(far.streams[0]!.length, bytes.length)
    })
  )

  it.live("whose packet is lost is repeated when the peer goes on sending", () =>
    Effect.gen(function* () {
      const network = new Network()
      const { far, near } = yield* connect({ client: { openSocket: network.openSocket } })
      let dropped = 0
      network.outgoing = () => {
        dropped += 1
        return []
      }
      near.connection.close(5, "lost at first")
      yield* until("this side knows", () => near.closes.length === 1)
      assert.isAbove(dropped, 0)
      assert.deepStrictEqual(far.closes, [])
      network.outgoing = open
      far.send(text("are you there?"))
      yield* until("the peer knows", () => far.closes.length === 1)
      assert.deepStrictEqual(far.closes, [new ApplicationClosed({ code: 5, detail: "lost at first" })])
    })
  )

  it.live("by the acceptor at once reaches the dialler", () =>
    Effect.gen(function* () {
      const server = yield* bind({ onPeer: (peer) => peer.connection.close(6, "not you") })
      const client = yield* bind()
      const near = yield* connected(client.dial(server.socket.address))
      yield* until("the dialler knows", () => near.closes.length === 1)
      assert.deepStrictEqual(near.closes, [new ApplicationClosed({ code: 6, detail: "not you" })])
      assert.deepStrictEqual(server.accepted[0]!.closes, [new LocallyClosed()])
    })
  )

  it.live("by the dialler at once reaches an acceptor that has the connection", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const client = yield* bind({ onPeer: (peer) => peer.connection.close(6, "never mind") })
      const near = yield* connected(client.dial(server.socket.address))
      yield* until("the dialler knows", () => near.closes.length === 1)
      assert.deepStrictEqual(near.closes, [new LocallyClosed()])
      // The acceptor may hear of the close before its handshake is complete; then there is nothing to tell.
      yield* connected(client.dial(server.socket.address))
      for (const peer of server.accepted) {
        yield* until("the acceptor knows", () => peer.closes.length === 1)
        assert.strictEqual(peer.closes[0]!._tag, "ApplicationClosed")
      }
    })
  )

  it.live("during the handshake fails the peer's dial", () =>
    Effect.gen(function* () {
      // The acceptor hears the first flight and nothing more, and gives up.
      const network = new Network()
      const server = yield* bind({ handshakeTimeout: Duration.millis(200), openSocket: network.openSocket })
      let heard = 0
      network.incoming = (payload) => (heard++ === 0 ? [payload] : [])
      const client = yield* bind()
      const near = yield* connected(client.dial(server.socket.address))
      yield* until("the dialler knows", () => near.closes.length === 1)
      assert.deepStrictEqual(server.accepted, [])
    })
  )
})

describe("stall", () => {
  it.live("a peer that acknowledges nothing for the stall timeout is given up", () =>
    Effect.gen(function* () {
      const network = new Network()
      const { near } = yield* connect({
        client: { openSocket: network.openSocket, stallTimeout: Duration.millis(400) }
      })
      network.outgoing = () => []
      const { results } = near.send(text("lost"))
      yield* until("the end", () => near.closes.length === 1)
      const stalled = new TransportClosed({ code: 1, detail: "stalled" })
      assert.deepStrictEqual(near.closes, [stalled])
      assert.deepStrictEqual(results, [stalled])
    })
  )

  it.live("a request to stop a stream that was lost ends the connection: it is never sent again", () =>
    Effect.gen(function* () {
      const network = new Network()
      const { far, near } = yield* connect({
        server: { openSocket: network.openSocket, stallTimeout: Duration.millis(400) }
      })
      far.heed = (stream) => {
        stream.pausing = true
      }
      const { results } = near.send(pattern(1 << 20))
      yield* until("some of it", () => (far.streams[0]?.length ?? 0) > 0)
      // A later request would come with packets that are repeated.
      yield* Effect.sleep("100 millis")
      let dropped = 0
      network.outgoing = () => {
        dropped += 1
        return []
      }
      far.streams[0]!.receive!.stop(7)
      yield* until("the request", () => dropped > 0)
      network.outgoing = open
      const other = far.send(text("alive"))
      yield* until("something else", () => other.results.length === 1)
      assert.deepStrictEqual(other.results, ["done"])
      yield* until("the end of both", () => near.closes.length === 1 && far.closes.length === 1)
      const stalled = new TransportClosed({ code: 1, detail: "stalled" })
      assert.deepStrictEqual([...far.closes, ...near.closes, ...results], [stalled, stalled, stalled])
    })
  )

  it.live("a peer whose application does not read is waited for", () =>
    Effect.gen(function* () {
      // Long enough for what is in flight at the end to arrive on a machine that has other things to do.
      const { far, near } = yield* connect({ client: { stallTimeout: Duration.seconds(1) } })
      far.heed = (stream) => {
        stream.pausing = true
      }
      const bytes = pattern(12 << 20)
      const { results } = near.send(bytes)
      yield* until("some of it", () => (far.streams[0]?.length ?? 0) > 0)
      // Longer than the timeout: that nothing happens cannot be awaited.
      yield* Effect.sleep("3 seconds")
      assert.deepStrictEqual([...near.closes, ...far.closes, ...results], [])
      far.streams[0]!.pausing = false
      far.streams[0]!.receive!.resume()
      yield* until("the confirmation", () => results.length === 1)
      assert.deepStrictEqual(results, ["done"])
    })
  )

  it.live("time in which this process did not listen counts against no peer", () =>
    Effect.gen(function* () {
      const network = new Network()
      // Long, so that the looks before and after do not make it up on a machine that has other things to do.
      const stallTimeout = Duration.seconds(2)
      const { near } = yield* connect({ client: { openSocket: network.openSocket, stallTimeout } })
      network.incoming = blocked
      const { results } = near.send(text("told"))
      // A few looks that find it waiting, and then none for longer than the timeout.
      yield* Effect.sleep("600 millis")
      const end = performance.now() + 3_000
      while (performance.now() < end);
      network.incoming = open
      yield* until("the confirmation", () => results.length === 1)
      assert.deepStrictEqual(results, ["done"])
    })
  )

  it.live("a peer that reads a little now and then is not", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect({ client: { stallTimeout: Duration.millis(500) } })
      far.heed = (stream) => {
        stream.pausing = true
      }
      const bytes = pattern(12 << 20)
      const { results } = near.send(bytes)
      yield* until("some of it", () => (far.streams[0]?.length ?? 0) > 0)
      while (far.streams[0]!.length < bytes.length) {
        yield* Effect.sleep("20 millis")
        far.streams[0]!.receive!.resume()
      }
      yield* until("the confirmation", () => results.length === 1)
      assert.deepStrictEqual(results, ["done"])
    })
  )

  it.live("a connection with nothing to send does not stall", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect({ client: { stallTimeout: Duration.millis(200) } })
      near.connection.openUni(0).write(text("more to come"), false, () => {})
      yield* Effect.sleep("800 millis")
      assert.deepStrictEqual([...near.closes, ...far.closes], [])
    })
  )
})

describe("a NAT that rebinds", () => {
  it.live("is followed each time, and nothing is lost", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const path = yield* relay(() => server.socket.address.port)
      const client = yield* bind()
      const near = yield* connected(client.dial(at(path.port)))
      yield* until("the acceptor", () => server.accepted.length === 1)
      const far = server.accepted[0]!
      assert.strictEqual(far.connection.remoteAddress.port, path.ports[0])
      const bulk = near.send(pattern(8 << 20))
      for (let i = 1; i <= 4; i++) {
        yield* path.rebind
        near.send(text(`after ${i}`), 1)
        yield* until("the new address", () => far.connection.remoteAddress.port === path.ports[i])
        assert.strictEqual(far.moves, i)
        const { results } = far.send(text(`answer ${i}`))
        yield* until("the way back", () => results.length === 1)
        assert.deepStrictEqual(results, ["done"])
      }
      yield* until("the bulk", () => bulk.results.length === 1)
      assert.deepStrictEqual(bulk.results, ["done"])
      yield* until("all ends", () => far.streams.length === 5 && far.streams.every(({ ends }) => ends.length === 1))
      assert.deepStrictEqual(far.streams.map(({ text, length }) => (length < 100 ? text : length)).toSorted(), [
        8 << 20,
        "after 1",
        "after 2",
        "after 3",
        "after 4"
      ])
      assert.deepStrictEqual([...near.closes, ...far.closes, near.moves], [0])
    })
  )

  it.live("right after the handshake is found out, though the dialler has only handshake packets to send", () =>
    Effect.gen(function* () {
      const network = new Network()
      const server = yield* bind({ openSocket: network.openSocket })
      const path = yield* relay(() => server.socket.address.port)
      // From when it knows the server, the client hears nothing of it: not even that its handshake has arrived.
      const client = yield* bind({ onPeer: () => (network.outgoing = blocked) })
      const near = yield* connected(client.dial(at(path.port)))
      // Short: more than `maxWrittenUnanswered` is not sent after a probe timeout that the server does not answer.
      const { results } = near.send(text("sent to the first address"))
      yield* until("the acceptor", () => server.accepted.length === 1 && server.accepted[0]!.streams.length === 1)
      // The dialler may probe with any packet that is not acknowledged. Those that the acceptor can read do not arrive until it
      // has found the new address without them.
      let found = false
      path.filter = (bytes) => found || splitDatagram(bytes).every(isLongHeader)
      yield* path.rebind
      path.filterBack = () => (found = true)
      network.outgoing = open
      yield* until("the confirmation", () => results.length === 1)
      assert.deepStrictEqual(results, ["done"])
      yield* until("the proof", () => server.accepted[0]!.connection.remoteAddress.port === path.ports[1])
    })
  )

  it.live("is not followed back by a packet that was overtaken on the way", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const path = yield* relay(() => server.socket.address.port)
      const client = yield* bind()
      const near = yield* connected(client.dial(at(path.port)))
      yield* until("the acceptor", () => server.accepted.length === 1)
      const far = server.accepted[0]!
      const late: Array<Uint8Array> = []
      path.filter = (bytes) => {
        late.push(bytes.slice())
        return false
      }
      near.send(text("late"))
      yield* until("a packet to be late", () => late.length > 0)
      const held = late[0]!
      path.filter = undefined
      yield* path.rebind
      near.send(text("sooner"))
      yield* until("the new address", () => far.connection.remoteAddress.port === path.ports[1])
      const stranger = yield* udp()
      stranger.send(held, server.socket.address.port)
      yield* until("the late packet", () => far.streams.some((stream) => stream.text === "late"))
      const { results } = near.send(text("after all"))
      yield* until("the confirmation", () => results.length === 1)
      assert.strictEqual(far.connection.remoteAddress.port, path.ports[1])
      assert.strictEqual(far.moves, 1)
    })
  )

  it.live("of both peers is followed by both", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const client = yield* bind()
      // The acceptor's address changes as well: a packet of the dialler is what tells where it is.
      const path = yield* relay(() => server.socket.address.port)
      const near = yield* connected(client.dial(at(path.port)))
      yield* until("the acceptor", () => server.accepted.length === 1)
      for (let i = 1; i <= 10; i++) {
        yield* path.rebind
        const { results } = near.send(text(`${i}`))
        yield* until("the confirmation", () => results.length === 1)
        // The confirmation may come before the proof: some of what is sent again goes where the peer may be.
        yield* until("the new address", () => server.accepted[0]!.connection.remoteAddress.port === path.ports[i])
      }
      assert.strictEqual(server.accepted[0]!.moves, 10)
    })
  )

  it.live("does not freeze the process when packets come from three addresses at once, or come again", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const path = yield* relay(() => server.socket.address.port)
      const strangers = [yield* udp(), yield* udp()]
      const client = yield* bind()
      const near = yield* connected(client.dial(at(path.port)))
      yield* until("the acceptor", () => server.accepted.length === 1)
      const far = server.accepted[0]!
      path.recording = true
      let turn = 0
      let told = 0
      // One in eight packets comes from a stranger first, and then from the other one too.
      path.filter = (bytes) => {
        turn += 1
        if (turn % 8 !== 0) return true
        told += bytes.length
        strangers[(turn / 8) % 2]!.send(bytes, server.socket.address.port)
        strangers[(turn / 8 + 1) % 2]!.send(bytes, server.socket.address.port)
        return false
      }
      const through = near.send(pattern(500_000))
      yield* until("the bulk", () => far.streams[0]?.length === 500_000)
      // What the strangers were sent was at most three times what came from them, and none of it was acknowledged.
      const sent = strangers.flatMap(({ heard }) => heard).reduce((sum, { bytes }) => sum + bytes.length, 0)
      assert.isAtMost(sent, 3 * told)
      assert.strictEqual(far.moves, 0)
      path.filter = undefined
      for (const packet of path.toServer)
        for (const stranger of strangers) stranger.send(packet, server.socket.address.port)
      const { results } = near.send(text("still here"))
      yield* until("the confirmations", () => results.length === 1 && through.results.length === 1)
      assert.deepStrictEqual([...results, ...through.results], ["done", "done"])
      assert.strictEqual(far.connection.remoteAddress.port, path.ports[0])
      const back = far.send(text("and you?"))
      yield* until("the way back", () => back.results.length === 1)
      assert.deepStrictEqual([...near.closes, ...far.closes], [])
    })
  )

  it.live("replayed packets do not move the connection", () =>
    Effect.gen(function* () {
      const server = yield* bind()
      const path = yield* relay(() => server.socket.address.port)
      const stranger = yield* udp()
      const client = yield* bind()
      path.recording = true
      const near = yield* connected(client.dial(at(path.port)))
      const first = near.send(pattern(50_000))
      yield* until("the confirmation", () => first.results.length === 1)
      const far = server.accepted[0]!
      path.recording = false
      for (const packet of path.toServer) stranger.send(packet, server.socket.address.port)
      const second = near.send(text("after"))
      yield* until("the confirmation", () => second.results.length === 1)
      assert.strictEqual(far.moves, 0)
      assert.deepStrictEqual(stranger.heard, [])
      assert.strictEqual(far.streams.length, 2)
    })
  )
})
