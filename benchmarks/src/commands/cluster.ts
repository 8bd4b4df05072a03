/**
 * Measures messages to entities of Effect Cluster over `QuicRunner` next to those over Effect's own `SocketRunner`: two runners, each
 * in a process of its own; one calls entities that the other hosts. The transports take turns.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import type { Answer, Order, TransportName } from "../cluster/messages.ts"

const program = fileURLToPath(new URL("../cluster/runnerProcess.js", import.meta.url))

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "4" } }
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)

/** Bytes of each message. */
const bytes = 64
const cases = [1, 64, 256]
const transports: ReadonlyArray<TransportName> = ["socket", "quic"]

/** What QUIC is to reach, as a part of what sockets do. */
const target = 0.8

const answerOf = async (child: ChildProcess): Promise<Answer> => {
  const [answer] = (await once(child, "message")) as [Answer]
  return answer
}

const send = (child: ChildProcess, order: Order) => child.send(order)

/** Starts a cluster of two, and returns the runner that calls. */
const start = async (transport: TransportName) => {
  const children = [0, 1].map(() => fork(program, [transport]))
  const places = await Promise.all(
    children.map(async (child) => {
      const answer = await answerOf(child)
      if (answer.answer !== "place") throw new Error(`${answer.answer} before place`)
      return answer.place
    })
  )
  const joined = children.map(answerOf)
  for (const child of children) send(child, { order: "join", places })
  await Promise.all(joined)
  return { caller: children[0]!, stop: () => children.forEach((child) => child.kill("SIGKILL")) }
}

const measure = async (caller: ChildProcess, inFlight: number, length: number) => {
  const measured = answerOf(caller)
  send(caller, { order: "measure", inFlight, seconds: length, bytes })
  const answer = await measured
  if (answer.answer !== "measured") throw new Error(`${answer.answer} instead of a measurement`)
  return answer.calls / answer.seconds
}

const median = (numbers: ReadonlyArray<number>) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!

const samples = new Map<string, Array<number>>()
for (let round = 0; round < rounds; round++) {
  // Each round in new processes; the other transport begins in the next one.
  for (const transport of round % 2 === 0 ? transports : transports.toReversed()) {
    const { caller, stop } = await start(transport)
    await measure(caller, 64, seconds / 2)
    for (const inFlight of cases) {
      const key = `${transport} ${inFlight}`
      const rate = await measure(caller, inFlight, seconds)
      console.error(`round ${round + 1} of ${rounds}: ${transport}, ${inFlight} in flight: ${Math.round(rate)}/s`)
      samples.set(key, [...(samples.get(key) ?? []), rate])
    }
    stop()
  }
}

console.log(
  `Messages of ${bytes} bytes to entities, a second; median of ${rounds} rounds of ${seconds} s (lowest to highest)\n`
)
console.log("| in flight | SocketRunner | QuicRunner | QuicRunner : SocketRunner | target |")
console.log("| --- | --- | --- | --- | --- |")
const text = (numbers: ReadonlyArray<number>) =>
  `${Math.round(median(numbers))} (${Math.round(Math.min(...numbers))} to ${Math.round(Math.max(...numbers))})`
for (const inFlight of cases) {
  const [socket, quic] = transports.map((transport) => samples.get(`${transport} ${inFlight}`)!) as [
    Array<number>,
    Array<number>
  ]
  const ratio = median(quic) / median(socket)
  console.log(
    `| ${inFlight} | ${text(socket)} | ${text(quic)} | ${ratio.toFixed(2)} | ${ratio >= target ? "met" : `${target}: missed`} |`
  )
}
