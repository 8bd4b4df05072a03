/**
 * A bounded queue from callbacks to fibers that serves peers in turn: by IP address, because keys cost nothing, and by key
 * within an address. The items of one connection keep their order.
 *
 * Each peer has a lane of its own, which holds its producers back when its share of the room is used up.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { EndpointStopped } from "../ConnectionError.ts"
import { Fifo } from "../Fifo.ts"
import { Group, Lane, type LaneQueue } from "./lane.ts"
import { RoundRobin } from "./roundRobin.ts"
import { type TakenQueue, Takers } from "./takers.ts"

/** The most items that a stream takes at once: a peer whose item comes next waits until they are worked off. */
export const maxBatch = 64

/** A bounded queue from callbacks to fibers, shared fairly by peers. */
export class FairInbox<A> implements TakenQueue<A>, LaneQueue<A> {
  readonly take: Effect.Effect<A, EndpointStopped>
  readonly stream: Stream.Stream<A>
  readonly sizeOf: (item: A) => number
  private readonly takers = new Takers<A>(this)
  private readonly capacity: number
  private readonly byteCapacity: number
  private readonly groups = new Map<string, Group<A>>()
  private readonly ring = new RoundRobin<Group<A>>()
  private items = 0
  private bytes = 0
  private waitingCount = 0
  private keptBytes = 0
  /**
   * The groups that wait for room and may have some; others wait until one of their own items is taken, or some of another group
   * is removed.
   */
  private readonly waitingGroups = new Fifo<Group<A>>()
  /** All groups that wait for room. */
  private readonly unsatisfied = new Set<Group<A>>()

  constructor(options: {
    readonly capacity: number
    readonly byteCapacity: number
    readonly sizeOf: (item: A) => number
  }) {
    this.capacity = options.capacity
    this.byteCapacity = options.byteCapacity
    this.sizeOf = options.sizeOf
    this.take = this.takers.take
    this.stream = this.takers.stream
  }

  get length(): number {
    return this.items
  }

  /** The bytes of the items. */
  get size(): number {
    return this.bytes
  }

  get free(): number {
    return this.capacity - this.items
  }

  get freeBytes(): number {
    return this.byteCapacity - this.bytes
  }

  /** The number of producers that wait for room. */
  get waiting(): number {
    return this.waitingCount
  }

  /** The bytes that waiting producers keep though their streams have ended. */
  get kept(): number {
    return this.keptBytes
  }

  /** Returns the lane of a peer, for one connection more. `ip` is the name under which its IP address counts. */
  lane(ip: string, peer: string): Lane<A> {
    let group = this.groups.get(ip)
    if (group === undefined) this.groups.set(ip, (group = new Group<A>(ip)))
    let lane = group.lanes.get(peer)
    if (lane === undefined) group.lanes.set(peer, (lane = new Lane<A>(this, group, peer)))
    lane.users += 1
    return lane
  }

  /**
   * Whether more waits than the queue may hold, and some of it is from this IP address. Twice the bytes are too much from any
   * address.
   */
  isOverrunBy(ip: string): boolean {
    if (this.waitingCount <= this.capacity && this.keptBytes <= this.byteCapacity) return false
    if (this.keptBytes > 2 * this.byteCapacity) return true
    const group = this.groups.get(ip)
    return group !== undefined && (group.waiting > 0 || group.kept > 0)
  }

  /** Ends the queue. Queued items can still be taken; then takers fail and streams end. */
  end(): void {
    this.takers.end()
  }

  // --- for the takers ----------------------------------------------------------------------------------------------

  shift(): A {
    const lane = this.ring.next.ring.next
    const before = lane.bytes
    const item = lane.shift()
    this.items -= 1
    this.bytes -= before - lane.bytes
    this.onTaken(lane)
    return item
  }

  shiftAll(): NonEmptyReadonlyArray<A> {
    const group = this.ring.next
    const lane = group.ring.next
    if (lane.length === this.items && lane.length <= maxBatch) {
      const items = lane.drain()
      this.items = this.bytes = 0
      this.onTaken(lane)
      return items as unknown as NonEmptyReadonlyArray<A>
    }
    const batch: Array<A> = [this.shift()]
    while (batch.length < maxBatch && this.items > 0) batch.push(this.shift())
    return batch as unknown as NonEmptyReadonlyArray<A>
  }

  private onTaken(lane: Lane<A>): void {
    if (this.waitingCount > 0) this.admit(lane)
    if (lane.isUnused) this.onUnused(lane)
  }

  /** Calls producers that wait and have room. A producer that still has not enough room waits again, behind the others. */
  private admit(taken: Lane<A> | undefined): void {
    if (taken !== undefined) this.list(taken.group)
    if (this.items > 0 && this.freeBytes <= 0) return
    let left = this.items === 0 ? Infinity : this.free
    for (let groups = this.waitingGroups.length; groups > 0 && left > 0; groups--) {
      const group = this.waitingGroups.shift()
      // A producer that is called may end others.
      if (group === undefined) break
      group.isListed = false
      left -= group.admit(left, taken?.group === group ? taken : undefined)
      // A group with items is tried again when one of them is taken.
      if (group.length === 0) this.list(group)
    }
  }

  private list(group: Group<A>): void {
    if (group.isListed || group.waiting === 0) return
    group.isListed = true
    this.waitingGroups.push(group)
  }

  // --- for the lanes -----------------------------------------------------------------------------------------------

  get hasEnded(): boolean {
    return this.takers.hasEnded
  }

  onOffered(lane: Lane<A>, bytes: number): void {
    const { group } = lane
    this.items += 1
    this.bytes += bytes
    group.length += 1
    group.bytes += bytes
    if (!lane.isServed) group.ring.add(lane)
    if (!group.isServed) this.ring.add(group)
    this.takers.wake()
  }

  onWaiting(group: Group<A>, by: number): void {
    this.waitingCount += by
    group.waiting += by
    if (group.waiting > 0) this.unsatisfied.add(group)
    else this.unsatisfied.delete(group)
    if (by > 0 && group.length === 0) this.list(group)
  }

  onKept(by: number): void {
    this.keptBytes += by
  }

  onRemoved(group: Group<A>, items: number, bytes: number): void {
    group.length -= items
    group.bytes -= bytes
    this.items -= items
    this.bytes -= bytes
    if (this.waitingCount === 0) return
    // What a group may have grows with what is free. A group whose own items stay for long has no other occasion to be tried.
    for (const each of this.unsatisfied) this.list(each)
    this.admit(undefined)
  }

  onUnused(lane: Lane<A>): void {
    const { group } = lane
    group.forget(lane)
    if (group.lanes.size > 0) return
    if (this.groups.get(group.ip) === group) this.groups.delete(group.ip)
    if (group.length === 0) this.ring.remove(group)
    if (group.waiting > 0 || !group.isListed) return
    group.isListed = false
    this.waitingGroups.remove(group)
  }
}
