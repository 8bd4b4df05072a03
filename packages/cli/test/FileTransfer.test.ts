// @module-tag platform
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as Queue from "effect/Queue"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { randomBytes } from "node:crypto"
import * as FileReceiver from "../src/FileReceiver.ts"
import type * as FileStore from "../src/FileStore.ts"
import { abandonmentCodec, headerCodec, resultCodec, trailerCodec } from "../src/FileMessages.ts"
import * as FileTransfer from "../src/FileTransfer.ts"
import * as Format from "../src/Format.ts"
import * as OutDirectory from "../src/OutDirectory.ts"
import * as PartialFiles from "../src/PartialFiles.ts"
import { alice, bob, idAt, makeStream, pump, type FakeStream } from "./support/fakeStream.ts"

/** A directory to send from, one to receive into, and a receiver that notes what it is told. */
const setup = Effect.fnUntraced(function* (
  options: {
    readonly refuse?: boolean
    readonly maxTransfers?: number
    readonly minRate?: number
    readonly stallTimeout?: "1 minute"
  } = {}
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
  const inbox = path.join(root, "inbox")
  yield* fs.makeDirectory(inbox)
  const events: Array<FileReceiver.FileEvent> = []
  const receiver = yield* FileReceiver.make({
    directory: options.refuse === true ? Option.none() : Option.some(inbox),
    onEvent: (event) => Effect.sync(() => events.push(event)),
    maxTransfers: options.maxTransfers,
    minRate: options.minRate,
    stallTimeout: options.stallTimeout
  })
  return {
    fs,
    root,
    inbox,
    events,
    receiver,
    write: Effect.fnUntraced(function* (name: string, size: number) {
      const file = path.join(root, name)
      const content = new Uint8Array(randomBytes(size))
      yield* fs.writeFile(file, content)
      return { file, content }
    }),
    stored: (name: string) => fs.readFile(path.join(inbox, name)),
    failures: () =>
      events.flatMap((event) => (event._tag === "Failed" || event._tag === "Refused" ? [event.detail] : []))
  }
})

const give = (receiver: FileReceiver.FileReceiver, fake: FakeStream, payload: Uint8Array, peer = alice) =>
  receiver.handle({ peer, peerId: idAt(peer), payload, reply: Option.some(fake.reply) })

const header = (name: string, size: number) => headerCodec.encode({ qp2p: "file/1", name, size })
const answerTo = (fake: FakeStream) => Effect.map(Queue.take(fake.back), resultCodec.decode)
const content = new TextEncoder().encode("content")

