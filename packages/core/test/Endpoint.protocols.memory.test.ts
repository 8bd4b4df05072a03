/**
 * What peers send on streams of protocols, and what this side does not read: the memory for it is that of the transport.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { Connection } from "../src/Connection.ts"
import { chargeStep, protocolBuffer, slowPartialTime } from "../src/internal/connection/limits.ts"
import type { ProtocolStream } from "../src/ProtocolStream.ts"
import type { BackingConnection } from "../src/Transport.ts"
import { raw } from "./support/bareSockets.ts"
import { endpoint, onNetwork, pair, peer, settle } from "./support/memoryEndpoints.ts"
import { bytesOf, manual } from "./support/manualStreams.ts"
import { openRaw, openReq, shout } from "./support/protocols.ts"
import { bytes } from "./support/values.ts"

const backingOf = (connection: Connection) => (connection as unknown as { readonly backing: BackingConnection }).backing

/** What the transport of a connection is told that is held. */
const heldBy = (connection: Connection) => {
  const backing = backingOf(connection)
  const charge = backing.charge!
  const held = { bytes: 0, calls: 0 }
  Object.assign(backing, {
    charge: (change: number) => {
      held.bytes += change
      held.calls += 1
      charge(change)
    }
  })
  return held
}

/** Reads a little, and then no more. */
const begins = (stream: ProtocolStream) => Effect.andThen(Effect.ignore(stream.pull), Effect.never)

const streams = 20

describe("what a handler does not read", () => {
  for (const how of ["ends", "is interrupted", "is left by its peer"] as const) {
    it.effect(`counts against the memory of the transport until it ${how}`, () =>
      onNetwork(
        Effect.gen(function* () {
          const [one, two] = yield* pair()
          const scope = yield* Scope.make()
          let go: () => void = () => {}
          const ended = Effect.callback<void>((resume) => {
            const before = go
            go = () => {
              before()
              resume(Effect.void)
            }
          })
          const handler = (stream: ProtocolStream) => Effect.andThen(Effect.ignore(stream.pull), ended)
          yield* Scope.provide(two.serveProtocol("begins", handler), scope)
          const near = yield* one.connectTo(peer)
          yield* settle
          const [far] = yield* two.connections
          const held = heldBy(far!)
          for (let i = 0; i < streams; i++) {
            const stream = yield* one.openProtocol(peer, "begins")
            yield* stream.write(Uint8Array.of(1))
            yield* settle
            yield* Effect.forkChild(Effect.ignore(stream.write(new Uint8Array(4 * protocolBuffer))))
          }
          yield* settle
          assert.isAtLeast(held.bytes, streams * protocolBuffer - chargeStep)
          // In steps, and not for each chunk.
          assert.isAtMost(held.calls, (4 * held.bytes) / chargeStep)
          if (how === "ends") go()
          else if (how === "is interrupted") yield* Scope.close(scope, Exit.void)
          else yield* near.close()
          yield* settle
          // A connection that has ended counts nothing.
          if (how !== "is left by its peer") assert.strictEqual(held.bytes, 0)
          go()
          yield* settle
          yield* one.sendMessage(bytes("message"), peer)
        })
      )
    )
  }

  it.effect("counts no longer once it is read", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const served: Array<ProtocolStream> = []
        yield* two.serveProtocol("begins", (stream) => {
          served.push(stream)
          return begins(stream)
        })
        yield* one.connectTo(peer)
        yield* settle
        const held = heldBy((yield* two.connections)[0]!)
        const opened: Array<Fiber.Fiber<void>> = []
        for (let i = 0; i < 4; i++) {
          const stream = yield* one.openProtocol(peer, "begins")
          yield* stream.write(Uint8Array.of(1))
          yield* settle
          opened.push(yield* Effect.forkChild(Effect.ignore(stream.write(new Uint8Array(300_000), { fin: true }))))
        }
        yield* settle
        assert.isAtLeast(held.bytes, 4 * protocolBuffer - chargeStep)
        for (const stream of served) {
          let left = 300_000
          while (left > 0) for (const chunk of yield* Effect.orDie(stream.pull)) left -= chunk.length
        }
        yield* settle
        assert.strictEqual(held.bytes, 0)
        yield* Fiber.joinAll(opened)
      })
    )
  )

  it.effect("holds back the peer that has most of it, within the bound of all, and no other", () =>
    onNetwork(
      Effect.gen(function* () {
        const unreadBuffer = 2 ** 20
        const one = yield* endpoint("10.0.0.1:1", { unreadBuffer })
        yield* one.serveProtocol("begins", begins)
        yield* one.serveProtocol("shout", shout)
        const large = yield* (yield* raw("10.0.0.6:6")).dial("10.0.0.1:1")
        const small = yield* (yield* raw("10.0.0.7:7")).dial("10.0.0.1:1")
        yield* settle
        const connections = yield* one.connections
        const held = connections.map(heldBy)
        const first = openRaw(small, openReq("begins"))
        first.write(Uint8Array.of(1))
        for (let i = 0; i < 60; i++) {
          const stream = openRaw(large, openReq("begins"))
          stream.write(Uint8Array.of(1))
          yield* settle
          stream.write(new Uint8Array(2 * protocolBuffer))
          yield* settle
        }
        assert.deepStrictEqual(
          connections.map((each) => backingOf(each).isHeldBack === true),
          connections.map(({ remoteAddress }) => String(remoteAddress) === "10.0.0.6:6")
        )
        const all = held.reduce((sum, { bytes }) => sum + bytes, 0)
        assert.isAtLeast(all, 0.4 * unreadBuffer)
        assert.isAtMost(all, unreadBuffer + 2 * protocolBuffer)
        const other = openRaw(small, openReq("shout"))
        other.write(bytes("x"), true)
        yield* settle
        assert.deepStrictEqual(other.ends, ["fin"])
        assert.lengthOf(yield* one.connections, 2)
      })
    )
  )
})

