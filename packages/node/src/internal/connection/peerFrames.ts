/**
 * The frames of a peer's 1-RTT packets, as the driver reads them beside the binding: acknowledgements and stops for those who
 * wait for them, and the rules for frames that cost this side more than they cost the peer.
 */
import { INTERNAL_ERROR, PROTOCOL_VIOLATION } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"
import { type FrameVisitor, hasWalked, isPadding, walk } from "../packets/frames.ts"
import { connectionIdLength } from "../packets/connectionId.ts"
import { longFramesStart } from "../packets/packetHeader.ts"
import { PacketNumberWindow } from "../packets/packetNumberWindow.ts"
import { HeldData } from "../streams/heldData.ts"
import * as tunables from "../tunables/frames.ts"
import { holdBackAbove } from "../tunables/memory.ts"

const shutdownRead = 0

/**
 * Shorter packets have no sample for their header protection (RFC 9001, section 5.4.2), so the binding leaves them as they are: an
 * id, 4 bytes and a tag follow the first byte.
 */
const minPacketLength = 1 + connectionIdLength + 4 + 16

/** The view of the connection. */
export interface PeerFramesHost {
  readonly native: NativeConnection
  readonly dialled: boolean
  readonly acknowledged: {
    /** The number of the next packet. */
    readonly next: number
    readonly acknowledged: (smallest: number, largest: number) => void
  }
  /** Probes to an address at which the peer may be. */
  readonly proof: {
    readonly isPending: boolean
    /** Returns false when the peer cannot have received all of these packets. */
    readonly acknowledged: (smallest: number, largest: number) => boolean
  }
  readonly streams: {
    readonly outgoing: { readonly stopCodes: { readonly add: (id: number, code: number) => void } }
  }
  readonly budget: { readonly withoutData: (bytes: number) => void }
  /** A packet has come with so many datagrams, which the binding has now. */
  readonly datagrams: { readonly take: (frames: number) => void }
  /**
   * The other side has completed the handshake (RFC 9001, section 4.1.2): a packet has HANDSHAKE_DONE, or an acknowledgement of
   * 1-RTT packets, which the other side reads only then. A packet that closes the connection confirms nothing, and neither does
   * one with a frame that is not known here. Called for each such packet.
   */
  readonly onHandshakeConfirmed: () => void
  /**
   * The peer has issued an id, which begins at the offset `at` in a packet; its token of 16 bytes comes behind it. `retires` tells
   * whether the id takes the place of others.
   */
  readonly onNewConnectionId: (packet: Uint8Array, at: number, length: number, retires: boolean) => void
}

/** Why a connection cannot go on: a transport error code, and what the peer is told. */
export interface Violation {
  readonly code: number
  readonly detail: string
}

/** RFC 9000, section 2.1. */
const isBidirectional = (id: number): boolean => id % 4 < 2

/** How many CRYPTO frames the packets have that are being read. */
let pieces = 0

const ignore = (): void => {}

const piecesVisitor: FrameVisitor = {
  onCrypto: () => {
    pieces += 1
  },
  wantsAckRanges: false,
  onAckRange: ignore,
  onAck: ignore,
  onControl: ignore,
  onDatagram: ignore,
  onHandshakeDone: ignore,
  onMaxStreamData: ignore,
  onNewConnectionId: ignore,
  onStop: ignore,
  onStream: ignore
}

/** Reads the packets of one connection that the binding has decrypted, and finds what no honest peer sends. */
export class PeerFrames implements FrameVisitor {
  /** What the binding keeps of the streams. */
  readonly held: HeldData
  private readonly host: PeerFramesHost
  private readonly numbers = new PacketNumberWindow()
  /** How many frames about connection ids, paths and tokens may come now. */
  private controlLeft: number = tunables.maxControlFrames
  private hasData = false
  /** How many datagrams are in the packet that is being read. */
  private datagrams = 0
  private handshakePieces = 0
  private found: Violation | undefined = undefined
  /**
   * How many packets the binding has authenticated, if it has no others than were taken here. Undefined until it matters, when a
   * packet has come that may be one of them: to ask the binding takes longer than a packet.
   */
  private authenticated: number | undefined = undefined
  private confirms = false
  private isConfirmed = false

  constructor(host: PeerFramesHost) {
    this.host = host
    this.held = new HeldData(host.dialled)
  }

  /** What no honest peer does, if the peer has done it. The binding must get no more of its packets. */
  get violation(): Violation | undefined {
    return this.found
  }

  /** How much memory the streams and their pieces take in the binding, in bytes. */
  get memory(): number {
    return this.held.memory + this.held.streamMemory
  }

  /** Whether the binding keeps so many pieces of streams that the peer is to send more slowly. */
  get isNearLimit(): boolean {
    return this.held.fragments > tunables.maxFragments * holdBackAbove
  }

  /** The binding may have authenticated a packet that is not taken here, as one of the handshake. */
  longHeaderTaken(): void {
    // Later the binding has no keys for such packets (RFC 9001, section 4.9.2).
    if (this.authenticated !== undefined && this.host.dialled && !this.isConfirmed) this.authenticated = this.counted
  }

  /** How many packets the binding has authenticated. */
  private get counted(): number {
    return this.host.native.stats().recv
  }

