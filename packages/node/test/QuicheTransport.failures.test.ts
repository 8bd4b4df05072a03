// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as NetAddress from "effect/net/NetAddress"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import { LocallyClosed } from "@qp2p/core/Close"
import { DatagramRefused, EndpointStopped } from "@qp2p/core/ConnectionError"
import { BindError } from "@qp2p/core/EndpointError"
import { address, bind, connect, connected, type Setup, text, until } from "./support/quicSockets.ts"

const failure = (reason: DatagramSocket.DatagramSocketError["reason"]) =>
  new DatagramSocket.DatagramSocketError({ reason })

/** What opens Node's socket with parts of it replaced. */
const openWith =
  (parts: {
    readonly reader?: (reader: DatagramSocket.Reader) => DatagramSocket.Reader
    readonly writer?: (writer: DatagramSocket.Writer) => DatagramSocket.Writer
  }): Setup["openSocket"] & {} =>
  (local) =>
    Effect.map(NodeDatagramSocket.make({ bind: local, ipv6Only: NetAddress.isInetAddressV6(local) }), (inner) =>
      DatagramSocket.make({
        reader: Effect.map(inner.reader, parts.reader ?? ((reader) => reader)),
        writer: Effect.map(inner.writer, parts.writer ?? ((writer) => writer))
      })
    )

/** Keeps what is logged. */
const logging = <A, E, R>(body: (logged: Array<unknown>) => Effect.Effect<A, E, R>) => {
  const logged: Array<unknown> = []
  const logger = Logger.make(({ message }) => {
    logged.push(message)
  })
  return Effect.provide(body(logged), Logger.layer([logger]))
}

describe("a socket that cannot be opened", () => {
  const cause = new Error("as the system says")

  for (const [what, reason, sentence] of [
    [
      "for a reason of its own",
      new DatagramSocket.DatagramSocketOpenError({ kind: "Unknown", cause }),
      "the socket could not be opened"
    ],
    [
      "without permission",
      new DatagramSocket.DatagramSocketOpenError({ kind: "PermissionDenied", cause }),
      "permission denied"
    ],
    ["because it has been closed", new DatagramSocket.DatagramSocketClosedError(), "the socket could not be opened"]
  ] as const) {
    it.live(`${what} is a BindError that says so`, () =>
      Effect.gen(function* () {
        const error = failure(reason)
        const openSocket = () =>
          Effect.succeed(DatagramSocket.make({ reader: Effect.fail(error), writer: Effect.never }))
        const result = yield* Effect.flip(bind({ openSocket }))
        assert.instanceOf(result, BindError)
        assert.strictEqual(result.detail, sentence)
        assert.strictEqual(result.cause, error)
        assert.strictEqual(String(result.address), "127.0.0.1:0")
      }).pipe(Effect.scoped)
    )
  }
})

describe("a datagram that the system refuses to send", () => {
  const refusing = (kind: DatagramSocket.DatagramSocketWriteError["kind"], to: NetAddress.InetAddress | undefined) => {
    let refused = 0
    const openSocket = openWith({
      writer: (writer) => ({
        ...writer,
        writeAll: (datagrams) =>
          Effect.suspend(() => {
            refused += 1
            // A dial's first packet is refused; those behind it get through, if there are any.
            return refused > 1
              ? writer.writeAll(datagrams)
              : Effect.fail(
                  failure(
                    new DatagramSocket.DatagramSocketWriteError({
                      kind,
                      cause: new Error(kind),
                      ...(to === undefined ? {} : { address: to })
                    })
                  )
                )
          })
      })
    })
    return { openSocket, refused: () => refused }
  }

  it.live("because there is no way to the peer fails the dial at once", () =>
    Effect.gen(function* () {
      const peer = address("127.0.0.1:9")
      const { openSocket } = refusing("Unreachable", peer)
      const client = yield* bind({ openSocket, handshakeTimeout: Duration.infinity })
      const dial = client.dial(peer)
      yield* until("the dial has failed", () => dial.failed.length > 0)
      assert.deepStrictEqual(dial.failed, [
        new DatagramRefused({ peer, systemCode: "ENETUNREACH", detail: "the network is unreachable" })
      ])
    }).pipe(Effect.scoped)
  )

  for (const [what, kind, names] of [
    ["for another reason", "ConnectionRefused", true],
    ["and names nobody", "Unreachable", false]
  ] as const) {
    it.live(`${what} is like one that got lost: it is sent again`, () =>
      Effect.gen(function* () {
        const server = yield* bind()
        const { openSocket, refused } = refusing(kind, names ? server.socket.address : undefined)
        const client = yield* bind({ openSocket })
        const peer = yield* connected(client.dial(server.socket.address))
        assert.isAbove(refused(), 1)
        assert.deepStrictEqual(peer.closes, [])
      }).pipe(Effect.scoped)
    )
  }
})

