/**
 * Keys of peers, as the command shows and checks them, between processes.
 */
// @module-tag platform
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as PeerId from "@qp2p/core/PeerId"
import * as NodeIdentity from "@qp2p/node/NodeIdentity"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { fileURLToPath } from "node:url"
import { spawn, type Spawned } from "../src/internal/Spawned.ts"

// The command as it is installed: these tests need a build.
const bin = fileURLToPath(new URL("../dist/bin.js", import.meta.url))
const start = (...args: ReadonlyArray<string>) => spawn({ bin, args })

const ended = (process: Spawned) => Effect.map(process.exitCode, (code) => ({ code, lines: process.lines }))
const run = (...args: ReadonlyArray<string>) => Effect.flatMap(start(...args), ended)

/** A folder, and keys in files of it. */
const inRoot = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const root = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
  const key = Effect.fnUntraced(function* (name: string) {
    const file = `${root}/${name}.key`
    const { peerId: id } = yield* NodeIdentity.fromFile(file)
    return { id, flag: ["--identity", file] }
  })
  return { fs, root, key }
})

/** Starts a command that listens. */
const listen = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const process = yield* start(...args, "--listen", "127.0.0.1:0")
  const [, peer = "", id = "", address = ""] = yield* process.waitFor(/^peer (([a-z2-7]{52})@(127\.0\.0\.1:\d+))$/u)
  return { process, peer, id, address }
})

const stranger = TestIdentity.make("a stranger").peerId

