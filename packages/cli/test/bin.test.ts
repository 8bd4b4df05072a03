import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { spawn as spawnProcess } from "node:child_process"
import { randomBytes, randomInt } from "node:crypto"
import { createSocket } from "node:dgram"
import { fileURLToPath } from "node:url"
import { ReportJson } from "../src/doctor/Report.ts"
import * as Format from "../src/Format.ts"
import { codeWhenStopped, spawn } from "../src/internal/Spawned.ts"

// The command as it is installed: these tests need a build.
const bin = fileURLToPath(new URL("../dist/bin.js", import.meta.url))
const start = (...args: ReadonlyArray<string>) => spawn({ bin, args })

const local = /^local (\S+)$/u
const own = /^peer ((\S+)@\S+)$/u

const startNode = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const node = yield* start("node", ...args)
  const address = (yield* node.waitFor(local))[1] ?? ""
  const [, peer = "", id = ""] = yield* node.waitFor(own)
  return { node, address, peer, id }
})

interface Named {
  readonly id: string
}

/** A pattern for a line that begins with a peer in full, at whatever address it is. */
const full = ({ id }: Named, rest: string) => new RegExp(`^${id}@\\S+${rest}`, "u")

/** A pattern for a line that begins with the beginning of a peer's id. */
const short = ({ id }: Named, rest: string) => new RegExp(`^${id.slice(0, 10)}${rest}`, "u")

/** Where nobody is. The port is none that systems give out, so nobody else gets it between two processes of a test. */
const freeAddress: Effect.Effect<string> = Effect.callback<string>((resume) => {
  const socket = createSocket("udp4")
  const port = randomInt(10_000, 20_000)
  socket.once("error", () => void socket.close(() => resume(freeAddress)))
  socket.bind(port, "127.0.0.1", () => socket.close(() => resume(Effect.succeed(`127.0.0.1:${port}`))))
})

