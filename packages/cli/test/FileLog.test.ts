import { assert, describe, it } from "@effect/vitest"
import * as PeerId from "@qp2p/core/PeerId"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import { TestClock, TestConsole } from "effect/testing"
import * as FileLog from "../src/FileLog.ts"
import { alice, idAt } from "./support/fakeStream.ts"

const platform = Layer.merge(TestConsole.layer, Stdio.layerTest({}))
const printed = Effect.all({
  out: Effect.map(TestConsole.logLines, (lines) => lines.map(String)),
  errors: Effect.map(TestConsole.errorLines, (lines) => lines.map(String))
})
const honest = NetAddress.inetAddressFromStringUnsafe("198.51.100.1:1")

describe("FileLog", () => {
  it.effect("prints a few of ten thousand refusals of one network, a count of the rest, and those of others", () =>
    Effect.gen(function* () {
      const log = yield* FileLog.make()
      for (let i = 0; i < 10_000; i++) {
        const peer = NetAddress.inetAddressFromStringUnsafe(`192.0.2.1:${1 + i}`)
        yield* log.onEvent({
          _tag: "Refused",
          peer,
          peerId: idAt(alice),
          name: `${i}.bin`,
          detail: "busy with 4 other files of yours"
        })
      }
      yield* log.onEvent({
        _tag: "Failed",
        peer: honest,
        peerId: idAt(honest),
        name: "a.bin",
        detail: "the sender went away"
      })
      yield* TestClock.adjust("10 seconds")
      const { errors, out } = yield* printed
      assert.deepStrictEqual(out, [])
      assert.strictEqual(errors.length, 22)
      assert.strictEqual(
        errors[0],
        `${idAt(alice)}@192.0.2.1:1: 0.bin was not received: busy with 4 other files of yours`
      )
      assert.strictEqual(errors[20], `${PeerId.short(idAt(honest))}: a.bin was not received: the sender went away`)
      assert.strictEqual(errors[21], "192.0.2.1: 9980 lines left out")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("bounds the lines about files that begin and end at once, and prints every file that arrived", () =>
    Effect.gen(function* () {
      const log = yield* FileLog.make()
      const file = { peer: alice, peerId: idAt(alice), name: "a.bin" }
      for (let i = 0; i < 1_000; i++) {
        yield* log.onEvent({ _tag: "Started", ...file, size: Option.none() })
        yield* log.onEvent({ _tag: "Progress", ...file, size: Option.none(), received: 1e9 * (i + 1) })
        yield* log.onEvent({ _tag: "Failed", ...file, detail: "the sender gave up: no" })
      }
      assert.isAtMost((yield* printed).errors.length + (yield* printed).out.length, 20)
      const arrived = { path: "inbox/a.bin", size: 0, sha256: "0".repeat(64), elapsed: Duration.zero }
      for (let i = 0; i < 50; i++) yield* log.onEvent({ _tag: "Received", ...file, ...arrived })
      const { out } = yield* printed
      assert.strictEqual(out.filter((line) => line.startsWith("received inbox/a.bin")).length, 50)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("bounds the lines about peers that come and go", () =>
    Effect.gen(function* () {
      const log = yield* FileLog.make()
      for (let i = 0; i < 1_000; i++) yield* log.note(alice, `${alice} connected`)
      yield* TestClock.adjust("10 seconds")
      const { errors, out } = yield* printed
      assert.strictEqual(out.length, 100)
      assert.deepStrictEqual(errors, ["127.0.0.1: 900 lines left out"])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("bounds the lines about peers that are not let in, each with its whole id", () =>
    Effect.gen(function* () {
      const log = yield* FileLog.make()
      for (let i = 0; i < 1_000; i++) {
        const address = NetAddress.inetAddressFromStringUnsafe(`192.0.2.1:${1 + i}`)
        yield* log.refused({ peerId: idAt(alice), address })
      }
      yield* log.refused({ peerId: idAt(honest), address: honest })
      yield* TestClock.adjust("10 seconds")
      const { errors, out } = yield* printed
      assert.deepStrictEqual(out, [])
      assert.strictEqual(errors.length, 22)
      assert.strictEqual(errors[0], `${idAt(alice)}@192.0.2.1:1 is not in --allow: refused`)
      assert.strictEqual(errors[20], `${idAt(honest)}@${honest} is not in --allow: refused`)
      assert.strictEqual(errors[21], "192.0.2.1: 980 lines left out")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("makes what a peer caused visible in every line", () =>
    Effect.gen(function* () {
      const log = yield* FileLog.make()
      const hostile = "a\u202eb\u001b[2J\nc\u3164"
      const shown = "a\\u202eb\\u001b[2J\\nc\\u3164"
      yield* log.say(hostile)
      yield* log.warn(hostile)
      yield* log.note(alice, hostile)
      yield* log.warnOf(alice, hostile)
      yield* log.onEvent({ _tag: "Refused", peer: alice, peerId: idAt(alice), name: "x", detail: hostile })
      yield* log.onEvent({ _tag: "Failed", peer: alice, peerId: idAt(alice), name: "x", detail: hostile })
      const { errors, out } = yield* printed
      assert.deepStrictEqual(out, [shown, shown])
      const text = `x was not received: ${shown}`
      const [full, short] = [`${idAt(alice)}@${alice}: ${text}`, `${PeerId.short(idAt(alice))}: ${text}`]
      assert.deepStrictEqual(errors, [shown, shown, full, short])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})
