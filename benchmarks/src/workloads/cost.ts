/** How the cost of a message grows with its size, and with how much else there is. */
import type { Workload } from "../workload.ts"
import { dialAll, measurePeers } from "./fanIn.ts"
import { byScale, figures as loadFigures, measureMessages, number, tooMany, tooSlow } from "./load.ts"

const KiB = 1024
const MiB = 1024 * KiB

const figures = {
  cpuPerMessage: loadFigures.cpuPerMessage,
  microsecondsPerMessage: loadFigures.microsecondsPerMessage,
  messagesPerSecond: loadFigures.messagesPerSecond,
  megabytesPerSecond: loadFigures.megabytesPerSecond
}

/** Spread over all connections, so that their number is all that changes. */
const inFlightInAll = 1000

const limit = () => 180_000

const bySize: Workload = {
  name: "cost-size",
  about: "Messages of growing size, 32 in flight over one connection.",
  figures,
  modes: ["two"],
  cases: (scale) =>
    byScale(scale, {
      full: [64, 256, KiB, 4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, MiB, 4 * MiB],
      quick: [64, KiB, 16 * KiB, 256 * KiB],
      smoke: [64, 64 * KiB]
    }).map((size) => ({ size, inFlight: 32 })),
  omit: (contender, { inFlight, size }) => tooSlow(contender, Number(size) * Number(inFlight)),
  limit,
  run: async (context) => {
    const link = await context.contender.dial(context.address, context.options)
    const measured = await measureMessages(context, [link], {
      size: number(context, "size"),
      inFlight: number(context, "inFlight")
    })
    await link.close()
    return measured
  }
}

const byStreams: Workload = {
  ...bySize,
  name: "cost-streams",
  about:
    "Messages of 1 KiB over one connection, more and more of them in flight, which are streams for those that have a stream for each.",
  cases: (scale) =>
    byScale(scale, { full: [1, 4, 16, 64, 256, 1024], quick: [1, 32, 1024], smoke: [1, 64] }).map((inFlight) => ({
      size: KiB,
      inFlight
    }))
}

const overConnections = (name: string, about: string, inFlightOn: (connections: number) => number): Workload => ({
  name,
  about: `Messages of 1 KiB over a growing number of connections from one socket to one listener, ${about}.`,
  figures,
  modes: ["two"],
  cases: (scale) =>
    byScale(scale, { full: [1, 10, 100, 1000], quick: [1, 100, 1000], smoke: [1, 5] }).map((connections) => ({
      connections,
      size: KiB
    })),
  omit: (contender, parameters) => tooMany(contender, Number(parameters["connections"])),
  limit,
  run: async (context) => {
    const { address, contender, options } = context
    const connections = number(context, "connections")
    const dialler = await contender.dialler(options)
    const links = await dialAll(connections, () => dialler.connect(address))
    const measured = await measureMessages(context, links, {
      size: number(context, "size"),
      inFlight: inFlightOn(connections)
    })
    await dialler.close()
    return measured
  }
})

const byConnections = overConnections("cost-connections", "32 in flight on each", () => 32)

const bySpreading = overConnections(
  "cost-spread",
  `${inFlightInAll} in flight in all, so that a thousand connections have one each`,
  (connections) => Math.round(inFlightInAll / connections)
)

const byPeers: Workload = {
  name: "cost-peers",
  about: `Messages of 1 KiB from a growing number of peers, each with a socket of its own, to one listener, ${inFlightInAll} in flight in all.`,
  figures,
  modes: ["two"],
  cases: (scale) =>
    byScale(scale, { full: [1, 10, 100, 1000], quick: [1, 100], smoke: [1, 5] }).map((peers) => ({ peers, size: KiB })),
  omit: (contender, { peers }) =>
    contender.name === "hyperdht" && Number(peers) > 100
      ? "a thousand nodes in one process are more than it is made for"
      : tooMany(contender, Number(peers)),
  limit,
  run: (context) => {
    const peers = number(context, "peers")
    return measurePeers(context, peers, Math.round(inFlightInAll / peers))
  }
}

export const cost: ReadonlyArray<Workload> = [bySize, byStreams, byConnections, bySpreading, byPeers]
