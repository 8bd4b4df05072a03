/**
 * The datagrams of one turn, on their way to the kernel.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as NetAddress from "effect/net/NetAddress"
import type { OutgoingDatagram } from "effect/socket/DatagramSocket"
import { maxDatagramsInFlight } from "./tunables.ts"

const slabSize = 64 << 10

export class Outbox {
  private batch: Array<OutgoingDatagram> = []
  private inFlight = 0
  private slab = new Uint8Array(0)
  private used = 0
  private readonly maxPayload: number
  private readonly send: (batch: NonEmptyReadonlyArray<OutgoingDatagram>) => void

  constructor(maxPayload: number, send: (batch: NonEmptyReadonlyArray<OutgoingDatagram>) => void) {
    this.maxPayload = maxPayload
    this.send = send
  }

  /** False while the kernel is behind. */
  get hasRoom(): boolean {
    return this.inFlight + this.batch.length < maxDatagramsInFlight
  }

  /** Room for one packet. The binding sends nothing at all into less than the largest payload. */
  packetBuffer(): Uint8Array {
    // The kernel may still be reading earlier packets, so a slab is not used twice.
    if (this.used + this.maxPayload > this.slab.length) {
      // Not zeroed: only what the binding has written is ever sent.
      this.slab = new Uint8Array(Buffer.allocUnsafeSlow(Math.max(slabSize, this.maxPayload)).buffer)
      this.used = 0
    }
    return this.slab.subarray(this.used, this.used + this.maxPayload)
  }

  /** Adds the first `length` bytes of the last `packetBuffer`. */
  addBuffered(length: number, to: NetAddress.InetAddress): void {
    this.batch.push({ payload: this.slab.subarray(this.used, this.used + length), address: to })
    this.used += length
  }

  add(packet: Uint8Array, to: NetAddress.InetAddress): void {
    this.batch.push({ payload: packet, address: to })
  }

  /** Hands over what was added, without waiting for it. */
  dispatch(): void {
    const { batch } = this
    if (batch.length === 0) return
    this.batch = []
    this.inFlight += batch.length
    this.send(batch as unknown as NonEmptyReadonlyArray<OutgoingDatagram>)
  }

  /** The kernel has taken `count` datagrams, or refused them. */
  sent(count: number): void {
    this.inFlight -= count
  }
}
