/**
 * The worked example of the wire format: its bytes are those that the library makes and reads.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Core from "@qp2p/core"
import { Transport } from "@qp2p/core/Transport"
import * as Testkit from "@qp2p/testkit"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Schema from "effect/Schema"
import { documents } from "./markdown.ts"

const { Endpoint, Identity, Messages, PeerId, PortMapper, WireMessage } = Core

/** The lines of the example: a name, two spaces or more, and hexadecimal or text. */
const example = new Map(
  documents
    .find(({ path }) => path === "docs/wire.md")!
    .blocks.flatMap(({ code }) => code.split("\n"))
    .flatMap((line) => {
      const match = /^([a-zA-Z][a-zA-Z ]*?) {2,}(\S.*)$/u.exec(line)
      return match === null ? [] : [[match[1]!, match[2]!] as const]
    })
)

const hexOf = (name: string): string => (example.get(name) ?? "").replaceAll(" ", "")

const written = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const bytesOf = (name: string): Uint8Array => new Uint8Array(Buffer.from(hexOf(name), "hex"))

const there = NetAddress.inetAddressFromStringUnsafe("192.0.2.1:4433")

const frames: Readonly<Record<string, Core.WireMessage.WireMessage>> = {
  marco: { _tag: "UserMessage", payload: new TextEncoder().encode("marco") },
  echo: { _tag: "EndpointEchoReq" },
  "echo answer": { _tag: "EndpointEchoResp", address: there },
  verify: { _tag: "EndpointVerificationReq", address: there },
  "verify answer": { _tag: "EndpointVerificationResp", reachable: true },
  "not served": { _tag: "ProtocolOpenResp", outcome: "NotServed" }
}

const network = Layer.merge(Testkit.MemoryTransport.layerNetwork(), PortMapper.layerNone)

const chat = { message: Schema.Union([Schema.String, Schema.Struct({ text: Schema.String })]), answer: Schema.Finite }

/** A socket without an endpoint, and what comes on the streams that its peers open. */
const bare = Effect.fnUntraced(function* (localAddress: string) {
  const transport = yield* Transport
  const arrived: Array<{ bytes: string; write: (bytes: Uint8Array) => void }> = []
  const socket = yield* transport.bind(
    {
      localAddress: NetAddress.inetAddressFromStringUnsafe(localAddress),
      identity: Testkit.TestIdentity.make(localAddress),
      accept: true,
      idleTimeout: Duration.seconds(60),
      keepAliveInterval: Duration.seconds(20),
      handshakeTimeout: Duration.seconds(10),
      stallTimeout: Duration.seconds(60),
      maxConnections: 100,
      maxConnectionsPerIp: 100,
      maxSendRate: 2 ** 30,
      unreadBuffer: 2 ** 30
    },
    {
      onConnection: () => ({
        onStream: (_, send) => {
          const stream = { bytes: "", write: (bytes: Uint8Array) => send?.write(bytes, true, () => {}) }
          arrived.push(stream)
          return {
            onData: (chunk) => {
              stream.bytes += written(chunk)
              return true
            },
            onEnd: () => {}
          }
        },
        onClosed: () => {}
      })
    }
  )
  return { arrived, socket }
})

/** What a peer gets back for these bytes on a bidirectional stream. */
const answerTo = (socket: Effect.Success<ReturnType<typeof bare>>["socket"], peer: string, bytes: Uint8Array) =>
  Effect.callback<string>((resume) => {
    let got = ""
    socket.dial(NetAddress.inetAddressFromStringUnsafe(peer), {
      onConnected: (connection) => {
        const { send } = connection.openBi(0, {
          onData: (chunk) => {
            got += written(chunk)
            return true
          },
          onEnd: () => resume(Effect.succeed(got))
        })
        send.write(bytes, true, () => {})
        return { onStream: () => ({ onData: () => true, onEnd: () => {} }), onClosed: () => {} }
      },
      onFailed: (error) => resume(Effect.die(error))
    })
  })

const settle = Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow, { discard: true })

describe("the worked example of the wire format", () => {
  it.effect("has the key of a peer, and its text", () =>
    Effect.gen(function* () {
      const { peerId } = yield* Identity.fromSecretKey(bytesOf("secret key"))
      assert.strictEqual(example.get("PeerId"), peerId)
      assert.strictEqual(hexOf("public key"), written(PeerId.toPublicKey(peerId)))
    })
  )

  it("has the frames that the library makes", () => {
    for (const [name, frame] of Object.entries(frames)) {
      const encoded = frame._tag === "UserMessage" ? WireMessage.encodeUser(frame.payload) : WireMessage.encode(frame)
      assert.strictEqual(hexOf(name), written(encoded), name)
    }
  })

  it.effect("has the typed messages that the library sends, and the answers that it reads", () =>
    Effect.gen(function* () {
      const { arrived } = yield* bare("10.0.0.6:6")
      const one = yield* Endpoint.make({ localAddress: "10.0.0.1:1" })
      const client = yield* Effect.provideService(Messages.makeClient("chat", chat), Endpoint.Endpoint, one)
      const exchange = Effect.fnUntraced(function* <A, E>(
        asked: Effect.Effect<A, E>,
        request: string,
        response: string
      ) {
        const asking = yield* Effect.forkChild(Effect.result(asked), { startImmediately: true })
        while (arrived.length === 0) yield* settle
        const { bytes, write } = arrived.pop()!
        yield* settle
        assert.strictEqual(hexOf(request), bytes, request)
        write(bytesOf(response))
        return yield* Fiber.join(asking)
      })
      assert.strictEqual((yield* exchange(client.send("10.0.0.6:6", "hi"), "message", "taken"))._tag, "Success")
      const ask = client.ask("10.0.0.6:6", { text: "how many?" })
      assert.deepInclude(yield* exchange(ask, "question", "answer"), { _tag: "Success", success: 2 })
      const refused = yield* exchange(client.send("10.0.0.6:6", "hi"), "message", "malformed")
      assert.deepInclude(refused._tag === "Failure" ? refused.failure : {}, { kind: "Malformed", detail: "no" })
      const unserved = yield* exchange(client.send("10.0.0.6:6", "hi"), "message", "not served")
      assert.deepInclude(unserved._tag === "Failure" ? unserved.failure : {}, { _tag: "ProtocolRefused" })
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("has the answers that the library gives", () =>
    Effect.gen(function* () {
      const one = yield* Endpoint.make({ localAddress: "10.0.0.1:1" })
      const messages = yield* Effect.provideService(Messages.make("chat", chat), Endpoint.Endpoint, one)
      const { socket } = yield* bare("10.0.0.6:6")
      assert.strictEqual(yield* answerTo(socket, "10.0.0.1:1", bytesOf("message")), hexOf("taken"))
      assert.strictEqual((yield* messages.next).value, "hi")
      const asking = yield* Effect.forkChild(answerTo(socket, "10.0.0.1:1", bytesOf("question")))
      const { reply, value } = yield* messages.next
      assert.deepStrictEqual(value, { text: "how many?" })
      yield* reply(2)
      assert.strictEqual(yield* Fiber.join(asking), hexOf("answer"))
    }).pipe(Effect.scoped, Effect.provide(network))
  )
})
