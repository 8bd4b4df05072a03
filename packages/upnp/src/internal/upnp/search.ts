/** The multicast search for gateways (SSDP). */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { Client } from "nat-upnp"
import * as ssdp from "./ssdp.ts"
import type { Found } from "./ssdp.ts"

/** Searches for gateways and emits each as it answers, until the search is over. Tests replace it. */
export type Discover = (client: Client) => Stream.Stream<Found>

const gatewayDevice = "urn:schemas-upnp-org:device:InternetGatewayDevice"

/**
 * The search targets of miniupnpc, in its order: most routers were tested with them. Every device answers the last one.
 */
const miniupnpc = [
  `${gatewayDevice}:1`,
  "urn:schemas-upnp-org:service:WANIPConnection:1",
  "urn:schemas-upnp-org:service:WANPPPConnection:1",
  "upnp:rootdevice"
]

/** The targets that only gateways answer. A gateway of version 2 may answer no other than the last. */
const gatewayTargets = [...miniupnpc.slice(0, 3), `${gatewayDevice}:2`]

const allTargets = [...miniupnpc, `${gatewayDevice}:2`, "ssdp:all"]

/**
 * When the targets are sent, as parts of the timeout: a datagram may be lost, and some routers drop all but a few of a
 * burst. The targets that every device answers are left out of the first round, and once a gateway has answered.
 */
const rounds = [0, 1 / 6, 1 / 2]

/** When devices that did not identify themselves as gateways are asked, as a part of the timeout. */
const unidentifiedFrom = 2 / 3

/** The maximum number of gateways: a home has one, or a few. */
const maxGateways = 8

/** The maximum number of other devices that are remembered. */
const maxUnidentified = 12

/** Searches the local network for gateways during `timeout`. Each description's URL is emitted once. */
export const search =
  (timeout: Duration.Input): Discover =>
  (client) =>
    Stream.callback<Found>(
      (queue) =>
        Effect.gen(function* () {
          const answers = new Responders((found) => void Queue.offerUnsafe(queue, found))
          const searches: Array<ReturnType<Client["ssdp"]["search"]>> = []
          yield* Effect.acquireRelease(
            Effect.sync(() => ssdp.listen(client.ssdp, (answer) => answers.take(answer))),
            (stop) =>
              Effect.sync(() => {
                stop()
                for (const each of searches) each.emit("end")
              })
          )
          const ask = (round: number) =>
            Effect.sync(() => {
              for (const target of round === 0 || answers.hasGateway ? gatewayTargets : allTargets) {
                searches.push(client.ssdp.search(target))
              }
            })
          const at = (part: number) => Duration.times(Duration.fromInputUnsafe(timeout), part)
          const waits = [...rounds, unidentifiedFrom, 1].map((part, i, all) =>
            Duration.subtract(at(part), at(all[i - 1] ?? 0))
          )
          for (const [round, wait] of waits.slice(0, rounds.length).entries()) {
            if (round > 0) yield* Effect.sleep(wait)
            yield* ask(round)
          }
          yield* Effect.sleep(waits.at(-2)!)
          answers.releaseUnidentified()
          yield* Effect.sleep(waits.at(-1)!)
          yield* Queue.end(queue)
        }),
      { bufferSize: maxGateways + maxUnidentified, strategy: "dropping" }
    )

/** Collects the devices that answered: emits gateways at once, and other devices after `releaseUnidentified`. */
class Responders {
  readonly #found: (found: Found) => void
  readonly #gateways = new Set<string>()
  readonly #unidentified = new Map<string, Found>()
  #released = false

  constructor(found: (found: Found) => void) {
    this.#found = found
  }

  get hasGateway(): boolean {
    return this.#gateways.size > 0
  }

  take(answer: Found): void {
    const { isUnidentified, location } = answer
    if (this.#gateways.has(location)) return
    if (isUnidentified) {
      if (this.#unidentified.has(location) || this.#unidentified.size === maxUnidentified) return
      this.#unidentified.set(location, answer)
      if (this.#released) this.#found(answer)
      return
    }
    if (this.#gateways.size === maxGateways) return
    this.#gateways.add(location)
    this.#found(answer)
  }

  releaseUnidentified(): void {
    this.#released = true
    for (const [location, answer] of this.#unidentified) if (!this.#gateways.has(location)) this.#found(answer)
  }
}
