/**
 * Memory that peers share fairly: for requests that arrive or are worked on, and for answers that they have not taken yet.
 *
 * A peer may have a third of it, and the peers at one IP address, or in one /64 of IPv6, a half, since keys cost nothing. A peer that
 * has less than that takes one more reservation of any size.
 *
 * Typed messages and the RPC server use it for their streams.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { endpointLimits } from "./internal/endpoint/protocolLimits.ts"
import { FairInbox } from "./internal/fairInbox.ts"
import { ipPrefix } from "./internal/ipPrefix.ts"
import type { Lane } from "./internal/lane.ts"
import { offer } from "./internal/messages/laneRoom.ts"
import type { ProtocolStream } from "./ProtocolStream.ts"

/**
 * The memory of one service.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export class Reservations {
  private readonly queue: FairInbox<Reservation>

  /** `byteCapacity` is the memory, in bytes. */
  constructor(byteCapacity: number) {
    this.queue = new FairInbox({ capacity: endpointLimits.all, byteCapacity, sizeOf: ({ bytes }) => bytes })
  }

  /** How many bytes are taken. */
  get bytes(): number {
    return this.queue.size
  }

  /** Makes a reservation for the peer of a stream, which has no memory yet. Release it in any case. */
  make({ connection, peerId }: Pick<ProtocolStream, "connection" | "peerId">, bytes: number): Reservation {
    return new Reservation(this.queue.lane(ipPrefix(connection.remoteAddress.address), peerId), bytes)
  }

  /** Takes the memory if the peer of a stream may have it now. */
  take(stream: Pick<ProtocolStream, "connection" | "peerId">, bytes: number): Reservation | undefined {
    const reservation = this.make(stream, bytes)
    if (reservation.takeNow()) return reservation
    reservation.release()
    return undefined
  }
}

/**
 * So many bytes of memory for one peer.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export class Reservation {
  /** Its size. */
  readonly bytes: number
  private readonly lane: Lane<Reservation>
  private isReleased = false

  /** `Reservations` makes them. */
  constructor(lane: Lane<Reservation>, bytes: number) {
    this.lane = lane
    this.bytes = bytes
  }

  /** Waits until the peer may have the memory, and takes it. Run it once. */
  get wait(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isReleased) return Effect.void
      return Effect.map(offer(this.lane, this), () => {
        if (this.isReleased) this.remove()
      })
    })
  }

  /** Takes the memory, or returns false when the peer may not have it now. */
  takeNow(): boolean {
    if (this.isReleased || !this.lane.hasRoom) return false
    this.lane.offer(this)
    return true
  }

  /** Gives the memory back, or gives up waiting for it. */
  release(): void {
    if (this.isReleased) return
    this.isReleased = true
    this.remove()
    this.lane.release()
  }

  private remove(): void {
    this.lane.removeAll((each) => each === this)
  }
}
