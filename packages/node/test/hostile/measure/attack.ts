/** Runs one attack against a node beside an honest peer, each in a process of its own, and measures. */
import { mkdtempSync, rmSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { Child } from "./child.ts"
import * as meter from "./meter.ts"
import type * as network from "./network.ts"
import type { Result } from "./result.ts"

/** Seconds of load before that, for a node that has run for a while. */
const warm = 2
/** Milliseconds before the attack: the node's memory and the honest peer's times without it. */
const quiet = 3_000
/** Milliseconds that a program may take to start. */
const starting = 120_000
/** Milliseconds that an attack may take in all. */
const longest = 90_000
/** Milliseconds after the attack in which the node gets back to rest. */
const recovery = 30_000
/** Milliseconds between two collections of garbage meanwhile: what is measured is what the node holds. */
const collecting = 5_000
/** MiB at which an attack is ended, so that the machine survives it. */
const tooMuch = 2_500

const sleep = (millis: number) => new Promise<void>((resolve) => void setTimeout(resolve, millis))

interface Honest {
  readonly latencies: ReadonlyArray<number>
  readonly lost: number
  readonly reasons: Readonly<Record<string, number>>
  readonly newcomers: number
  readonly newcomersRefused: number
  readonly pushes: { readonly received: number }
}

interface Node {
  readonly pushed: number
  readonly pushesFailed: number
  readonly claims: ReadonlyArray<readonly [peer: string, who: ReadonlyArray<string>]>
}

interface Done {
  readonly facts: Readonly<Record<string, number>>
  readonly bounds: Readonly<Record<string, number>>
}

/** Starts a program of the kit. */
type Start = (program: string, ...args: ReadonlyArray<string>) => Child

/** Watches the memory of a process until `stop`. */
const watch = (pid: number) => {
  let peak = 0
  const timer = setInterval(() => (peak = Math.max(peak, meter.resident(pid))), 50)
  return { peak: () => peak, stop: () => clearInterval(timer) }
}

/** Waits for the port of a program. On a busy machine a process takes long to start, which is no fault of the node. */
const port = async (child: Child): Promise<number> => {
  const told = await child.hear("port", starting)
  if (typeof told !== "number") throw new Error(`a program did not start:\n${child.tail.join("\n")}`)
  return told
}

/** Waits until memory is at most `enough` MiB, or for 30 s. Returns the memory then, and after how many seconds. */
const recovered = async (node: Child, enough: number) => {
  const began = performance.now()
  let memory = meter.resident(node.pid)
  let collectAt = began + collecting
  while (node.isAlive && memory > enough && performance.now() - began < recovery) {
    await sleep(200)
    if (performance.now() >= collectAt) {
      node.tell("collect")
      collectAt += collecting
    }
    memory = meter.resident(node.pid)
  }
  return { memory, seconds: (performance.now() - began) / 1_000 }
}

/** MiB to wait for after an attack, by the idle memory. */
type Enough = (idle: number) => number

/** A folder with more for the programs: `node.mjs` serves it, `honest.mjs` asks for it, and `attacks.mjs` attacks it. */
export type More = URL

const measured = async (
  attack: string,
  seconds: number,
  net: network.Network,
  enough: Enough,
  start: Start,
  more: More | undefined
) => {
  const of = (file: string) => (more === undefined ? [] : [new URL(file, more).href])
  const node = start("node", net.node, ...of("node.mjs"))
  const at = { host: net.node, port: await port(node) }
  const honest = start("honest", net.honest, net.newcomer, `${at.host}:${at.port}`, ...of("honest.mjs"))
  const honestAt = { host: net.honest, port: await port(honest) }
  const { attackers, victim } = net
  const context = { node: at, honest: honestAt, victim, attackers }
  const warmUp = start("attacker", "warm-up", JSON.stringify({ ...context, seconds: warm }))
  await warmUp.hear("done", longest)
  await warmUp.kill()
  await sleep(quiet / 2)
  await honest.ask("report", 5_000)
  const idleShare = meter.share(node.pid)
  node.tell("collect")
  await sleep(quiet / 2)
  const idle = { memory: meter.resident(node.pid), processor: idleShare() }
  const before = (await honest.ask("report", 5_000)) as Honest | undefined

  const watched = watch(node.pid)
  const duringShare = meter.share(node.pid)
  const linesBefore = node.lines
  const attacker = start("attacker", attack, JSON.stringify({ ...context, seconds }), ...of("attacks.mjs"))
  let done: Done | undefined
  const isOver = attacker.hear("done", longest).then((told) => {
    done = told as Done | undefined
    return true
  })
  while (!(await Promise.race([isOver, sleep(100).then(() => false)]))) {
    if (!node.isAlive || watched.peak() > tooMuch) break
  }
  await attacker.kill()
  const during = duringShare()
  const after = await recovered(node, enough(idle.memory))
  const afterShare = meter.share(node.pid)
  await sleep(2_000)
  const processor = { idle: idle.processor, during, after: afterShare() }
  const told = (await node.ask("stop", 12_000)) as Node | undefined
  const seen = (await honest.ask("stop", 40_000)) as Honest | undefined
  watched.stop()

  const inAnother = (told?.claims ?? []).filter(([, who]) => who.length > 1).length
  const facts: Readonly<Record<string, number>> = {
    ...(done === undefined ? { "ended early": 1 } : done.facts),
    ...(inAnother === 0 ? {} : { "messages in another's name": inAnother })
  }
  const result: Result = {
    attack,
    death: node.isAlive ? undefined : (node.tail.at(-1) ?? "dead").slice(0, 60),
    honest: {
      asked: (seen?.latencies.length ?? 0) + (seen?.lost ?? 0),
      lost: seen?.lost ?? Number.NaN,
      p50: meter.quantile(seen?.latencies ?? [], 0.5),
      p99: meter.quantile(seen?.latencies ?? [], 0.99),
      worst: Math.max(...(seen?.latencies ?? [Number.NaN])),
      idleP99: meter.quantile(before?.latencies ?? [], 0.99),
      reasons: seen?.reasons ?? {}
    },
    newcomers: {
      tried: seen?.newcomers ?? 0,
      refused: seen?.newcomersRefused ?? 0,
      unreachable: seen?.reasons["newcomer: Unreachable"] ?? 0
    },
    pushes: { sent: told?.pushed ?? 0, failed: told?.pushesFailed ?? 0, received: seen?.pushes.received ?? 0 },
    memory: { idle: idle.memory, peak: watched.peak(), after: after.memory, seconds: after.seconds },
    processor,
    load: loadavg()[0] ?? 0,
    claims: told?.claims ?? [],
    logLines: node.lines - linesBefore,
    facts,
    exceeded: Object.entries(done?.bounds ?? {})
      .filter(([name, most]) => (facts[name] ?? 0) > most)
      .map(([name, most]) => `${name}: ${facts[name]}, at most ${most}`)
  }
  return result
}

/**
 * Runs an attack by its name. It goes on for `seconds` where it has no end of its own. Afterwards the node's memory is
 * awaited to be `enough`.
 */
export const run = async (
  attack: string,
  seconds: number,
  net: network.Network,
  enough: Enough,
  more?: More
): Promise<Result> => {
  const directory = mkdtempSync(join(tmpdir(), "qp2p-hostile-"))
  const children: Array<Child> = []
  try {
    const start: Start = (program, ...args) => {
      const child = new Child(net, directory, program, args)
      children.push(child)
      return child
    }
    return await measured(attack, seconds, net, enough, start, more)
  } finally {
    for (const child of children.toReversed()) await child.kill()
    rmSync(directory, { recursive: true, force: true })
  }
}
