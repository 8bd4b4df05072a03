import type { Link } from "../contender.ts"
import type { Workload } from "../workload.ts"
import { byScale, cpuOf, number, quantile, Tally, tooSlow } from "./load.ts"
import { requestFigures } from "./requests.ts"

const KiB = 1024
const MiB = 1024 * KiB

const question = 64

/** Carries messages of `size` bytes, so many in flight, until `done` says so. */
const keepBusy = async (link: Link, size: number, inFlight: number, tally: Tally, done: () => boolean) => {
  let carried = 0
  for (let count = inFlight; !done(); count = Math.min(count * 2, 64 * inFlight)) {
    await link.messages({ size, inFlight, count })
    tally.sent(count, size)
    carried += count
  }
  return carried
}

/** Asks one question after the other for `seconds`; how long each took, in milliseconds. */
const askFor = async (link: Link, seconds: number, tally: Tally) => {
  const times: Array<number> = []
  const until = performance.now() + seconds * 1000
  do {
    times.push((await link.requests({ size: question, count: 1 }))[0]!)
    tally.sent(1, question)
  } while (performance.now() < until)
  return new Float64Array(times).toSorted()
}

export const loaded: Workload = {
  name: "loaded-requests",
  about:
    "Questions of 64 B, one after the other, over one connection, while another one between the same sockets carries as many messages as it can.",
  figures: {
    p50: requestFigures.p50,
    p99: requestFigures.p99,
    worst: { unit: "ms", better: "less", about: "the slowest of all" },
    megabytesPerSecond: { unit: "MB/s", better: "more", about: "what the other connection carried meanwhile" },
    cpu: { unit: "%", better: "less", about: "processor time of both ends, of one core" }
  },
  modes: ["two"],
  cases: (scale) =>
    byScale(scale, {
      full: [
        { size: KiB, inFlight: 256 },
        { size: MiB, inFlight: 4 }
      ],
      quick: [{ size: KiB, inFlight: 256 }],
      smoke: [{ size: KiB, inFlight: 32 }]
    }),
  omit: (contender, { inFlight, size }) => tooSlow(contender, 16 * Number(size) * Number(inFlight)),
  limit: () => 120_000,
  run: async (context) => {
    const { address, contender, options, seconds } = context
    const [size, inFlight] = [number(context, "size"), number(context, "inFlight")]
    const tally = new Tally(context)
    const dialler = await contender.dialler(options)
    const [busy, quiet] = [await dialler.connect(address), await dialler.connect(address)]
    let over = false
    const load = keepBusy(busy, size, inFlight, tally, () => over)
    await askFor(quiet, seconds / 2, tally)
    const cpuBefore = await cpuOf(context)
    const begin = performance.now()
    const times = await askFor(quiet, seconds, tally)
    const cpu = (await cpuOf(context)) - cpuBefore
    const asked = (performance.now() - begin) / 1000
    over = true
    const carried = await load
    const all = (performance.now() - begin) / 1000 + seconds / 2
    await tally.check()
    await dialler.close()
    return {
      p50: quantile(times, 0.5),
      p99: quantile(times, 0.99),
      worst: times.at(-1) ?? Number.NaN,
      megabytesPerSecond: (carried * size) / all / 1e6,
      cpu: cpu / 1e4 / asked
    }
  }
}