describe("what an opener does not read", () => {
  it.effect("counts against the memory of the transport until its scope closes", () =>
    onNetwork(
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        yield* two.serveProtocol("talks", (stream) =>
          Effect.ignore(stream.write(new Uint8Array(100_000), { fin: true }))
        )
        const held = heldBy(yield* one.connectTo(peer))
        yield* Effect.scoped(
          Effect.gen(function* () {
            for (let i = 0; i < streams; i++) yield* one.openProtocol(peer, "talks")
            yield* settle
            assert.isAtLeast(held.bytes, streams * 100_000 - chargeStep)
          })
        )
        yield* settle
        assert.strictEqual(held.bytes, 0)
      })
    )
  )

  it.effect("counts on streams without a protocol as well, until it is read", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        const two = yield* manual(peer)
        const held = heldBy(yield* one.connectTo(peer))
        const { receive, send } = yield* one.openBidirectionalStream(peer)
        yield* send.write(Uint8Array.of(1))
        const answer = Option.getOrThrow((yield* two.nextStream).send)
        yield* Effect.forkChild(Effect.ignore(answer.write(new Uint8Array(200_000), { fin: true })))
        yield* settle
        assert.isAtLeast(held.bytes, 200_000 - chargeStep)
        assert.lengthOf(yield* bytesOf(receive), 200_000)
        assert.strictEqual(held.bytes, 0)
      })
    )
  )
})

describe("a name that arrives slowly", () => {
  it.effect("ends with its stream when it does not go on, on many streams, whatever the key, and others go on", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        yield* one.serveProtocol("shout", shout)
        const connection = yield* (yield* raw("10.0.0.6:6")).dial("10.0.0.1:1")
        const opening = openReq("shout")
        const slow = Array.from({ length: 100 }, (_, i) => openRaw(connection, opening.subarray(0, 1 + (i % 20))))
        yield* settle
        // A byte now and then is no progress.
        for (let time = 0; time < 2 * slowPartialTime; time += 1_000) {
          openRaw(connection, opening.subarray(0, 1))
          yield* TestClock.adjust(1_000)
          yield* settle
        }
        assert.isTrue(slow.every(({ ends }) => ends.length === 1 && ends[0] !== "fin"))
        const other = openRaw(connection, opening)
        other.write(bytes("x"), true)
        yield* settle
        assert.deepStrictEqual(other.ends, ["fin"])
        assert.lengthOf(yield* one.connections, 1)
      })
    )
  )
})