describe("qp2p id", { timeout: 90_000 }, () => {
  it.live("prints one id for a file, which it makes for its owner alone, also when several start at once", () =>
    Effect.gen(function* () {
      const { fs, root } = yield* inRoot
      const file = `${root}/node.key`
      const all = yield* Effect.forEach([1, 2, 3], () => run("id", "--identity", file), { concurrency: 3 })
      const { peerId } = yield* NodeIdentity.fromFile(file)
      assert.deepStrictEqual(
        all,
        all.map(() => ({ code: 0, lines: [peerId] }))
      )
      if (process.platform !== "win32") assert.strictEqual((yield* fs.stat(file)).mode & 0o777, 0o600)
      assert.deepStrictEqual(yield* fs.readDirectory(root), ["node.key"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("prints a new id without a file, and says that it is not kept", () =>
    Effect.gen(function* () {
      const [one, two] = yield* Effect.all([run("id"), run("id")], { concurrency: 2 })
      for (const { code, lines } of [one, two]) {
        assert.strictEqual(code, 0)
        assert.strictEqual(lines.length, 2)
        assert.isTrue(lines.some((line) => /^[a-z2-7]{52}$/u.test(line)))
        assert.isTrue(lines.some((line) => line.startsWith("this id is not kept: with --identity FILE")))
      }
      assert.notDeepEqual(one, two)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("--identity", { timeout: 90_000 }, () => {
  it.live("is a wrong setting for every command when the file has no key, and shows nothing of the file", () =>
    Effect.gen(function* () {
      const { fs, root } = yield* inRoot
      const file = `${root}/bad.key`
      yield* fs.writeFileString(file, "c2VjcmV0")
      yield* fs.chmod(file, 0o600)
      const all = [
        ["id"],
        ["node", "--listen", "127.0.0.1:0"],
        ["receive", "--listen", "127.0.0.1:0", "--out", root],
        ["send", "127.0.0.1:9", "hello"],
        ["ping", "127.0.0.1:9"],
        ["doctor", "--listen", "127.0.0.1:0"]
      ]
      const outcomes = yield* Effect.forEach(all, (args) => run(...args, "--identity", file), { concurrency: 3 })
      const expected = [`qp2p: the key file ${file} cannot be used: it has no line -----BEGIN PRIVATE KEY-----`]
      assert.deepStrictEqual(
        outcomes,
        all.map(() => ({ code: 2, lines: expected }))
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("ID@host:port", { timeout: 90_000 }, () => {
  it.live("is that peer, at the first address where it is; nothing is sent to another one", () =>
    Effect.gen(function* () {
      const [{ id, peer, process, address }, other] = yield* Effect.all([listen("node"), listen("node")], {
        concurrency: 2
      })
      const wanted = `${stranger}@${address}`
      const [wrong, ping, nowhere] = yield* Effect.all(
        [run("send", wanted, "secret"), run("ping", wanted, "--count", "1"), run("send", id, "hello")],
        { concurrency: 3 }
      )
      assert.strictEqual(wrong.code, 1)
      assert.deepStrictEqual(wrong.lines, [
        `qp2p: another peer answers at ${address}: ${id}, not ${stranger}. Nothing was sent to it. A peer without ` +
          "--identity has a new id at each start"
      ])
      assert.strictEqual(ping.code, 1)
      assert.match(ping.lines.at(-1) ?? "", /^qp2p: [a-z2-7]{10} is unreachable: another peer answers at /u)

      const right = yield* run("send", `${id}@${other.address},${address}`, "hello")
      assert.strictEqual(right.code, 0)
      assert.match(right.lines[0] ?? "", new RegExp(`^sent 5 B to ${peer}, confirmed in`, "u"))
      yield* process.waitFor(/^[a-z2-7]{10}: hello$/u)
      assert.notInclude([...process.lines, ...other.process.lines].join("\n"), "secret")
      assert.deepStrictEqual(
        other.process.lines.filter((line) => / connected/u.test(line)),
        []
      )

      assert.deepStrictEqual(nowhere, {
        code: 1,
        lines: [`qp2p: no address of the peer ${id} is known: give it as ID@host:port`]
      })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("is a contact that a node waits for, and says that another peer is in its place", () =>
    Effect.gen(function* () {
      const { key } = yield* inRoot
      const friend = yield* key("friend")
      const impostor = yield* listen("node")
      const node = yield* listen("node", "--contact", `${friend.id}@${impostor.address}`)
      yield* node.process.waitFor(new RegExp(`^another peer answers at ${impostor.address}: ${impostor.id}, not`, "u"))
      yield* impostor.process.kill
      yield* Effect.exit(impostor.process.exitCode)
      yield* start("node", "--listen", impostor.address, ...friend.flag)
      yield* node.process.waitFor(new RegExp(`^${friend.id}@${impostor.address} connected \\(contact\\)$`, "u"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("--allow", { timeout: 90_000 }, () => {
  it.live("lets a node hear the listed peers alone, and tells both sides who was refused", () =>
    Effect.gen(function* () {
      const { key, root } = yield* inRoot
      const [friend, other] = [yield* key("friend"), yield* key("other")]
      const { address, peer, process } = yield* listen("node", "--allow", friend.id, "--allow", stranger, "--out", root)
      const refusal = new RegExp(`^qp2p: ${peer} refuses this peer, ${other.id}: it may have an --allow list`, "u")
      for (const args of [
        ["send", address, "secret"],
        ["send", peer, "--file", `${root}/other.key`]
      ]) {
        const { code, lines } = yield* run(...args, ...other.flag)
        assert.strictEqual(code, 1)
        assert.match(lines.at(-1) ?? "", refusal)
        assert.strictEqual(lines.length, 1)
      }
      const told = new RegExp(`^${other.id}@127\\.0\\.0\\.1:\\d+ is not in --allow: refused$`, "u")
      yield* process.waitFor(told)

      assert.strictEqual((yield* run("send", peer, "hello", ...friend.flag)).code, 0)
      yield* process.waitFor(new RegExp(`^${PeerId.short(friend.id)}: hello$`, "u"))
      assert.notInclude(process.lines.join("\n"), "secret")
      const doctor = yield* run("doctor", "--contact", peer, "--listen", "127.0.0.1:0", ...friend.flag)
      assert.strictEqual(doctor.code, 0, doctor.lines.join("\n"))
      const denied = yield* run("doctor", "--contact", peer, "--listen", "127.0.0.1:0", ...other.flag)
      assert.strictEqual(denied.code, 3, denied.lines.join("\n"))
      assert.match(denied.lines.at(-2) ?? "", /^verdict: the contact answers, and does not help: /u)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("lets a receiver take files of the listed peers alone", () =>
    Effect.gen(function* () {
      const { fs, key, root } = yield* inRoot
      const friend = yield* key("friend")
      yield* fs.writeFileString(`${root}/a.txt`, "content")
      const { peer, process } = yield* listen("receive", "--out", `${root}/inbox`, "--once", "--allow", friend.id)
      const refused = yield* run("send", peer, "--file", `${root}/a.txt`)
      assert.strictEqual(refused.code, 1)
      assert.match(refused.lines.at(-1) ?? "", /refuses this peer/u)
      const sent = yield* run("send", peer, "--file", `${root}/a.txt`, ...friend.flag)
      assert.strictEqual(sent.code, 0)
      assert.strictEqual(sent.lines[0], `sending a.txt (7 B) to ${peer}`)
      assert.strictEqual(yield* process.exitCode, 0)
      assert.isTrue(
        process.lines.some((line) => line.startsWith(`${friend.id}@127.0.0.1:`) && / sends a\.txt/u.test(line))
      )
      assert.deepStrictEqual(yield* fs.readDirectory(`${root}/inbox`), ["a.txt"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("refuses a contact that is not listed, and says so", () =>
    Effect.gen(function* () {
      const contact = yield* listen("node")
      const node = yield* listen("node", "--contact", contact.address, "--allow", stranger)
      yield* node.process.waitFor(new RegExp(`^${contact.peer} is not in --allow$`, "u"))
      assert.isFalse(node.process.lines.some((line) => / connected/u.test(line)))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
