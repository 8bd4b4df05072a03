/**
 * The demo of `npm start`: three nodes on this machine find, verify and call each other, and one process sends a file
 * to another. Every node is a real `qp2p` process.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import { createHash, randomBytes } from "node:crypto"
import { createSocket } from "node:dgram"
import { fileURLToPath } from "node:url"
import { oneLine } from "./Failure.ts"
import * as Format from "./Format.ts"
import { runMain } from "./internal/runMain.ts"
import { codeWhenStopped, spawn, StepFailed, type Spawned } from "./internal/Spawned.ts"
import * as OnSignal from "./OnSignal.ts"

const bin = fileURLToPath(new URL("./bin.js", import.meta.url))
const fileSize = 64_000_000
const blockSize = 1_000_000

const start = (name: string, args: ReadonlyArray<string>) =>
  spawn({ bin, args, onLine: (line) => Console.log(`[${name}] ${line}`), patience: "15 seconds" })

const heading = (text: string) => Console.log(`\n== ${text}`)

const check = (step: string, condition: boolean, detail: string) =>
  condition ? Effect.void : Effect.fail(new StepFailed({ step, detail }))

const localAddress = (node: Spawned) => Effect.map(node.waitFor(/^local (\S+)$/u), (match) => match[1] ?? "")

/** An address at which nothing listens: its port was free a moment ago. */
const deadAddress = Effect.callback<string>((resume) => {
  const socket = createSocket("udp4")
  socket.bind(0, "127.0.0.1", () => {
    const { port } = socket.address()
    socket.close(() => resume(Effect.succeed(`127.0.0.1:${port}`)))
  })
})

const writeRandomFile = Effect.fnUntraced(function* (target: string) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(target, { flag: "wx" })
  const hash = createHash("sha256")
  for (let written = 0; written < fileSize; written += blockSize) {
    const block = randomBytes(blockSize)
    hash.update(block)
    yield* file.writeAll(block)
  }
  return hash.digest("hex")
}, Effect.scoped)

const hashFile = Effect.fnUntraced(function* (source: string) {
  const fs = yield* FileSystem.FileSystem
  const hash = createHash("sha256")
  yield* Stream.runForEach(fs.stream(source), (block) => Effect.sync(() => hash.update(block)))
  return hash.digest("hex")
})

/** `caller` types marco, and every peer that it is connected to must answer polo. */
const marcoPolo = Effect.fnUntraced(function* (name: string, caller: Spawned, others: ReadonlyArray<string>) {
  const from = caller.lines.length
  yield* Console.log(`(typing marco into ${name})`)
  yield* caller.type("marco")
  for (const other of others) {
    yield* caller.waitFor(new RegExp(`^${other.replaceAll(".", "\\.")}: polo$`, "u"), from)
  }
})

const sendFile = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "qp2p-demo-" })
  const original = path.join(directory, "random.bin")
  const inbox = path.join(directory, "inbox")
  const expected = yield* writeRandomFile(original)

  const receiver = yield* start("receive", ["receive", "--listen", "127.0.0.1:0", "--out", inbox, "--once"])
  const sender = yield* start("send", ["send", yield* localAddress(receiver), "--file", original])
  const sent = yield* sender.waitFor(/^sent .* in (.+), (\S+ [kMG]?B\/s), confirmed$/u)
  const sentHash = (yield* sender.waitFor(/^sha256 ([0-9a-f]{64})$/u))[1]
  const receivedHash = (yield* receiver.waitFor(/^sha256 ([0-9a-f]{64})$/u))[1]
  const stored = yield* hashFile(path.join(inbox, "random.bin"))
  const step = "file transfer"
  yield* check(step, sentHash === expected, "the sender printed another hash than the file has")
  yield* check(step, receivedHash === expected, "the receiver printed another hash than the file has")
  yield* check(step, stored === expected, "the stored file is not the one that was sent")
  yield* check(step, (yield* sender.exitCode) === 0, "the sender did not exit with 0")
  yield* check(step, (yield* receiver.exitCode) === 0, "the receiver did not exit with 0")
  return { hash: expected, elapsed: sent[1] ?? "", rate: sent[2] ?? "" }
}).pipe(Effect.scoped)

