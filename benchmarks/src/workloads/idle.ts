import { setTimeout as sleep } from "node:timers/promises"
import { uniformInt } from "pure-rand/distribution/uniformInt"
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus"
import type { Dialler, Link } from "../contender.ts"
import type { FigureMeaning, Figures } from "../measuring/results.ts"
import type { Context, Resources, Workload } from "../workload.ts"
import { dialAll } from "./fanIn.ts"
import { byScale, number, quantile, Tally } from "./load.ts"

/** Sockets that share the dials, as the connections of a peer would come from many others. */
const diallers = 10

/** Connections made before anything is measured, so that code and buffers are there. */
const early = 50

/** Links that carry a message in the end. */
const proofs = 100

/** The time that connections are held is cut in so many pieces; the resident memory of each is a figure, see `heldAt`. */
export const pieces = 20

/** The name of the figure with the resident memory of both ends in the given piece of the time, from 0 to `pieces` - 1. */
export const heldAt = (piece: number): string => `held${String(piece).padStart(2, "0")}`

const less = (unit: string, about: string): FigureMeaning => ({ unit, better: "less", about })

const figures: { readonly [name: string]: FigureMeaning } = {
  perConnection: less(
    "KB",
    "resident memory that a connection takes at both ends together, after the time in which it was idle and a garbage collection"
  ),
  perConnectionListener: less("KB", "of that, in the listener's process"),
  perConnectionDialler: less("KB", "of that, in the diallers' process"),
  perConnectionFresh: less("KB", "the same as `perConnection`, but before the idle time"),
  perConnectionUncollected: less("KB", "the same as `perConnectionFresh`, but before the garbage collection"),
  drift: less(
    "%",
    "by how much resident memory of both ends grew over the idle time without its first tenth, without forced collections (least squares)"
  ),
  slope: less("KB/min", "the same for each connection in a minute"),
  cpu: less(
    "% of a core",
    "processor time of both ends together while nothing but keep-alive and a ping a second happened"
  ),
  cpuListener: less("% of a core", "of that, in the listener's process"),
  cpuDialler: less("% of a core", "of that, in the diallers' process"),
  pingP50: less("ms", "64 bytes there and back on one of the idle connections, once a second: median"),
  pingP99: less("ms", "the same: 99 of 100 were faster"),
  pingWorst: less("ms", "the same: the slowest"),
  connects: { unit: "1/s", better: "more", about: "connections made a second until all were there" },
  ...Object.fromEntries(
    Array.from({ length: pieces }, (_, piece) => [
      heldAt(piece),
      less("MB", `least resident memory of both processes in piece ${piece + 1} of ${pieces} of the time`)
    ])
  )
}

interface Ends {
  readonly near: Resources
  readonly far: Resources
}

const look = async ({ near, far }: Context, collect: boolean): Promise<Ends> => ({
  near: await near.resources({ collect }),
  far: await far.resources({ collect })
})

/**
 * Collections, a second apart: only when some seconds have passed without much allocation does the engine give back the
 * space in which young objects were.
 */
const settled = async (context: Context): Promise<Ends> => {
  for (let left = byScale(context.scale, { full: 8, quick: 8, smoke: 1 }); left > 0; left--) {
    await look(context, true)
    await sleep(1000)
  }
  return look(context, true)
}

const rss = ({ near, far }: Ends): number => near.rss + far.rss

/** Least squares through values that were taken at equal distances: by how much they grow from one to the next. */
export const slopeOf = (values: ReadonlyArray<number>): number => {
  const middle = (values.length - 1) / 2
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const [above, below] = values.reduce(
    ([above, below], value, i) => [above + (i - middle) * (value - mean), below + (i - middle) ** 2],
    [0, 0]
  )
  return below === 0 ? 0 : above / below
}

/** Holds for `seconds`, with a ping a second; the least resident memory of each piece, and the times of the pings. */
const hold = async (context: Context, seconds: number, ping: () => Promise<number>) => {
  const held: Array<number> = []
  const pings: Array<number> = []
  const begin = performance.now()
  const pause = Math.min(1000, (seconds * 1000) / pieces / 2)
  for (let passed = 0; passed < seconds; passed = (performance.now() - begin) / 1000) {
    const piece = Math.floor((passed / seconds) * pieces)
    const bytes = rss(await look(context, false))
    // A machine that stood still may have left pieces without a look.
    while (held.length <= piece) held.push(bytes)
    held[piece] = Math.min(held[piece] ?? bytes, bytes)
    pings.push(await ping())
    await sleep(pause)
  }
  while (held.length < pieces) held.push(held.at(-1) ?? Number.NaN)
  return { held, pings: new Float64Array(pings).toSorted(), minutes: (performance.now() - begin) / 60_000 }
}