describe("datagrams of an established connection that the system refuses to send", () => {
  const refusal = (kind: DatagramSocket.DatagramSocketWriteError["kind"], to: NetAddress.InetAddress) =>
    failure(new DatagramSocket.DatagramSocketWriteError({ kind, cause: new Error(kind), address: to }))

  it.live("are counted, and logged once; the connection goes on when they are sent again", () =>
    logging((logged) =>
      Effect.gen(function* () {
        let refusing = false
        let refused = 0
        const openSocket = openWith({
          writer: (writer) => ({
            ...writer,
            writeAll: (datagrams) =>
              Effect.suspend(() => {
                if (!refusing) return writer.writeAll(datagrams)
                refused += 1
                return Effect.fail(refusal("PermissionDenied", datagrams[0].address as NetAddress.InetAddress))
              })
          })
        })
        const { far, near } = yield* connect({ client: { openSocket } })
        refusing = true
        const { results } = near.send(text("through a firewall"))
        yield* until("some have been refused", () => refused >= 3)
        refusing = false
        yield* until("it has arrived", () => results.length > 0)
        assert.deepStrictEqual(results, ["done"])
        assert.strictEqual(far.filled[0]!.text, "through a firewall")
        assert.strictEqual(near.connection.stats().packetsRefused, refused)
        assert.strictEqual(far.connection.stats().packetsRefused, 0)
        assert.lengthOf(logged, 1)
        assert.match(String(logged[0]), /^a packet to 127\.0\.0\.1:\d+ was not sent: .*firewall.* \(EACCES\);/)
      }).pipe(Effect.scoped)
    )
  )

  it.live("because they are too large are made smaller at once, without waiting for them to get lost", () =>
    logging((logged) =>
      Effect.gen(function* () {
        let refused = 0
        const openSocket = openWith({
          writer: (writer) => ({
            ...writer,
            // What some systems allow within a machine.
            writeAll: (datagrams) => {
              const large = datagrams.find(({ payload }) => payload.length > 9_216)
              if (large === undefined) return writer.writeAll(datagrams)
              refused += 1
              return Effect.fail(refusal("MessageTooLarge", large.address as NetAddress.InetAddress))
            }
          })
        })
        const { far, near } = yield* connect({ client: { openSocket, maxUdpPayload: 16_383 } })
        const { results } = near.send(new Uint8Array(1_000_000))
        yield* until("it has arrived", () => results.length > 0)
        assert.deepStrictEqual(results, ["done"])
        // What is acknowledged may yet have to be read.
        yield* until("it is read", () => far.filled[0]!.length === 1_000_000)
        assert.strictEqual(refused, 1)
        assert.deepStrictEqual(logged, [])
      }).pipe(Effect.scoped)
    )
  )
})

