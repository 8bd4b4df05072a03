/**
 * The parts of a connection, and the views that they have of each other and of the connection.
 */
import type { Close } from "@qp2p/core/Close"
import type { ConnectionEvents, StreamFailure } from "@qp2p/core/Transport"
import type * as NetAddress from "effect/net/NetAddress"
import { INTERNAL_ERROR } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"
import { ConnectionIds, type ConnectionIdsHost } from "../packets/connectionIds.ts"
import { withdrawal } from "../packets/initialClose.ts"
import { minDatagramSize } from "../packets/datagramSize.ts"
import type { IssuedId } from "../packets/idSupply.ts"
import type { MtuDiscovery } from "../path/mtuDiscovery.ts"
import { type HostPort, PacketReceiver } from "../path/packetReceiver.ts"
import { type PacketOwner, PacketSender } from "../path/packetSender.ts"
import { AddressProof } from "../path/addressProof.ts"
import { PeerAddress } from "../path/peerAddress.ts"
import { AcknowledgedPackets } from "../streams/acknowledgedPackets.ts"
import type { IncomingHost } from "../streams/incoming.ts"
import type { OutgoingHost } from "../streams/outgoing.ts"
import type { SendStream } from "../streams/sendStream.ts"
import type { ConnectionHost } from "./connectionHost.ts"
import { ConnectionStreams } from "./connectionStreams.ts"
import { Datagrams, type DatagramsHost } from "./datagrams.ts"
import { Handshake } from "./handshake.ts"
import { Lifecycle, type LifecycleHost, type State } from "./lifecycle.ts"
import { Liveness, type LivenessHost } from "./liveness.ts"
import { PacketIntake, type PacketIntakeHost } from "./packetIntake.ts"
import { PeerActivity } from "./peerActivity.ts"
import { PeerFrames, type PeerFramesHost } from "./peerFrames.ts"
import { firstToken, tokenOf, withToken } from "./peerTokens.ts"
import { ReceiveBudget } from "./receiveBudget.ts"
import { Responsiveness, type ResponsivenessHost } from "./responsiveness.ts"
import { Turns, type TurnsHost } from "./turns.ts"

/** What differs between the connections of a socket. */
export interface ConnectionOptions {
  readonly native: NativeConnection
  readonly dialled: boolean
  readonly remote: NetAddress.InetAddress
  readonly from: HostPort
  readonly to: HostPort
  /** The name under which the peer's IP address counts. */
  readonly ipGroup: string
  /** The key of the id that the peer knows from the handshake. */
  readonly id: string
  /** Whether the handshake tells the peer a stateless reset token of that id. */
  readonly hasResetToken: boolean
  readonly mtu: MtuDiscovery
  /** From 0 to 1, as different as can be from that of other connections. */
  readonly keepAliveJitter: number
}

/** The view of the connection. It is told of the packets that leave, and of those that the system refuses. */
export interface PartsOwner extends PacketOwner {
  /** Whether only some of the peer's packets are taken. */
  readonly isHeldBack: boolean
  readonly events: () => ConnectionEvents
  /** The binding's handshake is complete. */
  readonly onHandshakeComplete: () => void
  /** Acts on the decision about the peer, if there is one. */
  readonly applyDecision: () => void
  /** The peer has accepted this dial. */
  readonly onAccepted: () => void
  /** Puts a PING on the wire. */
  readonly ping: () => void
  /** Closes because of what the transport found. */
  readonly fail: (code: number, detail: string) => void
  readonly onHandshakeTimeout: () => void
  /** The peer has not answered a liveness probe in time. */
  readonly onSilence: () => void
  readonly onUnresponsive: () => void
  /** The peer's address has changed. */
  readonly onMoved: () => void
  readonly onEnded: (close: Close) => void
}

/** That of all peers that are where they were. */
const noProof = new AddressProof({ candidate: undefined, prove: () => {} })

