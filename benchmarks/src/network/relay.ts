import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Conditions, WayCounts } from "./way.ts"

export interface RelayOptions extends Conditions {
  /** Of both ways alike; over TCP nothing is lost, see `tcpRelay.ts`. */
  readonly loss: number
  readonly carrier: "udp" | "tcp"
  /** The same seed loses the same packets, counted from the first of each way. */
  readonly seed: number
}

export interface RelayCounts {
  /** Towards the listener. */
  readonly there: WayCounts
  /** Towards those who dialled. */
  readonly back: WayCounts
  /** UDP packets that came faster than the relay could take them, where the kernel tells. */
  readonly dropped: number
}

export interface Relay {
  /** The listener's address, with the relay's host and port in front. */
  readonly address: string
  readonly counts: () => Promise<RelayCounts>
  readonly close: () => Promise<void>
}

/** What runs in the relay's process. */
export interface Running {
  readonly port: number
  readonly counts: () => RelayCounts
  readonly close: () => void
}

export interface RelayTask {
  readonly target: number
  readonly options: RelayOptions
}

/** From the relay's process: where it listens, or what was asked for. */
export type RelayAnswer = { readonly port: number } | { readonly counts: RelayCounts }

const program = fileURLToPath(new URL("relayProcess.js", import.meta.url))

/** Starts a relay in front of a listener on this machine, in a process of its own so that it shares no thread with the ends. */
export const openRelay = async (address: string, options: RelayOptions): Promise<Relay> => {
  const [place = "", ...rest] = address.split("#")
  const target = Number(/^127\.0\.0\.1:(\d+)$/.exec(place)?.[1])
  if (!Number.isInteger(target)) throw new Error(`a relay needs an IPv4 address of this machine, not "${place}"`)
  const task: RelayTask = { target, options }
  const child = fork(program, [JSON.stringify(task)], { execArgv: [] })
  const ended = once(child, "exit")

  const answer = async (): Promise<RelayAnswer> => {
    const failed = ended.then(() => {
      throw new Error("the relay's process has ended")
    })
    const [message] = (await Promise.race([once(child, "message"), failed])) as [RelayAnswer]
    return message
  }

  const started = await answer()
  if (!("port" in started)) throw new Error("the relay did not say where it listens")
  return {
    address: [`127.0.0.1:${started.port}`, ...rest].join("#"),
    counts: async () => {
      child.send("counts")
      const message = await answer()
      if (!("counts" in message)) throw new Error("the relay did not count")
      return message.counts
    },
    close: async () => {
      if (child.connected) child.disconnect()
      await ended
    }
  }
}
