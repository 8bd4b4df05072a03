import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { Client } from "nat-upnp"

/** A gateway that answered the search, and the local address that its answer came to. */
export interface Found {
  readonly location: string
  readonly localAddress: string
}

/** How gateways are searched for: each as it answers, until the search is over. Tests replace it. */
export type Discover = (client: Client) => Stream.Stream<Found>

const targets = [
  "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
  "urn:schemas-upnp-org:device:InternetGatewayDevice:2"
]

/** A home has one gateway, or a few; whoever claims to be more of them is not listened to. */
const maxGateways = 8

/** Asks the local network for gateways, for as long as `timeout`. Each that names its description comes once. */
export const search =
  (timeout: Duration.Input): Discover =>
  (client) =>
    Stream.callback<Found>(
      (queue) =>
        Effect.gen(function* () {
          const locations = new Set<string>()
          const searches = targets.map((target) => client.ssdp.search(target))
          yield* Effect.addFinalizer(() => Effect.sync(() => searches.forEach((each) => each.emit("end"))))
          for (const each of searches) {
            each.on("device", (info: { readonly location?: string }, localAddress: string) => {
              if (!info.location || locations.has(info.location) || locations.size === maxGateways) return
              locations.add(info.location)
              Queue.offerUnsafe(queue, { location: info.location, localAddress })
            })
          }
          yield* Effect.sleep(timeout)
          yield* Queue.end(queue)
        }),
      { bufferSize: maxGateways, strategy: "dropping" }
    )
