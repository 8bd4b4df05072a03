/** Streams of endpoints as Effect's sockets. */
import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as MemoryNetwork from "@qp2p/testkit/MemoryNetwork"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Socket from "effect/socket/Socket"
import type * as SocketServer from "effect/socket/SocketServer"
import * as QuicRpc from "../src/QuicRpc.ts"
import * as QuicSocket from "../src/QuicSocket.ts"
import * as QuicSocketServer from "../src/QuicSocketServer.ts"
import * as office from "./support/office.ts"
import * as places from "./support/places.ts"

const serverAt = (endpoint: places.Service, options?: QuicSocketServer.Options) =>
  Effect.provideService(QuicSocketServer.make(options), Endpoint.Endpoint, endpoint)

const socketTo = (endpoint: places.Service, peer: places.Service, options?: QuicSocket.Options) =>
  Effect.provideService(QuicSocket.make(peer.peerAddress, options), Endpoint.Endpoint, endpoint)

const text = (chunk: Uint8Array | string) => (typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk))

/** Reads up to the end, and returns why it ended. */
const readAll = (pull: Socket.Reader["pull"]) =>
  Effect.gen(function* () {
    let all = ""
    while (true) {
      const read = yield* Effect.result(pull)
      if (Result.isFailure(read)) return { all, end: read.failure }
      for (const chunk of read.success) all += text(chunk)
    }
  })

const reasonOf = (error: Socket.SocketError) => error.reason

/** Runs a server whose sockets return what they get, and `!` when the other side has ended its half. */
const echo = (server: SocketServer.SocketServer["Service"]) =>
  Effect.forkScoped(
    server.run((socket) =>
      Effect.gen(function* () {
        const { pull } = yield* socket.reader
        const { write } = yield* socket.writer
        const { all, end } = yield* readAll(pull)
        yield* write(`${all}!`)
        return yield* end
      }).pipe(Effect.scoped)
    )
  )