const run = async (context: Context): Promise<Figures> => {
  const { contender, address, options } = context
  const [connections, seconds] = [number(context, "connections"), number(context, "seconds")]
  const random = xoroshiro128plus(connections)
  const tally = new Tally(context)
  const sockets = await Promise.all(Array.from({ length: diallers }, () => contender.dialler(options)))
  let dialled = 0
  const dial = () => (sockets[dialled++ % diallers] as Dialler).connect(address)
  const say = async (link: Link) => {
    await link.messages({ size: 1024, count: 1, inFlight: 1 })
    tally.sent(1, 1024)
  }
  const ask = async (link: Link) => {
    const times = await link.requests({ size: 64, count: 1 })
    tally.sent(1, 64)
    return times[0] as number
  }

  for (const link of await dialAll(early, dial)) {
    await say(link)
    await ask(link)
  }
  const before = await settled(context)

  const begin = performance.now()
  const links = await dialAll(connections, dial)
  const connects = connections / ((performance.now() - begin) / 1000)
  const anyLink = () => links[uniformInt(random, 0, links.length - 1)] as Link
  const uncollected = await look(context, false)
  const open = await settled(context)

  const idle = await look(context, false)
  const { held, pings, minutes } = await hold(context, seconds, () => ask(anyLink()))
  const after = await look(context, false)
  const end = await settled(context)

  for (let i = 0; i < proofs; i++) await say(anyLink())
  await tally.check()
  for (const socket of sockets) await socket.close()

  // The first keep-alive finds buffers that are not there yet.
  const steady = held.slice(pieces / 10)
  const growth = slopeOf(steady)
  const kilobytes = (bytes: number) => bytes / 1000 / connections
  const share = (from: Resources, to: Resources) => ((to.cpu - from.cpu) / 1e6 / (minutes * 60)) * 100
  const cpuListener = share(idle.far, after.far)
  const cpuDialler = share(idle.near, after.near)
  return {
    perConnection: kilobytes(rss(end) - rss(before)),
    perConnectionListener: kilobytes(end.far.rss - before.far.rss),
    perConnectionDialler: kilobytes(end.near.rss - before.near.rss),
    perConnectionFresh: kilobytes(rss(open) - rss(before)),
    perConnectionUncollected: kilobytes(rss(uncollected) - rss(before)),
    drift: ((growth * steady.length) / (steady[0] ?? Number.NaN)) * 100,
    slope: kilobytes((growth * pieces) / minutes),
    cpu: cpuListener + cpuDialler,
    cpuListener,
    cpuDialler,
    pingP50: quantile(pings, 0.5),
    pingP99: quantile(pings, 0.99),
    pingWorst: quantile(pings, 1),
    connects,
    ...Object.fromEntries(held.map((bytes, piece) => [heldAt(piece), bytes / 1e6]))
  }
}

/** Connections on which nothing happens: what they cost in memory and processor time, and whether they still work. */
export const idle: Workload = {
  name: "idle",
  about:
    `Connections from ${diallers} sockets in one process to one endpoint in another, held open with nothing but each library's ` +
    `keep-alive and a ping a second on one of them; ${proofs} of them carry a message in the end.`,
  figures,
  modes: ["two"],
  cases: (scale) =>
    byScale(scale, {
      full: [
        { connections: 1000, seconds: 60 },
        { connections: 5000, seconds: 600 }
      ],
      quick: [{ connections: 1000, seconds: 20 }],
      smoke: [{ connections: 30, seconds: 2 }]
    }),
  omit: ({ name }, parameters, _mode, scale) =>
    scale === "full" && Number(parameters["connections"]) > 1000 && name !== "qp2p"
      ? "ten minutes are spent on ours alone"
      : undefined,
  rounds: (scale, { seconds }) => (scale === "full" ? (Number(seconds) > 100 ? 1 : 3) : 1),
  limit: (_scale, parameters) => (Number(parameters["seconds"]) + 120 + Number(parameters["connections"]) / 20) * 1000,
  run
}
