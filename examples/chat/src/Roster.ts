/**
 * Who is in the chat: the peers that are connected, and the names that they have told.
 */
import { PeerId } from "@qp2p/core"

/** The most peers that are remembered after they have left. */
const maxRemembered = 1_000

/** A peer in the chat. */
export interface Member {
  readonly peerId: PeerId.PeerId
  /** The name that the peer has told, or the beginning of its id. */
  readonly name: string
}

/** The time of a peer in the chat, from its first connection to the end of its last one. */
export interface Stay {
  readonly peerId: PeerId.PeerId
  /** Whether others have been told of it. */
  isTold: boolean
}

/** The peers of one chat. */
export class Roster {
  private readonly present = new Map<PeerId.PeerId, Stay>()
  /** The names of peers that are here or were here, the latest last. */
  private readonly names = new Map<PeerId.PeerId, string>()

  get members(): ReadonlyArray<Member> {
    return Array.from(this.present.keys(), (peerId) => this.member(peerId))
  }

  member(peerId: PeerId.PeerId): Member {
    return { peerId, name: this.names.get(peerId) ?? PeerId.short(peerId) }
  }

  /** A peer has connected. Returns its stay, unless it has another connection already. */
  add(peerId: PeerId.PeerId): Stay | undefined {
    if (this.present.has(peerId)) return undefined
    const stay = { peerId, isTold: false }
    this.present.set(peerId, stay)
    return stay
  }

  /** Whether a stay goes on. A peer that left and came again has another one. */
  lasts(stay: Stay): boolean {
    return this.present.get(stay.peerId) === stay
  }

  /** A peer has told its name. Returns whether it was here before. */
  call(peerId: PeerId.PeerId, name: string): boolean {
    const wasHere = this.names.delete(peerId)
    this.names.set(peerId, name)
    for (const [id] of this.names) {
      if (this.names.size <= maxRemembered) break
      if (!this.present.has(id)) this.names.delete(id)
    }
    return wasHere
  }

  /** The last connection with a peer has ended. Returns its stay, if it was here. */
  remove(peerId: PeerId.PeerId): Stay | undefined {
    const stay = this.present.get(peerId)
    this.present.delete(peerId)
    return stay
  }
}
