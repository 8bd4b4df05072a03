/**
 * The part of a fair queue that belongs to one peer at one IP address, and the part of that address.
 *
 * A queue shares its room by dynamic thresholds (Choudhury and Hahne, 1998): an IP address may hold as much as is still free.
 * One address alone gets half of the room, and each of `n` addresses a part of `n + 1`; one part always stays free for the next
 * address. The peers of an address share its part in the same way, so that a peer alone gets a third of the whole.
 */
import { Fifo } from "../Fifo.ts"
import { costOf, RoundRobin, type Served } from "./roundRobin.ts"
import { Wait, WaitList } from "./waitList.ts"

/** The most lanes of a group that are tried for room after an item of another lane is taken. */
const maxTried = 8

/** The view of the queue. */
export interface LaneQueue<A> {
  readonly length: number
  /** How many further items fit, and how many bytes; not more than 0 when the queue is full. */
  readonly free: number
  readonly freeBytes: number
  readonly sizeOf: (item: A) => number
  /** Whether the queue takes no more items. */
  readonly hasEnded: boolean
  /** The lane has an item more, of `bytes`. */
  readonly onOffered: (lane: Lane<A>, bytes: number) => void
  /** `by` more producers of a group wait for room. */
  readonly onWaiting: (group: Group<A>, by: number) => void
  /** The group keeps `by` more bytes of ended streams. */
  readonly onKept: (by: number) => void
  /** Items have left the group without being taken. */
  readonly onRemoved: (group: Group<A>, items: number, bytes: number) => void
  /** The lane may be forgotten. */
  readonly onUnused: (lane: Lane<A>) => void
}

/** The lanes of the peers at one IP address, or in one /64 of IPv6. */
export class Group<A> implements Served {
  readonly ip: string
  readonly lanes = new Map<string, Lane<A>>()
  readonly ring = new RoundRobin<Lane<A>>()
  length = 0
  bytes = 0
  credit = 0
  isServed = false
  /** How many producers wait for room, and the bytes that they keep though their streams have ended. */
  waiting = 0
  kept = 0
  /** Whether the group is in the queue's list of those that wait for room. */
  isListed = false
  private readonly waitingLanes = new Fifo<Lane<A>>()

  constructor(ip: string) {
    this.ip = ip
  }

  /** Adds a lane to those that wait for room, unless it is one of them. */
  list(lane: Lane<A>): void {
    if (lane.isListed) return
    lane.isListed = true
    this.waitingLanes.push(lane)
  }

  /** Forgets a lane that is unused. */
  forget(lane: Lane<A>): void {
    if (this.lanes.get(lane.peer) === lane) this.lanes.delete(lane.peer)
    this.ring.remove(lane)
    if (!lane.isListed) return
    lane.isListed = false
    this.waitingLanes.remove(lane)
  }

  /** Calls up to `most` producers that have room now, those of `first` before others. Returns their number. */
  admit(most: number, first: Lane<A> | undefined): number {
    let admitted = first === undefined ? 0 : first.admit(most)
    const tries = this.length === 0 ? this.waitingLanes.length : Math.min(this.waitingLanes.length, maxTried)
    for (let left = tries; left > 0 && admitted < most; left--) {
      const lane = this.waitingLanes.shift()
      // A producer that is called may end others.
      if (lane === undefined) break
      lane.isListed = false
      if (lane !== first) admitted += lane.admit(most - admitted)
      if (lane.waiters.length > 0) this.list(lane)
    }
    return admitted
  }
}

/** The items of one peer, and the producers that wait to offer more of them. */
export class Lane<A> implements Served {
  readonly group: Group<A>
  readonly peer: string
  readonly items = new Fifo<A>()
  readonly waiters = new WaitList()
  bytes = 0
  credit = 0
  isServed = false
  /** Whether the lane is in its group's list of those that wait for room. */
  isListed = false
  /** How many connections use the lane. */
  users = 0
  private readonly queue: LaneQueue<A>

  constructor(queue: LaneQueue<A>, group: Group<A>, peer: string) {
    this.queue = queue
    this.group = group
    this.peer = peer
  }

  get length(): number {
    return this.items.length
  }

  /** Whether the lane may be forgotten. */
  get isUnused(): boolean {
    return this.users === 0 && this.items.length === 0 && this.waiters.length === 0
  }

  /** Whether there is room for another item. An empty queue takes an item of any size. */
  get hasRoom(): boolean {
    const { group, queue } = this
    if (queue.length === 0) return true
    return this.items.length < queue.free - group.length && this.bytes < queue.freeBytes - group.bytes
  }

  offer(item: A): void {
    const { queue } = this
    if (queue.hasEnded) return
    const bytes = queue.sizeOf(item)
    this.items.push(item)
    this.bytes += bytes
    queue.onOffered(this, bytes)
  }

  /** Calls back once, when there is room; before the lane's other callbacks when `first` is true. */
  onRoom(callback: () => void, first = false): Wait {
    const wait = new Wait(callback)
    this.waiters.add(wait, first)
    this.group.list(this)
    this.queue.onWaiting(this.group, 1)
    return wait
  }

  /** Ends a wait for room. It does nothing when the wait is over. */
  cancelRoom(wait: Wait): void {
    const before = this.waiters.length
    this.waiters.remove(wait)
    if (this.waiters.length < before) this.queue.onWaiting(this.group, -1)
    if (this.isUnused) this.queue.onUnused(this)
  }

  /** Adds to the bytes that waiting producers keep though their streams have ended. */
  keep(bytes: number): void {
    this.group.kept += bytes
    this.queue.onKept(bytes)
  }

  /** Removes all queued items that satisfy `is`. */
  removeAll(is: (item: A) => boolean): void {
    if (this.items.find(is) === undefined) return
    let [items, bytes] = [0, 0]
    for (const item of this.items.drain()) {
      if (is(item)) {
        items += 1
        bytes += this.queue.sizeOf(item)
      } else this.items.push(item)
    }
    this.bytes -= bytes
    this.queue.onRemoved(this.group, items, bytes)
  }

  /** A connection has ended that used the lane. */
  release(): void {
    this.users -= 1
    if (this.isUnused) this.queue.onUnused(this)
  }

  /** Takes the oldest item. */
  shift(): A {
    const item = this.items.shift()!
    const bytes = this.queue.sizeOf(item)
    const cost = costOf(bytes)
    this.bytes -= bytes
    this.credit -= cost
    const { group } = this
    group.length -= 1
    group.bytes -= bytes
    group.credit -= cost
    return item
  }

  /** Takes all items. */
  drain(): Array<A> {
    const { group, items } = this
    group.length -= items.length
    group.bytes -= this.bytes
    this.bytes = 0
    return items.drain()
  }

  /**
   * Calls up to `most` producers that have room now. Each is expected to use room for one item; while the queue is empty, all
   * are called, because none may be left waiting when no item is taken any more.
   */
  admit(most: number): number {
    let admitted = 0
    const room = this.queue.length === 0 ? Infinity : this.queue.free - this.group.length - this.items.length
    for (const limit = Math.min(most, room, this.waiters.length); admitted < limit && this.hasRoom; admitted++) {
      const wait = this.waiters.shift()
      if (wait === undefined) break
      this.queue.onWaiting(this.group, -1)
      wait.call()
    }
    if (this.isUnused) this.queue.onUnused(this)
    return admitted
  }
}
