/**
 * The command as a process among others: signals, pipes, a full disk, what a killed receiver leaves behind.
 */
// @module-tag platform
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { execFileSync, spawn as spawnProcess, type StdioOptions } from "node:child_process"
import { randomBytes } from "node:crypto"
import { closeSync, openSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { spawn } from "../src/internal/Spawned.ts"
import * as PartialFiles from "../src/PartialFiles.ts"

const bin = fileURLToPath(new URL("../dist/bin.js", import.meta.url))
const start = (...args: ReadonlyArray<string>) => spawn({ bin, args })

const local = /^local (\S+)$/u

const inRoot = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const root = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
  const inbox = `${root}/inbox`
  const receive = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
    const process = yield* start("receive", "--listen", "127.0.0.1:0", "--out", inbox, ...args)
    return { process, address: (yield* process.waitFor(local))[1] ?? "" }
  })
  return { fs, root, inbox, receive }
})

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly out: Buffer
  readonly errors: string
}

/** Runs the command with descriptors of its own, and waits for its end. */
const runWith = (
  stdio: StdioOptions,
  args: ReadonlyArray<string>,
  act: (child: ReturnType<typeof spawnProcess>) => void = () => {}
) =>
  Effect.callback<Ended>((resume) => {
    const child = spawnProcess(process.execPath, [bin, ...args], { stdio })
    const out: Array<Buffer> = []
    const errors: Array<Buffer> = []
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk))
    child.stderr?.on("data", (chunk: Buffer) => errors.push(chunk))
    child.on("close", (code, signal) =>
      resume(Effect.succeed({ code, signal, out: Buffer.concat(out), errors: Buffer.concat(errors).toString() }))
    )
    act(child)
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const fullDisk = Effect.acquireRelease(
  Effect.sync(() => openSync("/dev/full", "w")),
  (fd) => Effect.sync(() => closeSync(fd))
)

