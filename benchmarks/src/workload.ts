/** What contenders are made to do. A workload knows no contender, and a contender no workload. */
import type { Contender, Counts, Options } from "./contender.ts"
import type { FigureMeaning, Figures, Mode, Parameters } from "./measuring/results.ts"

/** How long and how often: for a report, for a look, or only to see that everything runs. */
export type Scale = "full" | "quick" | "smoke"

export interface Workload {
  /** As on the command line and in `results.json`: "messages-1k", "requests", "dials", ... */
  readonly name: string
  /** One sentence for the report. */
  readonly about: string
  /** For those that make calls alone: "rpc", or "unary" where a question on a stream is as good. */
  readonly calls?: "rpc" | "unary" | undefined
  /** What each figure means, by name. The first is the one that tables and ratios show. */
  readonly figures: { readonly [name: string]: FigureMeaning }
  readonly modes: ReadonlyArray<Mode>
  /** The parameters to run it with, one sample each. */
  readonly cases: (scale: Scale) => ReadonlyArray<Parameters>
  /** Why it makes no sense or takes too long for a contender, if so. */
  readonly omit?: (contender: Named, parameters: Parameters, mode: Mode, scale: Scale) => string | undefined
  /** Samples for each contender, where as many as usual would take too long. */
  readonly rounds?: (scale: Scale, parameters: Parameters) => number | undefined
  /** What lies between the ends; without it loopback alone. */
  readonly network?: (parameters: Parameters) => Network
  /** Milliseconds after which a sample has failed. */
  readonly limit: (scale: Scale, parameters: Parameters) => number
  /** In the dialler's process, with a listener that is ready. Counts that are wrong are an error. */
  readonly run: (context: Context) => Promise<Figures>
}

/** What is known of a contender, foreign ones included. */
export interface Named {
  readonly name: string
  readonly carrier?: "udp" | "tcp" | undefined
  readonly overQuic?: boolean | undefined
}

/** A relay between the ends, as `network/relay.ts` takes it. */
export interface Network {
  /** Milliseconds each way. */
  readonly latency: number
  /** Share of datagrams that are lost each way, 0 to 1; a relay for TCP loses nothing. */
  readonly loss: number
  /** Bytes per second each way. */
  readonly rate?: number | undefined
  readonly seed: number
}

export interface Context {
  readonly contender: Contender
  /** What to dial. */
  readonly address: string
  readonly options: Options
  readonly parameters: Parameters
  readonly mode: Mode
  readonly scale: Scale
  /** About how long the measured part is to take. */
  readonly seconds: number
  /** This process. */
  readonly near: Side
  /** The listener's process; the same as `near` in one process. */
  readonly far: Side & { readonly counts: () => Promise<Counts> }
}

/** A process with an end in it. */
export interface Side {
  /** `collect` runs the garbage collector before. */
  readonly resources: (options?: { readonly collect?: boolean }) => Promise<Resources>
}

/** Of a whole process. */
export interface Resources {
  /** Bytes. */
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
  /** Microseconds of processor time since the process began, user and system. */
  readonly cpu: number
}
