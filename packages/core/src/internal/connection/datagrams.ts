/**
 * The datagrams of one connection: checks those to send, and queues or drops those that arrive. A connection that has none
 * makes none of this.
 */
import type { Connection, ConnectionStats } from "../../Connection.ts"
import { type DatagramError, DatagramQueueFull, DatagramsUnsupported, DatagramTooLarge } from "../../DatagramError.ts"
import type { BackingConnection, ConnectionStats as Counters } from "../../Transport.ts"
import { datagramOverhead, type DatagramInbox, type QueuedDatagram } from "../datagramInbox.ts"
import type { Lane } from "../lane.ts"
import * as wire from "../wire/datagram.ts"
import { invalidBytes } from "./sendArguments.ts"

/** The view of the connection. */
export interface DatagramsOwner {
  /** The object that the application gets for the connection. */
  readonly surfaced: Connection
  /** Whether the connection has ended. */
  readonly isOpen: boolean
  /** Something of the application has passed on the connection. */
  readonly carryData: () => void
  /** Returns the peer's part of a queue, for this connection. */
  readonly laneOf: (queue: DatagramInbox) => Lane<QueuedDatagram>
}

/** Counts of datagrams, since the connection was made. */
export interface DatagramCounts {
  readonly sent: number
  readonly received: number
  readonly dropped: number
  readonly unknown: number
  readonly unsent: number
}

/** Returns the most bytes of a payload that a connection carries in a datagram; 0 when its peer takes none. */
export const maxPayload = ({ maxDatagramSize = 0 }: BackingConnection): number =>
  Math.max(0, maxDatagramSize - wire.overhead)

/** Adds the counts of datagrams, if there were any, to the counters of the transport. */
export const statsOf = (counters: Counters, counts: DatagramCounts | undefined): ConnectionStats => ({
  ...counters,
  datagramsSent: counts?.sent ?? 0,
  datagramsReceived: counts?.received ?? 0,
  datagramsDropped: (counts?.dropped ?? 0) + (counters.datagramsDropped ?? 0),
  datagramsUnknown: counts?.unknown ?? 0,
  datagramsUnsent: (counts?.unsent ?? 0) + (counters.datagramsUnsent ?? 0)
})

/** Sends and receives the datagrams of one connection. */
export class Datagrams implements DatagramCounts {
  sent = 0
  received = 0
  dropped = 0
  unknown = 0
  unsent = 0
  private readonly backing: BackingConnection
  private readonly inbox: DatagramInbox
  private readonly owner: DatagramsOwner
  private readonly charge: ((change: number) => void) | undefined
  private lane: Lane<QueuedDatagram> | undefined = undefined

  constructor(backing: BackingConnection, inbox: DatagramInbox, owner: DatagramsOwner) {
    this.backing = backing
    this.inbox = inbox
    this.owner = owner
    this.charge = backing.charge === undefined ? undefined : (change) => backing.charge!(change)
  }

  /** Sends a payload on an open connection. Returns the error, or undefined when the datagram waits to leave. */
  send(payload: Uint8Array): DatagramError | undefined {
    const invalid = invalidBytes(payload)
    if (invalid !== undefined) return invalid
    const { backing } = this
    const { maxDatagramSize = 0, peerId } = backing
    if (maxDatagramSize < wire.overhead || backing.sendDatagram === undefined) {
      return new DatagramsUnsupported({ peerId })
    }
    const [size, limit] = [payload.length, maxDatagramSize - wire.overhead]
    if (size > limit) return new DatagramTooLarge({ size, limit })
    if (!backing.sendDatagram(wire.encode(payload))) {
      this.unsent += 1
      return new DatagramQueueFull({ peerId })
    }
    this.sent += 1
    this.owner.carryData()
    return undefined
  }

  /** Takes a datagram that has arrived. The newest is dropped when there is no room. */
  receive(datagram: Uint8Array): void {
    const payload = wire.decode(datagram)
    if (payload === undefined) {
      this.unknown += 1
      return
    }
    const { charge, owner } = this
    if (!owner.isOpen) return
    const lane = (this.lane ??= owner.laneOf(this.inbox))
    if (!lane.hasRoom) {
      this.dropped += 1
      return
    }
    this.received += 1
    owner.carryData()
    const cost = payload.length + datagramOverhead
    charge?.(cost)
    const connection = owner.surfaced
    lane.offer({ datagram: { peerId: connection.peerId, connection, payload }, cost, charge })
  }

  /** The connection has ended. Datagrams that wait to be taken stay. */
  end(): void {
    this.lane?.release()
  }
}
