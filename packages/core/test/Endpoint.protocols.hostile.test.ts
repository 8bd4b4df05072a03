/**
 * Peers that misuse the frames that open protocols.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { logged } from "./support/logs.ts"
import { onNetwork, settle, takenTexts } from "./support/memoryEndpoints.ts"
import { manual } from "./support/manualStreams.ts"
import { raw } from "./support/bareSockets.ts"
import { attacked, joined, openRaw, openReq, openResp, shout } from "./support/protocols.ts"
import { bytes, textOf } from "./support/values.ts"
import * as WireMessage from "../src/WireMessage.ts"

const notUtf8 = Uint8Array.of(0, 1, 0, 0, 0, 14, 1, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xc3, 0x28)
const wrongLength = Uint8Array.of(0, 1, 0, 0, 0, 14, 1, 0, 0, 16, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 97, 98)
const withoutName = Uint8Array.of(0, 1, 0, 0, 0, 12, 1, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
const tooLong = Uint8Array.of(0, 1, 0, 0, 1, 12, 1, 0, 0, 16, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)

/** The endpoint still serves a peer. */
const isFine = (connection: Parameters<typeof openRaw>[0]) =>
  Effect.gen(function* () {
    const stream = openRaw(connection, joined([openReq("shout"), bytes("fine")]), true)
    yield* settle
    assert.strictEqual(textOf(joined(stream.chunks).subarray(17)), "fine!")
  })

describe("a peer that opens a protocol", () => {
  for (const [how, content] of [
    ["with a name that is not UTF-8", notUtf8],
    ["with a name of another length than it says", wrongLength],
    ["without a name", withoutName],
    ["with a name of 256 bytes", tooLong],
    ["with an answer", openResp("Accepted")],
    ["after a message", joined([WireMessage.encodeUser(bytes("x")), openReq("shout")])],
    ["after a question", joined([WireMessage.encode({ _tag: "EndpointEchoReq" }), openReq("shout")])]
  ] as const) {
    it.effect(`${how} has its stream stopped and reset, and keeps its connection`, () =>
      onNetwork(
        Effect.gen(function* () {
          const { connection } = yield* attacked
          const stream = openRaw(connection, content)
          yield* settle
          stream.write(bytes("more"))
          yield* settle
          assert.deepInclude(stream.writes.at(-1), { _tag: "StreamStopped", code: 1 })
          assert.deepInclude(stream.ends[0], { _tag: "StreamReset", code: 1 })
          yield* isFine(connection)
        })
      )
    )
  }

  it.effect("on a unidirectional stream has it stopped", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection } = yield* attacked
        const outcomes: Array<unknown> = []
        connection.openUni(0).write(openReq("shout"), true, (failure) => outcomes.push(failure))
        yield* settle
        assert.deepInclude(outcomes[0], { _tag: "StreamStopped", code: 1 })
        yield* isFine(connection)
      })
    )
  )

  it.effect("and resets the stream at once, or ends it within the name, costs nothing that stays", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection, one } = yield* attacked
        yield* one.serveProtocol("one at a time", shout, { maxStreams: 1 })
        for (let i = 0; i < 300; i++) {
          const { send } = openRaw(connection, openReq("one at a time"))
          send.reset(5)
          if (i % 20 > 0) continue
          openRaw(connection, openReq("one at a time").subarray(0, 15)).send.reset(5)
          yield* settle
        }
        const cut = openRaw(connection, openReq("one at a time").subarray(0, 15), true)
        yield* settle
        assert.deepStrictEqual(cut.ends, ["fin"])
        const stream = openRaw(connection, joined([openReq("one at a time"), bytes("x")]), true)
        yield* settle
        assert.strictEqual(textOf(joined(stream.chunks).subarray(17)), "x!")
      })
    )
  )

  it.effect("10,000 times under names that nothing serves is refused each time, in a few lines of the log", () =>
    onNetwork(
      Effect.gen(function* () {
        const { lines } = yield* logged(
          Effect.gen(function* () {
            const { connection } = yield* attacked
            for (let i = 0; i < 100; i++) {
              const streams = Array.from({ length: 100 }, (_, j) => openRaw(connection, openReq(`${i} ${j}`), true))
              yield* settle
              for (const { chunks, ends } of streams)
                assert.deepStrictEqual([chunks, ends], [[openResp("NotServed")], ["fin"]])
            }
            yield* isFine(connection)
          })
        )
        assert.isAtMost(lines.length, 10)
      })
    )
  )

  it.effect("and floods a stream that is refused has it stopped after 1 MiB", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection } = yield* attacked
        const stream = openRaw(connection, openReq("nobody's"))
        for (let i = 0; i < 16; i++) {
          stream.write(new Uint8Array(65_536))
          yield* settle
        }
        assert.deepStrictEqual(
          stream.writes,
          Array.from({ length: 17 }, () => "done")
        )
        stream.write(bytes("x"))
        yield* settle
        stream.write(bytes("y"))
        yield* settle
        assert.deepInclude(stream.writes.at(-1), { _tag: "StreamStopped", code: 6 })
        assert.deepStrictEqual(stream.ends, ["fin"])
        yield* isFine(connection)
      })
    )
  )

  it.effect("and never completes its name keeps no handler, and no place: others are served", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection, one } = yield* attacked
        let served = 0
        yield* one.serveProtocol("counted", () => Effect.sync(() => (served += 1)), { maxStreamsPerPeer: 1 })
        for (let i = 0; i < 500; i++) openRaw(connection, openReq("counted").subarray(0, 1 + (i % 20)))
        yield* settle
        assert.strictEqual(served, 0)
        openRaw(connection, openReq("counted"))
        yield* settle
        assert.strictEqual(served, 1)
        yield* isFine(connection)
      })
    )
  )
})

describe("where the application reads streams itself, a peer that opens a protocol", () => {
  const attackedManual = Effect.gen(function* () {
    const one = yield* manual("10.0.0.1:1")
    yield* one.serveProtocol("shout", shout)
    const connection = yield* (yield* raw("10.0.0.6:6")).dial("10.0.0.1:1")
    yield* settle
    return { one, connection }
  })

  it.effect("however its frame is cut reaches the handler, and the application gets nothing of it", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection, one } = yield* attackedManual
        const opening = joined([openReq("shout"), bytes("xyz")])
        for (let cut = 1; cut < opening.length; cut++) {
          const stream = openRaw(connection, opening.subarray(0, cut))
          yield* settle
          stream.write(opening.subarray(cut), true)
          yield* settle
          assert.strictEqual(textOf(joined(stream.chunks).subarray(17)), "xyz!", `cut at ${cut}`)
        }
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(one.nextStream, 0)))
        assert.deepStrictEqual(yield* takenTexts(one), [])
      })
    )
  )

  it.effect("wrongly has its stream stopped and reset", () =>
    onNetwork(
      Effect.gen(function* () {
        const { connection, one } = yield* attackedManual
        for (const content of [notUtf8, wrongLength]) {
          const stream = openRaw(connection, content)
          yield* settle
          assert.deepInclude(stream.ends[0], { _tag: "StreamReset", code: 1 })
        }
        yield* isFine(connection)
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(one.nextStream, 0)))
      })
    )
  )
})
