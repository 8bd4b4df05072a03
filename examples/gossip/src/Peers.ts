/**
 * The peers of a node. A peer is its key, wherever it is and however many addresses it has.
 */
import { type Endpoint, PeerAddress, type PeerId } from "@qp2p/core"
import { Option, Result } from "effect"
import type { NetAddress } from "effect/net"

/** The most peers of one node. */
const maxPeers = 32

/** A peer of a node. */
export interface Peer {
  /** Where to dial the peer. When its id is in here, no other peer is taken. */
  target: PeerAddress.PeerAddress
  /** Contacts are never removed. */
  readonly isContact: boolean
  /** The key of the peer. Undefined for a contact without an id that has not answered yet. */
  id: PeerId.PeerId | undefined
  /** The number of consecutive failed exchanges. */
  failures: number
  /** The ids of the rumours that are still to be sent to it. */
  readonly untold: Set<string>
  isBeingTold: boolean
}

/** Returns the id of a peer, or the address of a contact that has not answered yet. */
export const nameOf = ({ id, target }: Peer): string => id ?? String(target)

/** The peers of one node, in the order of exchanges: the next one comes first. */
export class Peers {
  private readonly endpoint: Endpoint.Endpoint["Service"]
  private members: ReadonlyArray<Peer> = []

  constructor(endpoint: Endpoint.Endpoint["Service"]) {
    this.endpoint = endpoint
  }

  get all(): ReadonlyArray<Peer> {
    return this.members
  }

  /** Adds a contact, unless it is this node itself. */
  addContact(target: PeerAddress.PeerAddress): void {
    const { localAddresses, peerId, publicAddress } = this.endpoint
    const isMyself = Option.match(target.peerId, {
      onSome: (id) => id === peerId,
      onNone: () => [...localAddresses, publicAddress].some((mine) => String(mine) === String(target))
    })
    if (!isMyself) this.add(target, true, [])
  }

  /**
   * Adds the peer that dialled this node from an address, with the rumours that it lacks. A peer that is known gets the new
   * address, and a contact without an id that is at the address gets the id.
   */
  meet(id: PeerId.PeerId, address: NetAddress.InetAddress, untold: Iterable<string>): void {
    const contact = this.members.find((peer) => peer.id === undefined && String(peer.target) === String(address))
    if (contact !== undefined) return this.identify(contact, id)
    const target = PeerAddress.make({ peerId: id, addresses: [address] })
    if (Result.isFailure(target)) return
    const known = this.members.find((peer) => peer.id === id)
    if (known === undefined) this.add(target.success, false, untold)
    else if (!known.isContact) known.target = target.success
  }

  private add(target: PeerAddress.PeerAddress, isContact: boolean, untold: Iterable<string>): void {
    const id = Option.getOrUndefined(target.peerId)
    if (this.members.length >= maxPeers || this.members.some((peer) => String(peer.target) === String(target))) return
    this.members = [
      ...this.members,
      { target, isContact, id, failures: 0, untold: new Set(untold), isBeingTold: false }
    ]
  }

  /** Notes which peer has answered for a contact. Another entry of that peer is dropped. */
  identify(contact: Peer, id: PeerId.PeerId): void {
    if (contact.id === id) return
    if (id === this.endpoint.peerId) return this.remove(contact)
    const other = this.members.find((peer) => peer.id === id)
    if (other?.isContact === true) return this.remove(contact)
    contact.id = id
    if (other === undefined) return
    for (const each of other.untold) contact.untold.add(each)
    this.remove(other)
  }

  /** Takes the next peer, which becomes the last one. */
  next(): Peer | undefined {
    const [first, ...others] = this.members
    if (first !== undefined) this.members = [...others, first]
    return first
  }

  remove(peer: Peer): void {
    this.members = this.members.filter((other) => other !== peer)
  }
}