describe("qp2p, as a process", { timeout: 90_000 }, () => {
  it.live.each(["127.0.0.1:0", "[::1]:0"])("two nodes on %s exchange lines, and end with 0", (listen) =>
    Effect.gen(function* () {
      const one = yield* startNode("--listen", listen)
      assert.strictEqual(one.peer, `${one.id}@${one.address}`)
      const two = yield* startNode("--listen", listen, "--contact", one.peer)
      const verified = yield* two.node.waitFor(/^public (\S+) \(verified by (\S+)\)$/u)
      assert.deepStrictEqual(verified.slice(1), [two.address, one.peer])
      const [came] = yield* one.node.waitFor(full(two, " connected$"))
      assert.strictEqual(came, `${two.peer} connected`)
      yield* two.node.waitFor(full(one, " connected \\(contact\\)$"))
      yield* two.node.type("hello from two")
      yield* one.node.waitFor(short(two, ": hello from two$"))
      yield* one.node.type("hello from one")
      yield* two.node.waitFor(short(one, ": hello from one$"))
      yield* two.node.type("marco")
      yield* two.node.waitFor(short(one, ": polo$"))
      assert.strictEqual(yield* two.node.stop("SIGINT"), codeWhenStopped(0))
      // Windows ends a process without a chance to say goodbye.
      if (process.platform !== "win32") {
        yield* one.node.waitFor(short(two, " disconnected: closed by the peer"))
      }
      assert.strictEqual(yield* one.node.stop("SIGTERM"), codeWhenStopped(0))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live.each(["with its key", "with another key"])(
    "a node outlives a peer that is killed, and finds it again on the same port, %s",
    (how) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const root = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
        const key = how === "with its key" ? ["--identity", `${root}/node.key`] : []
        const timeout = ["--idle-timeout", "1s"]
        const killed = yield* startNode("--listen", yield* freeAddress, ...timeout, ...key)
        const contact = key.length > 0 ? killed.peer : killed.address
        const survivor = yield* startNode("--listen", "127.0.0.1:0", "--contact", contact, ...timeout)
        yield* survivor.node.waitFor(full(killed, " connected \\(contact\\)$"))
        yield* killed.node.kill
        yield* survivor.node.waitFor(short(killed, " disconnected: the peer went silent$"))
        const from = survivor.node.lines.length

        // It gave no contact, so the survivor has to dial.
        const back = yield* startNode("--listen", killed.address, ...timeout, ...key)
        assert.strictEqual(back.id === killed.id, key.length > 0)
        yield* back.node.waitFor(full(survivor, " connected"))
        const before = key.length > 0 ? "" : `, which was ${killed.id.slice(0, 10)} before`
        yield* survivor.node.waitFor(full(back, ` connected \\(contact${before}\\)$`), from)
        yield* survivor.node.type("welcome back")
        yield* back.node.waitFor(short(survivor, ": welcome back$"))
        yield* back.node.type("thank you")
        yield* survivor.node.waitFor(short(back, ": thank you$"))
        assert.strictEqual(yield* survivor.node.stop(), codeWhenStopped(0))
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  // Linux has all of 127.0.0.0/8 without being told; others have one address of it.
  it.live.runIf(process.platform === "linux")(
    "a contact that answers from another address than it is dialled at gets each line once, and is dialled again",
    () =>
      Effect.gen(function* () {
        const timeout = ["--idle-timeout", "1s"]
        const port = (yield* freeAddress).split(":")[1]
        const name = `127.0.0.2:${port}`
        const killed = yield* startNode("--listen", `0.0.0.0:${port}`, ...timeout)
        const survivor = yield* startNode("--listen", "0.0.0.0:0", "--contact", name, ...timeout)
        yield* survivor.node.waitFor(full(killed, " connected \\(contact\\)$"))
        yield* survivor.node.type("first")
        yield* killed.node.waitFor(/: first$/u)
        yield* killed.node.type("marco")
        yield* survivor.node.waitFor(short(killed, ": marco$"))
        yield* killed.node.waitFor(/: polo$/u)
        yield* survivor.node.type("second")
        yield* survivor.node.type("third")
        yield* killed.node.waitFor(/: third$/u)
        assert.strictEqual(killed.node.lines.filter((each) => each.endsWith(": second")).length, 1)
        yield* killed.node.kill
        yield* survivor.node.waitFor(short(killed, " disconnected: "))
        const from = survivor.node.lines.length
        const back = yield* startNode("--listen", `0.0.0.0:${port}`, ...timeout)
        yield* survivor.node.waitFor(full(back, " connected \\(contact, which was \\S+ before\\)$"), from)
        yield* survivor.node.type("welcome back")
        yield* back.node.waitFor(/: welcome back$/u)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("a node is found again by a killed peer that dials", () =>
    Effect.gen(function* () {
      const timeout = ["--idle-timeout", "1s"]
      const survivor = yield* startNode("--listen", "127.0.0.1:0", ...timeout)
      const contact = ["--contact", survivor.address, ...timeout]
      const killed = yield* startNode("--listen", yield* freeAddress, ...contact)
      yield* survivor.node.waitFor(full(killed, " connected"))
      yield* killed.node.kill
      yield* survivor.node.waitFor(short(killed, " disconnected: the peer went silent$"))
      const back = yield* startNode("--listen", killed.address, ...contact)
      yield* back.node.type("here I am again")
      yield* survivor.node.waitFor(short(back, ": here I am again$"))
      yield* survivor.node.type("so I see")
      yield* back.node.waitFor(short(survivor, ": so I see$"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("pings", () =>
    Effect.gen(function* () {
      const { address, peer } = yield* startNode("--listen", "127.0.0.1:0")
      for (const to of [address, peer, address.replace("127.0.0.1", "localhost")]) {
        const ping = yield* start("ping", to, "--count", "3", "--interval", "10ms")
        yield* ping.waitFor(/^3 of 3 answered, connect and answer: min .* ms, median .* ms, max .* ms$/u)
        yield* ping.waitFor(/^round-trip time .* ms$/u)
        assert.strictEqual(yield* ping.exitCode, 0)
        assert.strictEqual(ping.lines.at(-1), `peer ${peer}`)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("says in one line that no peer answers, and exits with 1", () =>
    Effect.gen(function* () {
      const nobody = yield* freeAddress
      const ping = yield* start("ping", nobody, "--count", "1", "--timeout", "500ms")
      yield* ping.waitFor(/^qp2p: \S+ is unreachable: /u)
      assert.strictEqual(yield* ping.exitCode, 1)
      const send = yield* start("send", nobody, "hello", "--timeout", "500ms")
      assert.strictEqual(yield* send.exitCode, 1)
      assert.strictEqual(send.lines.length, 1)
      assert.match(send.lines[0] ?? "", /^qp2p: \S+ did not answer$/u)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("sends a text", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const inbox = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
      const receive = yield* start("receive", "--listen", "127.0.0.1:0", "--out", inbox, "--once")
      const address = (yield* receive.waitFor(local))[1] ?? ""
      const [, peer] = yield* receive.waitFor(own)
      const key = ["--identity", `${inbox}/me.key`]
      const send = yield* start("send", address, "grüße", "--priority=-3", ...key)
      const [, sender = ""] = yield* receive.waitFor(/^(\S+)@127\.0\.0\.1:\d+: grüße$/u)
      assert.strictEqual(yield* send.exitCode, 0)
      assert.strictEqual(yield* receive.exitCode, 0)
      assert.match(send.lines[0] ?? "", /^sent 7 B to \S+, confirmed in/u)
      assert.include(send.lines[0], `to ${peer},`)
      const id = yield* start("id", ...key)
      assert.strictEqual(yield* id.exitCode, 0)
      assert.deepStrictEqual(id.lines, [sender])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("sends files, the same one twice, and receives until it is told to stop", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const root = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
      const content = new Uint8Array(randomBytes(3_000_000))
      yield* fs.writeFile(`${root}/a.bin`, content)
      const receive = yield* start("receive", "--listen", "[::1]:0", "--out", `${root}/new/inbox`)
      const address = (yield* receive.waitFor(local))[1] ?? ""
      const sends = yield* Effect.all([
        start("send", address, "--file", `${root}/a.bin`),
        start("send", address, "--file", `${root}/a.bin`)
      ])
      const hash = new RegExp(`^sha256 ${Format.sha256(content)}$`, "u")
      for (const send of sends) {
        yield* send.waitFor(hash)
        assert.strictEqual(yield* send.exitCode, 0)
      }
      yield* receive.waitFor(hash)
      assert.strictEqual(yield* receive.stop("SIGINT"), codeWhenStopped(0))
      assert.deepStrictEqual((yield* fs.readDirectory(`${root}/new/inbox`)).toSorted(), ["a (1).bin", "a.bin"])
      for (const name of ["a.bin", "a (1).bin"]) {
        assert.strictEqual(Format.sha256(yield* fs.readFile(`${root}/new/inbox/${name}`)), Format.sha256(content))
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("refuses a file that is too large, goes on, and shows and stores a hostile name harmlessly", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const root = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-cli-test-" })
      yield* fs.writeFile(`${root}/large.bin`, new Uint8Array(2_001))
      const hostile = `${root}/gpj.\u202etxt\u3164.sh`
      yield* fs.writeFileString(hostile, "content")
      const receive = yield* start(
        "receive",
        "--listen",
        "127.0.0.1:0",
        "--out",
        `${root}/inbox`,
        "--once",
        "--max-size=2kB"
      )
      const address = (yield* receive.waitFor(local))[1] ?? ""
      const refused = yield* start("send", address, "--file", `${root}/large.bin`)
      yield* refused.waitFor(
        /^qp2p: the receiver did not take the file: larger than the 2\.0 kB that a file may have$/u
      )
      assert.strictEqual(yield* refused.exitCode, 1)
      yield* receive.waitFor(/: large\.bin was not received: larger than the 2\.0 kB that a file may have$/u)
      const sent = yield* start("send", address, "--file", hostile)
      assert.strictEqual(yield* sent.exitCode, 0)
      assert.strictEqual(yield* receive.exitCode, 0)
      assert.deepStrictEqual(yield* fs.readDirectory(`${root}/inbox`), ["gpj._txt_.sh"])
      assert.notMatch([...receive.lines, ...sent.lines].join("\n"), /[\u202e\u3164]/u)
      const failed = yield* start("send", address, "--file", hostile.replace(".sh", ""))
      yield* failed.waitFor(/cannot read .*gpj\.\\u202etxt\\u3164: there is no such file or directory/u)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("refuses a file where none is wanted", () =>
    Effect.gen(function* () {
      const { address, node } = yield* startNode("--listen", "127.0.0.1:0")
      const send = yield* start("send", address, "--file", bin)
      yield* send.waitFor(/^qp2p: the receiver did not take the file: this node takes no files$/u)
      assert.strictEqual(yield* send.exitCode, 1)
      yield* node.waitFor(/: bin\.js was not received: this node takes no files$/u)
      assert.strictEqual(yield* node.stop(), codeWhenStopped(0))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("says in one line that the address is in use", () =>
    Effect.gen(function* () {
      const { address } = yield* startNode("--listen", "127.0.0.1:0")
      const second = yield* start("node", "--listen", address)
      assert.strictEqual(yield* second.exitCode, 1)
      assert.deepStrictEqual(second.lines, [`qp2p: cannot listen on ${address}: the address is in use`])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("ends quietly when no process reads its output any more", () =>
    Effect.gen(function* () {
      const node = yield* Effect.acquireRelease(
        Effect.sync(() => spawnProcess(process.execPath, [bin, "node", "--listen", "127.0.0.1:0"])),
        (node) => Effect.sync(() => node.kill("SIGKILL"))
      )
      const output = yield* Effect.callback<string>((resume) => {
        let seen = ""
        node.stdout.on("data", (chunk) => {
          seen += String(chunk)
          if (/^public/mu.test(seen)) resume(Effect.succeed(seen))
        })
      })
      const errors: Array<string> = []
      node.stderr.on("data", (chunk) => errors.push(String(chunk)))
      node.stdout.destroy()
      const address = /^local (\S+)$/mu.exec(output)?.[1] ?? ""
      // A peer that connects gives the node something to print.
      yield* start("ping", address, "--count", "1")
      const code = yield* Effect.callback<number | null>((resume) => {
        if (node.exitCode !== null) return resume(Effect.succeed(node.exitCode))
        node.once("exit", (code) => resume(Effect.succeed(code)))
      })
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(errors, [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("a node says which port cannot be forwarded, and starts without only if that is optional", () =>
    Effect.gen(function* () {
      // Over IPv6 no mapper asks anybody anything.
      const ended = yield* start("node", "--listen", "[::1]:0", "--forward-port")
      assert.strictEqual(yield* ended.exitCode, 1)
      assert.strictEqual(ended.lines.length, 1)
      assert.match(ended.lines[0] ?? "", /^qp2p: no port is forwarded: .* \(see qp2p doctor, or /u)
      const { node } = yield* startNode("--listen", "[::1]:0", "--forward-port-optional", "--port-mapper", "nat-pmp")
      yield* node.waitFor(/^no port is forwarded: NAT-PMP and PCP map IPv4 addresses only/u)
      yield* node.waitFor(/^public \S+ \(not verified: no contact given\)$/u)
      assert.strictEqual(yield* node.stop(), codeWhenStopped(0))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live.each(["127.0.0.1:0", "[::1]:0"])("the doctor finds that peers on %s get through", (listen) =>
    Effect.gen(function* () {
      const { address } = yield* startNode("--listen", listen)
      const text = yield* start("doctor", "--listen", listen, "--contact", address)
      yield* text.waitFor(/^ {2}without mapping {2}gets through to \S+$/u)
      yield* text.waitFor(/^verdict: reachable at \S+ by peers in the same network$/u)
      assert.strictEqual(yield* text.exitCode, 0)
      const json = yield* start("doctor", "--listen", listen, "--contact", address, "--json")
      assert.strictEqual(yield* json.exitCode, 0)
      assert.strictEqual(json.lines.length, 1)
      const report = yield* Schema.decodeEffect(ReportJson)(json.lines[0] ?? "")
      assert.strictEqual(report.verdict.name, "ReachableInThisNetwork")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("the doctor exits with 1 when the contact is silent, and at once on Ctrl-C", () =>
    Effect.gen(function* () {
      const nobody = yield* freeAddress
      const silent = yield* start("doctor", "--listen", "127.0.0.1:0", "--contact", nobody)
      const impatient = yield* start("doctor", "--listen", "127.0.0.1:0", "--contact", nobody)
      yield* impatient.waitFor(/^looking at this machine/u)
      assert.strictEqual(yield* impatient.stop("SIGINT"), codeWhenStopped(130))
      assert.strictEqual(impatient.lines.length, 1)
      yield* silent.waitFor(/^verdict: the contact does not answer$/u)
      assert.strictEqual(yield* silent.exitCode, 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("exits with 2 and one line on wrong usage", () =>
    Effect.gen(function* () {
      const node = yield* start("node", "--listen", "nonsense")
      assert.strictEqual(yield* node.exitCode, 2)
      assert.strictEqual(node.lines.length, 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
