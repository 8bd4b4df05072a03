import type { Parameters } from "../measuring/results.ts"
import type { Scale, Workload } from "../workload.ts"
import { byScale, figures, measureMessages, number, tooSlow } from "./load.ts"

const KiB = 1024
const MiB = 1024 * KiB

const sizes = [
  { name: "messages-64b", text: "64 B", size: 64 },
  { name: "messages-1k", text: "1 KiB", size: KiB },
  { name: "messages-16k", text: "16 KiB", size: 16 * KiB },
  { name: "messages-1m", text: "1 MiB", size: MiB }
] as const

/** QUIC payloads in bytes: what any path carries, and the most that the binding sends. */
const payloads = [1350, 16_000]

const casesOf = (size: number, scale: Scale): ReadonlyArray<Parameters> => {
  const inFlight = byScale(scale, {
    full: size === MiB ? [1, 4, 32, 256] : [1, 32, 256],
    quick: size === MiB ? [4] : size === 64 ? [256] : [32],
    smoke: [4]
  })
  const plain = inFlight.map((inFlight) => ({ size, inFlight }))
  if (size !== MiB || scale === "smoke") return plain
  return [...plain, ...payloads.map((maxUdpPayload) => ({ size, inFlight: 4, maxUdpPayload }))]
}

const workloadOf = ({ name, size, text }: (typeof sizes)[number]): Workload => ({
  name,
  about: `Messages of ${text} over one connection, each confirmed to its sender, so many in flight at a time.`,
  figures:
    size === MiB
      ? {
          megabytesPerSecond: figures.megabytesPerSecond,
          messagesPerSecond: figures.messagesPerSecond,
          cpuPerMessage: figures.cpuPerMessage
        }
      : {
          messagesPerSecond: figures.messagesPerSecond,
          megabytesPerSecond: figures.megabytesPerSecond,
          cpuPerMessage: figures.cpuPerMessage
        },
  modes: ["one", "two"],
  cases: (scale) => casesOf(size, scale),
  omit: (contender, { inFlight, maxUdpPayload }) =>
    maxUdpPayload !== undefined && contender.overQuic !== true
      ? "has no QUIC payload that could be chosen"
      : tooSlow(contender, size * Number(inFlight)),
  limit: () => 120_000,
  run: async (context) => {
    const link = await context.contender.dial(context.address, context.options)
    const { cpuPerMessage, megabytesPerSecond, messagesPerSecond } = await measureMessages(context, [link], {
      size,
      inFlight: number(context, "inFlight")
    })
    await link.close()
    return {
      messagesPerSecond: messagesPerSecond!,
      megabytesPerSecond: megabytesPerSecond!,
      cpuPerMessage: cpuPerMessage!
    }
  }
})

export const messages: ReadonlyArray<Workload> = sizes.map(workloadOf)
