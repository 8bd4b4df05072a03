/**
 * Streams that the application reads itself, over QUIC.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { ConnectionLost, StreamLost } from "@qp2p/core/SendError"
import { StreamReset, StreamStopped } from "@qp2p/core/StreamError"
import { bytes, textOf } from "../../core/test/support/values.ts"
import { bytesOf, manual, messagesOf } from "../../core/test/support/manualStreams.ts"
import { endpoint, nothing, onLoopback, standstill } from "./support/quicEndpoints.ts"
import { at } from "./support/quicSockets.ts"
import { freePort } from "./support/udpPeers.ts"

const reader = Effect.flatMap(freePort, (port) => manual(at(port)))

/** An endpoint, one that reads streams itself, and both ends of a connection between them. */
const joined = Effect.gen(function* () {
  const [one, two] = yield* Effect.all([endpoint(), reader])
  const near = yield* one.connectTo(two.localAddress)
  const far = yield* two.nextConnection
  return { one, two, near, far }
})

describe("streams that the application reads itself", () => {
  it.live("carry messages of a peer that knows nothing of it, and questions to the endpoint beside them", () =>
    Effect.gen(function* () {
      const { far, one, two } = yield* joined
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => i),
        (i) => one.sendMessage(bytes(`message ${i}`), two.localAddress),
        { concurrency: "unbounded", discard: true }
      )
      const texts = new Set<string>()
      while (texts.size < 200) {
        const { connection, receive, send } = yield* two.nextStream
        assert.isTrue(connection === far)
        assert.isTrue(Option.isNone(send))
        for (const payload of yield* messagesOf(receive)) texts.add(textOf(payload))
      }
      yield* one.isReachable(two.localAddress)
      const outcome = yield* one.bootstrap([two.localAddress])
      assert.strictEqual(`${outcome.publicAddress}`, `${one.localAddress}`)
      assert.isTrue(yield* nothing(two.nextStream))
      assert.isTrue(yield* nothing(two.nextMessage))
    }).pipe(onLoopback)
  )

  it.live("carry bytes without frames both ways, whole, and each half ends on its own", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined
      const content = new Uint8Array(5 << 20).map((_, i) => (i * 31) >> 3)
      const { receive, send } = yield* near.openBi()
      const echoing = yield* Effect.forkChild(
        Effect.gen(function* () {
          const stream = yield* two.nextStream
          const back = Option.getOrThrow(stream.send)
          yield* Stream.runForEach(stream.receive.bytes, (chunk) => back.write(chunk))
          yield* back.write(bytes("the end"), { fin: true })
        })
      )
      const reading = yield* Effect.forkChild(bytesOf(receive), { startImmediately: true })
      for (let i = 0; i < content.length; i += 100_000) yield* send.write(content.subarray(i, i + 100_000))
      yield* send.finish
      const back = yield* Fiber.join(reading)
      assert.isTrue(Buffer.from(back.subarray(0, content.length)).equals(content))
      assert.strictEqual(textOf(back.subarray(content.length)), "the end")
      yield* Fiber.join(echoing)
    }).pipe(onLoopback)
  )

  it.live("are passed on although their first bytes may begin a question to the endpoint, and no more comes", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined
      const { receive, send } = yield* near.openBi()
      yield* send.write(Uint8Array.of(0, 1))
      const stream = yield* two.nextStream
      yield* Option.getOrThrow(stream.send).write(bytes("go on"), { fin: true })
      assert.strictEqual(textOf(yield* bytesOf(receive)), "go on")
      const content = new Uint8Array(1 << 20).fill(7)
      const writing = yield* Effect.forkChild(send.write(content, { fin: true }))
      const read = yield* bytesOf(stream.receive)
      assert.isTrue(Buffer.from(read).equals(Buffer.from([0, 1, ...content])))
      yield* Fiber.join(writing)
    }).pipe(onLoopback)
  )

  it.live("hold their writer back until they are read", () =>
    Effect.gen(function* () {
      const { far, near, two } = yield* joined
      const content = new Uint8Array(8 << 20).fill(7)
      const send = yield* near.openUni()
      const writing = yield* Effect.forkChild(send.write(content, { fin: true }), { startImmediately: true })
      const { receive } = yield* two.nextStream
      assert.isBelow(yield* standstill(far), content.length / 2)
      assert.isUndefined(writing.pollUnsafe())
      assert.strictEqual((yield* bytesOf(receive)).length, content.length)
      yield* Fiber.join(writing)
    }).pipe(onLoopback)
  )

  it.live("tell a writer that they were stopped, on either half, though nothing is being written", () =>
    Effect.gen(function* () {
      const { near, two } = yield* joined
      for (const code of [0, 21, Number.MAX_SAFE_INTEGER]) {
        const { receive, send } = yield* near.openBi()
        yield* send.write(bytes("question"))
        const stream = yield* two.nextStream
        const answer = Option.getOrThrow(stream.send)
        const [own, theirs] = yield* Effect.forEach([send, answer], ({ stopped }) =>
          Effect.forkChild(stopped, { startImmediately: true })
        )
        // The answer's half, on which nothing was ever written, and the question's, on which something was.
        yield* receive.stop(code)
        assert.deepStrictEqual(yield* Fiber.join(theirs!), new StreamStopped({ code }))
        assert.isUndefined(own!.pollUnsafe())
        yield* stream.receive.stop(code)
        assert.deepStrictEqual(yield* Fiber.join(own!), new StreamStopped({ code }))
        assert.deepStrictEqual(yield* send.stopped, new StreamStopped({ code }))
        const error = yield* Effect.flip(answer.write(bytes("too late")))
        assert.deepStrictEqual(error, new StreamLost({ reason: new StreamStopped({ code }) }))
      }
    }).pipe(onLoopback)
  )

  it.live("fail for their reader when they are reset, and with their connection for both sides", () =>
    Effect.gen(function* () {
      const { near, one, two } = yield* joined
      const [reset, open] = yield* Effect.all([near.openUni(), near.openUni()])
      yield* reset.write(bytes("half"))
      const half = yield* two.nextStream
      yield* reset.reset(17)
      assert.deepStrictEqual(
        yield* Effect.flip(Stream.runDrain(half.receive.bytes)),
        new StreamLost({ reason: new StreamReset({ code: 17 }) })
      )
      yield* open.write(bytes("open"))
      const { receive } = yield* two.nextStream
      const stopped = yield* Effect.forkChild(open.stopped, { startImmediately: true })
      const untaken = yield* near.openUni()
      yield* untaken.write(bytes("nobody takes it"))
      yield* two.disconnectFrom(one.localAddress)
      assert.deepInclude(yield* Fiber.join(stopped), { _tag: "ApplicationClosed", code: 0 })
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(receive.bytes)), ConnectionLost)
      assert.isTrue(yield* nothing(two.nextStream))
    }).pipe(onLoopback)
  )
})