  /** Reads a packet with a short header that the binding has decrypted in place. Each packet counts once. */
  take(packet: Uint8Array): void {
    if (packet.length < minPacketLength) return
    if (isPadding(packet)) return this.takeZeros()
    if (!this.numbers.add(packet)) {
      if (this.authenticated === undefined || this.counted === this.authenticated) return
      // The binding has taken it: it knows a number that is not known here.
      this.numbers.goBlind()
    }
    if (this.authenticated !== undefined) this.authenticated += 1
    this.hasData = this.confirms = false
    this.datagrams = 0
    const frames = walk(packet, this)
    if (this.datagrams > 0) this.host.datagrams.take(this.datagrams)
    if (this.confirms && hasWalked(packet)) {
      this.isConfirmed = true
      this.host.onHandshakeConfirmed()
    }
    if (!this.hasData) this.host.budget.withoutData(packet.length)
    if (frames > tunables.maxSmallFrames + packet.length / tunables.bytesPerFrame) {
      this.violate(INTERNAL_ERROR, "too many frames in a packet")
    }
    if (this.held.fragments > tunables.maxFragments) this.checkFragments()
    if (this.held.watched > tunables.maxWatchedStreams) this.forgetEnded()
  }

  /**
   * A packet of zeros has failed authentication, unless the binding counts it. Then the binding knows a number that is not known
   * here. Of the first one that cannot be told, so from then on the binding has to agree that a number has come before.
   */
  private takeZeros(): void {
    const { counted } = this
    if (this.authenticated !== undefined && this.authenticated !== counted) this.numbers.goBlind()
    this.authenticated = counted
  }

  /** Whether the handshake has come in so many pieces that the binding is to get no more of it. */
  get isHandshakeInPieces(): boolean {
    return this.handshakePieces > tunables.maxHandshakePieces
  }

  /** Reads a packet of the handshake that the binding has decrypted in place. */
  takeHandshake(packet: Uint8Array): void {
    const start = longFramesStart(packet)
    if (start === undefined) return
    pieces = 0
    walk(packet, piecesVisitor, start)
    this.handshakePieces += pieces
  }

  get wantsAckRanges(): boolean {
    return this.host.proof.isPending
  }

  onAckRange(smallest: number, largest: number): void {
    if (!this.host.proof.acknowledged(smallest, largest)) this.violateByAck()
  }

  onAck(smallest: number, largest: number): void {
    const { acknowledged, proof } = this.host
    // The binding takes acknowledgements of packets that were never sent, and sends faster for them (RFC 9000, section 21.4).
    if (largest >= acknowledged.next) return this.violateByAck()
    this.confirms = true
    if (proof.isPending) this.onAckRange(smallest, largest)
    acknowledged.acknowledged(smallest, largest)
  }

  onStop(id: number, code: number): void {
    this.host.streams.outgoing.stopCodes.add(id, code)
    if (isBidirectional(id)) this.held.opened(id)
  }

  onStream(id: number, offset: number, length: number): void {
    this.hasData = true
    if (length > 0) this.held.add(id, offset, length)
    // The binding makes a stream for a frame without data, too, and keeps that until the peer ends it.
    else this.held.opened(id)
  }

  onMaxStreamData(id: number): void {
    // The binding makes a stream for it, too, if the peer may open it.
    if (isBidirectional(id)) this.held.opened(id)
  }

  onDatagram(length: number): void {
    this.datagrams += 1
    // One without a byte is no data: it has no kind.
    if (length > 0) this.hasData = true
  }

  /** TLS in QUIC has no message for a client to send after the handshake (RFC 9001, sections 4.4 and 6). */
  onCrypto(): void {
    if (this.host.dialled) this.onControl()
    else this.violate(PROTOCOL_VIOLATION, "CRYPTO after the handshake")
  }

  onHandshakeDone(): void {
    this.confirms = true
  }

  onNewConnectionId(_sequence: number, packet: Uint8Array, at: number, length: number, retiresPriorTo: number): void {
    this.onControl()
    this.host.onNewConnectionId(packet, at, length, retiresPriorTo > 0)
  }

  onControl(): void {
    this.controlLeft -= 1
    if (this.controlLeft < 0) this.violate(INTERNAL_ERROR, "too many frames about connection ids and paths")
  }

  /** Called by the sweep; the last call was `elapsed` milliseconds ago. */
  tick(elapsed: number): void {
    this.controlLeft = Math.min(this.controlLeft + elapsed / tunables.controlInterval, tunables.maxControlFrames)
    this.forgetEnded()
  }

  /**
   * Has the binding drop what it keeps of streams, if that is much: the connection closes, and nothing of it will be read. The
   * binding would keep it until the garbage collector finds the connection, and would then free that of several at once.
   */
  discard(): void {
    const { held } = this
    if (held.fragments > tunables.minDiscarded) {
      for (const id of held.ids()) {
        try {
          this.host.native.streamShutdown(id, shutdownRead, 0)
        } catch {
          // The stream has ended.
        }
      }
    }
    held.clear()
  }

  private forgetEnded(): void {
    const { native } = this.host
    this.held.forgetEnded((id) => native.streamFinished(id))
  }

  private checkFragments(): void {
    this.forgetEnded()
    if (this.held.fragments > tunables.maxFragments) this.violate(INTERNAL_ERROR, "too many pieces of streams")
  }

  private violateByAck(): void {
    this.violate(PROTOCOL_VIOLATION, "an acknowledgement of a packet that was not sent")
  }

  private violate(code: number, detail: string): void {
    if (this.found !== undefined) return
    const { native } = this.host
    // A connection that is over does not decrypt what still comes.
    if (native.isDraining() || native.isClosed() || native.localError() !== null) return
    this.found = { code, detail }
  }
}
