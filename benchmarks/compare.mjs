/**
 * The library next to the plain loop, in turns in one process, so that what else the machine does falls on both.
 *
 *     node compare.mjs [--quick] [--runs=7] [--only=a,b,c] [--sides=baseline,transport,library]
 *
 * One side alone, `--sides=library`, is for a profiler. `transport` is the library's lower half.
 */
import { openBaseline } from "./baseline.mjs"
import { median, workloads } from "./workloads.mjs"

const argument = (name) => process.argv.find((value) => value.startsWith(`--${name}=`))?.slice(name.length + 3)
const quick = process.argv.includes("--quick")
const runs = Number(argument("runs") ?? 5)
const only = argument("only")?.split(",")
const available = {
  baseline: () => openBaseline(),
  transport: async () => (await import("./transport.mjs")).openTransport(),
  library: async () => (await import("./library.mjs")).openLibrary()
}
const sides = (argument("sides") ?? "baseline,library").split(",")

/** Microseconds of processor time, both ends and the garbage collector: steadier than the clock on a busy machine. */
const processorTime = () => {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Median, and how far the slowest and the fastest run are from it. */
const summary = ({ rates, costs }, size) => {
  const middle = median(rates)
  const off = (value) => `${value >= middle ? "+" : ""}${((value / middle - 1) * 100).toFixed(0)}`
  return {
    "messages/s": Math.round(middle),
    "MB/s": Number(((middle * size) / 1e6).toFixed(1)),
    "CPU µs/message": Number(median(costs).toFixed(1)),
    "spread %": `${off(Math.min(...rates))} ${off(Math.max(...rates))}`
  }
}

const rows = {}
for (const workload of workloads) {
  if (only !== undefined && !only.includes(workload.key)) continue
  const count = quick ? workload.quick : workload.messages
  const opened = []
  for (const name of sides) {
    const { run, close } = await available[name]()
    await run(workload, Math.ceil(count / 4))
    opened.push({ name, run, close, rates: [], costs: [] })
  }
  for (let i = 0; i < runs; i++) {
    for (const { run, rates, costs } of opened) {
      const before = processorTime()
      rates.push(count / (await run(workload, count)))
      costs.push((processorTime() - before) / count)
    }
  }
  const baseline = opened.find(({ name }) => name === "baseline")
  for (const one of opened) {
    await one.close()
    const row = (rows[`${workload.name}, ${one.name}`] = summary(one, workload.size))
    if (baseline === undefined || one === baseline) continue
    row.ratio = Number((median(one.rates) / median(baseline.rates)).toFixed(2))
    row["CPU ratio"] = Number((median(one.costs) / median(baseline.costs)).toFixed(2))
  }
}
console.table(rows)
