import type { Link } from "../contender.ts"
import type { Context, Workload } from "../workload.ts"
import { byScale, figures, measureMessages, number, tooMany } from "./load.ts"

/** Sockets that are opened at a time. */
const opening = 10

/** `count` links, a few dials at a time. */
export const dialAll = async (count: number, dial: () => Promise<Link>): Promise<ReadonlyArray<Link>> => {
  const links: Array<Link> = []
  let begun = 0
  const some = async () => {
    while (begun < count) {
      begun += 1
      links.push(await dial())
    }
  }
  await Promise.all(Array.from({ length: Math.min(opening, count) }, some))
  return links
}

const closeAll = (links: ReadonlyArray<Link>) => Promise.all(links.map((link) => link.close()))

/** Messages from `peers` sockets at once. */
export const measurePeers = async (context: Context, peers: number, inFlight: number) => {
  const { address, contender, options } = context
  const links = await dialAll(peers, () => contender.dial(address, options))
  const measured = await measureMessages(context, links, { size: number(context, "size"), inFlight })
  await closeAll(links)
  return measured
}

export const fanIn: Workload = {
  name: "fan-in",
  about: "Messages of 1 KiB from 100 peers, each with a socket and a connection of its own, to one listener.",
  figures,
  modes: ["one", "two"],
  cases: (scale) => [{ peers: byScale(scale, { full: 100, quick: 100, smoke: 5 }), size: 1024, inFlight: 4 }],
  omit: (contender, { peers }) => tooMany(contender, Number(peers)),
  limit: () => 180_000,
  run: (context) => measurePeers(context, number(context, "peers"), number(context, "inFlight"))
}
