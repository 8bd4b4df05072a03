/**
 * How streams of protocols end: by their handlers, by their openers, and with the connection.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { StreamReset } from "../src/StreamError.ts"
import { StreamLost } from "../src/SendError.ts"
import type { ProtocolStream } from "../src/ProtocolStream.ts"
import { maxLinesPerIp } from "../src/internal/logLimit.ts"
import { logged } from "./support/logs.ts"
import { endpoint, onNetwork, pair, peer, settle, takenTexts } from "./support/memoryEndpoints.ts"
import { raw } from "./support/bareSockets.ts"
import { openRaw, openReq, shout, textFrom } from "./support/protocols.ts"
import { bytes } from "./support/values.ts"

const resetBy = (code: number) => new StreamLost({ reason: new StreamReset({ code }) })

describe("a handler", () => {
  const failures: ReadonlyArray<
    readonly [how: string, handler: (stream: ProtocolStream) => Effect.Effect<void, string>]
  > = [
    ["that fails", () => Effect.fail("wrong")],
    ["that has a defect", () => Effect.die("wrong")],
    [
      "that throws",
      () => {
        throw new Error("wrong")
      }
    ],
    ["that returns no effect", () => 5 as never],
    [
      "that fails after its first bytes",
      (stream) => Effect.andThen(Effect.orDie(stream.write(bytes("x"))), Effect.fail("wrong"))
    ]
  ]
  for (const [how, handler] of failures) {
    it.effect(`${how} resets its stream with code 7, and is logged; nothing else notices`, () =>
      onNetwork(
        Effect.gen(function* () {
          const { lines } = yield* logged(
            Effect.gen(function* () {
              const [one, two] = yield* pair()
              yield* two.serveProtocol("wrong", handler)
              yield* two.serveProtocol("shout", shout)
              const other = yield* one.openProtocol(peer, "shout")
              yield* other.write(bytes("x"))
              const stream = yield* one.openProtocol(peer, "wrong")
              yield* stream.write(bytes("x"))
              assert.deepStrictEqual(yield* Effect.flip(Stream.runDrain(stream.read)), resetBy(7))
              assert.deepInclude(yield* stream.stopped, { _tag: "StreamStopped", code: 7 })
              yield* Effect.forkChild(other.finish)
              assert.strictEqual(yield* textFrom(other), "x!")
              yield* one.sendMessage(bytes("message"), peer)
              assert.deepStrictEqual(yield* takenTexts(two), ["message"])
              assert.lengthOf(yield* one.connections, 1)
            })
          )
          assert.lengthOf(lines, 1)
          assert.match(lines[0]!, /^Warn: the handler of the protocol "wrong" failed for 10\.0\.0\.1:1/u)
        })
      )
    )
  }

  it.effect("that fails again and again fills no log, and no line has an invisible character of the name", () =>
    onNetwork(
      Effect.gen(function* () {
        const name = "a\u202eb\u0007c\u200bd\ne\u{e0041}"
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const [one, two] = yield* pair()
            yield* two.serveProtocol(name, () => Effect.fail("wrong"))
            for (let i = 0; i < 50; i++) {
              const stream = yield* one.openProtocol(peer, name)
              assert.deepStrictEqual(yield* Effect.flip(Stream.runDrain(stream.read)), resetBy(7))
            }
          })
        )
        assert.isAtLeast(lines.length, 1)
        assert.isAtMost(lines.length, maxLinesPerIp)
        for (const line of lines) {
          assert.include(line, 'the handler of the protocol "a\\u{202e}b\\u0007c\\u{200b}d e\\u{e0041}" failed')
        }
      })
    )
  )

  it.effect("that ends finishes its half, and what the peer still sends is discarded: 1 MiB of it", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        yield* one.serveProtocol("quiet", () => Effect.void)
        const connection = yield* (yield* raw("10.0.0.6:6")).dial("10.0.0.1:1")
        const stream = openRaw(connection, openReq("quiet"))
        yield* settle
        assert.deepStrictEqual(stream.ends, ["fin"])
        for (let i = 0; i < 16; i++) {
          stream.write(new Uint8Array(65_536))
          yield* settle
        }
        assert.deepStrictEqual(
          stream.writes,
          Array.from({ length: 17 }, () => "done")
        )
        stream.write(bytes("one more"))
        yield* settle
        stream.write(bytes("and another"))
        yield* settle
        assert.deepInclude(stream.writes.at(-1), { _tag: "StreamStopped", code: 0 })
      })
    )
  )

  it.effect("has a scope of its own, which closes before the stream ends", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const events: Array<string> = []
        yield* two.serveProtocol("scoped", (stream) =>
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => Effect.sync(() => events.push("closed")))
            yield* Effect.addFinalizer(() => Effect.orDie(stream.write(bytes("last words"))))
          })
        )
        const stream = yield* one.openProtocol(peer, "scoped")
        assert.strictEqual(yield* textFrom(stream), "last words")
        assert.deepStrictEqual(events, ["closed"])
      })
    )
  )

  it.effect("is interrupted when nothing serves the name any more, and resets its stream", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const scope = yield* Scope.make()
        let interrupted = 0
        const { lines } = yield* logged(
          Effect.gen(function* () {
            yield* Scope.provide(
              two.serveProtocol("waits", (stream) =>
                Effect.andThen(stream.write(bytes("x")), Effect.never).pipe(
                  Effect.onInterrupt(() => Effect.sync(() => (interrupted += 1)))
                )
              ),
              scope
            )
            const streams = [yield* one.openProtocol(peer, "waits"), yield* one.openProtocol(peer, "waits")]
            for (const stream of streams) yield* stream.pull
            yield* Scope.close(scope, Exit.void)
            assert.strictEqual(interrupted, 2)
            for (const stream of streams) assert.deepStrictEqual(yield* Effect.flip(stream.pull), resetBy(0))
          })
        )
        assert.deepStrictEqual(lines, [])
      })
    )
  )

  it.effect("runs on when the connection ends: its reads fail, and it learns of the end", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const seen = yield* Deferred.make<ReadonlyArray<unknown>>()
        yield* two.serveProtocol("waits", (stream) =>
          Effect.gen(function* () {
            const end = yield* stream.stopped
            const read = yield* Effect.flip(Stream.runDrain(stream.read))
            const written = yield* Effect.flip(stream.write(bytes("x")))
            yield* Effect.yieldNow
            yield* Deferred.succeed(seen, [end._tag, read._tag, written._tag])
          })
        )
        const stream = yield* one.openProtocol(peer, "waits")
        yield* settle
        yield* stream.connection.close()
        assert.deepStrictEqual(yield* Deferred.await(seen), ["ApplicationClosed", "ConnectionLost", "ConnectionLost"])
      })
    )
  )
})

describe("the scope of an opener", () => {
  /** What a handler sees of a stream that its opener leaves after its first bytes. */
  const left = <E>(leave: (stream: ProtocolStream) => Effect.Effect<unknown, E>) =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const seen = yield* Deferred.make<readonly [read: unknown, stopped: unknown]>()
      yield* two.serveProtocol("waits", (stream) =>
        Effect.gen(function* () {
          const read = yield* Effect.match(textFrom(stream), { onFailure: (error) => error, onSuccess: (text) => text })
          yield* Deferred.succeed(seen, [read, yield* stream.stopped])
        })
      )
      yield* Effect.exit(
        Effect.scoped(
          Effect.gen(function* () {
            const stream = yield* one.openProtocol(peer, "waits")
            yield* stream.write(bytes("some"))
            yield* settle
            yield* leave(stream)
          })
        )
      )
      return yield* Deferred.await(seen)
    })

  const ways: ReadonlyArray<readonly [string, Effect.Effect<unknown, string>]> = [
    ["success", Effect.void],
    ["a failure", Effect.fail("wrong")],
    ["an interruption", Effect.interrupt]
  ]
  for (const [how, leave] of ways) {
    it.effect(`resets and stops an unfinished stream when it closes with ${how}`, () =>
      onNetwork(
        Effect.gen(function* () {
          const [read, stopped] = yield* left(() => leave)
          assert.deepStrictEqual(read, resetBy(0))
          assert.deepInclude(stopped, { _tag: "StreamStopped", code: 0 })
        })
      )
    )
  }

  it.effect("leaves a half that is finished, and stops the other", () =>
    onNetwork(
      Effect.gen(function* () {
        const [read, stopped] = yield* left((stream) => Effect.forkDetach(stream.finish, { startImmediately: true }))
        assert.strictEqual(read, "some")
        assert.deepInclude(stopped, { _tag: "StreamStopped", code: 0 })
      })
    )
  )

  it.effect("does nothing to a stream that has ended", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const exits: Array<Exit.Exit<void, unknown>> = []
        yield* two.serveProtocol("shout", (stream) =>
          Effect.onExit(shout(stream), (exit) => Effect.sync(() => exits.push(exit)))
        )
        for (let i = 0; i < 10; i++) {
          const text = yield* Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* one.openProtocol(peer, "shout")
              yield* Effect.forkChild(stream.write(bytes("x"), { fin: true }), { startImmediately: true })
              return yield* textFrom(stream)
            })
          )
          assert.strictEqual(text, "x!")
        }
        yield* settle
        assert.deepStrictEqual(
          exits,
          Array.from({ length: 10 }, () => Exit.void)
        )
      })
    )
  )
})

