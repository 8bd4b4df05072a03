import type { Named, Network, Workload } from "../workload.ts"
import { byScale, figures, measureMessages, number } from "./load.ts"
import { measureRequests, requestFigures } from "./requests.ts"

const KiB = 1024
const MiB = 1024 * KiB

const network = (): Network => ({ latency: 20, loss: 0.01, seed: 1 })

/** Congestion control needs a while to find out what the network carries. */
const patience = 3

const where = "over a relay with 20 ms each way, which loses one datagram in a hundred; a relay for TCP loses nothing"

const omit = ({ name }: Named): string | undefined =>
  name === "class-layer" ? "does not get over losses: after about a hundred streams it waits for ever" : undefined

const messages: Workload = {
  name: "lossy-messages",
  about: `Messages over one connection, each confirmed to its sender, ${where}.`,
  figures,
  modes: ["two"],
  cases: (scale) =>
    byScale(scale, {
      full: [
        { size: 64, inFlight: 256 },
        { size: KiB, inFlight: 1 },
        { size: KiB, inFlight: 32 },
        { size: KiB, inFlight: 256 },
        { size: 16 * KiB, inFlight: 32 },
        { size: MiB, inFlight: 4 }
      ],
      quick: [
        { size: KiB, inFlight: 32 },
        { size: MiB, inFlight: 4 }
      ],
      smoke: [{ size: KiB, inFlight: 4 }]
    }),
  omit,
  network,
  limit: () => 120_000,
  run: async (context) => {
    const link = await context.contender.dial(context.address, context.options)
    const measured = await measureMessages({ ...context, seconds: context.seconds * patience }, [link], {
      size: number(context, "size"),
      inFlight: number(context, "inFlight")
    })
    await link.close()
    return measured
  }
}

const requests: Workload = {
  name: "lossy-requests",
  about: `Questions of 64 B, one after the other, each answered with as much, ${where}.`,
  figures: requestFigures,
  modes: ["two"],
  cases: () => [{ size: 64 }],
  omit,
  network,
  limit: () => 120_000,
  run: async (context) => {
    const link = await context.contender.dial(context.address, context.options)
    const measured = await measureRequests(
      { ...context, seconds: context.seconds * patience },
      link,
      number(context, "size")
    )
    await link.close()
    return measured
  }
}

export const lossy: ReadonlyArray<Workload> = [messages, requests]
