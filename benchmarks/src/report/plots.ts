import { parse, View } from "vega"
import type { Config, TopLevelSpec } from "vega-lite"
import { compile } from "vega-lite"

/** One figure: the median of some samples, and the smallest and the largest of them. */
export interface Point {
  readonly contender: string
  readonly middle: number
  readonly low: number
  readonly high: number
}

export interface Axis {
  /** What it shows, with the unit. */
  readonly title: string
  readonly log: boolean
  /** Where the ticks are, for values that have names of their own, such as 1 KiB. */
  readonly ticks?: ReadonlyArray<{ readonly value: number; readonly label: string }> | undefined
}

export interface Plot {
  /** What is seen. */
  readonly title: string
  /** What it was measured with, and which direction is better; lines. */
  readonly subtitle: ReadonlyArray<string>
  /** Every contender of the report, so that each has its colour in all plots. */
  readonly contenders: ReadonlyArray<string>
}

export interface LinePlot extends Plot {
  readonly x: Axis
  readonly y: Axis
  readonly points: ReadonlyArray<Point & { readonly x: number }>
}

export interface DotPlot extends Plot {
  readonly x: Axis
  /** Groups stand below each other, in the order in which they come first. */
  readonly points: ReadonlyArray<Point & { readonly group: string }>
  /** A line across all groups, such as the ratio of 1. */
  readonly mark?: number | undefined
}

const ink = "#24292f"
const faint = "#d0d7de"
const paper = "#ffffff"

/** What takes the place of these colours where the reader's screen is dark. */
const dark = new Map([
  [ink, "#e6edf3"],
  [faint, "#3d444d"],
  [paper, "#0d1117"]
])

/** Told apart by those who see few colours, and visible on light and dark paper; the first is for the first contender. */
const colours = [
  "#0a7cff",
  "#d55e00",
  "#009e73",
  "#cc6aa7",
  "#b08900",
  "#8250df",
  "#6e7781",
  "#c0392b",
  "#2aa5b8",
  "#7a9a01"
]
const shapes = [
  "circle",
  "square",
  "triangle-up",
  "diamond",
  "cross",
  "triangle-down",
  "triangle-right",
  "triangle-left"
]

const config: Config = {
  // A label for every mark would be most of the file; the report has an alternative text for the whole.
  aria: false,
  background: paper,
  font: "Helvetica, Arial, 'Liberation Sans', sans-serif",
  padding: 16,
  view: { stroke: null },
  title: {
    anchor: "start",
    color: ink,
    fontSize: 15,
    offset: 14,
    subtitleColor: ink,
    subtitleFontSize: 12,
    subtitlePadding: 6
  },
  axis: {
    domainColor: ink,
    gridColor: faint,
    labelColor: ink,
    labelFontSize: 11,
    tickColor: ink,
    titleColor: ink,
    titleFontSize: 12,
    titleFontWeight: "normal",
    titlePadding: 10
  },
  legend: { labelColor: ink, labelFontSize: 12, labelLimit: 300, symbolOpacity: 1, symbolSize: 90, titleColor: ink },
  header: { labelColor: ink, titleColor: ink }
}

type Tick = NonNullable<Axis["ticks"]>[number]

const short = (value: number): string => {
  if (value >= 1e6) return `${value / 1e6}M`
  return value >= 1e4 ? `${value / 1e3}k` : String(value)
}

/** Powers of ten around the values; with 2 and 5 between them where that would be too few. */
const logTicks = (low: number, high: number): ReadonlyArray<Tick> => {
  const steps = high / low > 100 ? [1] : [1, 2, 5]
  const exponents = Array.from({ length: 40 }, (_, i) => i - 20)
  const all = exponents.flatMap((exponent) => steps.map((step) => Number(`${step}e${exponent}`)))
  const from = all.findLastIndex((value) => value <= low)
  const to = all.findIndex((value) => value >= high)
  return all.slice(from, to + 1).map((value) => ({ value, label: short(value) }))
}

/** `labelExpr` of Vega: the names of the ticks. */
const names = (ticks: ReadonlyArray<Tick>) =>
  ticks.reduceRight(
    (otherwise, { value, label }) => `datum.value === ${value} ? ${JSON.stringify(label)} : ${otherwise}`,
    "''"
  )

const scaled = ({ log, title, ticks }: Axis, values: ReadonlyArray<number>) => {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const marks = ticks ?? (log ? logTicks(low, high) : undefined)
  const ends = [...values, ...(marks ?? []).map(({ value }) => value)]
  const grid = { grid: true, labelFlush: false }
  return {
    title,
    scale: log
      ? { type: "log" as const, domain: [Math.min(...ends), Math.max(...ends)] }
      : { type: "linear" as const, zero: true },
    axis:
      marks === undefined
        ? { ...grid, format: "~s" }
        : { ...grid, values: marks.map(({ value }) => value), labelExpr: names(marks) }
  }
}

