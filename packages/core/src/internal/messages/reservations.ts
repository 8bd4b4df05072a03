/**
 * The memory for values that arrive in part, and for answers that peers have not taken yet. Peers share it as they share a queue.
 */
import { FairInbox } from "../fairInbox.ts"
import type { Lane } from "../lane.ts"
import { endpointLimits } from "../endpoint/protocolLimits.ts"

/** A peer that takes memory. */
export interface Owner {
  readonly peer: string
  /** The name under which its IP address counts. */
  readonly ip: string
}

/** So many bytes, until they are released. */
export interface Reservation {
  readonly bytes: number
  readonly lane: Lane<Reservation>
}

/** The memory. A peer may have a third of it, the peers at one IP address a half, and each one value more than that. */
export class Reservations {
  private readonly queue: FairInbox<Reservation>

  constructor(byteCapacity: number) {
    this.queue = new FairInbox({ capacity: endpointLimits.all, byteCapacity, sizeOf: ({ bytes }) => bytes })
  }

  /** Makes a reservation, which holds the memory once it is offered to its lane. The caller releases it in any case. */
  make({ ip, peer }: Owner, bytes: number): Reservation {
    return { bytes, lane: this.queue.lane(ip, peer) }
  }

  /** Takes the memory if the peer may have it now. */
  take(owner: Owner, bytes: number): Reservation | undefined {
    const reservation = this.make(owner, bytes)
    if (reservation.lane.hasRoom) {
      reservation.lane.offer(reservation)
      return reservation
    }
    reservation.lane.release()
    return undefined
  }
}

/** Gives the memory back, or gives up waiting for it. */
export const release = (reservation: Reservation): void => {
  reservation.lane.removeAll((each) => each === reservation)
  reservation.lane.release()
}
