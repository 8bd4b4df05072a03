import type { Mode, Parameters, Results, Sample } from "../measuring/results.ts"

/** Some samples of one figure. */
export interface Summary {
  readonly middle: number
  readonly low: number
  readonly high: number
  readonly samples: number
}

/** The samples of a contender in one case of a workload. */
export interface Cell {
  readonly workload: string
  readonly mode: Mode
  readonly parameters: Parameters
  readonly contender: string
  readonly figures: { readonly [name: string]: Summary }
}

/** The whole of the report is about it. */
export const ours = "qp2p"

/** Parameters as text: equal for equal parameters, whatever their order. */
export const keyOf = (parameters: Parameters): string =>
  JSON.stringify(Object.entries(parameters).toSorted(([left], [right]) => (left < right ? -1 : 1)))

/** In the order in which the keys come first. */
export const groupBy = <A, K>(
  items: ReadonlyArray<A>,
  keyOf: (item: A) => K
): ReadonlyArray<readonly [K, ReadonlyArray<A>]> => {
  const groups = new Map<K, Array<A>>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return [...groups]
}

/** Middle, smallest and largest; the mean of the two in the middle where the count is even. */
export const summarize = (values: ReadonlyArray<number>): Summary => {
  const sorted = values.toSorted((left, right) => left - right)
  const half = sorted.length >> 1
  const upper = sorted[half] ?? Number.NaN
  const middle = sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2
  return { middle, low: sorted[0] ?? Number.NaN, high: sorted.at(-1) ?? Number.NaN, samples: sorted.length }
}

const cellOf = (samples: ReadonlyArray<Sample>): ReadonlyArray<Cell> => {
  const [first] = samples
  if (first === undefined) return []
  const names = [...new Set(samples.flatMap(({ figures }) => Object.keys(figures)))]
  const figures = names.map((name) => {
    const values = samples.flatMap(({ figures }) => figures[name] ?? [])
    return [name, summarize(values)] as const
  })
  const { workload, mode, parameters, contender } = first
  return [{ workload, mode, parameters, contender, figures: Object.fromEntries(figures) }]
}

/** The samples, put together by contender and case. */
export const cellsOf = ({ samples }: Results): ReadonlyArray<Cell> =>
  groupBy(samples, ({ workload, mode, parameters, contender }) =>
    [workload, mode, keyOf(parameters), contender].join(" ")
  ).flatMap(([, samples]) => cellOf(samples))