describe("a socket that fails while it is used", () => {
  it.live("ends every connection, fails every dial, and says so in the log", () =>
    logging((logged) =>
      Effect.gen(function* () {
        const broken = yield* Deferred.make<never, DatagramSocket.DatagramSocketError>()
        const openSocket = openWith({
          reader: (reader) => ({ ...reader, pull: Effect.raceFirst(reader.pull, Deferred.await(broken)) })
        })
        const { client, near } = yield* connect({ client: { openSocket } })
        const pending = client.dial(address("127.0.0.1:9"))
        const error = failure(
          new DatagramSocket.DatagramSocketReadError({ kind: "Unknown", cause: new Error("broken") })
        )
        yield* Deferred.fail(broken, error)
        yield* until("the connection has ended", () => near.closes.length > 0)
        assert.deepStrictEqual(near.closes, [new LocallyClosed()])
        assert.deepStrictEqual(pending.failed, [new EndpointStopped()])
        const late = client.dial(address("127.0.0.1:9"))
        yield* until("the late dial has failed", () => late.failed.length > 0)
        assert.deepStrictEqual(late.failed, [new EndpointStopped()])
        assert.deepStrictEqual(logged, [["the UDP socket failed", error]])
      }).pipe(Effect.scoped)
    )
  )
})

describe("a mistake in a callback", () => {
  it.live("costs its connection, is logged, and leaves the others alone", () =>
    logging((logged) =>
      Effect.gen(function* () {
        const mistake = new Error("a mistake")
        const { far, near, server } = yield* connect()
        far.heed = () => {
          throw mistake
        }
        const other = yield* bind()
        const there = yield* connected(other.dial(server.socket.address))
        yield* until("the server has both", () => server.accepted.length === 2)
        const sent = near.send(text("to the one that makes it"))
        yield* until("its connection has ended", () => near.closes.length > 0)
        assert.strictEqual(near.closes[0]?._tag, "ApplicationClosed")
        assert.strictEqual(sent.results.length, 1)
        assert.deepStrictEqual(far.closes, [new LocallyClosed()])
        assert.deepStrictEqual(logged, [["a connection was closed because of a defect", mistake]])
        const { results } = there.send(text("to another"))
        yield* until("the other message is confirmed", () => results.length > 0)
        assert.deepStrictEqual(results, ["done"])
        assert.strictEqual(server.accepted[1]!.filled[0]!.text, "to another")
      }).pipe(Effect.scoped)
    )
  )
})

describe("a stream that is finished without a byte", () => {
  it.live("arrives, is replied to, and is confirmed", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const answers: Array<string> = []
      const ends: Array<unknown> = []
      const results: Array<unknown> = []
      const { send } = near.connection.openBi(0, {
        onData: (chunk) => answers.push(new TextDecoder().decode(chunk)) > 0,
        onEnd: (why) => ends.push(why)
      })
      far.heed = (stream) => stream.send!.write(text("nothing asked"), true, () => {})
      send.write(new Uint8Array(0), true, (why) => results.push(why ?? "done"))
      yield* until("the answer has come", () => ends.length > 0 && results.length > 0)
      assert.deepStrictEqual(answers, ["nothing asked"])
      assert.deepStrictEqual(ends, [undefined])
      assert.deepStrictEqual(results, ["done"])
      assert.deepStrictEqual(far.streams[0]!.ends, [undefined])
    }).pipe(Effect.scoped)
  )
})

describe("no idle timeout", () => {
  it.live("is possible: such a connection works", () =>
    Effect.gen(function* () {
      const forever = { idleTimeout: Duration.infinity }
      const { far, near } = yield* connect({ client: forever, server: forever })
      const stream = near.connection.openUni(0)
      const results: Array<unknown> = []
      // A fin alone after its data: it goes out once all is acknowledged, which the idle timeout has a part in finding.
      stream.write(text("message"), false, () => {})
      yield* until("the message has arrived", () => far.filled.length > 0)
      stream.write(new Uint8Array(0), true, (why) => results.push(why ?? "done"))
      yield* until("it is confirmed", () => results.length > 0)
      assert.deepStrictEqual(results, ["done"])
      assert.deepStrictEqual(far.filled[0]!.ends, [undefined])
    }).pipe(Effect.scoped)
  )
})
