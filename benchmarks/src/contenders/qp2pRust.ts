import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { ForeignContender } from "../foreign.ts"
import type { Figures } from "../measuring/results.ts"
import { openRelay } from "../network/relay.ts"
import type { Network } from "../workload.ts"
import { workloadOf } from "../workloads/registry.ts"
import { type Done, type Handed, type Measured, Program } from "./qp2pRust/program.ts"
import { isKnown, wordsOf } from "./qp2pRust/words.ts"

const gigabyte = 2 ** 30

/** Longest that what was confirmed may need to reach the listening application, in milliseconds. */
const patience = 10_000

/** What a run says under every name that a workload may have for it. */
const figuresOf = ({ count, freshP50, freshP99, p50, p99, processorSeconds, seconds }: Measured, size: number) => {
  const perSecond = count / seconds
  const cpu = (processorSeconds * 1e6) / count
  const bytes = count * size
  return {
    messagesPerSecond: perSecond,
    requestsPerSecond: perSecond,
    dialsPerSecond: perSecond,
    megabytesPerSecond: bytes / seconds / 1e6,
    microsecondsPerMessage: 1e6 / perSecond,
    cpuPerMessage: cpu,
    cpuPerRequest: cpu,
    cpuPerDial: cpu,
    cpuPerMegabyte: (processorSeconds * 1000) / (bytes / 1e6),
    seconds: (seconds * gigabyte) / bytes,
    bytes,
    p50,
    p99,
    freshP50,
    freshP99
  }
}

const figuresFor = (workload: string, measured: Measured, size: number): Figures => {
  const all: Readonly<Record<string, number | undefined>> = figuresOf(measured, size)
  const named = Object.keys(workloadOf(workload).figures).map((name) => {
    const value = all[name]
    if (value === undefined) throw new Error(`qp2p in Rust does not measure "${name}"`)
    return [name, value] as const
  })
  return Object.fromEntries(named)
}

/** Starts the program with one of its commands. */
type Start = (...words: ReadonlyArray<string>) => Program

const inOneProcess = async (start: Start, words: ReadonlyArray<string>): Promise<Measured> => {
  const program = start("both", ...words)
  try {
    return await program.next<Measured>()
  } finally {
    await program.close()
  }
}

/** The listener's last word, once it was handed everything that was confirmed. */
const settled = async (listener: Program, sent: Done["sent"]): Promise<void> => {
  const deadline = performance.now() + patience
  for (;;) {
    const { bytes, messages } = await listener.ask<Handed>()
    if (messages === sent.messages && bytes === sent.bytes) return
    if (messages > sent.messages || performance.now() > deadline) {
      throw new Error(
        `the listener was handed ${messages} messages with ${bytes} bytes, and not ${sent.messages} with ${sent.bytes}`
      )
    }
    await sleep(1)
  }
}

const betweenTwo = async (listener: Program, dialler: Program): Promise<Measured> => {
  await dialler.next<{ readonly ready: true }>()
  const before = await listener.ask<Handed>()
  const { figures, sent } = await dialler.ask<Done>()
  const after = await listener.ask<Handed>()
  await settled(listener, sent)
  return { ...figures, processorSeconds: figures.processorSeconds + after.processorSeconds - before.processorSeconds }
}

const inTwoProcesses = async (
  start: Start,
  words: ReadonlyArray<string>,
  network: Network | undefined
): Promise<Measured> => {
  const closing: Array<() => Promise<void>> = []
  try {
    const listener = start("listen")
    closing.unshift(() => listener.close())
    const { address } = await listener.next<{ readonly address: string }>()
    const relay = network === undefined ? undefined : await openRelay(address, { ...network, carrier: "udp" })
    if (relay !== undefined) closing.unshift(relay.close)
    const dialler = start("dial", relay?.address ?? address, ...words)
    closing.unshift(() => dialler.close())
    return await betweenTwo(listener, dialler)
  } finally {
    for (const close of closing) await close()
  }
}

/** Programs that `npm run build:rust` makes; the compiled form of this file is a folder deeper than the file itself. */
const programOf = (version: string): string =>
  fileURLToPath(new URL(`../../../rust/target/release/qp2p-${version.replace(".", "-")}`, import.meta.url))

const availability = (path: string): true | string => {
  if (existsSync(path)) return true
  const cargo = spawnSync("cargo", ["--version"])
  return cargo.status === 0
    ? "it is not built yet: npm run build:rust"
    : "it has to be built with cargo (npm run build:rust), and there is none"
}

const rust = (version: string, about: string): ForeignContender => {
  const path = programOf(version)
  return {
    name: `qp2p-rust-${version}`,
    about,
    available: async () => availability(path),
    runs: isKnown,
    sample: async ({ mode, parameters, seconds, workload }) => {
      const words = wordsOf(workload, parameters, seconds)
      const { limit, network: networkOf } = workloadOf(workload)
      const network = networkOf?.(parameters)
      const start: Start = (...words) => new Program(path, words, limit("full", parameters))
      if (mode === "one" && network !== undefined) throw new Error("a relay needs two processes")
      const measured = await (mode === "one" ? inOneProcess(start, words) : inTwoProcesses(start, words, network))
      return figuresFor(workload, measured, Number(parameters["size"] ?? 0))
    }
  }
}

const confirmed =
  "`Connection::send`, a stream for each message; confirmed by QUIC's acknowledgement of the stream (`finish`)"

/** The original: MaidSafe's crate, with its defaults, on a tokio runtime with a thread for each processor. */
export const qp2pRust: ReadonlyArray<ForeignContender> = [
  rust("0.29", `the crate qp2p 0.29.0 over quinn 0.8, the last with the wire format of this repository; ${confirmed}`),
  rust("0.36", `the crate qp2p 0.36.4 over quinn 0.9, the last there is; ${confirmed}`)
]