describe("a socket", () => {
  it.effect("carries bytes and text both ways, and the end of one half leaves the other", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      yield* echo(yield* serverAt(two))
      const socket = yield* socketTo(one, two)
      const { pull } = yield* socket.reader
      const writing = yield* Scope.make()
      const writer = yield* Scope.provide(socket.writer, writing)
      yield* writer.write("hello ")
      yield* writer.writeAll([new TextEncoder().encode("wor"), "ld"])
      yield* Scope.close(writing, Exit.void)
      const { all, end } = yield* readAll(pull)
      assert.strictEqual(all, "hello world!")
      assert.deepInclude(reasonOf(end), { _tag: "SocketCloseError", code: 1000 })
    }).pipe(office.onNetwork)
  )

  it.effect("writes what was written before it was connected", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      yield* echo(yield* serverAt(two))
      const socket = yield* socketTo(one, two)
      const early = yield* Effect.gen(function* () {
        const writer = yield* socket.writer
        yield* writer.write("early")
      }).pipe(Effect.scoped, Effect.forkChild)
      yield* office.turns(10)
      assert.isUndefined(early.pollUnsafe())
      assert.strictEqual((yield* readAll((yield* socket.reader).pull)).all, "early!")
      yield* Fiber.join(early)
    }).pipe(office.onNetwork)
  )

  it.effect("opens a stream for each reader, and dials again after its connection was lost", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* echo(yield* serverAt(two))
      const socket = yield* socketTo(one, two)
      const lost = yield* Effect.scoped(
        Effect.gen(function* () {
          const { pull } = yield* socket.reader
          yield* (yield* socket.writer).write("lost")
          yield* office.turns(50)
          yield* network.reset(two.localAddress, one.localAddress)
          return yield* Effect.flip(pull)
        })
      )
      assert.strictEqual(reasonOf(lost)._tag, "SocketReadError")
      const again = yield* Effect.scoped(
        Effect.gen(function* () {
          const { pull } = yield* socket.reader
          yield* Effect.scoped(Effect.flatMap(socket.writer, ({ write }) => write("again")))
          return yield* readAll(pull)
        })
      )
      assert.strictEqual(again.all, "again!")
    }).pipe(office.onNetwork)
  )

  it.effect("fails to open when nothing serves its name, and when nothing is there", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const refused = yield* socketTo(one, two, { protocol: "nothing" })
      const error = yield* Effect.scoped(Effect.flatMap(refused.reader, ({ pull }) => Effect.flip(pull)))
      assert.strictEqual(reasonOf(error)._tag, "SocketOpenError")
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.refuse("10.0.0.7:7")
      const nowhere = yield* Effect.provideService(QuicSocket.make("10.0.0.7:7"), Endpoint.Endpoint, one)
      const failed = yield* Effect.forkChild(Effect.flip(Effect.scoped(nowhere.reader)))
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(reasonOf(yield* Fiber.join(failed))._tag, "SocketOpenError")
    }).pipe(office.onNetwork)
  )

  it.effect("cannot be upgraded to TLS: QUIC is encrypted", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      yield* echo(yield* serverAt(two))
      const { upgrade } = yield* (yield* socketTo(one, two)).reader
      assert.strictEqual(reasonOf(yield* Effect.flip(upgrade()))._tag, "SocketUpgradeError")
    }).pipe(office.onNetwork)
  )

  it.effect("fails a pull that waits when its scope closes", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      yield* echo(yield* serverAt(two))
      const scope = yield* Scope.make()
      const { pull } = yield* Scope.provide((yield* socketTo(one, two)).reader, scope)
      const waiting = yield* Effect.forkChild(Effect.flip(pull))
      yield* office.turns(10)
      yield* Scope.close(scope, Exit.void)
      assert.deepInclude(reasonOf(yield* Fiber.join(waiting)), { _tag: "SocketCloseError", code: 1006 })
    }).pipe(office.onNetwork)
  )

  for (const [title, event, expected] of [
    ["a normal close ends it as its end does", new Socket.CloseEvent(1000), { _tag: "SocketCloseError", code: 1000 }],
    [
      "another close ends it with its code",
      new Socket.CloseEvent(1011, "broken"),
      { _tag: "SocketCloseError", code: 1011 }
    ]
  ] as const) {
    it.effect(`of which ${title}, for the other side`, () =>
      Effect.gen(function* () {
        const { one, two } = yield* places.Pair
        const server = yield* serverAt(two)
        const seen = yield* Deferred.make<Socket.SocketError>()
        yield* Effect.forkScoped(
          server.run((socket) =>
            Effect.gen(function* () {
              const { end } = yield* readAll((yield* socket.reader).pull)
              yield* Deferred.succeed(seen, end)
            }).pipe(Effect.scoped)
          )
        )
        const socket = yield* socketTo(one, two)
        yield* socket.reader
        const writer = yield* socket.writer
        yield* writer.write("a")
        yield* office.turns(20)
        yield* writer.write(event)
        assert.deepInclude(reasonOf(yield* Deferred.await(seen)), expected)
      }).pipe(office.onNetwork)
    )
  }
})

