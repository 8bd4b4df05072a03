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

/** The peers of one chat. */
export class Roster {
  private readonly present = new Set<PeerId.PeerId>()
  /** The names of peers that are here or were here, the latest last. */
  private readonly names = new Map<PeerId.PeerId, string>()

  get members(): ReadonlyArray<Member> {
    return Array.from(this.present, (peerId) => this.member(peerId))
  }

  member(peerId: PeerId.PeerId): Member {
    return { peerId, name: this.names.get(peerId) ?? PeerId.short(peerId) }
  }

  /** A peer has connected. Returns false when it has another connection already. */
  add(peerId: PeerId.PeerId): boolean {
    if (this.present.has(peerId)) return false
    this.present.add(peerId)
    return true
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

  /** The last connection with a peer has ended. Returns whether it was here. */
  remove(peerId: PeerId.PeerId): boolean {
    return this.present.delete(peerId)
  }
}
