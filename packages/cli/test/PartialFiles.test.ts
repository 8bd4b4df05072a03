// @module-tag platform
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { spawnSync } from "node:child_process"
import { utimesSync } from "node:fs"
import * as PartialFiles from "../src/PartialFiles.ts"

const self = PartialFiles.self()
const elsewhere = "0123456789ab"

/** The number of a process that has ended. */
const endedPid = spawnSync(process.execPath, ["-e", ""]).pid

/** The disk is not on the test's clock. */
// @effect-diagnostics-next-line globalDate:off
const secondsBefore = (age: Duration.Input) => Date.now() / 1_000 - Duration.toSeconds(Duration.fromInputUnsafe(age))

const setup = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
  const write = Effect.fnUntraced(function* (name: string, age: Duration.Input = "1 second") {
    yield* fs.writeFileString(`${directory}/${name}`, "half of it")
    const time = secondsBefore(age)
    utimesSync(`${directory}/${name}`, time, time)
    return name
  })
  return { fs, directory, write, left: Effect.map(fs.readDirectory(directory), (names) => names.toSorted()) }
})

const old = Duration.sum(PartialFiles.abandonedAfter, Duration.minutes(1))

describe("PartialFiles", () => {
  it("writes into a name who writes, and reads it back", () => {
    const owner = { scope: elsewhere, pid: 4711, run: "deadbeef" }
    const parsed = Option.getOrThrow(PartialFiles.parseName(PartialFiles.makeName(owner)))
    assert.deepStrictEqual(parsed.owner, Option.some(owner))
    assert.notStrictEqual(PartialFiles.makeName(owner), PartialFiles.makeName(owner))
  })

  it.each([
    "photo.part",
    ".qp2p-.part",
    ".qp2p-precious.part",
    ".qp2p-0123456789ab-1-deadbeef.part",
    ".qp2p-00000000-0000-0000-0000-000000000000.part.txt",
    "x.qp2p-00000000-0000-0000-0000-000000000000.part",
    ".qp2p-0123456789ab-0-deadbeef-00000000-0000-0000-0000-000000000000.part",
    ".qp2p-00000000-0000-0000-0000-000000000000.part\n"
  ])("takes %j for nobody's partial file", (name) => {
    assert.isTrue(Option.isNone(PartialFiles.parseName(name)))
  })

  it("knows which writers have ended, and does not guess about the others", () => {
    const me = { scope: elsewhere, pid: 10, run: "aaaaaaaa" }
    const state = (owner: PartialFiles.Owner | undefined, alive = false) =>
      PartialFiles.stateOf(Option.fromUndefinedOr(owner), { self: me, isAlive: () => alive })
    assert.strictEqual(state(me), "own")
    // A container that was started again gives its process the same number.
    assert.strictEqual(state({ ...me, run: "bbbbbbbb" }, true), "ended")
    assert.strictEqual(state({ ...me, pid: 11 }), "ended")
    assert.strictEqual(state({ ...me, pid: 11 }, true), "unknown")
    assert.strictEqual(state({ ...me, pid: 11, scope: "ba9876543210" }), "unknown")
    assert.strictEqual(state(undefined), "unknown")
  })

  it.live("removes files of ended processes of this machine, of every age", () =>
    Effect.gen(function* () {
      const { directory, left, write } = yield* setup
      const killed = yield* write(PartialFiles.makeName({ ...self, pid: endedPid }))
      const before = yield* write(PartialFiles.makeName({ ...self, run: "00000000" }))
      const { removed, undecided } = yield* PartialFiles.clean(directory)
      assert.deepStrictEqual(removed.map(({ name }) => name).toSorted(), [before, killed].toSorted())
      assert.deepStrictEqual([removed[0]?.size, undecided], [10, false])
      assert.deepStrictEqual(yield* left, [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live(
    "leaves a living receiver its files, here and elsewhere, and removes those that are too old to be of one",
    () =>
      Effect.gen(function* () {
        const { directory, left, write } = yield* setup
        const kept = [
          yield* write(PartialFiles.makeName()),
          yield* write(PartialFiles.makeName(), old),
          yield* write(PartialFiles.makeName({ ...self, pid: process.ppid })),
          yield* write(PartialFiles.makeName({ scope: elsewhere, pid: endedPid, run: "00000000" })),
          yield* write(".qp2p-00000000-0000-0000-0000-000000000000.part")
        ]
        yield* write(PartialFiles.makeName({ scope: elsewhere, pid: 1, run: "00000000" }), old)
        yield* write(".qp2p-00000000-0000-0000-0000-000000000001.part", old)
        const { removed, undecided } = yield* PartialFiles.clean(directory)
        assert.strictEqual(removed.length, 2)
        assert.isTrue(undecided)
        assert.deepStrictEqual(yield* left, kept.toSorted())
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("touches nothing else: links, directories, and files that are called differently", () =>
    Effect.gen(function* () {
      const { directory, fs, left, write } = yield* setup
      const target = yield* write("precious.txt", old)
      const dead = () => PartialFiles.makeName({ ...self, pid: endedPid })
      const [link, folder] = [dead(), dead()]
      yield* fs.symlink(`${directory}/${target}`, `${directory}/${link}`)
      yield* fs.makeDirectory(`${directory}/${folder}`)
      const other = yield* write(".qp2p-notes.part", old)
      const { removed } = yield* PartialFiles.clean(directory)
      assert.deepStrictEqual(removed, [])
      assert.deepStrictEqual(yield* left, [folder, link, other, target].toSorted())
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("does not mind a directory that is not there", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* PartialFiles.clean("no/such/directory"), { removed: [], undecided: false })
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
