import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash, randomFillSync } from "node:crypto"
import { createSocket } from "node:dgram"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as NodeEndpoint from "../src/NodeEndpoint.ts"
import { bytes, summary, textOf } from "../../core/test/support/values.ts"
import { endpoint, onLoopback, pair } from "./support/quicEndpoints.ts"

const hex = (payload: Uint8Array) => Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("hex")
const sha256 = (payload: Uint8Array) => createHash("sha256").update(payload).digest("hex")

/** A UDP port that takes packets and says nothing. */
const deaf = Effect.acquireRelease(
  Effect.callback<{ readonly address: string; readonly close: () => void }>((resume) => {
    const socket = createSocket("udp4")
    socket.bind(0, "127.0.0.1", () => {
      resume(Effect.succeed({ address: `127.0.0.1:${socket.address().port}`, close: () => socket.close() }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

describe("many messages", () => {
  it.live("10,000 at once to one peer all arrive, once each, intact", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const payloads = Array.from({ length: 10_000 }, (_, i) => {
        const payload = new Uint8Array(8)
        const view = new DataView(payload.buffer)
        view.setUint32(0, i)
        view.setUint32(4, (i * 2_654_435_761) >>> 0)
        return payload
      })
      const receiving = yield* Effect.forkChild(Stream.runCollect(Stream.take(two.incomingMessages, payloads.length)))
      yield* Effect.forEach(payloads, (payload) => one.sendMessage(payload, two.localAddress), {
        concurrency: "unbounded",
        discard: true
      })
      const received = (yield* Fiber.join(receiving)).map(({ payload }) => hex(payload))
      assert.deepStrictEqual(received.toSorted(), payloads.map(hex).toSorted())
      // Had one arrived twice there would be more.
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(two.nextMessage, 0)))
    }).pipe(onLoopback)
  )

  it.live(
    "100 of 1 MiB from each of 10 endpoints all arrive, once each, intact [slow]",
    () =>
      Effect.gen(function* () {
        const receiver = yield* endpoint()
        const senders = yield* Effect.forEach(Array.from({ length: 10 }), () => endpoint())
        const sent: Array<string> = []
        const received: Array<string> = []
        const receiving = yield* Effect.forkChild(
          Stream.runForEach(Stream.take(receiver.incomingMessages, 1_000), ({ payload, peer }) =>
            Effect.sync(() => received.push(`${peer} ${sha256(payload)}`))
          )
        )
        const sending = Effect.forEach(
          senders,
          (sender) =>
            Effect.forEach(
              Array.from({ length: 100 }),
              () =>
                Effect.suspend(() => {
                  const payload = randomFillSync(new Uint8Array(2 ** 20))
                  sent.push(`${sender.localAddress} ${sha256(payload)}`)
                  return sender.sendMessage(payload, receiver.localAddress)
                }),
              { concurrency: 4, discard: true }
            ),
          { concurrency: "unbounded", discard: true }
        )
        yield* sending
        yield* Fiber.join(receiving)
        assert.strictEqual(received.length, 1_000)
        assert.deepStrictEqual(received.toSorted(), sent.toSorted())
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(receiver.nextMessage, 0)))
      }).pipe(onLoopback),
    300_000
  )

  it.live("a receiver that takes nothing holds the sender back, and gets everything in the end", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({}, { messageBuffer: 10 })
      // 24 MB: three times what is sent before the sender is held back.
      const total = 6_000
      let sent = 0
      const sending = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: total }),
          (_, i) =>
            Effect.tap(one.sendMessage(bytes(`${i} ${"x".repeat(4_000)}`), two.localAddress), () =>
              Effect.sync(() => (sent += 1))
            ),
          { concurrency: 500, discard: true }
        )
      )
      // Until no more gets through.
      let before = -1
      while (sent !== before) {
        before = sent
        yield* Effect.sleep("1 second")
      }
      assert.isBelow(sent, total)
      const seen = new Set<number>()
      while (seen.size < total) seen.add(Number.parseInt(textOf((yield* two.nextMessage).payload), 10))
      yield* Fiber.join(sending)
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(two.nextMessage, 0)))
    }).pipe(onLoopback)
  )

  it.live("messages of every size around the edges arrive intact", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const edges = [1, 2, 1_190, 1_200, 1_350, 16_383, 16_384, 16_385, 65_526, 65_536, 65_545, 300_000, 5_000_000]
      for (const size of edges) {
        const payload = randomFillSync(new Uint8Array(size))
        const sending = yield* Effect.forkChild(one.sendMessage(payload, two.localAddress))
        const message = yield* two.nextMessage
        assert.strictEqual(message.payload.length, size)
        assert.strictEqual(sha256(message.payload), sha256(payload))
        yield* Fiber.join(sending)
      }
    }).pipe(onLoopback)
  )
})