const demo = Effect.gen(function* () {
  const startedAt = yield* Clock.monotonicTimeNanos
  yield* Console.log("qp2p demo: every node below is a process of its own on this machine")

  yield* heading("node 1 starts alone")
  const one = yield* start("node 1", ["node", "--listen", "127.0.0.1:0"])
  const oneAddress = yield* localAddress(one)
  yield* one.waitFor(/^public /u)

  yield* heading("node 2 joins through node 1, learns its public address and has it verified")
  const two = yield* start("node 2", ["node", "--listen", "127.0.0.1:0", "--contact", oneAddress])
  const twoAddress = yield* localAddress(two)
  const twoPublic = yield* two.waitFor(/^public (\S+) \(verified by (\S+)\)$/u)
  yield* two.waitFor(/ connected \(contact\)$/u)

  yield* heading("node 3 has one dead contact and two live ones, and takes whichever answers first")
  const dead = yield* deadAddress
  yield* Console.log(`contacts: ${dead} (dead), ${oneAddress}, ${twoAddress}`)
  const contacts = ["--contact", dead, "--contact", oneAddress, "--contact", twoAddress]
  const three = yield* start("node 3", ["node", "--listen", "127.0.0.1:0", ...contacts])
  const threePublic = yield* three.waitFor(/^public (\S+) \(verified by (\S+)\)$/u)
  yield* three.waitFor(/ connected \(contact\)$/u)
  yield* check("node 3", threePublic[2] !== dead, "it was verified by a contact that does not exist")

  yield* heading("marco / polo, in every direction")
  const threeContact = threePublic[2] ?? ""
  const threeAddress = yield* localAddress(three)
  yield* marcoPolo("node 3", three, [threeContact])
  yield* marcoPolo("node 1", one, threeContact === oneAddress ? [twoAddress, threeAddress] : [twoAddress])
  yield* marcoPolo("node 2", two, threeContact === twoAddress ? [oneAddress, threeAddress] : [oneAddress])

  yield* heading(`a file of ${Format.bytes(fileSize)} goes from one process to another`)
  const file = yield* sendFile

  const wanted = codeWhenStopped(0)
  yield* heading(
    wanted === 0 ? "every node is asked to stop (SIGTERM)" : "every node is ended (Windows has no SIGTERM)"
  )
  for (const [name, node] of [
    ["node 3", three],
    ["node 2", two],
    ["node 1", one]
  ] as const) {
    const code = yield* node.stop()
    yield* Console.log(`${name} exited with ${code}`)
    yield* check(name, code === wanted, `exited with ${code} instead of ${wanted}`)
  }

  const elapsed = Duration.nanos((yield* Clock.monotonicTimeNanos) - startedAt)
  yield* heading("summary")
  yield* Console.log(`node 1  ${oneAddress}  started alone`)
  yield* Console.log(`node 2  ${twoPublic[1]}  verified by ${twoPublic[2]}`)
  yield* Console.log(`node 3  ${threePublic[1]}  verified by ${threePublic[2]}, one dead contact ignored`)
  yield* Console.log("marco   answered with polo in every direction")
  yield* Console.log(`file    ${Format.bytes(fileSize)} in ${file.elapsed}, ${file.rate}, hashes equal`)
  yield* Console.log(`sha256  ${file.hash}`)
  yield* Console.log(`all processes exited with ${wanted}; the demo took ${Format.duration(elapsed)}`)
}).pipe(
  Effect.scoped,
  Effect.timeoutOrElse({
    duration: "55 seconds",
    orElse: () => Effect.fail(new StepFailed({ step: "the demo", detail: "took longer than 55 s" }))
  })
)

class DemoFailed extends StepFailed {
  override readonly [Runtime.errorExitCode] = 1
}

runMain(
  demo.pipe(
    Effect.catch((error) =>
      Effect.andThen(
        Console.error(`qp2p demo failed: ${oneLine(error.message)}`),
        Effect.fail(new DemoFailed({ step: "demo", detail: error.message }))
      )
    ),
    Effect.provide(NodeServices.layer)
  ),
  { ending: OnSignal.make() }
)
