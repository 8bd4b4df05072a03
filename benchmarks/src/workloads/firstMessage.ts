import type { Link } from "../contender.ts"
import type { Workload } from "../workload.ts"
import { quantile, Tally } from "./load.ts"

const size = 64

export const firstMessage: Workload = {
  name: "first-message",
  about: "How long until a first message of 64 B is confirmed, dial included.",
  figures: {
    p50: { unit: "ms", better: "less", about: "from a socket that is there, median" },
    p99: { unit: "ms", better: "less", about: "the same: 99 of 100 were faster" },
    freshP50: {
      unit: "ms",
      better: "less",
      about: "from nothing: a new socket, with its keys and certificates, median"
    },
    freshP99: { unit: "ms", better: "less", about: "the same: 99 of 100 were faster" }
  },
  modes: ["one", "two"],
  cases: () => [{ size }],
  limit: () => 120_000,
  run: async (context) => {
    const { address, contender, options, seconds } = context
    const tally = new Tally(context)
    const timesOf = async (open: () => Promise<Link>) => {
      const times: Array<number> = []
      const begin = performance.now()
      // A first half to warm up, and at least a few.
      for (let i = 0; i < 6 || performance.now() - begin < seconds * 1000; i++) {
        const begin = performance.now()
        const link = await open()
        await link.messages({ size, count: 1, inFlight: 1 })
        times.push(performance.now() - begin)
        tally.sent(1, size)
        await link.close()
      }
      return new Float64Array(times.slice(times.length >> 1)).toSorted()
    }
    const dialler = await contender.dialler(options)
    const ready = await timesOf(() => dialler.connect(address))
    const fresh = await timesOf(() => contender.dial(address, options))
    await dialler.close()
    await tally.check()
    return {
      p50: quantile(ready, 0.5),
      p99: quantile(ready, 0.99),
      freshP50: quantile(fresh, 0.5),
      freshP99: quantile(fresh, 0.99)
    }
  }
}
