/**
 * The outbox of a socket: collects the datagrams of one turn and hands them to the kernel as one batch.
 */
import type * as NetAddress from "effect/net/NetAddress"
import { maxDatagramsInFlight } from "../tunables/path.ts"
import type { Batch, QueuedDatagram, Sender } from "../udp/udpSocket.ts"

/** In bytes. */
const slabSize = 128 << 10

/** How many free slabs are kept. */
const maxSpare = 8

/** A block of memory that packets are written into, one behind the other. */
interface Slab {
  readonly bytes: Uint8Array
  used: number
  /** How many batches have packets in it that the kernel may still read. */
  batches: number
}

/** Holds the datagrams of one socket until `dispatch`, and reuses the memory of batches that the kernel has taken. */
export class Outbox {
  private batch: Array<QueuedDatagram> = []
  private inFlight = 0
  private slab: Slab
  /** The slabs that the current batch has packets in. */
  private slabs: Array<Slab> = []
  private readonly spare: Array<Slab> = []
  private readonly send: (batch: Batch, done: () => void) => void

  /** `send` calls `done` when the kernel has taken or refused all of the batch. */
  constructor(send: (batch: Batch, done: () => void) => void) {
    this.send = send
    this.slab = newSlab()
  }

  /** Whether there is room for another datagram: not while `maxDatagramsInFlight` datagrams wait for the kernel. */
  get hasRoom(): boolean {
    return this.inFlight + this.batch.length < maxDatagramsInFlight
  }

  /** Returns a buffer for one packet of up to `size` bytes. */
  packetBuffer(size: number): Uint8Array {
    if (this.slab.used + size > slabSize) this.nextSlab()
    return this.slab.bytes.subarray(this.slab.used, this.slab.used + size)
  }

  /** Adds the first `length` bytes of the last `packetBuffer` as a datagram of `sender`. */
  addBuffered(length: number, to: NetAddress.InetAddress, sender: Sender): void {
    const { slab, slabs } = this
    if (slabs[slabs.length - 1] !== slab) slabs.push(slab)
    this.batch.push({ payload: slab.bytes.subarray(slab.used, slab.used + length), address: to, sender })
    slab.used += length
  }

  /** Adds a datagram that belongs to no connection. */
  add(packet: Uint8Array, to: NetAddress.InetAddress): void {
    this.batch.push({ payload: packet, address: to, sender: undefined })
  }

  /** Hands over what was added, without waiting. */
  dispatch(): void {
    const { batch, slabs } = this
    if (batch.length === 0) return
    this.batch = []
    this.slabs = []
    this.inFlight += batch.length
    for (const slab of slabs) slab.batches += 1
    this.send(batch as unknown as Batch, () => {
      this.inFlight -= batch.length
      for (const slab of slabs) this.release(slab)
    })
  }

  private release(slab: Slab): void {
    slab.batches -= 1
    if (slab.batches > 0) return
    if (slab === this.slab) slab.used = this.slabs.includes(slab) ? slab.used : 0
    else if (this.spare.length < maxSpare && !this.slabs.includes(slab)) {
      slab.used = 0
      this.spare.push(slab)
    }
  }

  private nextSlab(): void {
    this.slab = this.spare.pop() ?? newSlab()
  }
}

// The memory is not zeroed: only bytes that the binding has written are sent.
const newSlab = (): Slab => ({ bytes: new Uint8Array(Buffer.allocUnsafeSlow(slabSize).buffer), used: 0, batches: 0 })
