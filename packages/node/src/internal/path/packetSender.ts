/**
 * Puts a connection's packets on their way: as large as the path takes, as many as one turn may send, and no faster than
 * the rate to one peer.
 */
import type { Accounts } from "../connection/receiveBudget.ts"
import type { AcknowledgedPackets } from "../streams/acknowledgedPackets.ts"
import { Burst } from "./burst.ts"
import type { ConnectionHost } from "../connection/connectionHost.ts"
import type { NativeConnection } from "../binding/native.ts"
import { type PathCounts, type PayloadSize, smallestPayload } from "./mtuDiscovery.ts"
import type { PeerAddress } from "./peerAddress.ts"
import { SendAllowance } from "./tokenBucket.ts"
import type { Sender } from "../udp/udpSocket.ts"
import type { Watch } from "../connection/liveness.ts"

/** What came of flushing: nothing is left, more may be, or something else than the peer holds it back. */
export type Flushed = "all" | "more" | "held"

export class PacketSender {
  readonly payload: PayloadSize
  /** Sent in all. */
  packets = 0
  private readonly native: NativeConnection
  private readonly host: ConnectionHost
  private readonly peer: PeerAddress
  private readonly owner: Sender
  private readonly accounts: Accounts
  private readonly acknowledged: AcknowledgedPackets
  private readonly watch: Watch
  private readonly allowance: SendAllowance
  private readonly burst: Burst

  constructor(options: {
    readonly native: NativeConnection
    readonly host: ConnectionHost
    readonly peer: PeerAddress
    /** Is told of packets that the system does not send. */
    readonly owner: Sender
    readonly payload: PayloadSize
    readonly accounts: Accounts
    readonly acknowledged: AcknowledgedPackets
    readonly watch: Watch
  }) {
    this.native = options.native
    this.host = options.host
    this.peer = options.peer
    this.owner = options.owner
    this.payload = options.payload
    this.accounts = options.accounts
    this.acknowledged = options.acknowledged
    this.watch = options.watch
    this.allowance = new SendAllowance(options.host.sendRate)
    this.burst = new Burst(options.payload.isTrusted)
  }

  /** Sends what is ready, up to `most` bytes: one turn's, unless told. What may be part of the `handshake` stays small. */
  flush(now: number, handshake: boolean, most?: number): Flushed {
    const { accounts, acknowledged, allowance, native, owner, payload, peer, watch } = this
    const { outbox } = this.host
    allowance.refill(now)
    for (let left = most ?? this.burst.size; left > 0;) {
      if (allowance.isSpent || !outbox.hasRoom) return "held"
      const buffer = outbox.packetBuffer(handshake ? smallestPayload : payload.next(now))
      let sent: readonly [number, unknown] | null
      try {
        sent = native.send(buffer)
      } catch {
        return "all"
      }
      if (sent === null) return "all"
      const length = sent[0]
      left -= length
      allowance.spend(length)
      accounts.sent()
      this.packets += 1
      acknowledged.sent(buffer, length)
      watch.active = true
      outbox.addBuffered(length, peer.targetOf(length), owner)
      if (length > smallestPayload || payload.isTrying) payload.sent(length, this.pathCounts)
    }
    if (most === undefined) this.burst.spent(this.lost)
    return "more"
  }

  /** Packets have come: what do they tell of the path? */
  observe(now: number): void {
    if (this.payload.isUnsure(now)) this.payload.observe(now, this.pathCounts())
  }

  /** The peer is reached by another path now. */
  moved(): void {
    this.payload.moved()
    this.burst.moved()
  }

  private readonly lost = (): number => this.native.stats().lost

  private readonly pathCounts = (): PathCounts => {
    const { lost, lostBytes, recv, rtt } = this.native.pathStats()[0]!
    return { lost, lostBytes, recv, rtt }
  }
}
