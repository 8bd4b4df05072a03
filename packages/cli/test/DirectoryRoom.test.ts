import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as DirectoryRoom from "../src/DirectoryRoom.ts"

const mega = 1024 * 1024

/** A file system of which the test decides what it tells, and which counts how often it was asked. */
const setup = (options: { readonly keepFree?: number; readonly maxFiles?: number } = {}) => {
  const disk = { free: 100 * mega, entries: 0, measured: 0, counted: 0 }
  const room = DirectoryRoom.make(
    {
      free: Effect.sync(() => {
        disk.measured++
        return Number.isNaN(disk.free) ? Option.none() : Option.some(disk.free)
      }),
      entries: Effect.sync(() => {
        disk.counted++
        return Option.some(disk.entries)
      })
    },
    { keepFree: options.keepFree ?? 10 * mega, maxFiles: options.maxFiles ?? 1_000 }
  )
  return { disk, room }
}

describe("DirectoryRoom", () => {
  it.effect("refuses a file that would not leave the space free that stays free", () =>
    Effect.gen(function* () {
      const { room } = setup()
      assert.isUndefined(yield* room.forFile(Option.some(90 * mega), 0))
      assert.deepStrictEqual(yield* room.forFile(Option.some(90 * mega + 1), 0), {
        detail: "only 94.4 MB may be written, and 10.5 MB stay free",
        told: "the receiver has no space for it"
      })
    })
  )

  it.effect("ends a file of unknown size at the space that stays free, also when others fill the disk", () =>
    Effect.gen(function* () {
      const { disk, room } = setup()
      assert.isUndefined(yield* room.forFile(Option.none(), 0))
      for (let i = 0; i < 40; i++) {
        assert.isUndefined(yield* room.forBytes(mega))
        disk.free -= 2 * mega
      }
      let written = 40
      while ((yield* room.forBytes(mega)) === undefined) {
        disk.free -= 2 * mega
        written++
      }
      // 100 - 10 stay free, each step takes 2, and up to 16 MiB pass between two looks.
      assert.isAtLeast(written, 45)
      assert.isAtMost(written, 45 + 16)
      assert.isAtMost(disk.measured, 2 + Math.ceil(written / 16) + 1)
      disk.free = 100 * mega
      assert.isUndefined(yield* room.forBytes(mega))
    })
  )

  it.effect("takes everything where the system does not tell the free space", () =>
    Effect.gen(function* () {
      const { disk, room } = setup()
      disk.free = Number.NaN
      assert.isUndefined(yield* room.forFile(Option.some(1e15), 0))
      assert.isUndefined(yield* room.forBytes(1e12))
    })
  )

  it.effect("counts the entries once, adds what it stores, and counts again only when they are too many", () =>
    Effect.gen(function* () {
      const { disk, room } = setup({ maxFiles: 10 })
      disk.entries = 7
      for (let i = 0; i < 3; i++) {
        assert.isUndefined(yield* room.forFile(Option.none(), 0))
        yield* room.added
      }
      assert.strictEqual(disk.counted, 1)
      disk.entries = 10
      const refusal = {
        detail: "the directory holds 10 files, and may hold 10",
        told: "the receiver takes no more files"
      }
      yield* TestClock.adjust("10 seconds")
      for (let i = 0; i < 10_000; i++) assert.deepStrictEqual(yield* room.forFile(Option.none(), 0), refusal)
      assert.strictEqual(disk.counted, 2)
      disk.entries = 2
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(yield* room.forFile(Option.none(), 0))
    })
  )

  it.effect("counts the files that are on their way", () =>
    Effect.gen(function* () {
      const { disk, room } = setup({ maxFiles: 10 })
      disk.entries = 7
      assert.isUndefined(yield* room.forFile(Option.none(), 0))
      disk.entries = 9
      assert.isUndefined(yield* room.forFile(Option.none(), 2))
      assert.isDefined(yield* room.forFile(Option.none(), 3))
    })
  )

  it.live("measures a directory of this machine", () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "qp2p-cli-test-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true })))
      writeFileSync(join(directory, "a"), "")
      const { entries, free } = DirectoryRoom.measuresOf(directory)
      assert.deepStrictEqual(yield* entries, Option.some(1))
      assert.isAbove(Option.getOrThrow(yield* free), 0)
      const missing = DirectoryRoom.measuresOf(join(directory, "missing"))
      assert.deepStrictEqual([yield* missing.entries, yield* missing.free], [Option.none(), Option.none()])
    }).pipe(Effect.scoped)
  )
})