describe("a socket server", () => {
  it.effect("has the address of its endpoint, and the caller's id in its handlers", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const server = yield* serverAt(two)
      assert.deepStrictEqual(server.address, two.localAddress)
      const seen = yield* Deferred.make<string>()
      yield* Effect.forkScoped(
        server.run((socket) =>
          Effect.scoped(
            Effect.gen(function* () {
              yield* (yield* socket.reader).pull
              yield* Deferred.succeed(
                seen,
                yield* Effect.serviceOption(QuicRpc.Caller).pipe(Effect.flatMap(Effect.fromOption))
              )
            })
          )
        )
      )
      const socket = yield* socketTo(one, two)
      yield* socket.reader
      yield* (yield* socket.writer).write("a")
      assert.strictEqual(yield* Deferred.await(seen), one.peerId)
    }).pipe(office.onNetwork)
  )

  it.effect("serves what arrived before it ran", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const server = yield* serverAt(two)
      const socket = yield* socketTo(one, two)
      const { pull } = yield* socket.reader
      yield* Effect.scoped(Effect.flatMap(socket.writer, ({ write }) => write("early")))
      yield* office.turns(50)
      yield* echo(server)
      assert.strictEqual((yield* readAll(pull)).all, "early!")
    }).pipe(office.onNetwork)
  )

  it.effect("interrupts its handlers when its run ends, and a later run takes over", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const server = yield* serverAt(two)
      let running = 0
      let interrupted = 0
      const run = yield* Effect.forkChild(
        server.run(() =>
          Effect.suspend(() => {
            running++
            return Effect.never
          }).pipe(
            Effect.onInterrupt(() =>
              Effect.sync(() => {
                interrupted++
              })
            )
          )
        )
      )
      const socket = yield* socketTo(one, two)
      const { pull } = yield* socket.reader
      yield* (yield* socket.writer).write("a")
      yield* office.until(() => running === 1)
      yield* Fiber.interrupt(run)
      assert.strictEqual(interrupted, 1)
      assert.strictEqual(reasonOf(yield* Effect.flip(pull))._tag, "SocketReadError")
      yield* echo(server)
      const next = yield* socketTo(one, two)
      const reader = yield* next.reader
      yield* Effect.scoped(Effect.flatMap(next.writer, ({ write }) => write("b")))
      assert.strictEqual((yield* readAll(reader.pull)).all, "b!")
    }).pipe(office.onNetwork)
  )

  it.effect("resets the stream of a handler that fails, and the others go on", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const server = yield* serverAt(two)
      yield* Effect.forkScoped(
        server.run((socket) =>
          Effect.gen(function* () {
            const [first] = yield* (yield* socket.reader).pull
            if (text(first) === "fail") return yield* Effect.fail("failed")
            yield* (yield* socket.writer).write("fine")
          }).pipe(Effect.scoped)
        )
      )
      const say = (word: string) =>
        Effect.scoped(
          Effect.gen(function* () {
            const socket = yield* socketTo(one, two)
            const { pull } = yield* socket.reader
            yield* (yield* socket.writer).write(word)
            return yield* readAll(pull)
          })
        )
      assert.strictEqual(reasonOf((yield* say("fail")).end)._tag, "SocketReadError")
      assert.strictEqual((yield* say("go on")).all, "fine")
    }).pipe(office.onNetwork)
  )

  it.effect("keeps nothing of callers that are gone", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const server = yield* serverAt(two, { maxStreamsPerPeer: 5 })
      let running = 0
      yield* Effect.forkScoped(
        server.run((socket) =>
          Effect.scoped(
            Effect.gen(function* () {
              running++
              yield* Effect.addFinalizer(() => Effect.sync(() => running--))
              yield* readAll((yield* socket.reader).pull)
            })
          )
        )
      )
      // Four times as many as there may be at once.
      for (let round = 0; round < 4; round++) {
        const scope = yield* Scope.make()
        for (let count = 0; count < 5; count++) {
          const socket = yield* socketTo(one, two)
          yield* Scope.provide(socket.reader, scope)
          yield* (yield* Scope.provide(socket.writer, scope)).write("a")
        }
        yield* office.until(() => running === 5)
        yield* Scope.close(scope, round % 2 === 0 ? Exit.void : Exit.fail("failed"))
        yield* office.until(() => running === 0)
      }
      yield* one.close
      assert.strictEqual(running, 0)
    }).pipe(office.onNetwork)
  )

  it.effect("takes a name once", () =>
    Effect.gen(function* () {
      const { two } = yield* places.Pair
      yield* serverAt(two)
      yield* serverAt(two, { protocol: "another" })
      const taken = yield* Effect.flip(serverAt(two))
      assert.strictEqual(taken._tag, "ProtocolTaken")
    }).pipe(office.onNetwork)
  )
})
