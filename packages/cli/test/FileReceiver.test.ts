/**
 * The limits of a file receiver: what one peer can take from the others.
 */
// @module-tag platform
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import * as Queue from "effect/Queue"
import { TestClock } from "effect/testing"
import type { FileEvent } from "../src/FileEvent.ts"
import type * as FileLimits from "../src/FileLimits.ts"
import * as FileReceiver from "../src/FileReceiver.ts"
import type * as FileStore from "../src/FileStore.ts"
import { headerCodec, resultCodec, trailerCodec } from "../src/FileMessages.ts"
import * as Format from "../src/Format.ts"
import { idAt, makeStream, type FakeStream } from "./support/fakeStream.ts"

const address = NetAddress.inetAddressFromStringUnsafe
const attacker = address("192.0.2.1:1")
const honest = address("198.51.100.1:1")
const content = new TextEncoder().encode("content")
const end = "0123456789abcdef0123456789abcdef"

const header = (name: string, size: number) => headerCodec.encode({ qp2p: "file/1", name, size })
const trailer = trailerCodec.encode({ sha256: Format.sha256(content) })

/** A receiver, the events that it told, and a way to begin a file. */
const setup = Effect.fnUntraced(function* (
  limits: FileLimits.Input & {
    readonly store?: FileStore.FileStore
    /** Files that are in the directory before. */
    readonly before?: ReadonlyArray<string>
    /** Names that another process takes just before they are used. */
    readonly isTaken?: (name: string) => boolean
  } = {}
) {
  const fs = yield* FileSystem.FileSystem
  const inbox = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
  for (const name of limits.before ?? []) yield* fs.writeFileString(`${inbox}/${name}`, "")
  const linked: Array<string> = []
  const events: Array<FileEvent> = []
  const counting = {
    ...fs,
    link: (from: string, to: string) => {
      linked.push(to)
      return limits.isTaken?.(to.slice(inbox.length + 1)) === true
        ? Effect.fail(PlatformError.systemError({ module: "FileSystem", method: "link", _tag: "AlreadyExists" }))
        : fs.link(from, to)
    }
  }
  const receiver = yield* FileReceiver.make({
    keepFree: 0,
    ...limits,
    directory: Option.some(inbox),
    onEvent: (event) => Effect.sync(() => void events.push(event))
  }).pipe(Effect.provideService(FileSystem.FileSystem, counting))
  const give = (fake: FakeStream, peer: NetAddress.InetAddress, payload: Uint8Array, peerId = idAt(peer)) =>
    receiver.handle({ peer, peerId, payload, reply: Option.some(fake.reply) })
  const begin = Effect.fnUntraced(function* (
    peer: NetAddress.InetAddress,
    name: string,
    size = content.length,
    peerId = idAt(peer)
  ) {
    const fake = yield* makeStream()
    yield* give(fake, peer, header(name, size), peerId)
    return fake
  })
  const send = Effect.fnUntraced(function* (peer: NetAddress.InetAddress, name: string) {
    const fake = yield* begin(peer, name)
    yield* give(fake, peer, content)
    yield* give(fake, peer, trailer)
    return yield* answerTo(fake)
  })
  return { fs, inbox, receiver, linked, events, give, begin, send }
})

const answerTo = (fake: FakeStream) =>
  Effect.map(Queue.take(fake.back), (payload) => Option.getOrThrow(resultCodec.decode(payload)))
const refusal = (fake: FakeStream) => Effect.map(answerTo(fake), (result) => (result.ok ? "" : result.error))
const isOpen = (fake: FakeStream) => Effect.map(Queue.size(fake.back), (size) => size === 0)

