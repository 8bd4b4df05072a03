/** What workloads that send messages have in common: how many, for how long, and whether all of them were handed over. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Link } from "../contender.ts"
import type { FigureMeaning, Figures } from "../measuring/results.ts"
import type { Context, Named, Scale } from "../workload.ts"

export const figures = {
  messagesPerSecond: {
    unit: "messages/s",
    better: "more",
    about: "messages that were sent, confirmed and handed over"
  },
  megabytesPerSecond: { unit: "MB/s", better: "more", about: "the same in bytes of payload, 1 MB = 1,000,000 bytes" },
  microsecondsPerMessage: { unit: "µs", better: "less", about: "time for each message" },
  cpuPerMessage: { unit: "µs", better: "less", about: "processor time of both ends for each message, all threads" }
} as const satisfies { readonly [name: string]: FigureMeaning }

/** Longest that what was confirmed may need to reach the application, in milliseconds. */
const patience = 10_000

/** Keeps count of what was sent, and fails where the listener was handed anything else. */
export class Tally {
  private messages = 0
  private bytes = 0
  private readonly context: Context

  constructor(context: Context) {
    this.context = context
  }

  sent(count: number, size: number): void {
    this.messages += count
    this.bytes += count * size
  }

  async check(): Promise<void> {
    const deadline = performance.now() + patience
    for (;;) {
      const { bytes, messages } = await this.context.far.counts()
      if (messages === this.messages && bytes === this.bytes) return
      if (messages > this.messages || performance.now() > deadline) {
        throw new Error(
          `the listener was handed ${messages} messages with ${bytes} bytes, and not ${this.messages} with ${this.bytes}`
        )
      }
      await sleep(1)
    }
  }
}

/** Processor time of both ends so far, in microseconds. */
export const cpuOf = async ({ far, mode, near }: Context): Promise<number> => {
  const here = (await near.resources()).cpu
  return mode === "one" ? here : here + (await far.resources()).cpu
}

export interface Load {
  readonly size: number
  /** On each link. */
  readonly inFlight: number
  /** Messages on each link that the measured run may not exceed. */
  readonly most?: number
}

const send = async (links: ReadonlyArray<Link>, load: Load, count: number, tally: Tally): Promise<number> => {
  const begin = performance.now()
  await Promise.all(links.map((link) => link.messages({ size: load.size, inFlight: load.inFlight, count })))
  const seconds = (performance.now() - begin) / 1000
  tally.sent(links.length * count, load.size)
  return seconds
}

/** Sends more and more until that has taken half the time of the measured run; how many a second a link carries then. */
const warmUp = async (links: ReadonlyArray<Link>, load: Load, tally: Tally, budget: number): Promise<number> => {
  let count = 1
  let spent = 0
  for (;;) {
    const seconds = await send(links, load, count, tally)
    spent += seconds
    const rate = count / seconds
    if (spent >= budget) return rate
    count = Math.max(1, Math.min(count * 4, Math.ceil(rate * budget)))
  }
}

/** Sends messages on all links at once for about `context.seconds`, after a warm-up. */
export const measureMessages = async (
  context: Context,
  links: ReadonlyArray<Link>,
  load: Load,
  tally = new Tally(context)
): Promise<Figures> => {
  const rate = await warmUp(links, load, tally, context.seconds / 2)
  await tally.check()
  // At least once as many as may be in flight, or there would be fewer.
  const wanted = Math.max(load.inFlight, Math.round(rate * context.seconds))
  const count = Math.min(wanted, load.most ?? Number.POSITIVE_INFINITY)
  const cpuBefore = await cpuOf(context)
  const seconds = await send(links, load, count, tally)
  const cpu = (await cpuOf(context)) - cpuBefore
  await tally.check()
  const messages = links.length * count
  return {
    messagesPerSecond: messages / seconds,
    megabytesPerSecond: (messages * load.size) / seconds / 1e6,
    microsecondsPerMessage: (seconds * 1e6) / messages,
    cpuPerMessage: cpu / messages
  }
}

export const number = (context: Context, name: string): number => {
  const value = context.parameters[name]
  if (typeof value !== "number") throw new Error(`the parameter ${name} is missing`)
  return value
}

/** The value at `share` of sorted times. */
export const quantile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** `pick(scale)` with one name for each. */
export const byScale = <A>(scale: Scale, choices: { readonly [K in Scale]: A }): A => choices[scale]

/** Why many connections at once are left out for those that need minutes for a first message on each. */
export const tooMany = ({ name }: Named, connections: number): string | undefined =>
  name === "class-layer" && connections >= 100
    ? "with a hundred connections that are busy at once its warm-up alone takes more than three minutes"
    : undefined

/** Why long messages are left out for those that would need minutes for what others do in a second. */
export const tooSlow = ({ name }: Named, bytesInFlight: number): string | undefined =>
  name === "class-layer" && bytesInFlight > 8 << 20
    ? "carries about 1 MB a second: what is to be in flight alone would take minutes"
    : undefined
