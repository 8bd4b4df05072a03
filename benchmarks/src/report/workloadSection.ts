import type { FigureMeaning, Mode, Results } from "../measuring/results.ts"
import type { Cell } from "./summary.ts"
import { groupBy, keyOf, ours } from "./summary.ts"
import { caseName, details, number, ratio, table } from "./text.ts"

type Described = Results["workloads"][number]

/** Cases that fit side by side. */
const widest = 4

export const modeName: { readonly [mode in Mode]: string } = {
  one: "Both ends in one process",
  two: "Each end in its own process"
}

const spread = (cell: Cell | undefined, figure: string): string => {
  const summary = cell?.figures[figure]
  if (summary === undefined) return "–"
  const { middle, low, high, samples } = summary
  return samples === 1 ? number(middle) : `${number(middle)} (${number(low)} – ${number(high)})`
}

/** What ours is of theirs. */
const compared = (our: Cell | undefined, their: Cell | undefined, figure: string): string => {
  const [a, b] = [our?.figures[figure]?.middle, their?.figures[figure]?.middle]
  return a === undefined || b === undefined || their === our ? "" : ratio(a / b)
}

/** A row for each contender, and for each case two columns: the figure, and what ours is of it. */
const byContender = (cells: ReadonlyArray<Cell>, contenders: ReadonlyArray<string>, figure: string): string => {
  const cases = groupBy(cells, ({ parameters }) => keyOf(parameters))
  const head = cases.flatMap(([, [first]]) => [first === undefined ? "" : caseName(first.parameters), `${ours} is`])
  const rows = contenders.map((contender) => [
    contender,
    ...cases.flatMap(([, cells]) => {
      const their = cells.find((cell) => cell.contender === contender)
      const our = cells.find((cell) => cell.contender === ours)
      return [spread(their, figure), compared(our, their, figure)]
    })
  ])
  return table(["", ...head], rows)
}

/** A row for each case, a column for each contender: medians alone. */
const byCase = (cells: ReadonlyArray<Cell>, contenders: ReadonlyArray<string>, figure: string): string => {
  const rows = groupBy(cells, ({ parameters }) => keyOf(parameters)).map(([, cells]) => {
    const found = contenders.map((contender) => cells.find((cell) => cell.contender === contender))
    const [first] = cells
    return [
      first === undefined ? "" : caseName(first.parameters),
      ...found.map((cell) => number(cell?.figures[figure]?.middle ?? Number.NaN))
    ]
  })
  return table(["", ...contenders], rows)
}

/** Every figure of every cell. */
const everything = (cells: ReadonlyArray<Cell>, figures: ReadonlyArray<readonly [string, FigureMeaning]>): string =>
  table(
    ["", "", ...figures.map(([name, { unit }]) => `${name}, ${unit}`)],
    cells.map((cell) => [
      caseName(cell.parameters),
      cell.contender,
      ...figures.map(([name]) => number(cell.figures[name]?.middle ?? Number.NaN))
    ]),
    2
  )

const inMode = (mode: Mode, cells: ReadonlyArray<Cell>, contenders: ReadonlyArray<string>, described: Described) => {
  const figures = Object.entries(described.figures)
  const [main] = figures
  if (main === undefined) return []
  const [figure, { unit, better, about }] = main
  const here = contenders.filter((contender) => cells.some((cell) => cell.contender === contender))
  const cases = new Set(cells.map(({ parameters }) => keyOf(parameters))).size
  const shown = cases <= widest ? byContender(cells, here, figure) : byCase(cells, here, figure)
  // Figures taken at many moments are for plots.
  const others = figures.filter(([name]) => !/^held\d\d$/.test(name))
  return [
    `**${modeName[mode]}.** ${unit}: ${about}; ${better} is better.`,
    shown,
    ...(others.length > 1
      ? [
          details(
            "All figures, medians",
            [
              everything(cells, others),
              others.map(([name, { unit, about }]) => `- ${name}, ${unit}: ${about}`).join("\n")
            ].join("\n\n")
          )
        ]
      : [])
  ]
}

/** What one workload showed, in paragraphs and tables. */
export const workloadSection = (
  described: Described,
  cells: ReadonlyArray<Cell>,
  contenders: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const own = cells.filter(({ workload }) => workload === described.name)
  if (own.length === 0) return []
  const modes = groupBy(own, ({ mode }) => mode).flatMap(([mode, cells]) => inMode(mode, cells, contenders, described))
  return [`### ${described.name}`, described.about, ...modes]
}
