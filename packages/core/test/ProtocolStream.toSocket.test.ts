/**
 * A stream of a protocol as a `Socket` of Effect.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Socket from "effect/socket/Socket"
import type { ProtocolStream } from "../src/ProtocolStream.ts"
import { onNetwork, pair, peer, settle } from "./support/memoryEndpoints.ts"
import { joined, shout, textFrom } from "./support/protocols.ts"
import { bytes, textOf } from "./support/values.ts"

/** Both ends of a stream. The far one stays open until the test is over. */
const ends = Effect.gen(function* () {
  const [one, two] = yield* pair()
  const served = yield* Deferred.make<ProtocolStream>()
  yield* two.serveProtocol("open", (stream) => Effect.andThen(Deferred.succeed(served, stream), Effect.never))
  const near = yield* one.openProtocol(peer, "open")
  yield* settle
  return { near, far: yield* Deferred.await(served), socket: near.toSocket() }
})

/** The reason of a socket's error. */
const reasonOf = <A>(effect: Effect.Effect<A, Socket.SocketError>) =>
  Effect.map(Effect.flip(Effect.asVoid(effect)), ({ reason }) => reason)

const closed = (code: number) => new Socket.SocketCloseError({ code })

describe("the socket of a stream", () => {
  it.effect("carries bytes and text both ways, and ends each half on its own", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        yield* two.serveProtocol("shout", shout)
        const socket = (yield* one.openProtocol(peer, "shout")).toSocket()
        assert.isTrue(Socket.isSocket(socket))
        const { pull } = yield* socket.reader
        yield* Effect.scoped(
          Effect.gen(function* () {
            const writer = yield* socket.writer
            yield* writer.write("a")
            yield* writer.write(bytes("b"))
            yield* writer.writeAll(["c", bytes("d"), "\u00e4"])
          })
        )
        const [chunk] = yield* pull
        assert.strictEqual(textOf(chunk as Uint8Array), "abcd\u00e4!")
        assert.deepStrictEqual(yield* reasonOf(pull), closed(1_000))
        assert.deepStrictEqual(yield* reasonOf(pull), closed(1_000))
      })
    )
  )

  it.effect("is a channel of Effect, with back-pressure", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        yield* two.serveProtocol("shout", shout)
        const socket = (yield* one.openProtocol(peer, "shout")).toSocket()
        const big = Array.from({ length: 50 }, () => new Uint8Array(10_000).fill(97))
        const chunks: Array<Uint8Array> = []
        yield* Stream.fromIterable(big).pipe(
          Stream.pipeThroughChannel(Socket.toChannel(socket)),
          Stream.runForEach((chunk) => Effect.sync(() => chunks.push(chunk))),
          Effect.catchTag("SocketError", ({ reason }) =>
            reason._tag === "SocketCloseError" && reason.code === 1_000 ? Effect.void : Effect.die(reason)
          )
        )
        assert.strictEqual(textOf(joined(chunks)), `${"a".repeat(500_000)}!`)
      })
    )
  )

  it.effect("fails a pull that waits when the reader's scope closes, ends this half and stops the other", () =>
    onNetwork(
      Effect.gen(function* () {
        const { far, socket } = yield* ends
        const scope = yield* Scope.make()
        const { pull } = yield* Scope.provide(socket.reader, scope)
        const pulling = yield* Effect.forkChild(reasonOf(pull), { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* Fiber.join(pulling), closed(1_006))
        assert.strictEqual(yield* textFrom(far), "")
        assert.deepInclude(yield* far.stopped, { _tag: "StreamStopped", code: 0 })
      })
    )
  )

  for (const [how, exit] of [
    ["a failure", Exit.fail("wrong")],
    ["an interruption", Exit.interrupt(1)]
  ] as const) {
    it.effect(`resets this half when the reader's scope closes with ${how}`, () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, socket } = yield* ends
          const scope = yield* Scope.make()
          yield* Scope.provide(socket.reader, scope)
          yield* Scope.close(scope, exit)
          assert.deepInclude(yield* Effect.flip(textFrom(far)), { _tag: "StreamLost" })
          assert.deepInclude(yield* far.stopped, { _tag: "StreamStopped", code: 0 })
        })
      )
    )
  }

  it.effect("cannot be opened twice, nor upgraded", () =>
    onNetwork(
      Effect.gen(function* () {
        const { socket } = yield* ends
        const { upgrade } = yield* socket.reader
        assert.include(yield* reasonOf(Effect.scoped(socket.reader)), { _tag: "SocketOpenError", kind: "Unknown" })
        assert.include(yield* reasonOf(upgrade()), { _tag: "SocketUpgradeError" })
      })
    )
  )

  it.effect("gets the code with which the peer closes its socket", () =>
    onNetwork(
      Effect.gen(function* () {
        const { far, socket } = yield* ends
        const { pull } = yield* socket.reader
        const writer = yield* far.toSocket().writer
        yield* writer.write("some")
        yield* pull
        yield* writer.write(new Socket.CloseEvent(4_321, "not sent"))
        assert.deepStrictEqual(yield* reasonOf(pull), closed(4_321))
      })
    )
  )

  it.effect("tells a refusal, a reset, a stop and the loss of the connection apart", () =>
    onNetwork(
      Effect.gen(function* () {
        const { far, near, socket } = yield* ends
        const { pull } = yield* socket.reader
        const writer = yield* socket.writer
        yield* far.reset(21)
        yield* far.stop(22)
        const read = yield* reasonOf(pull)
        assert.include(read, { _tag: "SocketReadError" })
        assert.deepInclude(read, { cause: yield* Effect.flip(Effect.asVoid(near.pull)) })
        yield* settle
        assert.include(yield* reasonOf(writer.write("x")), { _tag: "SocketWriteError" })
        const refused = yield* near.connection.openProtocol("nobody's")
        const other = refused.toSocket()
        const reader = yield* other.reader
        assert.deepInclude(yield* reasonOf(reader.pull), {
          _tag: "SocketOpenError",
          cause: yield* Effect.flip(refused.finish)
        })
        assert.include(yield* reasonOf((yield* other.writer).write("x")), { _tag: "SocketOpenError" })
        const third = (yield* near.connection.openProtocol("open")).toSocket()
        const last = yield* third.reader
        yield* near.connection.close()
        assert.include(yield* reasonOf(last.pull), { _tag: "SocketReadError" })
        assert.include(yield* reasonOf((yield* third.writer).writeAll(["x"])), { _tag: "SocketWriteError" })
      })
    )
  )

  it.effect("closes with a CloseEvent: 1000 finishes this half, another code resets it", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        for (const [code, outcome] of [
          [1_000, "some"],
          [4_000, "StreamLost"]
        ] as const) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const served = yield* Deferred.make<ProtocolStream>()
              yield* two.serveProtocol(`open ${code}`, (stream) =>
                Effect.andThen(Deferred.succeed(served, stream), Effect.never)
              )
              const socket = (yield* one.openProtocol(peer, `open ${code}`)).toSocket()
              const { pull } = yield* socket.reader
              const writer = yield* socket.writer
              yield* writer.write("some")
              const far = yield* Deferred.await(served)
              yield* writer.write(new Socket.CloseEvent(code))
              assert.strictEqual(
                yield* Effect.match(textFrom(far), { onSuccess: (text) => text, onFailure: ({ _tag }) => _tag }),
                outcome
              )
              assert.deepInclude(yield* far.stopped, { _tag: "StreamStopped", code: 0 })
              assert.deepStrictEqual(yield* reasonOf(pull), closed(code))
            })
          )
        }
      })
    )
  )
})
