import type { Workload } from "../workload.ts"
import { byScale, cpuOf, number, quantile } from "./load.ts"

export const dials: Workload = {
  name: "dials",
  about: "Connections made from one socket to one listener and closed again, so many at a time.",
  figures: {
    dialsPerSecond: { unit: "1/s", better: "more", about: "connections made and closed" },
    p50: { unit: "ms", better: "less", about: "from the dial until the connection can be used, median" },
    p99: { unit: "ms", better: "less", about: "99 of 100 were faster" },
    cpuPerDial: { unit: "µs", better: "less", about: "processor time of both ends for each connection" }
  },
  modes: ["one", "two"],
  cases: (scale) => byScale(scale, { full: [1, 16], quick: [16], smoke: [4] }).map((atOnce) => ({ atOnce })),
  limit: () => 120_000,
  run: async (context) => {
    const { address, contender, options, seconds } = context
    const dialler = await contender.dialler(options)
    const atOnce = number(context, "atOnce")
    const dialFor = async (seconds: number) => {
      const times: Array<number> = []
      const begin = performance.now()
      const until = begin + seconds * 1000
      const dial = async () => {
        do {
          const begin = performance.now()
          const link = await dialler.connect(address)
          times.push(performance.now() - begin)
          await link.close()
        } while (performance.now() < until)
      }
      await Promise.all(Array.from({ length: atOnce }, dial))
      return { times: new Float64Array(times).toSorted(), seconds: (performance.now() - begin) / 1000 }
    }
    await dialFor(seconds / 2)
    const cpuBefore = await cpuOf(context)
    const measured = await dialFor(seconds)
    const cpu = (await cpuOf(context)) - cpuBefore
    await dialler.close()
    return {
      dialsPerSecond: measured.times.length / measured.seconds,
      p50: quantile(measured.times, 0.5),
      p99: quantile(measured.times, 0.99),
      cpuPerDial: cpu / measured.times.length
    }
  }
}