describe("two endpoints", () => {
  for (const local of ["127.0.0.1:0", "[::1]:0"]) {
    it.live(`talk both ways over one connection on ${local}`, () =>
      Effect.gen(function* () {
        const one = yield* endpoint({}, [], local)
        const two = yield* endpoint({}, [], local)
        assert.notStrictEqual(one.localAddress.port, 0)
        const connection = yield* one.connectTo(two.localAddress)
        assert.isTrue((yield* one.connectTo(String(two.localAddress))) === connection)
        const back = yield* two.nextConnection
        assert.strictEqual(String(back.remoteAddress), String(one.localAddress))
        yield* one.sendMessage(bytes("ping"), two.localAddress)
        assert.deepStrictEqual(summary(yield* two.nextMessage), {
          peer: String(one.localAddress),
          text: "ping",
          reply: false
        })
        yield* two.sendMessage(bytes("pong"), one.localAddress)
        assert.strictEqual(textOf((yield* one.nextMessage).payload), "pong")
        assert.isTrue((yield* two.connectTo(one.localAddress)) === back)
      }).pipe(onLoopback)
    )
  }

  it.live("ask and answer on a bidirectional stream", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const { receive, send } = yield* one.openBidirectionalStream(two.localAddress)
      for (const text of ["a", "b", "c"]) yield* send.sendMessage(bytes(text))
      for (const text of ["a", "b", "c"]) {
        const message = yield* two.nextMessage
        assert.strictEqual(textOf(message.payload), text)
        yield* Option.getOrThrow(message.reply).sendMessage(bytes(text.toUpperCase()))
        if (text === "c") {
          const finishing = yield* Effect.forkChild(Option.getOrThrow(message.reply).finish)
          const answers = yield* Stream.runCollect(receive.messages)
          assert.deepStrictEqual(answers.map(textOf), ["A", "B", "C"])
          yield* send.finish
          yield* Fiber.join(finishing)
        }
      }
    }).pipe(onLoopback)
  )

  it.live("refuse what is too large at the receiver, and go on", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({}, { maxMessageSize: 1_000 })
      // QUIC may have acknowledged what fits in one flight before the refusal arrives.
      for (const size of [500_000, 3_000_000]) {
        const error = yield* Effect.flip(one.sendMessage(new Uint8Array(size), two.localAddress))
        assert.strictEqual(error._tag === "StreamLost" ? error.reason._tag : error._tag, "StreamStopped")
      }
      yield* one.sendMessage(new Uint8Array(1_000), two.localAddress)
      assert.strictEqual((yield* two.nextMessage).payload.length, 1_000)
    }).pipe(onLoopback)
  )

  it.live("go on after sends that were interrupted half-way", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const connection = yield* one.connectTo(two.localAddress)
      for (let i = 0; i < 20; i++) {
        const sending = yield* Effect.forkChild(one.sendMessage(new Uint8Array(3_000_000), two.localAddress))
        yield* Effect.sleep(i)
        yield* Fiber.interrupt(sending)
      }
      yield* one.sendMessage(bytes("usable"), two.localAddress)
      let text = ""
      while (text !== "usable") text = textOf((yield* two.nextMessage).payload.subarray(0, 6))
      assert.isTrue((yield* one.connectTo(two.localAddress)) === connection)
    }).pipe(onLoopback)
  )

  it.live("dial each other at once, and both get through", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      yield* Effect.all(
        [one.sendMessage(bytes("a"), two.localAddress), two.sendMessage(bytes("b"), one.localAddress)],
        {
          concurrency: "unbounded"
        }
      )
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "b")
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "a")
    }).pipe(onLoopback)
  )
})

describe("dials", () => {
  it.live("without a peer there fail with ConnectionTimedOut after the handshake timeout", () =>
    Effect.gen(function* () {
      const { address } = yield* deaf
      const one = yield* endpoint({ handshakeTimeout: "300 millis", retryDuration: 0 })
      assert.strictEqual((yield* Effect.flip(one.connectTo(address)))._tag, "ConnectionTimedOut")
    }).pipe(onLoopback)
  )

  it.live("that cannot work fail with InvalidAddress", () =>
    Effect.gen(function* () {
      const one = yield* endpoint()
      for (const peer of ["nowhere", "127.0.0.1:0", "[::1]:4433", "0.0.0.0:4433"]) {
        assert.strictEqual((yield* Effect.flip(one.connectTo(peer)))._tag, "InvalidAddress", peer)
      }
    }).pipe(onLoopback)
  )

  it.live("to several peers at once leave one connection", () =>
    Effect.gen(function* () {
      const nobody = yield* deaf
      const one = yield* endpoint()
      const others = yield* Effect.all([endpoint(), endpoint(), endpoint()])
      const addresses = others.map(({ localAddress }) => localAddress)
      const connection = yield* one.connectToAny([nobody.address, ...addresses])
      // Something to wait for: by then what was given up has been told.
      yield* one.sendMessage(bytes("x"), connection.remoteAddress)
      const ids = yield* Effect.forEach([nobody.address, ...addresses], one.connectionId)
      assert.strictEqual(ids.filter(Option.isSome).length, 1)
    }).pipe(onLoopback)
  )
})

