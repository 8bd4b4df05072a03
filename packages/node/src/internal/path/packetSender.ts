/**
 * Sends a connection's packets: as large as the path takes, as many as one turn may send, and no faster than the rate to one
 * peer.
 */
import type { NativeConnection } from "../binding/native.ts"
import { minDatagramSize } from "../packets/datagramSize.ts"
import type { Sender } from "../udp/udpSocket.ts"
import { Burst, type Losses } from "./burst.ts"
import type { AddressProof, ProbeSender } from "./addressProof.ts"
import type { MtuDiscovery, PathCounter, PathCounts } from "./mtuDiscovery.ts"
import type { Outbox } from "./outbox.ts"
import type { Candidate, PeerAddress } from "./peerAddress.ts"
import { TokenBucket } from "./tokenBucket.ts"

/** The outcome of a flush: everything has left, more is left to send, or the rate limit or the kernel holds it back. */
export type Flushed = "all" | "more" | "held"

/** The view of the connection: learns which packets leave, and which the system refuses. */
export interface PacketOwner extends Sender {
  /** The first `length` bytes of `datagram` are on their way. */
  readonly packetSent: (datagram: Uint8Array, length: number) => void
}

/** The view of the connection's parts: the proof changes when there is something to prove for the first time. */
export interface ProofSource {
  readonly proof: AddressProof
}

/** The bytes that leave ahead of probes: what must not be withheld, such as acknowledgements and credit. */
const beforeProbes = 2 * minDatagramSize

/**
 * Takes packets from the binding of one connection and puts them into the outbox, within the MTU, the burst and the token
 * bucket.
 */
export class PacketSender implements Losses, PathCounter, ProbeSender {
  private readonly native: NativeConnection
  private readonly outbox: Outbox
  private readonly peer: PeerAddress
  private readonly owner: PacketOwner
  private readonly mtu: MtuDiscovery
  private readonly proofs: ProofSource
  private readonly numbers: { readonly next: number }
  private readonly bucket: TokenBucket
  private readonly burst: Burst
  private count = 0

  constructor(options: {
    readonly native: NativeConnection
    readonly outbox: Outbox
    /** In bytes per millisecond. */
    readonly rate: number
    readonly peer: PeerAddress
    readonly owner: PacketOwner
    readonly mtu: MtuDiscovery
    readonly proofs: ProofSource
    /** The number of the next 1-RTT packet. */
    readonly numbers: { readonly next: number }
  }) {
    this.native = options.native
    this.outbox = options.outbox
    this.peer = options.peer
    this.owner = options.owner
    this.mtu = options.mtu
    this.proofs = options.proofs
    this.numbers = options.numbers
    this.bucket = new TokenBucket(options.rate)
    this.burst = new Burst(options.mtu.isTrusted)
  }

  /** How many packets it has sent. */
  get packets(): number {
    return this.count
  }

  /**
   * Sends what is ready, up to `most` bytes; without `most`, up to one turn's burst. Datagrams that may carry parts of the
   * `handshake` have the smallest size.
   */
  flush(now: number, handshake: boolean, most?: number): Flushed {
    this.bucket.refill(now)
    const bytes = most ?? this.burst.size
    let flushed: Flushed
    if (handshake || !this.proofs.proof.isDue(now)) flushed = this.flushUpTo(bytes, now, handshake)
    else {
      flushed = this.flushUpTo(Math.min(bytes, beforeProbes), now, false)
      if (flushed !== "held") this.proofs.proof.send(now, this)
      if (flushed === "more" && bytes > beforeProbes) flushed = this.flushUpTo(bytes - beforeProbes, now, false)
    }
    if (flushed === "more" && most === undefined) this.burst.spent(this)
    return flushed
  }

  private flushUpTo(bytes: number, now: number, handshake: boolean): Flushed {
    const { bucket, mtu, native, outbox, owner, peer } = this
    for (let left = bytes; left > 0;) {
      if (bucket.isEmpty || !outbox.hasRoom) return "held"
      const buffer = outbox.packetBuffer(peer.sizeOf(handshake ? minDatagramSize : mtu.next(now)))
      let sent: readonly [number, unknown] | null
      try {
        sent = native.send(buffer)
      } catch {
        return "all"
      }
      if (sent === null) return "all"
      const length = sent[0]
      left -= length
      bucket.take(length)
      this.count += 1
      owner.packetSent(buffer, length)
      outbox.addBuffered(length, peer.targetOf(length), owner)
      if (length > minDatagramSize || mtu.isProbing) mtu.sent(length, this)
    }
    return "more"
  }

  /** Makes a probe for `AddressProof`. One that is not released consumes its number, and nothing else. */
  makeProbe(size: number): { readonly number: number; readonly length: number } | undefined {
    const { native, outbox, owner } = this
    if (!outbox.hasRoom) return undefined
    const { next: number } = this.numbers
    const buffer = outbox.packetBuffer(size)
    try {
      native.sendAckEliciting()
      const sent = native.send(buffer)
      if (sent === null) return undefined
      owner.packetSent(buffer, sent[0])
      return this.numbers.next === number + 1 ? { number, length: sent[0] } : undefined
    } catch {
      return undefined
    }
  }

  release(length: number, { address }: Candidate): void {
    this.bucket.take(length)
    this.count += 1
    this.outbox.addBuffered(length, address, this.owner)
  }

  /** Updates MTU discovery from the counters of the path. */
  observe(now: number): void {
    if (this.mtu.hasPending(now)) this.mtu.observe(now, this.pathCounts())
  }

  /** Resets MTU and burst to the smallest: the path to the peer has changed. */
  pathChanged(): void {
    this.mtu.pathChanged()
    this.burst.pathChanged()
  }

  lost(): number {
    return this.native.stats().lost
  }

  pathCounts(): PathCounts {
    const { lost, lostBytes, recv, rtt } = this.native.pathStats()[0]!
    return { lost, lostBytes, recv, rtt }
  }
}
