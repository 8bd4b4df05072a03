import type { Parameters } from "../../measuring/results.ts"

/** Longest that a transfer may take, in seconds, as for the others. */
const longestTransfer = 60

/** Messages that are under way where connections or peers grow in number: on all of them together, or on each. */
const inFlightInAll = 1000
const inFlightOnEach = 32

type Words = Readonly<Record<string, string | number | boolean>>

type WordsOf = (parameter: (name: string) => number, seconds: number) => Words

const messages: WordsOf = (parameter) => ({ size: parameter("size"), "in-flight": parameter("inFlight") })

const requests: WordsOf = (parameter) => ({ workload: "requests", size: parameter("size") })

/** Congestion control is given three times as long where packets are lost, as for the others. */
const lossy =
  (wordsOf: WordsOf): WordsOf =>
  (parameter, seconds) => ({ ...wordsOf(parameter, seconds), seconds: seconds * 3, "warm-up": seconds * 1.5 })

const overConnections =
  (inFlightOn: (connections: number) => number): WordsOf =>
  (parameter) => ({
    size: parameter("size"),
    "in-flight": inFlightOn(parameter("connections")),
    connections: parameter("connections"),
    "one-socket": true
  })

const workloads: { readonly [name: string]: WordsOf } = {
  "messages-64b": messages,
  "messages-1k": messages,
  "messages-16k": messages,
  "messages-1m": messages,
  requests,
  transfer: (parameter, seconds) => ({
    ...messages(parameter, seconds),
    seconds: longestTransfer,
    count: Math.round(parameter("bytes") / parameter("size"))
  }),
  dials: (parameter) => ({ workload: "dials", "in-flight": parameter("atOnce") }),
  "first-message": (parameter) => ({ workload: "first-message", size: parameter("size") }),
  "fan-in": (parameter, seconds) => ({ ...messages(parameter, seconds), connections: parameter("peers") }),
  "lossy-messages": lossy(messages),
  "lossy-requests": lossy(requests),
  "cost-size": messages,
  "cost-streams": messages,
  "cost-connections": overConnections(() => inFlightOnEach),
  "cost-spread": overConnections((connections) => Math.round(inFlightInAll / connections)),
  "cost-peers": (parameter) => ({
    size: parameter("size"),
    "in-flight": Math.round(inFlightInAll / parameter("peers")),
    connections: parameter("peers")
  })
}

export const isKnown = (workload: string): boolean => workload in workloads

/** A workload as the programs of `rust/` are told it on their command line. */
export const wordsOf = (workload: string, parameters: Parameters, seconds: number): ReadonlyArray<string> => {
  const parameter = (name: string): number => {
    const value = parameters[name]
    if (typeof value !== "number") throw new Error(`the parameter ${name} is missing`)
    return value
  }
  const words = workloads[workload]
  if (words === undefined) throw new Error(`qp2p in Rust has no program for the workload "${workload}"`)
  if (parameters["maxUdpPayload"] !== undefined) throw new Error("qp2p in Rust has no payload that could be chosen")
  const all: Words = { seconds, "warm-up": seconds / 2, ...words(parameter, seconds) }
  return Object.entries(all).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]))
}