describe("the life of an endpoint", () => {
  it.live("bootstraps from the contact that lives, which verifies it", () =>
    Effect.gen(function* () {
      const nobody = yield* deaf
      const contact = yield* endpoint()
      const one = yield* endpoint({}, [nobody.address, contact.localAddress])
      assert.strictEqual(String(one.publicAddress), String(one.localAddress))
      assert.deepStrictEqual(Option.map(one.bootstrapContact, String), Option.some(String(contact.localAddress)))
      yield* one.isReachable(contact.localAddress)
    }).pipe(onLoopback)
  )

  it.live("cannot start as Unreachable, and leaves the port free", () =>
    Effect.gen(function* () {
      const nobody = yield* deaf
      const contact = yield* endpoint({ rpcTimeout: "300 millis" })
      const local = yield* Effect.scoped(Effect.map(endpoint(), ({ localAddress }) => localAddress))
      const externalPort = Number(nobody.address.split(":")[1])
      const error = yield* Effect.flip(endpoint({ externalPort }, [contact.localAddress], local))
      assert.strictEqual(error._tag === "Unreachable" ? String(error.publicAddress) : error._tag, nobody.address)
      assert.strictEqual(String((yield* endpoint({}, [], local)).localAddress), String(local))
    }).pipe(onLoopback)
  )

  it.live("ends with its scope: senders fail, peers are told, the port is free", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const one = yield* Scope.provide(endpoint(), scope)
      const two = yield* endpoint({}, [], "127.0.0.1:0")
      const nobody = yield* deaf
      yield* one.sendMessage(bytes("x"), two.localAddress)
      const sending = yield* Effect.forkChild(Effect.flip(one.sendMessage(bytes("x"), nobody.address)))
      const taking = yield* Effect.forkChild(Effect.flip(one.nextMessage))
      yield* Effect.sleep("50 millis")
      yield* Scope.close(scope, Exit.void)
      const error = yield* Fiber.join(sending)
      assert.strictEqual(error._tag === "ConnectionLost" ? error.reason._tag : error._tag, "EndpointStopped")
      assert.strictEqual((yield* Fiber.join(taking))._tag, "EndpointStopped")
      yield* endpoint({}, [], one.localAddress)
      assert.deepInclude((yield* two.nextDisconnection).reason, { _tag: "ApplicationClosed", code: 0, detail: "" })
    }).pipe(onLoopback)
  )

  it.live("is found again by its peers after a restart on the same port", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(endpoint(), scope)
      const peer = yield* endpoint()
      yield* peer.sendMessage(bytes("before"), first.localAddress)
      yield* Scope.close(scope, Exit.void)
      const again = yield* endpoint({}, [], first.localAddress)
      yield* peer.sendMessage(bytes("after"), first.localAddress)
      assert.strictEqual(textOf((yield* again.nextMessage).payload), "after")
    }).pipe(onLoopback)
  )

  it.live("says BindError when the port is taken or the address is not this machine's", () =>
    Effect.gen(function* () {
      const one = yield* endpoint()
      assert.strictEqual((yield* Effect.flip(endpoint({}, [], one.localAddress)))._tag, "BindError")
      assert.strictEqual((yield* Effect.flip(endpoint({}, [], "192.0.2.1:0")))._tag, "BindError")
    }).pipe(onLoopback)
  )

  it.live("as a client receives on its connections, and accepts none", () =>
    Effect.gen(function* () {
      const client = yield* Endpoint.makeClient({ localAddress: "127.0.0.1:0" })
      const two = yield* endpoint({ retryDuration: 0, handshakeTimeout: "300 millis" })
      assert.strictEqual((yield* Effect.flip(two.connectTo(client.localAddress)))._tag, "ConnectionTimedOut")
      yield* client.connectTo(two.localAddress)
      yield* (yield* two.nextConnection).send(bytes("hello"))
      assert.strictEqual(textOf((yield* client.nextMessage).payload), "hello")
    }).pipe(onLoopback)
  )

  it.live("as layerNode needs nothing else", () =>
    Effect.gen(function* () {
      const { Endpoint: service } = Endpoint
      const port = Effect.map(Effect.service(service), ({ localAddress }) => localAddress.port)
      assert.isAbove(yield* Effect.provide(port, NodeEndpoint.layer({ localAddress: "127.0.0.1:0" })), 0)
    })
  )
})
