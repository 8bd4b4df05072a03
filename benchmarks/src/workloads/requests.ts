import type { Link } from "../contender.ts"
import type { FigureMeaning, Figures } from "../measuring/results.ts"
import type { Context, Workload } from "../workload.ts"
import { cpuOf, number, quantile, Tally } from "./load.ts"

export const requestFigures = {
  p50: { unit: "ms", better: "less", about: "from question to answer, median" },
  p99: { unit: "ms", better: "less", about: "99 of 100 were faster" },
  requestsPerSecond: { unit: "1/s", better: "more", about: "questions answered, one after the other" },
  cpuPerRequest: { unit: "µs", better: "less", about: "processor time of both ends for each question and its answer" }
} as const satisfies { readonly [name: string]: FigureMeaning }

export const measureRequests = async (context: Context, link: Link, size: number): Promise<Figures> => {
  const tally = new Tally(context)
  const ask = async (count: number) => {
    const times = await link.requests({ size, count })
    tally.sent(count, size)
    return times
  }
  let rate = 1
  for (let count = 1, spent = 0; spent < context.seconds / 2; count *= 2) {
    const begin = performance.now()
    await ask(count)
    const seconds = (performance.now() - begin) / 1000
    spent += seconds
    rate = count / seconds
  }
  const count = Math.max(10, Math.round(rate * context.seconds))
  const cpuBefore = await cpuOf(context)
  const begin = performance.now()
  const times = await ask(count)
  const seconds = (performance.now() - begin) / 1000
  const cpu = (await cpuOf(context)) - cpuBefore
  await tally.check()
  const sorted = times.toSorted()
  return {
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    requestsPerSecond: count / seconds,
    cpuPerRequest: cpu / count
  }
}

export const requests: Workload = {
  name: "requests",
  about: "Questions of 64 B, one after the other, each answered with as much, over a connection that is there.",
  figures: requestFigures,
  modes: ["one", "two"],
  cases: () => [{ size: 64 }],
  limit: () => 120_000,
  run: async (context) => {
    const link = await context.contender.dial(context.address, context.options)
    const figures = await measureRequests(context, link, number(context, "size"))
    await link.close()
    return figures
  }
}
