import type { Workload } from "../workload.ts"
import { byScale, cpuOf, number, Tally, tooSlow } from "./load.ts"

const KiB = 1024
const MiB = 1024 * KiB

/** Seconds that a transfer may take; a contender that needs longer transfers less. */
const longest = 60

export const transfer: Workload = {
  name: "transfer",
  about:
    "One gigabyte (2^30 bytes) in messages of one size, from beginning to end; less for those that need more than a minute.",
  figures: {
    megabytesPerSecond: { unit: "MB/s", better: "more", about: "bytes of payload, 1 MB = 1,000,000 bytes" },
    seconds: { unit: "s", better: "less", about: "what 2^30 bytes take at that rate" },
    cpuPerMegabyte: { unit: "ms", better: "less", about: "processor time of both ends for each MB" },
    bytes: { unit: "B", better: "more", about: "what was transferred" }
  },
  modes: ["one", "two"],
  cases: (scale) => {
    const bytes = byScale(scale, { full: 1024 * MiB, quick: 128 * MiB, smoke: 4 * MiB })
    const long = { bytes, size: MiB, inFlight: 16 }
    return scale === "full" ? [long, { bytes, size: 64 * KiB, inFlight: 64 }] : [long]
  },
  omit: (contender, { inFlight, size }) => tooSlow(contender, Number(size) * Number(inFlight)),
  limit: () => 300_000,
  run: async (context) => {
    const { contender, address, options } = context
    const [bytes, size, inFlight] = [number(context, "bytes"), number(context, "size"), number(context, "inFlight")]
    const tally = new Tally(context)
    const link = await contender.dial(address, options)
    const send = async (count: number) => {
      const begin = performance.now()
      await link.messages({ size, inFlight, count })
      tally.sent(count, size)
      return (performance.now() - begin) / 1000
    }
    const trial = Math.max(1, Math.round((bytes / size) * 0.02))
    const rate = trial / (await send(trial))
    await tally.check()
    const count = Math.max(inFlight, Math.min(bytes / size, Math.round(rate * longest)))
    const cpuBefore = await cpuOf(context)
    const seconds = await send(count)
    const cpu = (await cpuOf(context)) - cpuBefore
    await tally.check()
    await link.close()
    const megabytes = (count * size) / 1e6
    return {
      megabytesPerSecond: megabytes / seconds,
      seconds: (seconds * 2 ** 30) / (count * size),
      cpuPerMegabyte: cpu / 1000 / megabytes,
      bytes: count * size
    }
  }
}