describe("FileTransfer", () => {
  it.live.each([0, 1, FileTransfer.chunkSize, 3 * FileTransfer.chunkSize + 17])("carries %d bytes", (size) =>
    Effect.gen(function* () {
      const { content, events, file, fs, inbox, receiver, stored } = yield* Effect.flatMap(setup(), (context) =>
        Effect.map(context.write("a.bin", size), (written) => ({ ...context, ...written }))
      )
      const fake = yield* makeStream()
      yield* Effect.forkScoped(pump(fake, receiver))
      const progress: Array<number> = []
      const sent = yield* FileTransfer.send({
        path: file,
        open: Effect.succeed(fake.stream),
        onProgress: (done) => Effect.sync(() => progress.push(done))
      })
      assert.strictEqual(sent.name, "a.bin")
      assert.strictEqual(sent.size, size)
      assert.strictEqual(sent.sha256, Format.sha256(content))
      assert.strictEqual(progress.at(-1) ?? 0, size)
      assert.deepStrictEqual(Uint8Array.from(yield* stored("a.bin")), content)
      assert.deepStrictEqual(yield* fs.readDirectory(inbox), ["a.bin"])
      const received = events.at(-1)
      assert.isTrue(received?._tag === "Received" && received.sha256 === sent.sha256 && received.size === size)
      assert.deepStrictEqual(fake.resets, [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("keeps two transfers at once apart, and both files of one name", () =>
    Effect.gen(function* () {
      const { inbox, receiver, root, fs, stored } = yield* setup()
      yield* fs.makeDirectory(`${root}/other`)
      const one = new Uint8Array(randomBytes(2 * FileTransfer.chunkSize))
      const two = new Uint8Array(randomBytes(2 * FileTransfer.chunkSize - 1))
      yield* fs.writeFile(`${root}/same.bin`, one)
      yield* fs.writeFile(`${root}/other/same.bin`, two)
      const fakes = [yield* makeStream(1), yield* makeStream(1)] as const
      // One message of each in turn, so that the transfers are open at the same time.
      const turn = (fake: FakeStream) =>
        Effect.flatMap(Queue.take(fake.there), (payload) => give(receiver, fake, payload))
      const pumping = yield* Effect.forkScoped(
        Effect.forever(Effect.andThen(turn(fakes[0]), turn(fakes[1]))).pipe(Effect.catchCause(() => Effect.void))
      )
      const send = (path: string, fake: FakeStream) => FileTransfer.send({ path, open: Effect.succeed(fake.stream) })
      const [first, second] = yield* Effect.all(
        [send(`${root}/same.bin`, fakes[0]), send(`${root}/other/same.bin`, fakes[1])],
        { concurrency: 2 }
      )
      yield* Fiber.interrupt(pumping)
      assert.notStrictEqual(first.sha256, second.sha256)
      assert.deepStrictEqual((yield* fs.readDirectory(inbox)).toSorted(), ["same (1).bin", "same.bin"])
      // Both are put in place at once, and either may be the first.
      const hashes = [Format.sha256(yield* stored("same.bin")), Format.sha256(yield* stored("same (1).bin"))]
      assert.deepStrictEqual(hashes.toSorted(), [Format.sha256(one), Format.sha256(two)].toSorted())
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("never overwrites", () =>
    Effect.gen(function* () {
      const { fs, inbox, receiver, stored, write } = yield* setup()
      yield* fs.writeFileString(`${inbox}/a.bin`, "precious")
      yield* fs.symlink(`${inbox}/a.bin`, `${inbox}/a (1).bin`)
      const { content, file } = yield* write("a.bin", 100)
      const fake = yield* makeStream()
      yield* Effect.forkScoped(pump(fake, receiver))
      yield* FileTransfer.send({ path: file, open: Effect.succeed(fake.stream) })
      assert.strictEqual(yield* fs.readFileString(`${inbox}/a.bin`), "precious")
      assert.deepStrictEqual(Uint8Array.from(yield* stored("a (2).bin")), content)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("stores a hostile name inside the directory", () =>
    Effect.gen(function* () {
      const { fs, inbox, receiver, root } = yield* setup()
      const fake = yield* makeStream()
      yield* give(receiver, fake, header("../../../evil\0.sh", content.length))
      yield* give(receiver, fake, content)
      yield* give(receiver, fake, trailerCodec.encode({ sha256: Format.sha256(content) }))
      assert.isTrue(Option.exists(yield* answerTo(fake), (result) => result.ok))
      assert.deepStrictEqual(yield* fs.readDirectory(inbox), ["evil_.sh"])
      assert.deepStrictEqual(yield* fs.readDirectory(root), ["inbox"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  const rejections: ReadonlyArray<readonly [string, ReadonlyArray<Uint8Array>, RegExp]> = [
    ["another hash", [content, trailerCodec.encode({ sha256: "0".repeat(64) })], /hash mismatch/u],
    ["more content than announced", [content, content], /more than the announced 7 bytes/u],
    ["a chunk that goes over the end", [new Uint8Array(8)], /more than the announced 7 bytes/u],
    ["no hash after the content", [content, new TextEncoder().encode("{}")], /no hash/u]
  ]
  it.live.each(rejections)("rejects %s and leaves nothing behind", ([, messages, reason]) =>
    Effect.gen(function* () {
      const { failures, fs, inbox, receiver } = yield* setup()
      const fake = yield* makeStream()
      yield* give(receiver, fake, header("a.bin", content.length))
      assert.strictEqual((yield* fs.readDirectory(inbox)).length, 1)
      for (const message of messages) assert.isTrue(yield* give(receiver, fake, message))
      const answer = Option.getOrThrow(yield* answerTo(fake))
      assert.isTrue(!answer.ok && reason.test(answer.error))
      assert.match(failures()[0] ?? "", reason)
      assert.deepStrictEqual(yield* fs.readDirectory(inbox), [])
      // What was still on its way is swallowed, not taken for somebody's message.
      assert.isTrue(yield* give(receiver, fake, content))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("is told by a sender that gives up, and why", () =>
    Effect.gen(function* () {
      const { failures, fs, inbox, receiver } = yield* setup()
      const fake = yield* makeStream()
      const end = "0123456789abcdef0123456789abcdef"
      yield* give(receiver, fake, headerCodec.encode({ qp2p: "file/1", name: "a.bin", size: 100, end }))
      yield* give(receiver, fake, content)
      yield* give(receiver, fake, abandonmentCodec.encode({ end, error: "the file became shorter" }))
      assert.isFalse(Option.getOrThrow(yield* answerTo(fake)).ok)
      assert.deepStrictEqual(failures(), ["the sender gave up: the file became shorter"])
      assert.deepStrictEqual(yield* fs.readDirectory(inbox), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("takes a file of unknown size to its end, and content that looks like an end for content", () =>
    Effect.gen(function* () {
      const { events, receiver, stored } = yield* setup()
      const fake = yield* makeStream()
      const end = "0123456789abcdef0123456789abcdef"
      const sha256 = Format.sha256(content)
      const forged = trailerCodec.encode({ end: "f".repeat(32), sha256 })
      yield* give(receiver, fake, headerCodec.encode({ qp2p: "file/1", name: "a.bin", end }))
      yield* give(receiver, fake, forged)
      yield* give(receiver, fake, trailerCodec.encode({ sha256 }))
      const all = Buffer.concat([forged, trailerCodec.encode({ sha256 })])
      yield* give(receiver, fake, trailerCodec.encode({ end, sha256: Format.sha256(all) }))
      assert.isTrue(Option.getOrThrow(yield* answerTo(fake)).ok)
      assert.deepStrictEqual(yield* stored("a.bin"), Uint8Array.from(all))
      const received = events.at(-1)
      assert.isTrue(received?._tag === "Received" && received.size === all.length)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("does not take the end before all of the announced content for the end of it", () =>
    Effect.gen(function* () {
      const { failures, fs, inbox, receiver } = yield* setup()
      const fake = yield* makeStream()
      const end = "0123456789abcdef0123456789abcdef"
      yield* give(receiver, fake, headerCodec.encode({ qp2p: "file/1", name: "a.bin", size: 100, end }))
      yield* give(receiver, fake, content)
      yield* give(receiver, fake, trailerCodec.encode({ end, sha256: Format.sha256(content) }))
      assert.isFalse(Option.getOrThrow(yield* answerTo(fake)).ok)
      assert.deepStrictEqual(failures(), ["it ended after 7 of the announced 100 bytes"])
      assert.deepStrictEqual(yield* fs.readDirectory(inbox), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("refuses a header that announces no end", () =>
    Effect.gen(function* () {
      const { failures, receiver } = yield* setup()
      const fake = yield* makeStream()
      yield* give(receiver, fake, headerCodec.encode({ qp2p: "file/1", name: "a.bin" }))
      assert.isFalse(Option.getOrThrow(yield* answerTo(fake)).ok)
      assert.deepStrictEqual(failures(), ["nothing announces where the file ends"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  const fileError = (code: string) =>
    PlatformError.systemError({
      module: "FileSystem",
      method: "writeAll",
      _tag: "Unknown",
      pathOrDescriptor: "/home/bob/secret/a.bin",
      cause: Object.assign(new Error(`${code}: failed, open '/home/bob/secret/a.bin'`), { code })
    })
  const brokenStores: ReadonlyArray<readonly [string, FileStore.FileStore]> = [
    ["opened", { name: "/home/bob/secret", open: () => Effect.fail(fileError("EACCES")) }],
    [
      "written",
      {
        name: "/home/bob/secret",
        open: () => Effect.succeed({ write: () => Effect.fail(fileError("ENOSPC")), commit: Effect.succeed("a.bin") })
      }
    ],
    [
      "put in place",
      {
        name: "/home/bob/secret",
        open: () => Effect.succeed({ write: () => Effect.void, commit: Effect.fail(fileError("EXOTIC")) })
      }
    ]
  ]
  it.live.each(brokenStores)("tells the sender why a file cannot be %s, and no path of this side", ([, store]) =>
    Effect.gen(function* () {
      const reasons: Array<string> = []
      const receiver = yield* FileReceiver.make({
        directory: Option.none(),
        store,
        onEvent: (event) => Effect.sync(() => event._tag === "Failed" && reasons.push(event.detail))
      })
      const fake = yield* makeStream()
      yield* give(receiver, fake, header("a.bin", content.length))
      yield* give(receiver, fake, content)
      yield* give(receiver, fake, trailerCodec.encode({ sha256: Format.sha256(content) }))
      const answer = Option.getOrThrow(yield* answerTo(fake))
      assert.isTrue(!answer.ok && /^the receiver cannot store it: [a-z ]+$/u.test(answer.error))
      assert.match(reasons[0] ?? "", /^cannot write to \/home\/bob\/secret: /u)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("leaves nothing under the final name while a file is on its way, and puts it there at once", () =>
    Effect.gen(function* () {
      const { fs, inbox, receiver } = yield* setup()
      // A final name that is taken in the meantime.
      const fake = yield* makeStream()
      yield* give(receiver, fake, header("a.bin", content.length))
      yield* give(receiver, fake, content)
      const names = yield* fs.readDirectory(inbox)
      assert.deepStrictEqual(
        names.map((name) => Option.isSome(PartialFiles.parseName(name))),
        [true]
      )
      yield* fs.writeFileString(`${inbox}/a.bin`, "precious")
      yield* give(receiver, fake, trailerCodec.encode({ sha256: Format.sha256(content) }))
      assert.isTrue(Option.getOrThrow(yield* answerTo(fake)).ok)
      assert.deepStrictEqual((yield* fs.readDirectory(inbox)).toSorted(), ["a (1).bin", "a.bin"])
      assert.strictEqual(yield* fs.readFileString(`${inbox}/a.bin`), "precious")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live.each(["EPERM", "ENOSYS", "EISDIR"])("puts files in place without hard links, too (%s)", (code) =>
    Effect.gen(function* () {
      const { inbox, root } = yield* setup()
      const fs = yield* FileSystem.FileSystem
      const linkless = {
        ...fs,
        link: () =>
          Effect.fail(
            PlatformError.systemError({
              module: "FileSystem",
              method: "link",
              _tag: code === "EPERM" ? "PermissionDenied" : "Unknown",
              cause: Object.assign(new Error(code), { code })
            })
          )
      }
      const receiver = yield* FileReceiver.make({ directory: Option.some(inbox), onEvent: () => Effect.void }).pipe(
        Effect.provideService(FileSystem.FileSystem, linkless)
      )
      yield* fs.writeFileString(`${inbox}/a.bin`, "precious")
      yield* fs.writeFile(`${root}/a.bin`, content)
      const fake = yield* makeStream()
      yield* Effect.forkScoped(pump(fake, receiver))
      yield* FileTransfer.send({ path: `${root}/a.bin`, open: Effect.succeed(fake.stream) })
      assert.deepStrictEqual((yield* fs.readDirectory(inbox)).toSorted(), ["a (1).bin", "a.bin"])
      assert.strictEqual(yield* fs.readFileString(`${inbox}/a (1).bin`), "content")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("drops the half of a file whose sender is gone, and only that", () =>
    Effect.gen(function* () {
      const { failures, fs, inbox, receiver } = yield* setup()
      const [lost, kept] = [yield* makeStream(), yield* makeStream()]
      yield* give(receiver, lost, header("a.bin", 100))
      yield* give(receiver, lost, content)
      yield* give(receiver, kept, header("b.bin", 100), bob)
      yield* receiver.forget(idAt(alice))
      assert.deepStrictEqual(failures(), ["the sender went away"])
      assert.strictEqual((yield* fs.readDirectory(inbox)).length, 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("gives up a transfer that stalls, not one that is slow", () =>
    Effect.gen(function* () {
      const { failures, fs, inbox, receiver } = yield* setup({ stallTimeout: "1 minute", minRate: 0 })
      const fake = yield* makeStream()
      yield* give(receiver, fake, header("a.bin", 100))
      yield* TestClock.adjust("50 seconds")
      yield* give(receiver, fake, content)
      yield* TestClock.adjust("50 seconds")
      // The disk is not on the test's clock: this waits until whatever the receiver does is done.
      yield* receiver.forget(idAt(bob))
      assert.deepStrictEqual(failures(), [])
      yield* TestClock.adjust("30 seconds")
      const answer = Option.getOrThrow(yield* answerTo(fake))
      assert.isTrue(!answer.ok && /nothing arrived for 1 min/u.test(answer.error))
      assert.deepStrictEqual(yield* fs.readDirectory(inbox), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("bounds the number of open transfers", () =>
    Effect.gen(function* () {
      const { receiver } = yield* setup({ maxTransfers: 1 })
      const [first, second] = [yield* makeStream(), yield* makeStream()]
      yield* give(receiver, first, header("a.bin", content.length))
      yield* give(receiver, second, header("b.bin", content.length))
      const refused = Option.getOrThrow(yield* answerTo(second))
      assert.isTrue(!refused.ok && refused.error.startsWith("busy"))
      yield* give(receiver, first, content)
      yield* give(receiver, first, trailerCodec.encode({ sha256: Format.sha256(content) }))
      assert.isTrue(Option.getOrThrow(yield* answerTo(first)).ok)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("removes partial files when the receiver stops", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const inbox = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const receiver = yield* FileReceiver.make({ directory: Option.some(inbox), onEvent: () => Effect.void })
          yield* give(receiver, yield* makeStream(), header("a.bin", 100))
          assert.strictEqual((yield* fs.readDirectory(inbox)).length, 1)
        })
      )
      assert.deepStrictEqual(yield* fs.readDirectory(inbox), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("leaves messages alone that belong to no file", () =>
    Effect.gen(function* () {
      const { receiver } = yield* setup()
      const fake = yield* makeStream()
      assert.isFalse(
        yield* receiver.handle({ peer: alice, peerId: idAt(alice), payload: header("a", 1), reply: Option.none() })
      )
      assert.isFalse(yield* give(receiver, fake, content))
      assert.isFalse(yield* give(receiver, fake, new TextEncoder().encode('{"qp2p":"file/1","name":"x","size":-1}')))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("OutDirectory.ensure", () => {
  it.live("makes a directory and its parents, and takes one that is there", () =>
    Effect.gen(function* () {
      const { fs, root } = yield* setup()
      for (let i = 0; i < 2; i++) yield* OutDirectory.ensure(`${root}/a/b/c`)
      assert.strictEqual((yield* fs.stat(`${root}/a/b/c`)).type, "Directory")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  const long = "x".repeat(300)
  it.live.each([
    ["taken", "cannot receive into taken: it is no directory"],
    ["taken/x", "cannot create the directory taken/x: a part of the path is no directory"],
    ["taken/x/y", "cannot create the directory taken/x/y: a part of the path is no directory"],
    [long, `cannot create the directory ${long}: the name is too long`]
  ])("says in a sentence why nothing can be received into %s", ([name, expected]) =>
    Effect.gen(function* () {
      const { fs, root } = yield* setup()
      yield* fs.writeFileString(`${root}/taken`, "")
      const error = yield* Effect.flip(OutDirectory.ensure(`${root}/${name}`))
      assert.strictEqual(error.message.replaceAll(`${root}/`, ""), expected)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  // Node's own recursive `mkdir` never ends there.
  it.live.skipIf(process.platform !== "linux")("ends where nothing can be created", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(OutDirectory.ensure("/proc/qp2p/x"))
      assert.strictEqual(error.message, "cannot create the directory /proc/qp2p/x: there is no such file or directory")
    }).pipe(Effect.provide(NodeServices.layer))
  )
})

describe("FileTransfer.send", () => {
  it.live("stops at a refusal, and resets the stream", () =>
    Effect.gen(function* () {
      const { receiver, write } = yield* setup({ refuse: true })
      const { file } = yield* write("a.bin", 8 * FileTransfer.chunkSize)
      // Nobody takes more than the header, so only the refusal can end this.
      const fake = yield* makeStream(1)
      yield* Effect.forkScoped(Effect.flatMap(Queue.take(fake.there), (payload) => give(receiver, fake, payload)))
      const error = yield* Effect.flip(FileTransfer.send({ path: file, open: Effect.succeed(fake.stream) }))
      assert.strictEqual(error.message, "the receiver did not take the file: this node takes no files")
      assert.deepStrictEqual(fake.resets, [1])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("does not read ahead of a receiver that does not take anything, and gives up", () =>
    Effect.gen(function* () {
      const { write } = yield* setup()
      const { file } = yield* write("a.bin", 20 * FileTransfer.chunkSize)
      const fake = yield* makeStream(3)
      let sent = 0
      const error = yield* FileTransfer.send({
        path: file,
        open: Effect.succeed(fake.stream),
        onProgress: (done) => Effect.sync(() => (sent = done)),
        stallTimeout: "100 millis"
      }).pipe(Effect.flip)
      assert.strictEqual(error._tag, "TransferStalled")
      // Three fit into the queue: the header and two chunks.
      assert.strictEqual(sent, 2 * FileTransfer.chunkSize)
      assert.deepStrictEqual(fake.resets, [1])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  const answers: ReadonlyArray<readonly [string, Uint8Array, RegExp]> = [
    ["another hash", resultCodec.encode({ ok: true, sha256: "0".repeat(64) }), /^hash mismatch: sent .* has 0{64}$/u],
    ["nonsense", new TextEncoder().encode("thanks"), /cannot be understood/u]
  ]
  it.live.each(answers)("does not take %s for a confirmation", ([, answer, reason]) =>
    Effect.gen(function* () {
      const { write } = yield* setup()
      const { file } = yield* write("a.bin", 10)
      const fake = yield* makeStream(8)
      yield* Queue.offer(fake.back, answer)
      const error = yield* Effect.flip(FileTransfer.send({ path: file, open: Effect.succeed(fake.stream) }))
      assert.match(error.message, reason)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  const changes: ReadonlyArray<
    readonly [
      string,
      (fs: FileSystem.FileSystem, file: string) => Effect.Effect<void, PlatformError.PlatformError>,
      RegExp
    ]
  > = [
    ["grew", (fs, file) => fs.writeFileString(file, "more", { flag: "a" }), /grew while it was being sent$/u],
    [
      "became shorter",
      (fs, file) => fs.truncate(file, FileTransfer.chunkSize),
      /became shorter while it was being sent$/u
    ],
    ["changed", (fs, file) => fs.utimes(file, 1, 1), /changed while it was being sent$/u]
  ]
  it.live.each(changes)("fails on both sides when the file %s", ([, change, reason]) =>
    Effect.gen(function* () {
      const { failures, fs, inbox, receiver, write } = yield* setup()
      const { file } = yield* write("a.bin", 3 * FileTransfer.chunkSize)
      const fake = yield* makeStream()
      yield* Effect.forkScoped(pump(fake, receiver))
      const error = yield* FileTransfer.send({
        path: file,
        open: Effect.succeed(fake.stream),
        onProgress: (sent) => (sent === FileTransfer.chunkSize ? Effect.orDie(change(fs, file)) : Effect.void)
      }).pipe(Effect.flip)
      assert.strictEqual(error._tag, "FileUnusable")
      assert.match(error.message, reason)
      assert.include(error.message, file)
      assert.strictEqual(failures().length, 1)
      assert.match(failures()[0] ?? "", new RegExp(`^the sender gave up: the file ${reason.source}`, "u"))
      assert.deepStrictEqual(yield* fs.readDirectory(inbox), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("sends standard input, however much of it comes at a time", () =>
    Effect.gen(function* () {
      const { receiver, stored } = yield* setup()
      const sizes = [1, FileTransfer.chunkSize + 1, 3, 2 * FileTransfer.chunkSize]
      const input = sizes.map((size) => new Uint8Array(randomBytes(size)))
      const fake = yield* makeStream()
      yield* Effect.forkScoped(pump(fake, receiver))
      const sent = yield* FileTransfer.send({ path: "-", open: Effect.succeed(fake.stream) }).pipe(
        Effect.provide(Stdio.layerTest({ stdin: Stream.fromIterable(input) }))
      )
      const all = Uint8Array.from(Buffer.concat(input))
      assert.deepStrictEqual([sent.name, sent.size, sent.sha256], ["stdin", all.length, Format.sha256(all)])
      assert.deepStrictEqual(Uint8Array.from(yield* stored("stdin")), all)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("tells both sides that standard input broke", () =>
    Effect.gen(function* () {
      const { failures, fs, inbox, receiver } = yield* setup()
      const fake = yield* makeStream()
      yield* Effect.forkScoped(pump(fake, receiver))
      const broken = PlatformError.systemError({
        module: "Stdio",
        method: "stdin",
        _tag: "Unknown",
        cause: Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" })
      })
      const error = yield* FileTransfer.send({ path: "-", open: Effect.succeed(fake.stream) }).pipe(
        Effect.provide(Stdio.layerTest({ stdin: Stream.concat(Stream.make(content), Stream.fail(broken)) })),
        Effect.flip
      )
      assert.strictEqual(error.message, "cannot read standard input: the device failed")
      assert.deepStrictEqual(failures(), ["the sender gave up: it could not read the file to its end"])
      assert.deepStrictEqual(yield* fs.readDirectory(inbox), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("notices that the file became shorter", () =>
    Effect.gen(function* () {
      const { fs, write } = yield* setup()
      const { file } = yield* write("a.bin", 3 * FileTransfer.chunkSize)
      const fake = yield* makeStream(8)
      const error = yield* FileTransfer.send({
        path: file,
        open: Effect.succeed(fake.stream),
        onProgress: () => Effect.ignore(fs.truncate(file, FileTransfer.chunkSize))
      }).pipe(Effect.flip)
      assert.match(error.message, /became shorter/u)
      assert.deepStrictEqual(fake.resets, [1])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live.each(["missing.bin", "inbox"])("opens no stream for %s", (name) =>
    Effect.gen(function* () {
      const { root } = yield* setup()
      let opened = false
      const open = Effect.flatMap(
        Effect.sync(() => (opened = true)),
        () => Effect.map(makeStream(), (fake) => fake.stream)
      )
      const error = yield* Effect.flip(FileTransfer.send({ path: `${root}/${name}`, open }))
      assert.strictEqual(error._tag, "FileUnusable")
      assert.match(error.message, /: (?:there is no such file or directory|it is a directory)$/u)
      assert.isFalse(opened)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("resets the stream when it is interrupted", () =>
    Effect.gen(function* () {
      const { write } = yield* setup()
      const { file } = yield* write("a.bin", 8 * FileTransfer.chunkSize)
      const fake = yield* makeStream(2)
      const started = yield* Deferred.make<void>()
      const fiber = yield* FileTransfer.send({
        path: file,
        open: Effect.succeed(fake.stream),
        onProgress: () => Deferred.succeed(started, undefined)
      }).pipe(Effect.forkScoped)
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(fake.resets, [1])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
