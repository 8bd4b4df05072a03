/**
 * The datagrams of one connection (RFC 9221).
 *
 * Datagrams that are sent wait in the binding, which puts them into packets in turn with the data of streams. Those that arrive
 * are taken from the binding with their packet, so that it never keeps more than one packet's, and are handed on in the
 * connection's turn, when the peer is admitted. What exceeds the bounds is dropped and counted.
 */
import type { ConnectionEvents } from "@qp2p/core/Transport"
import type { NativeConnection } from "../binding/native.ts"
import { maxArrivedDatagramBytes, maxArrivedDatagrams, maxQueuedDatagramBytes } from "../tunables/datagrams.ts"

/**
 * What a packet has besides the content of a datagram, in bytes: the longest header and a tag (RFC 9000, section 17.3.1, and RFC
 * 9001, section 5.3), and the type and the length of the frame (RFC 9221, section 4).
 */
export const packetOverhead = 1 + 20 + 4 + 16 + 1 + 2

/** The view of the connection. */
export interface DatagramsHost {
  readonly native: NativeConnection
  /** The size that packets to the peer may have, in bytes. */
  readonly mtu: { readonly current: number }
  readonly budget: { readonly read: (bytes: number) => void }
  /** A buffer that is lent for a read. */
  readonly scratch: Uint8Array
  /** Asks for a turn soon. */
  readonly schedule: () => void
  /** Whether this side closes the connection. */
  readonly isClosing: () => boolean
}

/** The most bytes of a datagram that leaves now; 0 when the peer takes none. */
export const maxDatagramSize = ({ mtu, native }: Pick<DatagramsHost, "native" | "mtu">): number => {
  const most = native.dgramMaxWritableLen()
  return most === null ? 0 : Math.max(0, Math.min(most, mtu.current - packetOverhead))
}

const none: ReadonlyArray<Uint8Array> = []

/** Sends and takes the datagrams of one connection. */
export class Datagrams {
  /** How many arrived and were dropped. */
  dropped = 0
  /** How many were queued and dropped, because the path carries only smaller ones since. */
  unsent = 0
  private readonly host: DatagramsHost
  /** Those that wait for the turn, and their bytes. */
  private arrived: ReadonlyArray<Uint8Array> | Array<Uint8Array> = none
  private arrivedBytes = 0
  /** Bytes that arrived since the last turn, those that were dropped included. */
  private taken = 0
  /** The binding queues none that is larger. */
  private largestQueued = 0
  private passed = 0

  constructor(host: DatagramsHost) {
    this.host = host
  }

  /** Changes whenever a datagram is sent or handed on. */
  get work(): number {
    return this.passed
  }

  /** Queues a datagram. Returns false if it is dropped, since too many wait. */
  send(datagram: Uint8Array): boolean {
    const { native } = this.host
    const { length } = datagram
    if (length > maxDatagramSize(this.host) || this.host.isClosing()) return false
    if (native.dgramSendQueueByteSize() + length > maxQueuedDatagramBytes) return false
    try {
      if (native.dgramSend(datagram) === null) return false
    } catch {
      return false
    }
    this.passed += 1
    if (length > this.largestQueued) this.largestQueued = length
    this.host.schedule()
    return true
  }

  /** Drops what is larger than packets may be now: in the binding, all others would wait behind it. */
  dropTooLarge(): void {
    if (this.largestQueued === 0) return
    const { mtu, native } = this.host
    const most = mtu.current - packetOverhead
    if (this.largestQueued <= most) return
    this.largestQueued = most
    native.dgramPurgeOutgoing((datagram) => {
      if (datagram.length <= most) return false
      this.unsent += 1
      return true
    })
  }

  /** A packet has come with so many datagrams: takes them from the binding. */
  take(frames: number): void {
    const { budget, native, scratch } = this.host
    for (let left = frames; left > 0; left--) {
      const length = native.dgramRecv(scratch)
      if (length === null) {
        // A packet had more than the binding keeps.
        this.dropped += left
        return
      }
      budget.read(length)
      this.taken += length
      if (this.arrived.length >= maxArrivedDatagrams || this.arrivedBytes + length > maxArrivedDatagramBytes) {
        this.dropped += 1
      } else {
        if (this.arrived === none) this.arrived = []
        ;(this.arrived as Array<Uint8Array>).push(scratch.slice(0, length))
        this.arrivedBytes += length
      }
    }
  }

  /** Hands on what has arrived. Returns the bytes that have arrived since the last call. */
  deliver(events: ConnectionEvents): number {
    const { arrived, taken } = this
    if (taken === 0 && arrived === none) return 0
    this.clear()
    for (const datagram of arrived) {
      if (this.host.isClosing()) break
      if (events.onDatagram === undefined) this.dropped += 1
      else {
        this.passed += 1
        events.onDatagram(datagram)
      }
    }
    return taken
  }

  /** Forgets what has arrived: the connection closes. */
  clear(): void {
    this.arrived = none
    this.arrivedBytes = this.taken = 0
  }
}
