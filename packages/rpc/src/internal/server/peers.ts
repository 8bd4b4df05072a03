/** What a server counts for each peer, while it serves a stream of that peer. */
import type { PeerId } from "@qp2p/core/PeerId"
import { Reservations } from "@qp2p/core/Reservations"
import * as Context from "effect/Context"
import { Caller } from "../../QuicRpc.ts"
import type { Unsent, UnsentShare } from "./unsent.ts"

/** The counts of one peer. */
export interface PeerState {
  readonly peerId: PeerId
  /** What the fibers of the peer's requests have in context. One object for all: the RPC server keeps what it derives from it. */
  readonly context: Context.Context<never>
  /** The memory for long requests until their handlers have ended, which all peers share. */
  readonly receiving: Reservations
  /** Bytes of answers that the peer has not taken. */
  readonly unsent: UnsentShare
  calls: number
  sharedStreams: number
  /** The streams and calls that refer to this. */
  holders: number
}

/** The peers of a server. */
export class Peers {
  private readonly states = new Map<PeerId, PeerState>()
  private readonly context: Context.Context<never>
  private readonly unsent: Unsent
  private readonly receiving: Reservations

  /** `context` is that of the server, to which each peer's id is added. Long requests take `requestBytes` of memory at most. */
  constructor(context: Context.Context<never>, unsent: Unsent, requestBytes: number) {
    this.context = context
    this.unsent = unsent
    this.receiving = new Reservations(requestBytes)
  }

  /** The state of a peer that has opened a stream. `release` follows. */
  of(peerId: PeerId): PeerState {
    let state = this.states.get(peerId)
    if (state === undefined) {
      state = {
        peerId,
        context: Context.add(this.context, Caller, peerId),
        receiving: this.receiving,
        unsent: this.unsent.share(),
        calls: 0,
        sharedStreams: 0,
        holders: 0
      }
      this.states.set(peerId, state)
    }
    return this.hold(state)
  }

  /** Keeps the state for one more holder. `release` follows. */
  hold(state: PeerState): PeerState {
    state.holders++
    return state
  }

  /** Forgets the peer with its last holder. */
  release(state: PeerState): void {
    if (--state.holders === 0) this.states.delete(state.peerId)
  }

  /** How many peers have state here. */
  get size(): number {
    return this.states.size
  }
}
