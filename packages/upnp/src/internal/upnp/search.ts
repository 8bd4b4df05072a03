import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { Client } from "nat-upnp"
import * as ssdp from "./ssdp.ts"

/** Somebody who answered the search. */
export interface Found {
  readonly location: string
  /** The address that the answer came from. */
  readonly responder?: string | undefined
  /** The local address that it came to. */
  readonly localAddress: string
  /** It did not say that it is a gateway, as every television does not, and some gateways. */
  readonly isUnsure?: boolean | undefined
}

/** How gateways are searched for: each as it answers, until the search is over. Tests replace it. */
export type Discover = (client: Client) => Stream.Stream<Found>

const gatewayDevice = "urn:schemas-upnp-org:device:InternetGatewayDevice"

/** What miniupnpc asks for, in its order: most routers were tried with that. Everybody answers to the last of it. */
const miniupnpc = [
  `${gatewayDevice}:1`,
  "urn:schemas-upnp-org:service:WANIPConnection:1",
  "urn:schemas-upnp-org:service:WANPPPConnection:1",
  "upnp:rootdevice"
]

/** What a gateway answers to that says what it is; of version 2 it may answer to nothing else. */
const gateways = [...miniupnpc.slice(0, 3), `${gatewayDevice}:2`]

const everybody = [...miniupnpc, `${gatewayDevice}:2`, "ssdp:all"]

/**
 * When all of it is asked, in parts of the time that there is: a datagram may be lost, and some routers drop all but a few
 * of those that come at once. Not everybody is asked in the first round, nor when a gateway has answered.
 */
const rounds = [0, 1 / 6, 1 / 2]

/** When those are asked who do not say that they are gateways. */
const unsureFrom = 2 / 3

/** A home has one gateway, or a few; whoever claims to be more of them is not listened to. */
const maxGateways = 8

/** Other devices that answer when everybody is asked. */
const maxUnsure = 12

/** Asks the local network for gateways, for as long as `timeout`. Each that names its description comes once. */
export const search =
  (timeout: Duration.Input): Discover =>
  (client) =>
    Stream.callback<Found>(
      (queue) =>
        Effect.gen(function* () {
          const answers = new Answers((found) => void Queue.offerUnsafe(queue, found))
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
              for (const target of round === 0 || answers.hasGateway ? gateways : everybody) {
                searches.push(client.ssdp.search(target))
              }
            })
          const at = (part: number) => Duration.times(Duration.fromInputUnsafe(timeout), part)
          const waits = [...rounds, unsureFrom, 1].map((part, i, all) =>
            Duration.subtract(at(part), at(all[i - 1] ?? 0))
          )
          for (const [round, wait] of waits.slice(0, rounds.length).entries()) {
            if (round > 0) yield* Effect.sleep(wait)
            yield* ask(round)
          }
          yield* Effect.sleep(waits.at(-2)!)
          answers.releaseUnsure()
          yield* Effect.sleep(waits.at(-1)!)
          yield* Queue.end(queue)
        }),
      { bufferSize: maxGateways + maxUnsure, strategy: "dropping" }
    )

/** Those who have answered: gateways at once, and the others when there is time for them. */
class Answers {
  readonly #found: (found: Found) => void
  readonly #gateways = new Set<string>()
  readonly #unsure = new Map<string, Found>()
  #released = false

  constructor(found: (found: Found) => void) {
    this.#found = found
  }

  get hasGateway(): boolean {
    return this.#gateways.size > 0
  }

  take(answer: Found): void {
    const { isUnsure, location } = answer
    if (this.#gateways.has(location)) return
    if (isUnsure) {
      if (this.#unsure.has(location) || this.#unsure.size === maxUnsure) return
      this.#unsure.set(location, answer)
      if (this.#released) this.#found(answer)
      return
    }
    if (this.#gateways.size === maxGateways) return
    this.#gateways.add(location)
    this.#found(answer)
  }

  releaseUnsure(): void {
    this.#released = true
    for (const [location, answer] of this.#unsure) if (!this.#gateways.has(location)) this.#found(answer)
  }
}