/**
 * The parts of one connection. Its methods are the views of single parts: methods of one class take no memory for each
 * connection, as functions would.
 */
export class Parts<C extends PartsOwner>
  implements
    ConnectionIdsHost,
    DatagramsHost,
    IncomingHost,
    LifecycleHost,
    LivenessHost,
    OutgoingHost,
    PacketIntakeHost,
    PeerFramesHost,
    ResponsivenessHost,
    TurnsHost
{
  readonly native: NativeConnection
  readonly dialled: boolean
  readonly scratch: Uint8Array
  readonly mtu: MtuDiscovery
  readonly peer: PeerAddress
  private ownProof: AddressProof | undefined = undefined
  readonly activity: PeerActivity
  readonly handshake: Handshake
  readonly frames: PeerFrames
  readonly receiver: PacketReceiver
  readonly sender: PacketSender
  readonly ids: ConnectionIds
  readonly budget: ReceiveBudget
  readonly acknowledged: AcknowledgedPackets
  readonly lifecycle: Lifecycle
  readonly streams: ConnectionStreams
  /** Made with the first datagram, in either direction. */
  usedDatagrams: Datagrams | undefined = undefined
  readonly responsiveness: Responsiveness
  readonly liveness: Liveness
  readonly turns: Turns
  readonly intake: PacketIntake
  /** The stateless reset tokens of the peer's ids: see `peerTokens.ts`. */
  private peerTokens = ""
  private readonly connection: C
  private readonly socket: ConnectionHost<C>

  constructor(options: ConnectionOptions, connection: C, socket: ConnectionHost<C>) {
    const { dialled, from, mtu, native, to } = options
    this.connection = connection
    this.socket = socket
    this.native = native
    this.dialled = dialled
    this.scratch = socket.scratch
    this.mtu = mtu
    const peer = new PeerAddress(options.remote)
    this.peer = peer
    const acknowledged = new AcknowledgedPackets()
    this.acknowledged = acknowledged
    this.activity = new PeerActivity(native, socket.idleTimeout)
    this.handshake = new Handshake(native, dialled)
    this.frames = new PeerFrames(this)
    this.receiver = new PacketReceiver({ native, peer, from, to, frames: this.frames })
    this.sender = new PacketSender({
      native,
      outbox: socket.outbox,
      rate: socket.sendRate,
      peer,
      owner: connection,
      mtu,
      proofs: this,
      numbers: acknowledged
    })
    this.ids = new ConnectionIds(this, options.id, options.hasResetToken)
    this.budget = new ReceiveBudget(native, this)
    this.lifecycle = new Lifecycle(this)
    this.streams = new ConnectionStreams(this)
    this.responsiveness = new Responsiveness(this)
    this.liveness = new Liveness(this, options.keepAliveJitter)
    this.turns = new Turns(this)
    this.intake = new PacketIntake(this)
  }

  get datagrams(): Datagrams {
    return (this.usedDatagrams ??= new Datagrams(this))
  }

  // --- the socket --------------------------------------------------------------------------------------------------

  schedule(): void {
    this.socket.schedule(this.connection)
  }

  updateDeadline(): void {
    this.socket.updateDeadline(this.connection)
  }

  addId(key: string): void {
    this.socket.addId(this.connection, key)
  }

  removeId(key: string): void {
    this.socket.removeId(this.connection, key)
  }

  newId(): IssuedId {
    return this.socket.newId()
  }

  onHandshakeConfirmed(): void {
    if (this.dialled) this.handshake.confirm()
  }

  onNewConnectionId(packet: Uint8Array, at: number, length: number, retires: boolean): void {
    // A first id that retires none is a spare one: the id of the handshake, which has no token here, stays in use.
    if (this.peerTokens === "" && !retires) {
      this.peerTokens = firstToken(packet, at, length)
      return
    }
    const current = this.native.destinationId()
    this.peerTokens = withToken(this.peerTokens, current, packet, at, length)
    this.socket.setResetToken(this.connection, tokenOf(this.peerTokens, current))
  }

  canRetireFirst(): boolean {
    // Before a dialler's handshake is confirmed, packets of it may still come for that id, and the binding would close the
    // connection.
    return !this.dialled || this.handshake.isConfirmed
  }

  fill(): number {
    return this.socket.fill(this.connection)
  }

  onUnread(change: number): void {
    this.socket.onUnread(this.connection, change)
  }

  // --- the connection ----------------------------------------------------------------------------------------------

  events(): ConnectionEvents {
    return this.connection.events()
  }

  isHeldBack(): boolean {
    return this.connection.isHeldBack
  }

  onMoved(): void {
    this.connection.onMoved()
  }

  onHandshakeComplete(): void {
    this.connection.onHandshakeComplete()
  }

  applyDecision(): void {
    this.connection.applyDecision()
  }

  onAccepted(): void {
    this.connection.onAccepted()
  }

  ping(): void {
    this.connection.ping()
  }

  fail(code: number, detail: string): void {
    this.connection.fail(code, detail)
  }

  onHandshakeTimeout(): void {
    this.connection.onHandshakeTimeout()
  }

  onStall(): void {
    this.connection.fail(INTERNAL_ERROR, "stalled")
  }

  onSilence(): void {
    this.connection.onSilence()
  }

  onUnresponsive(): void {
    this.connection.onUnresponsive()
  }

  onEnded(close: Close): void {
    this.connection.onEnded(close)
  }

  // --- the lifecycle -----------------------------------------------------------------------------------------------

  state(): State {
    return this.lifecycle.state
  }

  failure(): StreamFailure | undefined {
    return this.lifecycle.hasEnded ? this.lifecycle.reason : undefined
  }

  isClosing(): boolean {
    return this.lifecycle.isClosedLocally
  }

  onClosing(): void {
    this.budget.end()
    this.frames.discard()
    this.usedDatagrams?.clear()
  }

  withdrawal(): Uint8Array | undefined {
    const ids = this.handshake.withdrawalIds
    return ids === undefined ? undefined : withdrawal(ids)
  }

  // --- the peer ----------------------------------------------------------------------------------------------------

  heard(): number {
    return this.activity.heard()
  }

  heardAt(recv: number): number {
    return this.activity.heardAt(recv)
  }

  idleTimeout(): number {
    return this.activity.idleTimeout()
  }

  // --- the streams -------------------------------------------------------------------------------------------------

  isCongested(): boolean {
    return this.streams.outgoing.isCongested
  }

  isAwaited(): boolean {
    return this.streams.isAwaited
  }

  isStalled(): boolean {
    return this.streams.isStalled()
  }

  awaitsAnswer(): boolean {
    return this.streams.incoming.awaitsPeer
  }

  oldestStop(elapsed: number): number {
    return this.streams.incoming.oldestStop(elapsed)
  }

  acceptSend(id: number): SendStream {
    return this.streams.outgoing.acceptSend(id)
  }

  deliverAll(): void {
    this.streams.deliverAll()
    this.usedDatagrams?.deliver(this.events())
  }

  /** Made when the peer may be at another address for the first time: few peers ever move. */
  get proof(): AddressProof {
    if (this.ownProof !== undefined) return this.ownProof
    return this.peer.candidate === undefined ? noProof : (this.ownProof = new AddressProof(this.peer))
  }

  // --- the path ----------------------------------------------------------------------------------------------------

  flushHandshake(now: number): void {
    if (!this.handshake.peerHasKeys) this.turns.flush(now, 4 * minDatagramSize)
  }

  sendPacket(write: (buffer: Uint8Array) => number): boolean {
    const { outbox } = this.socket
    const length = write(outbox.packetBuffer(minDatagramSize))
    if (length > 0) outbox.addBuffered(length, this.peer.current, this.connection)
    return length > 0
  }
}
