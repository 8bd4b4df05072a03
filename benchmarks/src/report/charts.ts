import type { Mode, Results } from "../measuring/results.ts"
import { heldAt, pieces } from "../workloads/idle.ts"
import type { Axis, Point } from "./plots.ts"
import { dotPlot, linePlot } from "./plots.ts"
import type { Cell } from "./summary.ts"
import { groupBy, keyOf, ours } from "./summary.ts"
import { bytes, caseName, number } from "./text.ts"
import { modeName } from "./workloadSection.ts"

/** A plot for the report: its file and what it shows. */
export interface Chart {
  readonly file: string
  readonly title: string
  readonly svg: string
}

interface Source {
  readonly results: Results
  readonly cells: ReadonlyArray<Cell>
  readonly contenders: ReadonlyArray<string>
}

const subtitle = (mode: Mode, wish: string): string =>
  `${modeName[mode]}. Medians, with the smallest and the largest sample. ${wish}`

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`

/** The figure that stands for a workload. */
const mainOf = ({ results }: Source, workload: string) => {
  const [main] = Object.entries(results.workloads.find(({ name }) => name === workload)?.figures ?? {})
  return main === undefined ? undefined : { figure: main[0], ...main[1] }
}

const pointOf = (cell: Cell, figure: string): ReadonlyArray<Point> => {
  const summary = cell.figures[figure]
  if (summary === undefined) return []
  const { middle, low, high } = summary
  return [{ contender: cell.contender, middle, low, high }]
}

/** Workloads of a kind, all their cases below each other. */
const rates = async (source: Source, mode: Mode, kind: string, title: string): Promise<ReadonlyArray<Chart>> => {
  const points = source.cells
    .filter((cell) => cell.mode === mode && cell.workload.startsWith(kind))
    .flatMap((cell) =>
      pointOf(cell, "messagesPerSecond").map((point) => ({ ...point, group: caseName(cell.parameters) }))
    )
  if (points.length === 0) return []
  const svg = await dotPlot({
    title,
    subtitle: [subtitle(mode, "More is better.")],
    contenders: source.contenders,
    x: { title: "messages a second", log: true },
    points
  })
  return [{ file: `${kind}-${mode}.svg`, title, svg }]
}

/** Ours next to each of the others, in everything that has no plot of its growth. */
const ratios = async (source: Source, mode: Mode): Promise<ReadonlyArray<Chart>> => {
  const cells = source.cells.filter((cell) => cell.mode === mode && !cell.workload.startsWith("cost-"))
  const points = groupBy(cells, ({ workload, parameters }) => `${workload} ${keyOf(parameters)}`).flatMap(
    ([, cells]) => {
      const our = cells.find(({ contender }) => contender === ours)
      const main = our === undefined ? undefined : mainOf(source, our.workload)
      if (our === undefined || main === undefined) return []
      const group = `${our.workload}: ${caseName(our.parameters)}`
      return cells.flatMap((cell) => {
        const [a, b] = [our.figures[main.figure], cell.figures[main.figure]]
        if (cell === our || a === undefined || b === undefined) return []
        const [better, worse] = main.better === "more" ? [a, b] : [b, a]
        const point = {
          low: better.low / worse.high,
          middle: better.middle / worse.middle,
          high: better.high / worse.low
        }
        return [{ ...point, contender: cell.contender, group }]
      })
    }
  )
  if (points.length === 0) return []
  const title = "How many times better qp2p is than each of the others"
  const svg = await dotPlot({
    title,
    subtitle: [
      `${modeName[mode]}. Right of the line at 1 qp2p is ahead.`,
      "Ratios of the medians; bars reach from our worst sample over their best to our best over their worst."
    ],
    contenders: source.contenders,
    x: { title: "times better than the other", log: true },
    points,
    mark: 1
  })
  return [{ file: `ratios-${mode}.svg`, title, svg }]
}

const requests = async (source: Source): Promise<ReadonlyArray<Chart>> => {
  const cells = source.cells.filter(({ workload }) => workload === "requests")
  const points = (["one", "two"] as const).flatMap((mode) =>
    ["p50", "p99"].flatMap((figure) =>
      cells
        .filter((cell) => cell.mode === mode)
        .flatMap((cell) =>
          pointOf(cell, figure).map((point) => ({
            ...point,
            group: `${mode === "one" ? "one process" : "two processes"}, ${caseName(cell.parameters)}: ${figure}`
          }))
        )
    )
  )
  if (points.length === 0) return []
  const title = "Time from a question to its answer"
  const svg = await dotPlot({
    title,
    subtitle: ["One question after the other. Medians, with the smallest and the largest sample. Less is better."],
    contenders: source.contenders,
    x: { title: mainOf(source, "requests")?.unit ?? "", log: true },
    points
  })
  return [{ file: "requests.svg", title, svg }]
}

/** What becomes larger, in words, and how its values are written. */
interface Grown {
  readonly workload: string
  readonly parameter: string
  readonly title: string
  readonly axis: string
  readonly write: (value: number) => string
}

const grown: ReadonlyArray<Grown> = [
  {
    workload: "cost-size",
    parameter: "size",
    title: "Cost of a message as it grows",
    axis: "size of a message",
    write: bytes
  },
  {
    workload: "cost-streams",
    parameter: "inFlight",
    title: "Cost of a message as more are in flight",
    axis: "messages in flight, each a stream where there are such",
    write: number
  },
  {
    workload: "cost-connections",
    parameter: "connections",
    title: "Cost of a message as connections grow in number",
    axis: "connections, with 32 messages in flight on each",
    write: number
  },
  {
    workload: "cost-spread",
    parameter: "connections",
    title: "Cost of a message as the same messages are spread over more connections",
    axis: "connections that a thousand messages in flight are spread over",
    write: number
  },
  {
    workload: "cost-peers",
    parameter: "peers",
    title: "Cost of a message as peers grow in number",
    axis: "peers that send to one",
    write: number
  }
]

const growth = async (source: Source, mode: Mode, grown: Grown): Promise<ReadonlyArray<Chart>> => {
  const { workload, parameter, title, axis, write } = grown
  const main = mainOf(source, workload)
  const cells = source.cells.filter((cell) => cell.workload === workload && cell.mode === mode)
  if (main === undefined || cells.length === 0) return []
  const points = cells.flatMap((cell) =>
    pointOf(cell, main.figure).map((point) => ({ ...point, x: Number(cell.parameters[parameter]) }))
  )
  const values = [...new Set(points.map(({ x }) => x))].toSorted((left, right) => left - right)
  const x: Axis = { title: axis, log: true, ticks: values.map((value) => ({ value, label: write(value) })) }
  const svg = await linePlot({
    title,
    subtitle: [sentence(main.about), subtitle(mode, main.better === "more" ? "More is better." : "Less is better.")],
    contenders: source.contenders,
    x,
    y: { title: `${main.unit} a message`, log: true },
    points
  })
  return [{ file: `${workload}-${mode}.svg`, title, svg }]
}

/** Resident memory over the time in which connections are idle. */
const held = async (source: Source): Promise<ReadonlyArray<Chart>> => {
  const cells = source.cells.filter(({ workload }) => workload === "idle")
  const charts = groupBy(cells, ({ parameters }) => keyOf(parameters)).map(async ([, cells]) => {
    const parameters = cells[0]?.parameters ?? {}
    const [seconds, connections] = [Number(parameters["seconds"]), Number(parameters["connections"])]
    const points = cells.flatMap((cell) =>
      Array.from({ length: pieces }, (_, piece) =>
        pointOf(cell, heldAt(piece)).map((point) => ({ ...point, x: (seconds * (piece + 0.5)) / pieces }))
      ).flat()
    )
    const title = `Memory while ${number(connections)} connections are idle`
    const svg = await linePlot({
      title,
      subtitle: ["Both ends together, each in its own process. Flat is good, and low is."],
      contenders: source.contenders,
      x: { title: "seconds", log: false },
      y: { title: "resident memory, MB", log: false },
      points
    })
    return { file: `idle-${connections}.svg`, title, svg }
  })
  return Promise.all(charts)
}

/** Every plot that these results have figures for. */
export const chartsOf = async (source: Source): Promise<ReadonlyArray<Chart>> => {
  const both = ["one", "two"] as const
  const charts = [
    ...both.map((mode) => ratios(source, mode)),
    ...both.map((mode) => rates(source, mode, "messages", "Confirmed messages")),
    rates(source, "two", "lossy-messages", "Confirmed messages, 20 ms each way and 1 % of the packets lost"),
    requests(source),
    ...both.flatMap((mode) => grown.map((one) => growth(source, mode, one))),
    held(source)
  ]
  return (await Promise.all(charts)).flat()
}
