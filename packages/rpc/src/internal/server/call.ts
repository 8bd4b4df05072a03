/** A call that a server is answering, and where its answers go. */
import type { Connection } from "@qp2p/core/Connection"
import type { Reservation } from "@qp2p/core/Reservations"
import type * as Effect from "effect/Effect"
import type { PeerState } from "./peers.ts"

/** The way back to the caller. Nothing here fails: answers to a caller that is gone are dropped. */
export interface Reply {
  /** Encodes messages for the stream of the call. */
  readonly encode: (message: unknown) => Uint8Array | string | undefined
  /** Sends a part of the answer. Completes when there is room for another. */
  readonly part: (content: Uint8Array | string) => Effect.Effect<void>
  /** Sends the end of the answer. Nothing is sent after it. */
  readonly last: (content: Uint8Array | string) => Effect.Effect<void>
  /** Drops what waits to be sent: the caller does not want it. */
  readonly abandon: () => void
}

/** A call from its request until its handler has ended. To the RPC server, each call is a client of its own. */
export interface Call {
  /** The number that the RPC server knows the call by. */
  readonly clientId: number
  /** The id in the request and in all of its answers. */
  readonly requestId: string | number
  readonly peer: PeerState
  readonly connection: Connection
  /** The memory of a long request. */
  readonly memory: Reservation | undefined
  /** The way back; undefined when the caller no longer wants an answer. */
  reply: Reply | undefined
  /** Whether the end of the answer was sent. The handler of a call with `discard` goes on after that. */
  isAnswered: boolean
}
