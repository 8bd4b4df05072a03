/** From what a process was seen at, many times a second, to what it spends its time on. */
import { readFile } from "node:fs/promises"
import * as Schema from "effect/Schema"
import { details, number, table } from "./text.ts"

const Frame = Schema.Struct({ functionName: Schema.String, url: Schema.String, lineNumber: Schema.Number })
type Frame = typeof Frame.Type

/** As V8 writes it: times in microseconds, lines from 0. */
export const CpuProfile = Schema.Struct({
  nodes: Schema.Array(Schema.Struct({ id: Schema.Number, callFrame: Frame })),
  samples: Schema.Array(Schema.Number),
  /** Before each sample. */
  timeDeltas: Schema.Array(Schema.Number)
})
export type CpuProfile = typeof CpuProfile.Type

/** Something that time goes to, without what it calls. */
export interface Spent {
  readonly name: string
  readonly microseconds: number
}

export interface Spending {
  /** Of the whole profile, in microseconds. */
  readonly time: number
  /** Of it nothing was done. */
  readonly idle: number
  /** Most first. */
  readonly functions: ReadonlyArray<Spent>
  readonly rooms: ReadonlyArray<Spent>
}

const idleName = "(idle)"

/**
 * All functions of an addon come through one function of Node's, and V8 knows it by the name of whichever was made first:
 * for the QUIC binding that is this one, of its runtime. Optimised code calls them itself; then they count as the caller.
 */
const addonName = "custom_gc"

/** Where a module is: package and path, without what is only of this machine. */
const moduleOf = (url: string): string => {
  const path = url.replace(/^file:\/\//, "").replace(/\.[cm]?js$/, "")
  const borrowed = path.split("/node_modules/").at(-1)
  if (borrowed !== undefined && borrowed !== path) return borrowed.replace("/dist/", "/")
  const own = /\/packages\/([^/]+)\/dist\/(.*)$/.exec(path) ?? /\/(benchmarks)\/dist\/src\/(.*)$/.exec(path)
  return own === null ? path.slice(path.lastIndexOf("/") + 1) : `${own[1]}/${own[2]}`
}

/** The package, and of our own the folder, too. */
const roomOf = ({ functionName, url }: Frame): string => {
  if (functionName === addonName && url === "") return "the QUIC binding"
  if (url === "") return functionName.startsWith("(") ? functionName : "native functions of Node and V8"
  if (url.startsWith("node:")) return "node"
  const parts = moduleOf(url).split("/")
  if (parts[0] === "core") return parts.slice(0, -1).join("/")
  return parts.slice(0, parts[0]?.startsWith("@") === true ? 2 : 1).join("/")
}

const nameOf = ({ functionName, lineNumber, url }: Frame): string => {
  if (url === "") return functionName === addonName ? "the QUIC binding" : functionName
  return `${functionName === "" ? "anonymous" : functionName} ${moduleOf(url)}:${lineNumber + 1}`
}

const sumBy = (
  spent: ReadonlyArray<{ readonly frame: Frame; readonly microseconds: number }>,
  name: (frame: Frame) => string
): ReadonlyArray<Spent> => {
  const sums = new Map<string, number>()
  for (const { frame, microseconds } of spent) {
    if (frame.functionName === idleName) continue
    sums.set(name(frame), (sums.get(name(frame)) ?? 0) + microseconds)
  }
  return [...sums]
    .map(([name, microseconds]) => ({ name, microseconds }))
    .toSorted((a, b) => b.microseconds - a.microseconds)
}

/** What a profile says; a sample stands for the time until the next. */
export const spendingOf = ({ nodes, samples, timeDeltas }: CpuProfile): Spending => {
  const times = new Map<number, number>()
  samples.forEach((id, i) => times.set(id, (times.get(id) ?? 0) + Math.max(0, timeDeltas[i + 1] ?? 0)))
  const spent = nodes.map(({ callFrame, id }) => ({ frame: callFrame, microseconds: times.get(id) ?? 0 }))
  const time = spent.reduce((sum, { microseconds }) => sum + microseconds, 0)
  const idle = spent
    .filter(({ frame }) => frame.functionName === idleName)
    .reduce((sum, { microseconds }) => sum + microseconds, 0)
  return { time, idle, functions: sumBy(spent, nameOf), rooms: sumBy(spent, roomOf) }
}

export const readProfile = async (file: string): Promise<Spending> => {
  const json: unknown = JSON.parse(await readFile(file, "utf8"))
  return spendingOf(Schema.decodeUnknownSync(CpuProfile)(json))
}

const share = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`

const spentTable = (what: string, spent: ReadonlyArray<Spent>, work: number): string =>
  table(
    [what, "of its work"],
    spent.map(({ name, microseconds }) => [name, share(microseconds, work)])
  )

/** Functions that a table shows at most. */
const shown = 15

/** One process, in words and two tables. */
export const spendingSection = (name: string, { functions, idle, rooms, time }: Spending): ReadonlyArray<string> => {
  const work = time - idle
  return [
    `**${name}.** ${share(work, time)} of ${number(time / 1e6)} s at work.`,
    spentTable(
      "where",
      rooms.filter(({ microseconds }) => microseconds >= work / 100),
      work
    ),
    details("function by function", spentTable("without what it calls", functions.slice(0, shown), work))
  ]
}