describe.skipIf(process.platform !== "linux")("qp2p among other processes", { timeout: 90_000 }, () => {
  it.live.each(["SIGHUP", "SIGINT", "SIGTERM"] as const)(
    "a receiver that gets %s tells the sender, removes the partial file and exits with 0; the sender exits with 1",
    (signal) =>
      Effect.gen(function* () {
        const { fs, inbox, receive, root } = yield* inRoot
        const { address, process } = yield* receive()
        execFileSync("mkfifo", [`${root}/pipe`])
        // Opened for both, the pipe has a writer for as long as the test lasts: its content does not end.
        yield* Effect.acquireRelease(
          Effect.sync(() => openSync(`${root}/pipe`, "r+")),
          (fd) => Effect.sync(() => closeSync(fd))
        )
        const send = yield* start("send", address, "--file", `${root}/pipe`)
        yield* process.waitFor(/ sends pipe \(size unknown\)$/u)
        const names = yield* fs.readDirectory(inbox)
        assert.deepStrictEqual(
          names.map((name) => Option.isSome(PartialFiles.parseName(name))),
          [true]
        )
        assert.strictEqual(yield* process.stop(signal), 0)
        assert.deepStrictEqual(yield* fs.readDirectory(inbox), [])
        yield* send.waitFor(/^qp2p: connection with \S+: closed by the peer/u)
        assert.strictEqual(yield* send.exitCode, 1)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live.each([
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const)(
    "a sender that gets %s while it waits for a pipe exits with %d, and the receiver says so",
    ([signal, code]) =>
      Effect.gen(function* () {
        const { fs, inbox, receive, root } = yield* inRoot
        const { address, process } = yield* receive()
        // Nobody ever writes to it.
        execFileSync("mkfifo", [`${root}/pipe`])
        const send = yield* start("send", address, "--file", `${root}/pipe`)
        yield* process.waitFor(/ sends pipe \(size unknown\)$/u)
        assert.strictEqual(yield* send.stop(signal), code)
        yield* process.waitFor(/: pipe was not received: the sender went away$/u)
        assert.deepStrictEqual(yield* fs.readDirectory(inbox), [])
        assert.strictEqual(yield* process.stop(), 0)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live.each(["SIGHUP", "SIGTERM"] as const)("a node that gets %s tells its peer, and exits with 0", (signal) =>
    Effect.gen(function* () {
      const one = yield* start("node", "--listen", "127.0.0.1:0")
      const address = (yield* one.waitFor(local))[1] ?? ""
      const two = yield* start("node", "--listen", "127.0.0.1:0", "--contact", address)
      yield* one.waitFor(/ connected$/u)
      assert.strictEqual(yield* two.stop(signal), 0)
      yield* one.waitFor(/ disconnected: closed by the peer/u)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live.each([
    ["ping", "SIGHUP", 129],
    ["ping", "SIGTERM", 143],
    ["doctor", "SIGHUP", 129]
  ] as const)("%s ends on %s with %d", ([command, signal, code]) =>
    Effect.gen(function* () {
      const node = yield* start("node", "--listen", "127.0.0.1:0")
      const address = (yield* node.waitFor(local))[1] ?? ""
      const child =
        command === "ping"
          ? yield* start("ping", address, "--count", "10000")
          : yield* start("doctor", "--listen", "127.0.0.1:0", "--contact", "127.0.0.1:9")
      yield* child.waitFor(command === "ping" ? /answered a new connection/u : /^looking at this machine/u)
      assert.strictEqual(yield* child.stop(signal), code)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("a receiver removes what a killed one left behind, says so, and leaves a living one its own", () =>
    Effect.gen(function* () {
      const { fs, inbox, receive, root } = yield* inRoot
      execFileSync("mkfifo", [`${root}/one`, `${root}/two`])
      const living = yield* receive()
      yield* start("send", living.address, "--file", `${root}/one`)
      yield* living.process.waitFor(/ sends one/u)
      const [kept] = yield* fs.readDirectory(inbox)
      const killed = yield* receive()
      yield* start("send", killed.address, "--file", `${root}/two`)
      yield* killed.process.waitFor(/ sends two/u)
      yield* killed.process.kill
      yield* Effect.exit(killed.process.exitCode)
      const left = (yield* fs.readDirectory(inbox)).filter((name) => name !== kept)
      assert.strictEqual(left.length, 1)
      const next = yield* receive()
      const told = next.process.lines.filter((line) => line.startsWith("removed "))
      assert.deepStrictEqual(told, [`removed ${left[0]} (0 B), which a receiver left behind in ${inbox}`])
      assert.deepStrictEqual(yield* fs.readDirectory(inbox), [kept])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  const printing: ReadonlyArray<readonly [ReadonlyArray<string>]> = [
    [["ping", "ADDRESS", "--count", "1"]],
    [["send", "ADDRESS", "hello"]],
    [["send", "ADDRESS", "--file", bin]],
    [["node", "--listen", "127.0.0.1:0"]],
    [["receive", "--listen", "127.0.0.1:0", "--out", "."]],
    [["doctor", "--listen", "127.0.0.1:0", "--json"]],
    [["send", "--help"]]
  ]
  it.live.each(printing)("standard output on a full disk is an error: %j", ([args]) =>
    Effect.gen(function* () {
      const needsPeer = args.includes("ADDRESS")
      const address = needsPeer ? (yield* (yield* inRoot).receive()).address : ""
      const { code, errors } = yield* runWith(
        ["ignore", yield* fullDisk, "pipe"],
        args.map((arg) => (arg === "ADDRESS" ? address : arg))
      )
      assert.deepStrictEqual([code, errors], [1, "qp2p: cannot write to standard output: no space left on device\n"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("a message or a file counts as confirmed when no process reads the output", () =>
    Effect.gen(function* () {
      const { fs, inbox, receive, root } = yield* inRoot
      const { address, process } = yield* receive()
      yield* fs.writeFileString(`${root}/a.txt`, "hello")
      for (const args of [
        ["send", address, "hello"],
        ["send", address, "--file", `${root}/a.txt`]
      ]) {
        const { code, errors } = yield* runWith(["ignore", "pipe", "pipe"], args, (child) => child.stdout?.destroy())
        assert.deepStrictEqual([code, errors], [0, ""], args.join(" "))
      }
      yield* process.waitFor(/: hello$/u)
      assert.strictEqual(yield* fs.readFileString(`${inbox}/a.txt`), "hello")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("sends standard input as a file, and receives a file on standard output", () =>
    Effect.gen(function* () {
      const content = randomBytes(3_000_001)
      let found: (address: string) => void = () => {}
      const listening = new Promise<string>((resolve) => (found = resolve))
      const receiving = runWith(
        ["ignore", "pipe", "pipe"],
        ["receive", "--listen", "127.0.0.1:0", "--out", "-"],
        (child) =>
          child.stderr?.on("data", (chunk: Buffer) => {
            const match = /^local (\S+)$/mu.exec(chunk.toString())
            if (match !== null) found(match[1] ?? "")
          })
      )
      const sending = Effect.flatMap(
        Effect.promise(() => listening),
        (peer) => runWith(["pipe", "pipe", "pipe"], ["send", peer, "--file", "-"], (child) => child.stdin?.end(content))
      )
      const [received, sent] = yield* Effect.all([receiving, sending], { concurrency: 2 })
      assert.strictEqual(sent.code, 0, sent.errors)
      assert.strictEqual(received.code, 0, received.errors)
      assert.isTrue(received.out.equals(content))
      assert.match(received.errors, /^received stdin, written to standard output \(3\.0 MB\) from [a-z2-7]{10} in /mu)
    })
  )

  it.live("neither a directory as standard input nor one as a file is sent", () =>
    Effect.gen(function* () {
      const { root } = yield* inRoot
      const address = "127.0.0.1:9"
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => openSync(root, "r")),
        (fd) => Effect.sync(() => closeSync(fd))
      )
      const input = yield* runWith([directory, "pipe", "pipe"], ["send", address, "--file", "-"])
      assert.deepStrictEqual([input.code, input.errors], [1, "qp2p: cannot send standard input: it is a directory\n"])
      const device = yield* runWith(["ignore", "pipe", "pipe"], ["send", address, "--file", "/dev/zero"])
      assert.deepStrictEqual([device.code, device.errors], [1, "qp2p: cannot send /dev/zero: it is a device\n"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("a ping shows as one connection that came and went", () =>
    Effect.gen(function* () {
      const node = yield* start("node", "--listen", "127.0.0.1:0")
      const address = (yield* node.waitFor(local))[1] ?? ""
      const ping = yield* start("ping", address, "--count", "5", "--interval", "10ms")
      assert.strictEqual(yield* ping.exitCode, 0)
      yield* node.waitFor(/ disconnected: /u)
      assert.strictEqual(yield* node.stop(), 0)
      assert.deepStrictEqual(
        node.lines.slice(3).map((line) => line.replace(/^\S+ /u, "").replace(/:.*$/u, "")),
        ["connected", "disconnected"]
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
