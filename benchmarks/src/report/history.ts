/** `history.csv`: what the reports that are gone found, with a row for each report, target and mode. */
import type { Mode, Parameters, Results } from "../measuring/results.ts"
import type { Cell, Summary } from "./summary.ts"
import { cellsOf, keyOf, ours } from "./summary.ts"
import type { Target } from "./targets.ts"
import { summaryIn, targets, valueIn } from "./targets.ts"

const columns = [
  "report",
  "date",
  "scale",
  "commit",
  "cpu",
  "cores",
  "node",
  "mode",
  "target",
  "asks",
  "workload",
  "figure",
  "unit",
  "case",
  "ours",
  "ours_low",
  "ours_high",
  "against",
  "against_case",
  "theirs",
  "theirs_low",
  "theirs_high",
  "ratio",
  "verdict"
] as const

type Row = { readonly [column in (typeof columns)[number]]: string | number }

/** A cell of RFC 4180, on one line. */
const cellOf = (value: string | number): string => {
  const text = String(value).replaceAll(/\s+/gu, " ")
  return /[",]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const lineOf = (values: ReadonlyArray<string | number>): string => values.map(cellOf).join(",")

/** Five digits: more than the samples of a figure agree in. */
const rounded = (value: number): number => Number(value.toPrecision(5))

/** As `--with` takes them. */
const caseOf = (parameters: Parameters): string =>
  Object.entries(parameters)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ")

const spread = (summary: Summary | undefined): ReadonlyArray<string | number> =>
  summary === undefined ? [] : [summary.middle, summary.low, summary.high].map(rounded)

const verdictOf = ({ judges, met }: Target, value: number): string => {
  if (!judges) return ""
  return met(value) ? "met" : "not met"
}

/** The row of a target in a mode; undefined where it was not measured. */
const rowOf = (name: string, results: Results, cells: ReadonlyArray<Cell>, mode: Mode, target: Target) => {
  const value = valueIn(cells, mode, target)
  if (value === undefined) return undefined
  const { of, over } = target
  const { date, machine, scale, workloads } = results
  const [mine = "", lowest = "", highest = ""] = spread(summaryIn(cells, mode, of, ours))
  const other = over === undefined ? undefined : summaryIn(cells, mode, over.where, over.contender)
  const [theirs = "", theirLowest = "", theirHighest = ""] = spread(other)
  const sameCase = over === undefined || keyOf(over.where.parameters) === keyOf(of.parameters)
  const row: Row = {
    report: name,
    date,
    scale,
    commit: machine.commit,
    cpu: machine.cpu,
    cores: machine.cores,
    node: machine.node,
    mode,
    target: target.work,
    asks: target.asks,
    workload: of.workload,
    figure: of.figure,
    unit: workloads.find((workload) => workload.name === of.workload)?.figures[of.figure]?.unit ?? "",
    case: caseOf(of.parameters),
    ours: mine,
    ours_low: lowest,
    ours_high: highest,
    against: over?.contender ?? "",
    against_case: sameCase ? "" : caseOf(over.where.parameters),
    theirs,
    theirs_low: theirLowest,
    theirs_high: theirHighest,
    ratio: over === undefined ? "" : rounded(value),
    verdict: verdictOf(target, value)
  }
  return row
}

/** The lines of a report under its name: one for each target and mode that it measured. */
const linesOf = (name: string, results: Results): ReadonlyArray<string> => {
  const cells = cellsOf(results)
  const modes: ReadonlyArray<Mode> = ["one", "two"]
  return targets
    .flatMap((target) => modes.map((mode) => rowOf(name, results, cells, mode, target)))
    .filter((row) => row !== undefined)
    .map((row) => lineOf(columns.map((column) => row[column])))
}

const header = lineOf(columns)

/**
 * The history with the lines of one more report. Lines that it already has under that name give way to the new ones.
 * Throws where the history has other columns.
 */
export const withReport = (history: string | undefined, name: string, results: Results): string => {
  const [head = header, ...lines] = (history ?? header).trimEnd().split("\n")
  if (head !== header) throw new Error(`the history has other columns than ${header}`)
  const others = lines.filter((line) => !line.startsWith(`${cellOf(name)},`))
  return `${[header, ...others, ...linesOf(name, results)].join("\n")}\n`
}
