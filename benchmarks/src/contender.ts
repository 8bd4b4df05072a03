/**
 * What is compared: something that carries messages from one process to another, behind the same few calls whatever it is
 * made of. Everything is a promise, so that none of them pays for the harness's taste.
 */

/** What a contender can do; a workload that needs more than it can is left out for it, and the report says so. */
export interface Contender {
  /** As it is called on the command line and in tables: "qp2p", "plain-loop", "hyperdht", ... */
  readonly name: string
  /** Name and version of what it is, how a message is confirmed. */
  readonly about: string
  /** What a relay between its ends has to carry. */
  readonly carrier: "udp" | "tcp"
  /** Why it cannot run on this machine, if it cannot. */
  readonly unavailable?: string | undefined
  /** Whether it heeds `maxUdpPayload`. */
  readonly overQuic?: boolean | undefined
  /** "calls" for those that make calls of Effect RPC and carry nothing else. */
  readonly makes?: "calls" | undefined
  readonly listen: (options: Options) => Promise<Listener>
  /** A fresh socket (endpoint, swarm) with one connection to a listener. */
  readonly dial: (address: string, options: Options) => Promise<Link>
  /** One socket for many connections, also to one listener; for dials and idle connections. */
  readonly dialler: (options: Options) => Promise<Dialler>
}

export interface Options {
  /** Bytes; only those over QUIC heed it. Without it each has its own default. */
  readonly maxUdpPayload?: number | undefined
}

export interface Listener {
  /**
   * Text that another process can dial: `host:port`, and after a `#` whatever else the contender needs to know. A relay
   * replaces what stands before the `#`.
   */
  readonly address: string
  /** What the application of the listening side was handed so far, whole messages checked for their length; questions count too. */
  readonly counts: () => Counts
  readonly close: () => Promise<void>
}

export interface Counts {
  readonly messages: number
  readonly bytes: number
}

export interface Dialler {
  /** A new connection each time, never one that is there already. */
  readonly connect: (address: string) => Promise<Link>
  readonly close: () => Promise<void>
}

export interface Link {
  /** Sends `count` messages of `size` bytes, `inFlight` at a time, each confirmed by the peer; the way a good user of that library would. */
  readonly messages: (load: MessageLoad) => Promise<void>
  /** `count` questions of `size` bytes one after the other, each answered with as many bytes, on a bidirectional stream of its own where there are such; the time of each, in milliseconds. */
  readonly requests: (load: RequestLoad) => Promise<Float64Array>
  /** Calls of Effect RPC, of those that make them. */
  readonly calls?: Calls | undefined
  /** Ends the connection, and the socket where `dial` made it. */
  readonly close: () => Promise<void>
}

export interface MessageLoad {
  /** Bytes. */
  readonly size: number
  readonly count: number
  readonly inFlight: number
}

export interface Calls {
  /** `count` calls with `size` bytes there and back, `inFlight` at a time; the time of each, in milliseconds. */
  readonly unary: (load: MessageLoad) => Promise<Float64Array>
  /** A call whose answer is a stream of `count` numbers. */
  readonly stream: (count: number) => Promise<void>
  /** A call whose answer has `size` bytes. */
  readonly long: (size: number) => Promise<void>
}

export interface RequestLoad {
  /** Bytes. */
  readonly size: number
  readonly count: number
}
