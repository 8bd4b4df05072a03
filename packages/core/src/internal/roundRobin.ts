/**
 * Deficit round robin (Shreedhar and Varghese, 1995): members of a ring are served in turn, and pay for what they are served.
 * A member whose credit is spent goes to the end and gets new credit, so that each gets the same share of the whole.
 */
import { Fifo } from "../Fifo.ts"

/** The credit that a member gets in each round. */
const quantum = 8

/** The bytes that cost as much as a message. */
const bytesPerUnit = 1_024

/** The highest cost of a message, however long it is: 256 KiB and more. */
const maxCost = 256

/** What it costs a member to be served an item of `bytes`. */
export const costOf = (bytes: number): number => 1 + Math.min(Math.floor(bytes / bytesPerUnit), maxCost - 1)

/** A member of a ring. */
export interface Served {
  /** The number of items that wait to be served. */
  readonly length: number
  /** What the member may be served until its turn is over. */
  credit: number
  /** Whether the member is in the ring. */
  isServed: boolean
}

/** A ring of members with items. A member without items leaves the ring by itself. */
export class RoundRobin<M extends Served> {
  private readonly members = new Fifo<M>()

  /** Adds a member, unless it is in the ring. It still owes what it was served beyond its credit before it left. */
  add(member: M): void {
    if (member.isServed) return
    member.isServed = true
    member.credit = Math.min(quantum, member.credit + quantum)
    this.members.push(member)
  }

  /** Removes a member, unless it is not in the ring. */
  remove(member: M): void {
    if (!member.isServed) return
    member.isServed = false
    this.members.remove(member)
  }

  /** Returns the member whose turn it is. There must be one that has items. */
  get next(): M {
    const { members } = this
    while (true) {
      const first = members.first!
      if (first.length > 0 && first.credit > 0) return first
      members.shift()
      if (first.length === 0) first.isServed = false
      else {
        first.credit += quantum
        members.push(first)
      }
    }
  }
}
