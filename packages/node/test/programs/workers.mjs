/* oxlint-disable unicorn/require-post-message-target-origin -- threads have no origins */
// Programs that share a machine: as workers of node:cluster, or as threads (argument). Each has an endpoint; the parent
// tells it where to listen, and whom to send to. What each says is printed, sorted out by the parent.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import cluster from "node:cluster"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { isMainThread, parentPort, Worker } from "node:worker_threads"

const threads = process.argv.includes("threads")
const isParent = threads ? isMainThread : cluster.isPrimary

/** What the parent talks to a worker by. */
const toParent = {
  tell: (message) => (threads ? parentPort.postMessage(message) : process.send(message)),
  onTold: (take) => (threads ? parentPort.on("message", take) : process.on("message", take))
}

const worker = Effect.gen(function* () {
  const first = yield* Effect.callback((resume) => {
    toParent.onTold((message) => {
      if (message === "end") process.exit()
      if (message.listen !== undefined) resume(Effect.succeed(message.listen))
    })
    toParent.tell("ready")
  })
  const started = yield* Effect.result(Endpoint.make({ localAddress: first }))
  if (started._tag === "Failure") return toParent.tell({ failed: started.failure.message })
  const endpoint = started.success
  toParent.onTold(({ to }) => {
    if (to !== undefined) Effect.runFork(Effect.scoped(endpoint.sendMessage(new TextEncoder().encode("hello"), to)))
  })
  toParent.tell({ listening: String(endpoint.localAddress) })
  const { payload } = yield* endpoint.nextMessage
  toParent.tell({ received: new TextDecoder().decode(payload) })
  // Until it is told to end, as a server is.
  yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(Layer.merge(QuicheTransport.layer(), PortMapper.layerNone)))

/** Starts a worker; what it says comes by `heard`, one after the other. */
const start = async () => {
  const made = threads ? new Worker(fileURLToPath(import.meta.url), { argv: ["threads"] }) : cluster.fork()
  const said = []
  let wake = () => {}
  made.on("message", (message) => {
    said.push(message)
    wake()
  })
  const heard = async () => {
    while (said.length === 0) await new Promise((resolve) => (wake = resolve))
    return said.shift()
  }
  const tell = (message) => (threads ? made.postMessage(message) : made.send(message))
  await heard()
  // A cluster's worker is ended as a supervisor does it.
  const end = () => (threads ? tell("end") : made.process.kill("SIGTERM"))
  return { heard, tell, end, over: once(made, "exit") }
}

/** A port that was free a moment ago. */
const freePort = async () => {
  const socket = createSocket("udp4").bind({ address: "127.0.0.1", port: 0, exclusive: true })
  await once(socket, "listening")
  const { port } = socket.address()
  socket.close()
  await once(socket, "close")
  return port
}

const parent = async () => {
  const [one, two, three, four] = await Promise.all([start(), start(), start(), start()])
  const fixed = `127.0.0.1:${await freePort()}`
  one.tell({ listen: fixed })
  console.log((await one.heard()).listening === fixed ? "one listens" : "one does not listen")
  two.tell({ listen: fixed })
  console.log((await two.heard()).failed?.replace(fixed, "ADDRESS") ?? "two listens on the same port")
  three.tell({ listen: "127.0.0.1:0" })
  four.tell({ listen: "127.0.0.1:0" })
  const [third, fourth] = [(await three.heard()).listening, (await four.heard()).listening]
  console.log(third === fourth ? "three and four have one port" : "three and four have a port each")
  four.tell({ to: fixed })
  console.log("one received", (await one.heard()).received)
  one.tell({ to: third })
  console.log("three received", (await three.heard()).received)
  const all = [one, two, three, four]
  for (const { end } of all) end()
  await Promise.all(all.map(({ over }) => over))
  console.log("all have ended")
  process.exit()
}

if (isParent) await parent()
else NodeRuntime.runMain(worker)
