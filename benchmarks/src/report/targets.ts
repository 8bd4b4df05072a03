import type { Mode, Parameters } from "../measuring/results.ts"
import type { Asked } from "../measuring/run.ts"
import type { Cell, Summary } from "./summary.ts"
import { keyOf, ours } from "./summary.ts"
import { number, ratio, table } from "./text.ts"

/** A figure of a case of a workload. */
export interface Where {
  readonly workload: string
  readonly figure: string
  readonly parameters: Parameters
}

/** The median of a contender; undefined where it has no samples. */
type Lookup = (where: Where, contender: string) => number | undefined

export interface Target {
  readonly work: string
  readonly asks: string
  /** The figure of ours that decides. */
  readonly of: Where
  /** What that figure is divided by; undefined where it counts as it is. */
  readonly over: { readonly where: Where; readonly contender: string } | undefined
  /** The value that is asked for; undefined where something was not measured. */
  readonly measure: (lookup: Lookup) => number | undefined
  readonly met: (value: number) => boolean
  /** Whether a bound is asked for; without one, the value is told and not judged. */
  readonly judges: boolean
  readonly show: (value: number) => string
}

interface Bound {
  readonly atLeast?: number
  readonly atMost?: number
}

const asked = ({ atLeast, atMost }: Bound): string => {
  if (atLeast !== undefined) return `≥ ${number(atLeast)}`
  return atMost === undefined ? "how many" : `≤ ${number(atMost)}`
}

const target = (
  { asks, of, over, show, work }: Pick<Target, "asks" | "of" | "over" | "show" | "work">,
  bound: Bound
): Target => ({
  work,
  asks,
  of,
  over,
  measure: (lookup) => {
    const above = lookup(of, ours)
    if (over === undefined) return above
    const below = lookup(over.where, over.contender)
    return above === undefined || below === undefined ? undefined : above / below
  },
  met: (value) =>
    value >= (bound.atLeast ?? Number.NEGATIVE_INFINITY) && value <= (bound.atMost ?? Number.POSITIVE_INFINITY),
  judges: bound.atLeast !== undefined || bound.atMost !== undefined,
  show
})

/** Ours is so many times theirs. */
const against = (work: string, of: Where, contender: string, bound: Bound): Target =>
  target({ work, asks: `${asked(bound)} × ${contender}`, of, over: { where: of, contender }, show: ratio }, bound)

/** A figure of ours alone. */
const own = (work: string, of: Where, bound: Bound, unit: string, what = ""): Target =>
  target(
    {
      work,
      asks: `${asked(bound)} ${unit}${what}`,
      of,
      over: undefined,
      show: (value) => `${number(value)} ${unit}`
    },
    bound
  )

/** What a message costs in one case is so many times what it costs in another. */
const growth = (work: string, of: Where, over: Where, bound: Bound): Target =>
  target(
    {
      work,
      asks: `within ${number(bound.atMost ?? Number.NaN)} ×`,
      of,
      over: { where: over, contender: ours },
      show: ratio
    },
    bound
  )

const [KiB, MiB] = [1024, 1 << 20]

const messages = (workload: string, size: number, inFlight: number, more: Parameters = {}): Where => ({
  workload,
  figure: "messagesPerSecond",
  parameters: { size, inFlight, ...more }
})

const small = ["64 B, 256 in flight, confirmed", messages("messages-64b", 64, 256)] as const
const middling = ["1 KiB, 32 in flight, confirmed", messages("messages-1k", KiB, 32)] as const
const large = ["1 MiB, 4 in flight", messages("messages-1m", MiB, 4)] as const
const held = (maxUdpPayload: number, named: string) =>
  [`1 MiB, 4 in flight, payload of ${named} B`, messages("messages-1m", MiB, 4, { maxUdpPayload })] as const
const idle = (figure: string) =>
  [
    "5,000 idle connections, both ends",
    { workload: "idle", figure, parameters: { connections: 5000, seconds: 600 } }
  ] as const
const dials = (atOnce: number) =>
  [`dials, ${atOnce} at once`, { workload: "dials", figure: "dialsPerSecond", parameters: { atOnce } }] as const
const requests = [
  "request and response, 64 B, p50",
  { workload: "requests", figure: "p50", parameters: { size: 64 } }
] as const
const ofConnections = (figure: string, what: string, workload: string, named: string): Target => {
  const where = (connections: number): Where => ({ workload, figure, parameters: { connections, size: KiB } })
  return growth(`${what} of a message, 1,000 connections to 1, ${named}`, where(1000), where(1), { atMost: 1.5 })
}

