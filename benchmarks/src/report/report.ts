import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Schema from "effect/Schema"
import type { Machine, Omission } from "../measuring/results.ts"
import { Results } from "../measuring/results.ts"
import { chartsOf } from "./charts.ts"
import type { Chart } from "./charts.ts"
import type { Cell } from "./summary.ts"
import { cellsOf, groupBy, ours } from "./summary.ts"
import { targetsTable } from "./targets.ts"
import { caseName, number, table } from "./text.ts"
import { modeName, workloadSection } from "./workloadSection.ts"

export const machineSection = (machine: Machine): ReadonlyArray<string> => [
  "## The machine",
  table(
    ["", ""],
    [
      ["processor", `${machine.cpu}, ${number(machine.cores)} cores`],
      ["memory", `${number(machine.memoryGiB)} GiB`],
      ["system", `${machine.distribution}, Linux ${machine.kernel}`.replace("Linux Linux", "Linux")],
      ["Node", machine.node],
      ["commit", machine.commit],
      ...Object.entries(machine.versions)
    ],
    2
  )
]

const howSection = ({ results, cells }: { readonly results: Results; readonly cells: ReadonlyArray<Cell> }) => {
  const counts = cells.flatMap(({ figures }) => Object.values(figures).map(({ samples }) => samples))
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  const each = least === most ? number(least) : `${number(least)} to ${number(most)}`
  return [
    `Begun ${results.date}, ${number(results.minutes)} minutes, scale \`${results.scale}\`, ${number(results.samples.length)} samples. ` +
      `A sample is a fresh process, or two, with a warm-up before the clock starts. Contenders take turns, so that a machine that changes its pace ` +
      `hits all alike. Figures are medians of ${each} samples, with the smallest and the largest in brackets; "${ours} is" says what ours is of the other's. ` +
      `A message counts when its sender knows that the peer has all of it, and every one was handed to the receiving application.`
  ]
}

const targetsSection = (cells: ReadonlyArray<Cell>): ReadonlyArray<string> => [
  "## Targets",
  "Set before anything was measured. Computed from the medians below; a dash is what was not measured.",
  targetsTable(cells)
]

const contendersSection = ({ contenders }: Results): ReadonlyArray<string> => [
  "## Contenders",
  table(
    ["name", "what it is"],
    contenders.map(({ name, about }) => [name, about]),
    2
  )
]

const chartsSection = (charts: ReadonlyArray<Chart>): ReadonlyArray<string> => [
  "## Plots",
  ...charts.map(({ file, title }) => `![${title}](./${file})`)
]

/** Which part of a workload is meant, where it is not all of it. */
const partOf = (same: ReadonlyArray<Omission>): string => {
  const cases = new Set(same.flatMap(({ parameters }) => (parameters === undefined ? [] : [caseName(parameters)])))
  const modes = new Set(same.flatMap(({ mode }) => (mode === undefined ? [] : [modeName[mode].toLowerCase()])))
  const parts = [...(cases.size > 4 ? [`${cases.size} cases`] : cases), ...(modes.size === 1 ? modes : [])]
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`
}

/** Why, and for what: one row for each reason. */
const omissionsTable = (omissions: ReadonlyArray<Omission>): string =>
  table(
    ["contender", "workload", "why"],
    groupBy(omissions, ({ contender, workload, reason }) => JSON.stringify([contender, workload, reason])).map(
      ([, same]) => {
        const [{ contender, workload = "all", reason } = { contender: "", reason: "" }] = same
        return [contender, `${workload}${partOf(same)}`, reason]
      }
    ),
    3
  )

const omissionsSection = ({ omissions, failures }: Results): ReadonlyArray<string> => [
  ...(failures.length === 0
    ? []
    : ["## Failed", "These samples went wrong and count in no figure.", omissionsTable(failures)]),
  ...(omissions.length === 0 ? [] : ["## Left out", omissionsTable(omissions)])
]

/** The report's Markdown, and its plots. */
export const render = async (
  results: Results
): Promise<{ readonly markdown: string; readonly charts: ReadonlyArray<Chart> }> => {
  const cells = cellsOf(results)
  const contenders = results.contenders.map(({ name }) => name)
  const charts = await chartsOf({ results, cells, contenders })
  const paragraphs = [
    `# Benchmarks, ${results.date.slice(0, 10)}`,
    ...howSection({ results, cells }),
    ...targetsSection(cells),
    ...chartsSection(charts),
    "## Figures",
    ...results.workloads.flatMap((workload) => workloadSection(workload, cells, contenders)),
    ...contendersSection(results),
    ...omissionsSection(results),
    ...machineSection(results.machine)
  ]
  return { markdown: `${paragraphs.join("\n\n")}\n`, charts }
}

/** One line for each sample, so that reports can be compared line by line. */
const toJson = (results: Results): string => {
  const { samples, ...rest } = Schema.encodeSync(Results)(results)
  const lines = samples.map((sample) => `    ${JSON.stringify(sample)}`)
  return `${JSON.stringify(rest, undefined, 2).slice(0, -2)},\n  "samples": [\n${lines.join(",\n")}\n  ]\n}\n`
}

/** The results of a folder that has been written, or is being written. */
export const readResults = async (folder: string): Promise<Results> => {
  const json: unknown = JSON.parse(await readFile(join(folder, "results.json"), "utf8"))
  return Schema.decodeUnknownSync(Results)(json)
}

/** Writes `README.md`, `results.json` and the plots into a folder, which is made where it is not there. */
export const writeReport = async (results: Results, folder: string): Promise<void> => {
  const { markdown, charts } = await render(results)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, "README.md"), markdown)
  await writeFile(join(folder, "results.json"), toJson(results))
  for (const { file, svg } of charts) await writeFile(join(folder, file), svg)
}