describe("each half", () => {
  it.effect("ends on its own, with the codes that either side gives", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const handled = yield* Deferred.make<ProtocolStream>()
        yield* two.serveProtocol("open", (stream) => Effect.andThen(Deferred.succeed(handled, stream), Effect.never))
        const near = yield* one.openProtocol(peer, "open")
        const far = yield* Deferred.await(handled)
        yield* near.write(bytes("a"))
        yield* far.pull
        yield* far.write(bytes("b"))
        yield* near.pull
        yield* near.stop(21)
        assert.deepInclude(yield* far.stopped, { _tag: "StreamStopped", code: 21 })
        yield* near.write(bytes("c"))
        yield* far.pull
        yield* near.reset(22)
        assert.deepStrictEqual(yield* Effect.flip(far.pull), resetBy(22))
      })
    )
  )

  it.effect("holds back its writer while nothing reads it, and nothing else", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        yield* two.serveProtocol("unread", () => Effect.never)
        yield* two.serveProtocol("shout", shout)
        const stream = yield* one.openProtocol(peer, "unread")
        let written = 0
        const writing = yield* Effect.forkChild(
          Effect.forever(Effect.tap(stream.write(new Uint8Array(10_000)), () => Effect.sync(() => (written += 10_000))))
        )
        yield* settle
        const before = written
        yield* settle
        assert.strictEqual(written, before)
        assert.isBelow(written, 600_000)
        yield* one.sendMessage(bytes("message"), peer)
        assert.deepStrictEqual(yield* takenTexts(two), ["message"])
        const other = yield* one.openProtocol(peer, "shout")
        yield* Effect.forkChild(other.write(bytes("x"), { fin: true }))
        assert.strictEqual(yield* textFrom(other), "x!")
        yield* Fiber.interrupt(writing)
      })
    )
  )

  it.effect("holds back a handler that writes while its opener does not read", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        let written = 0
        yield* two.serveProtocol("endless", (stream) =>
          Effect.forever(Effect.tap(stream.write(new Uint8Array(10_000)), () => Effect.sync(() => (written += 10_000))))
        )
        const stream = yield* one.openProtocol(peer, "endless")
        yield* settle
        yield* settle
        const before = written
        yield* settle
        assert.strictEqual(written, before)
        assert.isBelow(written, 900_000)
        let read = 0
        while (read < 2_000_000) for (const chunk of yield* stream.pull) read += chunk.length
        assert.isAtLeast(written, 2_000_000)
      })
    )
  )
})