/** What was asked for before anything was measured. */
export const targets: ReadonlyArray<Target> = [
  against(...middling, "hyperdht", { atLeast: 1 }),
  against(...middling, "plain-loop", { atLeast: 1.2 }),
  against(...middling, "class-layer", { atLeast: 200 }),
  against(...middling, "libp2p-tcp", { atLeast: 20 }),
  against(...middling, "libp2p-quic", { atLeast: 20 }),
  against(...small, "hyperdht", { atLeast: 0.7 }),
  against(...small, "plain-loop", { atLeast: 4 }),
  against(...large, "hyperdht", { atLeast: 2 }),
  against(...held(16_000, "16,000"), "plain-loop", { atLeast: 0.9 }),
  against(...held(1350, "1,350"), "plain-loop", { atLeast: 0.9 }),
  against(...requests, "tcp", { atMost: 2 }),
  against(...dials(1), "plain-loop", { atLeast: 0.7 }),
  against(...dials(16), "plain-loop", { atLeast: 0.7 }),
  ...[
    { size: KiB, inFlight: 256 },
    { size: MiB, inFlight: 4 }
  ].map((parameters) =>
    own(
      `a question while another connection carries ${parameters.inFlight} messages of ${parameters.size} B at a time, p99`,
      { workload: "loaded-requests", figure: "p99", parameters },
      { atMost: 20 },
      "ms"
    )
  ),
  own(...idle("perConnection"), { atMost: 80 }, "KB", " of RSS for each"),
  own(...idle("drift"), { atMost: 2 }, "%", " growth of RSS in ten minutes"),
  own(...idle("cpu"), { atMost: 5 }, "%", " of a core"),
  ofConnections("cpuPerMessage", "processor time", "cost-connections", "32 in flight on each"),
  ofConnections("microsecondsPerMessage", "time", "cost-connections", "32 in flight on each"),
  ofConnections("cpuPerMessage", "processor time", "cost-spread", "1,000 in flight in all"),
  ofConnections("microsecondsPerMessage", "time", "cost-spread", "1,000 in flight in all"),
  ...["qp2p-rust-0.29", "qp2p-rust-0.36"].flatMap((rust) => [
    against(...middling, rust, {}),
    against(...small, rust, {}),
    against(...large, rust, {}),
    against(...requests, rust, {}),
    against(...dials(16), rust, {})
  ])
]

/** What the targets look up: the figures of these cases and contenders are all that their table is made of. */
const lookedUp: ReadonlySet<string> = new Set(
  targets.flatMap(({ measure }) => {
    const keys: Array<string> = []
    measure(({ parameters, workload }, contender) => void keys.push(`${workload} ${keyOf(parameters)} ${contender}`))
    return keys
  })
)

/** Whether a contender's figures of a case decide a target. */
export const isForTargets = ({ contender, parameters, workload }: Asked): boolean =>
  lookedUp.has(`${workload} ${keyOf(parameters)} ${contender}`)

/** The samples of a contender's figure in a mode, summed up; undefined where there are none. */
export const summaryIn = (
  cells: ReadonlyArray<Cell>,
  mode: Mode,
  { workload, figure, parameters }: Where,
  contender: string
): Summary | undefined => {
  const fits = (cell: Cell) =>
    cell.workload === workload &&
    cell.mode === mode &&
    cell.contender === contender &&
    keyOf(cell.parameters) === keyOf(parameters)
  return cells.find(fits)?.figures[figure]
}

/** The value of a target in a mode; undefined where something was not measured. */
export const valueIn = (cells: ReadonlyArray<Cell>, mode: Mode, { measure }: Target): number | undefined =>
  measure((where, contender) => summaryIn(cells, mode, where, contender)?.middle)

/** What was asked, what was measured, and whether that is enough. */
export const targetsTable = (cells: ReadonlyArray<Cell>, list: ReadonlyArray<Target> = targets): string => {
  const verdict = (target: Target, mode: Mode) => {
    const value = valueIn(cells, mode, target)
    if (value === undefined) return "–"
    if (!target.judges) return target.show(value)
    return `${target.show(value)}, ${target.met(value) ? "met" : "**not met**"}`
  }
  const rows = list.map((target) => [target.work, target.asks, verdict(target, "one"), verdict(target, "two")])
  return table(["work", "target", "one process", "two processes"], rows, 2)
}
