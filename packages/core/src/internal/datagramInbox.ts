/**
 * The queue of datagrams between the connections of an endpoint and its application. Peers share it as they share the queue of
 * messages. What has no room is dropped: datagrams are unreliable, and no peer is held back for them.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { IncomingDatagram } from "../IncomingDatagram.ts"
import { FairInbox, maxBatch } from "./fairInbox.ts"

/** The memory for a queued datagram beside its payload, in bytes, estimated. */
export const datagramOverhead = 256

/** A datagram that waits to be taken. */
export interface QueuedDatagram {
  readonly datagram: IncomingDatagram
  /** What it counts as, in bytes of memory. */
  readonly cost: number
  /** Tells the transport that so much memory more, or less, is held of what the peer has sent. */
  readonly charge: ((change: number) => void) | undefined
}

/** A queue of datagrams. What leaves it no longer counts against the memory of the transport. */
export class DatagramInbox extends FairInbox<QueuedDatagram> {
  constructor(options: { readonly capacity: number; readonly byteCapacity: number }) {
    super({ ...options, sizeOf: ({ cost }) => cost })
  }

  override shift(): QueuedDatagram {
    const queued = super.shift()
    queued.charge?.(-queued.cost)
    return queued
  }

  override shiftAll(): NonEmptyReadonlyArray<QueuedDatagram> {
    const batch: Array<QueuedDatagram> = [this.shift()]
    while (batch.length < maxBatch && this.length > 0) batch.push(this.shift())
    return batch as unknown as NonEmptyReadonlyArray<QueuedDatagram>
  }
}
