import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { TestConsole } from "effect/testing"
import * as receive from "../../src/commands/receive.ts"
import * as FileLog from "../../src/FileLog.ts"
import { headerCodec, resultCodec, trailerCodec } from "../../src/FileMessages.ts"
import * as Format from "../../src/Format.ts"
import { makeEndpoint } from "../support/fakeEndpoint.ts"
import { alice, bob, idAt, makeStream } from "../support/fakeStream.ts"

const text = (payload: Uint8Array) => new TextDecoder().decode(payload)
const header = (name: string, size: number) => text(headerCodec.encode({ qp2p: "file/1", name, size }))
const trailer = text(trailerCodec.encode({ sha256: Format.sha256(new TextEncoder().encode("content")) }))

const platform = Layer.merge(NodeServices.layer, TestConsole.layer)

describe("qp2p receive", () => {
  it.live("with --once, is not ended by a peer whose file a limit forbids", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const out = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
      const { service, writes } = yield* makeEndpoint()
      const receiving = yield* Effect.flatMap(FileLog.make(), (log) =>
        receive.run({ contacts: [], out, once: true, limits: { maxSize: 10, keepFree: 0 } }, log)
      ).pipe(Effect.provideService(Endpoint.Endpoint, service), Effect.forkScoped)
      const [refused, taken] = [yield* makeStream(), yield* makeStream()]
      yield* writes(bob, header("large.bin", 11), refused.reply)
      assert.deepStrictEqual(
        resultCodec.decode(yield* Queue.take(refused.back)),
        Option.some({
          ok: false,
          error: "larger than the 10 B that a file may have"
        })
      )
      yield* writes(alice, header("a.bin", 7), taken.reply)
      yield* writes(alice, "content", taken.reply)
      yield* writes(alice, trailer, taken.reply)
      assert.strictEqual((yield* Fiber.await(receiving))._tag, "Success")
      assert.strictEqual(yield* fs.readFileString(`${out}/a.bin`), "content")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("with --once, is ended by a file that has begun and fails", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const out = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
      const { service, writes } = yield* makeEndpoint()
      const receiving = yield* Effect.flatMap(FileLog.make(), (log) =>
        receive.run({ contacts: [], out, once: true }, log)
      ).pipe(Effect.provideService(Endpoint.Endpoint, service), Effect.forkScoped)
      const { reply } = yield* makeStream()
      yield* writes(alice, header("a.bin", 1), reply)
      yield* writes(alice, "more", reply)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(receiving)))
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("ends no more than its share of the streams of a peer that acknowledges nothing, and resets the others", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const out = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
      const { service, writes } = yield* makeEndpoint()
      let begun = 0
      let resets = 0
      yield* Effect.flatMap(FileLog.make(), (log) => receive.run({ contacts: [], out, once: false }, log)).pipe(
        Effect.provideService(Endpoint.Endpoint, service),
        Effect.forkScoped
      )
      const { reply } = yield* makeStream()
      const deaf = {
        ...reply,
        finish: Effect.andThen(
          Effect.sync(() => void begun++),
          Effect.never
        ),
        reset: () => Effect.sync(() => void resets++)
      }
      for (let i = 0; i < 300; i++) yield* writes(alice, "hello", { ...deaf })
      while (begun + resets < 300) yield* Effect.sleep("5 millis")
      assert.deepStrictEqual([begun, resets], [96, 204])
      assert.include(String((yield* TestConsole.logLines).at(-1)), `${idAt(alice)}@${alice}: hello`)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})
