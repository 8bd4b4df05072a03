/**
 * The demo of `npm start`: three nodes on this machine find, verify and call each other, a fourth one lets in one key, and one
 * process sends a file to another. Every node is a real `qp2p` process.
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

/** A process and the line by which others dial it: its id and its address. */
interface Peer {
  readonly process: Spawned
  /** `ID@host:port`. */
  readonly text: string
  readonly id: string
  /** The beginning of the id, which precedes messages. */
  readonly short: string
}

const peerOf = (process: Spawned) =>
  Effect.map(process.waitFor(/^peer ((([a-z2-7]{10})\S{42})@\S+)$/u), ([, text = "", id = "", short = ""]): Peer => {
    return { process, text, id, short }
  })

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
const marcoPolo = Effect.fnUntraced(function* (name: string, caller: Peer, others: ReadonlyArray<Peer>) {
  const from = caller.process.lines.length
  yield* Console.log(`(typing marco into ${name})`)
  yield* caller.process.type("marco")
  for (const { short } of others) yield* caller.process.waitFor(new RegExp(`^${short}: polo$`, "u"), from)
})

/** A stranger, and one that is not where it should be, are told so, and the node does not hear them. */
const strangers = Effect.fnUntraced(function* (closed: Peer, friendKey: string, another: Peer) {
  const step = "identities"
  const refused = yield* start("stranger", ["send", closed.text, "let me in"])
  yield* refused.waitFor(/ refuses this peer, /u)
  yield* check(step, (yield* refused.exitCode) === 1, "the stranger did not exit with 1")
  const friend = yield* start("friend", ["send", closed.text, "it is me", "--identity", friendKey])
  yield* friend.waitFor(/^sent 8 B to \S+, confirmed in /u)
  yield* closed.process.waitFor(/: it is me$/u)
  const address = closed.text.slice(closed.text.indexOf("@"))
  const misled = yield* start("misled", ["send", `${another.id}${address}`, "a secret", "--identity", friendKey])
  yield* misled.waitFor(/another peer answers at .* Nothing was sent to it/u)
  yield* check(step, (yield* misled.exitCode) === 1, "a sender to another peer did not exit with 1")
  const heard = closed.process.lines.some((line) => /let me in|a secret/u.test(line))
  yield* check(step, !heard, "a message was heard that must not be")
})

const sendFile = Effect.fnUntraced(function* (directory: string) {
  const path = yield* Path.Path
  const original = path.join(directory, "random.bin")
  const inbox = path.join(directory, "inbox")
  const expected = yield* writeRandomFile(original)

  const receiver = yield* start("receive", ["receive", "--listen", "127.0.0.1:0", "--out", inbox, "--once"])
  const sender = yield* start("send", ["send", (yield* peerOf(receiver)).text, "--file", original])
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
}, Effect.scoped)

const demo = Effect.gen(function* () {
  const path = yield* Path.Path
  const startedAt = yield* Clock.monotonicTimeNanos
  const directory = yield* Effect.flatMap(FileSystem.FileSystem, (fs) =>
    fs.makeTempDirectoryScoped({ prefix: "qp2p-demo-" })
  )
  yield* Console.log("qp2p demo: every node below is a process of its own on this machine")

  yield* heading("node 1 starts alone, with a key that it keeps in a file")
  const key = path.join(directory, "one.key")
  const one = yield* peerOf(yield* start("node 1", ["node", "--listen", "127.0.0.1:0", "--identity", key]))

  yield* heading("node 2 joins through node 1, learns its public address and has it verified")
  const two = yield* peerOf(yield* start("node 2", ["node", "--listen", "127.0.0.1:0", "--contact", one.text]))
  const twoPublic = yield* two.process.waitFor(/^public (\S+) \(verified by (\S+)\)$/u)
  yield* two.process.waitFor(new RegExp(`^${one.text} connected \\(contact\\)$`, "u"))

  yield* heading("node 3 has one dead contact and two live ones, and takes whichever answers first")
  const dead = yield* deadAddress
  yield* Console.log(`contacts: ${dead} (dead), ${one.text}, ${two.text}`)
  const contacts = ["--contact", dead, "--contact", one.text, "--contact", two.text]
  const three = yield* peerOf(yield* start("node 3", ["node", "--listen", "127.0.0.1:0", ...contacts]))
  const threePublic = yield* three.process.waitFor(/^public (\S+) \(verified by (\S+)\)$/u)
  yield* three.process.waitFor(/ connected \(contact\)$/u)
  yield* check("node 3", threePublic[2] !== dead, "it was verified by a contact that does not exist")

  yield* heading("marco / polo, in every direction: each answer has the beginning of its sender's id")
  const contact = threePublic[2] === one.text ? one : two
  yield* marcoPolo("node 3", three, [contact])
  yield* marcoPolo("node 1", one, contact === one ? [two, three] : [two])
  yield* marcoPolo("node 2", two, contact === two ? [one, three] : [one])

  yield* heading("node 4 lets in one key alone, and a sender of a secret does not fall for another peer")
  const friendKey = path.join(directory, "friend.key")
  const printed = yield* start("id", ["id", "--identity", friendKey])
  const [friend] = yield* printed.waitFor(/^[a-z2-7]{52}$/u)
  yield* check("id", (yield* printed.exitCode) === 0, "qp2p id did not exit with 0")
  const four = yield* peerOf(yield* start("node 4", ["node", "--listen", "127.0.0.1:0", "--allow", friend]))
  yield* strangers(four, friendKey, two)

  yield* heading(`a file of ${Format.bytes(fileSize)} goes from one process to another`)
  const file = yield* sendFile(directory)

  const wanted = codeWhenStopped(0)
  yield* heading(
    wanted === 0 ? "every node is asked to stop (SIGTERM)" : "every node is ended (Windows has no SIGTERM)"
  )
  for (const [name, { process }] of [
    ["node 4", four],
    ["node 3", three],
    ["node 2", two],
    ["node 1", one]
  ] as const) {
    const code = yield* process.stop()
    yield* Console.log(`${name} exited with ${code}`)
    yield* check(name, code === wanted, `exited with ${code} instead of ${wanted}`)
  }

  const elapsed = Duration.nanos((yield* Clock.monotonicTimeNanos) - startedAt)
  yield* heading("summary")
  yield* Console.log(`node 1  ${one.text}  started alone`)
  yield* Console.log(`node 2  ${two.text}  verified at ${twoPublic[1]} by ${one.short}`)
  yield* Console.log(
    `node 3  ${three.text}  verified at ${threePublic[1]} by ${contact.short}, one dead contact ignored`
  )
  yield* Console.log(`node 4  ${four.text}  heard its friend alone`)
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