/** What has no place on a logarithmic axis, such as a figure of 0, is not drawn. */
const drawable = <P extends Point>(points: ReadonlyArray<P>, log: boolean): ReadonlyArray<P> =>
  log ? points.filter(({ low }) => low > 0) : points

/** What is drawn last lies on top: that is the first contender. */
const lastFirst = <P extends Point>(points: ReadonlyArray<P>, contenders: ReadonlyArray<string>): Array<P> =>
  points.toSorted((left, right) => contenders.indexOf(right.contender) - contenders.indexOf(left.contender))

const spread = (points: ReadonlyArray<Point>): ReadonlyArray<number> => points.flatMap(({ low, high }) => [low, high])

const looks = (contenders: ReadonlyArray<string>, shown: ReadonlySet<string>) => {
  const domain = contenders.filter((contender) => shown.has(contender))
  const pick = (from: ReadonlyArray<string>) =>
    domain.map((contender) => from[contenders.indexOf(contender) % from.length] ?? ink)
  const legend = { title: null }
  const sort = [...domain]
  return {
    color: { field: "contender", type: "nominal", sort, scale: { domain, range: pick(colours) }, legend },
    shape: { field: "contender", type: "nominal", sort, scale: { domain, range: pick(shapes) }, legend }
  } as const
}

/** The same SVG for the same specification, with both kinds of paper in it. */
const draw = async (spec: TopLevelSpec): Promise<string> => {
  const view = new View(parse(compile(spec, { config }).spec), { renderer: "none" })
  const svg = await view.toSVG()
  view.finalize()
  const rules = [...dark].flatMap(([light, dark]) => [
    `[fill="${light}"]{fill:${dark}}`,
    `[stroke="${light}"]{stroke:${dark}}`
  ])
  const style = `<style>@media (prefers-color-scheme: dark){${rules.join("")}}</style>`
  return `${svg.replace(/^(<svg[^>]*>)/, `$1${style}`)}\n`
}

/** How something grows: a line for each contender, its spread as a bar at each point. */
export const linePlot = ({ title, subtitle, contenders, x, y, points: all }: LinePlot): Promise<string> => {
  const points = drawable(all, y.log)
  const { color, shape } = looks(contenders, new Set(points.map(({ contender }) => contender)))
  const across = {
    field: "x",
    type: "quantitative",
    ...scaled(
      x,
      points.map(({ x }) => x)
    )
  } as const
  const up = scaled(y, spread(points))
  return draw({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: { text: title, subtitle: [...subtitle] },
    width: 620,
    height: 340,
    data: { values: lastFirst(points, contenders) },
    layer: [
      {
        mark: { type: "rule", strokeWidth: 1.5, opacity: 0.6 },
        encoding: { x: across, y: { field: "low", type: "quantitative", ...up }, y2: { field: "high" }, color }
      },
      {
        mark: { type: "line", strokeWidth: 2 },
        encoding: { x: across, y: { field: "middle", type: "quantitative", ...up }, color }
      },
      {
        mark: { type: "point", filled: true, size: 70, opacity: 1 },
        encoding: { x: across, y: { field: "middle", type: "quantitative", ...up }, color, shape }
      }
    ]
  })
}

/** Contenders side by side, on one line for each group. */
export const dotPlot = ({ title, subtitle, contenders, x, points: all, mark }: DotPlot): Promise<string> => {
  const points = drawable(all, x.log)
  const { color, shape } = looks(contenders, new Set(points.map(({ contender }) => contender)))
  const groups = [...new Set(points.map(({ group }) => group))]
  const across = scaled(x, [...spread(points), ...(mark === undefined ? [] : [mark])])
  const down = {
    field: "group",
    type: "nominal",
    title: null,
    sort: groups,
    axis: { grid: true, labelLimit: 0, ticks: false, domain: false }
  } as const
  return draw({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: { text: title, subtitle: [...subtitle] },
    width: 620,
    height: { step: 34 },
    data: { values: lastFirst(points, contenders) },
    layer: [
      ...(mark === undefined
        ? []
        : [{ mark: { type: "rule", color: ink, strokeWidth: 1.5 }, encoding: { x: { datum: mark } } } as const]),
      {
        mark: { type: "rule", strokeWidth: 2.5, opacity: 0.5 },
        encoding: { y: down, x: { field: "low", type: "quantitative", ...across }, x2: { field: "high" }, color }
      },
      {
        mark: { type: "point", filled: true, size: 90, opacity: 1 },
        encoding: { y: down, x: { field: "middle", type: "quantitative", ...across }, color, shape }
      }
    ]
  })
}