describe("FileReceiver", () => {
  it.live("takes files of one peer up to its share, and those of others beside them", () =>
    Effect.gen(function* () {
      const { begin, events, send } = yield* setup()
      for (let i = 0; i < 4; i++) assert.isTrue(yield* isOpen(yield* begin(attacker, `${i}`)))
      for (let i = 0; i < 12; i++) {
        assert.strictEqual(yield* refusal(yield* begin(attacker, "more")), "busy with 4 other files of yours")
      }
      assert.isTrue((yield* send(honest, "a.bin")).ok)
      assert.strictEqual(events.filter(({ _tag }) => _tag === "Refused").length, 12)
      assert.isUndefined(events.find(({ _tag }) => _tag === "Failed"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("counts a key at all of its addresses, and all keys at one address", () =>
    Effect.gen(function* () {
      const { begin, send } = yield* setup()
      const key = idAt(attacker)
      const away = (i: number) => address(`203.0.113.${i}:1`)
      for (let i = 0; i < 4; i++) assert.isTrue(yield* isOpen(yield* begin(away(i), `${i}`, 7, key)))
      assert.strictEqual(yield* refusal(yield* begin(away(9), "more", 7, key)), "busy with 4 other files of yours")
      const near = (i: number) => address(`192.0.2.1:${2 + i}`)
      for (let i = 0; i < 8; i++) assert.isTrue(yield* isOpen(yield* begin(near(i), `${i}`)))
      for (let i = 8; i < 100; i++) {
        const told = yield* refusal(yield* begin(near(i), "more"))
        assert.strictEqual(told, "busy with 8 other files from your network")
      }
      assert.isTrue((yield* send(honest, "a.bin")).ok)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("takes a place from the network that has most when all are taken, and tells its sender", () =>
    Effect.gen(function* () {
      const { begin, send } = yield* setup({ maxTransfers: 4 })
      const first = yield* begin(attacker, "1")
      for (let i = 2; i <= 4; i++) yield* begin(address(`192.0.2.1:${i}`), `${i}`)
      assert.isTrue((yield* send(honest, "a.bin")).ok)
      assert.strictEqual(yield* refusal(first), "another peer needed its place")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("drops a file that comes slower than the minimum, and not one that is just fast enough", () =>
    Effect.gen(function* () {
      const { begin, events, give, receiver } = yield* setup({ stallTimeout: "40 seconds", minRate: 10 })
      const slow = yield* begin(attacker, "slow.bin", 1e9)
      const fast = yield* begin(honest, "fast.bin", 1e9)
      for (let i = 0; i < 12; i++) {
        yield* give(slow, attacker, new Uint8Array(99))
        yield* give(fast, honest, new Uint8Array(100))
        yield* TestClock.adjust("10 seconds")
        // The disk is not on the test's clock: this waits until what the receiver does is done.
        yield* receiver.forget(idAt(address("203.0.113.1:1")))
      }
      assert.strictEqual(yield* refusal(slow), "slower than 10 B/s for 40 s")
      assert.isTrue(yield* isOpen(fast))
      assert.strictEqual(events.filter(({ _tag }) => _tag === "Failed").length, 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("does not blame senders for a disk that hangs", () =>
    Effect.gen(function* () {
      const resumed = yield* Deferred.make<void>()
      const store: FileStore.FileStore = {
        name: "a slow disk",
        open: (name) =>
          Effect.succeed({
            write: () => (name === "hangs.bin" ? Deferred.await(resumed) : Effect.void),
            commit: Effect.succeed(name)
          })
      }
      const { begin, give, receiver } = yield* setup({ stallTimeout: "40 seconds", store })
      const waiting = yield* begin(honest, "waits.bin")
      const hanging = yield* begin(attacker, "hangs.bin")
      const writing = yield* Effect.forkScoped(give(hanging, attacker, content), { startImmediately: true })
      yield* TestClock.adjust("10 minutes")
      yield* Deferred.succeed(resumed, undefined)
      yield* Fiber.join(writing)
      yield* receiver.forget(idAt(address("203.0.113.1:1")))
      assert.isTrue(yield* isOpen(waiting))
      yield* TestClock.adjust("50 seconds")
      yield* receiver.forget(idAt(address("203.0.113.1:1")))
      assert.strictEqual(yield* refusal(waiting), "nothing arrived for 40 s")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("refuses a file that is announced too large, and ends one that becomes too large", () =>
    Effect.gen(function* () {
      const { begin, fs, give, inbox } = yield* setup({ maxSize: 10_000 })
      const told = "larger than the 10.0 kB that a file may have"
      assert.strictEqual(yield* refusal(yield* begin(attacker, "a.bin", 10_001)), told)
      assert.isTrue(yield* isOpen(yield* begin(attacker, "b.bin", 10_000)))
      const unknown = yield* makeStream()
      yield* give(unknown, attacker, headerCodec.encode({ qp2p: "file/1", name: "c.bin", end }))
      yield* give(unknown, attacker, new Uint8Array(10_000))
      assert.isTrue(yield* isOpen(unknown))
      yield* give(unknown, attacker, Uint8Array.of(1))
      assert.strictEqual(yield* refusal(unknown), told)
      assert.strictEqual((yield* fs.readDirectory(inbox)).length, 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("refuses files when the directory holds enough of them", () =>
    Effect.gen(function* () {
      const { begin, events, send } = yield* setup({ maxFiles: 3, before: ["there.txt"] })
      assert.isTrue((yield* send(honest, "a.bin")).ok)
      yield* begin(honest, "b.bin")
      assert.strictEqual(yield* refusal(yield* begin(attacker, "c.bin")), "the receiver takes no more files")
      const last = events.at(-1)
      assert.isTrue(last?._tag === "Refused" && last.detail === "the directory holds 3 files, and may hold 3")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("keeps space free, and does not tell the sender how much there is", () =>
    Effect.gen(function* () {
      const { begin, events, fs, inbox } = yield* setup({ keepFree: Number.MAX_SAFE_INTEGER })
      assert.strictEqual(yield* refusal(yield* begin(attacker, "a.bin")), "the receiver has no space for it")
      const last = events.at(-1)
      assert.isTrue(last?._tag === "Refused" && /^only 0 B may be written, and .* stay free$/u.test(last.detail))
      assert.deepStrictEqual(yield* fs.readDirectory(inbox), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("finds a name among 500 files of that name with a few looks, and the next number", () =>
    Effect.gen(function* () {
      const before = Array.from({ length: 500 }, (_, i) => (i === 0 ? "x.bin" : `x (${i}).bin`))
      const { fs, inbox, linked, send } = yield* setup({ before })
      assert.isTrue((yield* send(attacker, "x.bin")).ok)
      assert.strictEqual(yield* fs.readFileString(`${inbox}/x (500).bin`), "content")
      assert.deepStrictEqual(
        linked.map((path) => path.slice(inbox.length + 1)),
        ["x.bin", "x (500).bin"]
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("takes a random number when every other name is taken before it is used", () =>
    Effect.gen(function* () {
      const { events, inbox, linked, send } = yield* setup({
        isTaken: (name) => !/^x \([0-9a-f]{12}\)\.bin$/u.test(name)
      })
      assert.isTrue((yield* send(attacker, "x.bin")).ok)
      const last = events.at(-1)
      assert.isTrue(last?._tag === "Received" && last.path === linked.at(-1) && last.path.startsWith(inbox))
      assert.strictEqual(linked.length, 10)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("goes on with messages while a file is put in place", () =>
    Effect.gen(function* () {
      const placed = yield* Deferred.make<void>()
      const store: FileStore.FileStore = {
        name: "a slow disk",
        open: (name) =>
          Effect.succeed({
            write: () => Effect.void,
            commit: name === "slow.bin" ? Effect.as(Deferred.await(placed), name) : Effect.succeed(name)
          })
      }
      const { begin, events, give, receiver, send } = yield* setup({ store })
      const slow = yield* begin(attacker, "slow.bin")
      yield* give(slow, attacker, content)
      yield* give(slow, attacker, trailer)
      assert.isTrue((yield* send(honest, "a.bin")).ok)
      // It is complete: its sender may go.
      yield* receiver.forget(idAt(attacker))
      yield* Deferred.succeed(placed, undefined)
      assert.isTrue((yield* answerTo(slow)).ok)
      yield* receiver.answered
      assert.strictEqual(events.filter(({ _tag }) => _tag === "Received").length, 2)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("confirms a file while another peer acknowledges none of 10,000 refusals", () =>
    Effect.gen(function* () {
      const { give, send } = yield* setup({ maxSize: 1_000 })
      let sent = 0
      let resets = 0
      const deaf = {
        ...(yield* makeStream()).reply,
        sendMessage: () =>
          Effect.andThen(
            Effect.sync(() => void sent++),
            Effect.never
          ),
        reset: () => Effect.sync(() => void resets++)
      }
      for (let i = 0; i < 10_000; i++) {
        const fake = { ...(yield* makeStream()), reply: { ...deaf } }
        yield* give(fake, attacker, header("a.bin", 2_000))
      }
      yield* Effect.yieldNow
      assert.deepStrictEqual([sent, sent + resets], [32, 10_000])
      assert.isTrue((yield* send(honest, "a.bin")).ok)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
