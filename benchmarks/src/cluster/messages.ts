/** What the parent and a runner's process of the cluster's benchmark tell each other. */

/** What carries the calls between runners. */
export type TransportName = "socket" | "quic"

/** Where a runner is, as Effect Cluster has it. */
export interface Place {
  readonly host: string
  readonly port: number
}

/** From the parent: the runners of the cluster, or calls to make, so many in flight for so long. */
export type Order =
  | { readonly order: "join"; readonly places: ReadonlyArray<Place> }
  | { readonly order: "measure"; readonly inFlight: number; readonly seconds: number; readonly bytes: number }

/** From a runner: where it is, that it has joined, or how many calls it has made in how many seconds. */
export type Answer =
  | { readonly answer: "place"; readonly place: Place }
  | { readonly answer: "joined" }
  | { readonly answer: "measured"; readonly calls: number; readonly seconds: number }
