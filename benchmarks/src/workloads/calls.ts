import type { Calls, Contender, Link } from "../contender.ts"
import type { Figures } from "../measuring/results.ts"
import type { Context, Network, Workload } from "../workload.ts"
import { byScale, cpuOf, number, quantile, Tally } from "./load.ts"
import { requestFigures } from "./requests.ts"

const MiB = 1 << 20

/** One that makes no calls asks questions instead, each caller one after the other. */
const unaryOf = ({ calls, requests }: Link): Calls["unary"] =>
  calls?.unary ??
  (async ({ count, inFlight, size }) => {
    const callers = Math.min(count, inFlight)
    const shares = Array.from({ length: callers }, (_, caller) => Math.floor((count + caller) / callers))
    const times = await Promise.all(shares.map((share) => requests({ size, count: share })))
    return Float64Array.from(times.flatMap((each) => [...each]))
  })

const callsOf = ({ calls }: Link): Calls => {
  if (calls === undefined) throw new Error("it makes no calls")
  return calls
}

const figures = {
  callsPerSecond: { unit: "calls/s", better: "more", about: "calls that were answered" },
  p50: { unit: "ms", better: "less", about: "from call to answer, median" },
  p99: { unit: "ms", better: "less", about: "99 of 100 were faster" },
  cpuPerCall: { unit: "µs", better: "less", about: "processor time of both ends for each call" }
} as const

const dial = ({ address, contender, options }: Context): Promise<Link> => contender.dial(address, options)

const unary: Workload = {
  name: "rpc-unary",
  about:
    "Calls of Effect RPC with 64 B there and back, over a connection that is there; those without RPC ask questions on streams.",
  calls: "unary",
  figures,
  modes: ["one", "two"],
  cases: () => [
    { size: 64, inFlight: 1 },
    { size: 64, inFlight: 64 }
  ],
  limit: () => 120_000,
  run: async (context): Promise<Figures> => {
    const link = await dial(context)
    const ask = unaryOf(link)
    const tally = new Tally(context)
    const load = { size: number(context, "size"), inFlight: number(context, "inFlight") }
    const call = async (count: number) => {
      const times = await ask({ ...load, count })
      tally.sent(count, load.size)
      return times
    }
    let rate = 1
    for (let count = load.inFlight, spent = 0; spent < context.seconds / 2; count *= 2) {
      const begin = performance.now()
      await call(count)
      const seconds = (performance.now() - begin) / 1000
      spent += seconds
      rate = count / seconds
    }
    const count = Math.max(load.inFlight, Math.round(rate * context.seconds))
    const cpuBefore = await cpuOf(context)
    const begin = performance.now()
    const times = await call(count)
    const seconds = (performance.now() - begin) / 1000
    const cpu = (await cpuOf(context)) - cpuBefore
    await tally.check()
    await link.close()
    const sorted = times.toSorted()
    return {
      callsPerSecond: count / seconds,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      cpuPerCall: cpu / count
    }
  }
}

const stream: Workload = {
  name: "rpc-stream",
  about: "One call of Effect RPC whose answer is a stream of numbers.",
  calls: "rpc",
  figures: {
    elementsPerSecond: { unit: "elements/s", better: "more", about: "elements that the caller has taken" },
    cpuPerElement: { unit: "µs", better: "less", about: "processor time of both ends for each element" }
  },
  modes: ["one", "two"],
  cases: (scale) => [{ count: byScale(scale, { full: 100_000, quick: 100_000, smoke: 1_000 }) }],
  limit: () => 60_000,
  run: async (context): Promise<Figures> => {
    const link = await dial(context)
    const { stream } = callsOf(link)
    const count = number(context, "count")
    await stream(count)
    const cpuBefore = await cpuOf(context)
    const begin = performance.now()
    let done = 0
    do {
      await stream(count)
      done += count
    } while (performance.now() - begin < context.seconds * 1000)
    const seconds = (performance.now() - begin) / 1000
    const cpu = (await cpuOf(context)) - cpuBefore
    await link.close()
    return { elementsPerSecond: done / seconds, cpuPerElement: cpu / done }
  }
}

const path: Network = { latency: 10, loss: 0, rate: 50e6 / 8, seed: 1 }

/** Starts `count` calls, one every `interval` milliseconds; how long each took, in milliseconds. */
const callsEvery = async (calls: Calls, count: number, interval: number): Promise<Float64Array> => {
  const begin = performance.now()
  const times: Array<Promise<Float64Array>> = []
  for (let call = 0; call < count; call++) {
    const wait = begin + call * interval - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    times.push(calls.unary({ size: 64, count: 1, inFlight: 1 }))
  }
  return Float64Array.from((await Promise.all(times)).flatMap((each) => [...each])).toSorted()
}

const beside: Workload = {
  name: "rpc-beside",
  about:
    "Calls of Effect RPC with 64 B, one every 8 ms, while a long answer to another call is under way, over a relay with 50 Mbit/s and 10 ms each way.",
  calls: "rpc",
  figures: {
    p99: requestFigures.p99,
    p50: requestFigures.p50,
    worst: { unit: "ms", better: "less", about: "the slowest of all" },
    long: { unit: "ms", better: "less", about: "from the call with the long answer to its end" }
  },
  modes: ["two"],
  cases: (scale) => [
    {
      calls: byScale(scale, { full: 200, quick: 200, smoke: 5 }),
      long: byScale(scale, { full: 12, quick: 12, smoke: 1 })
    }
  ],
  network: () => path,
  limit: () => 60_000,
  run: async (context): Promise<Figures> => {
    const link = await dial(context)
    const calls = callsOf(link)
    const tally = new Tally(context)
    const count = number(context, "calls")
    await calls.unary({ size: 64, count: 3, inFlight: 1 })
    const begin = performance.now()
    const long = calls.long(number(context, "long") * MiB).then(() => performance.now() - begin)
    const times = await callsEvery(calls, count, 8)
    const ended = await long
    tally.sent(count + 3, 64)
    await tally.check()
    await link.close()
    return {
      p99: quantile(times, 0.99),
      p50: quantile(times, 0.5),
      worst: times.at(-1) ?? Number.NaN,
      long: ended
    }
  }
}

/** Calls of Effect RPC. */
export const calls: ReadonlyArray<Workload> = [unary, stream, beside]

/** Why a workload is not for a contender, by what it makes. */
export const callsRefusal = ({ makes, name }: Contender, workload: Workload): string | undefined => {
  if (workload.calls === undefined) return makes === "calls" ? "it makes calls, and carries no messages" : undefined
  if (makes === "calls") return undefined
  return workload.calls === "unary" && /^(?:qp2p|libp2p-tcp|libp2p-quic)$/u.test(name) ? undefined : "it makes no calls"
}
