/**
 * The parts of a connection, and how they are put together.
 */
import type { Close } from "@qp2p/core/Close"
import type { ConnectionEvents } from "@qp2p/core/Transport"
import type * as NetAddress from "effect/net/NetAddress"
import { INTERNAL_ERROR } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"
import { ConnectionIds } from "../packets/connectionIds.ts"
import { minDatagramSize } from "../packets/datagramSize.ts"
import type { MtuDiscovery } from "../path/mtuDiscovery.ts"
import type { Outbox } from "../path/outbox.ts"
import { type HostPort, PacketReceiver } from "../path/packetReceiver.ts"
import { type PacketOwner, PacketSender } from "../path/packetSender.ts"
import { PeerAddress } from "../path/peerAddress.ts"
import { AcknowledgedPackets } from "../streams/acknowledgedPackets.ts"
import { ConnectionStreams } from "./connectionStreams.ts"
import { Handshake } from "./handshake.ts"
import { Lifecycle } from "./lifecycle.ts"
import { Liveness } from "./liveness.ts"
import { PeerActivity } from "./peerActivity.ts"
import { ReceiveBudget } from "./receiveBudget.ts"
import { Responsiveness } from "./responsiveness.ts"
import { Turns } from "./turns.ts"

/** What makes a connection this one. */
export interface ConnectionOptions {
  readonly native: NativeConnection
  readonly dialled: boolean
  readonly remote: NetAddress.InetAddress
  readonly from: HostPort
  readonly to: HostPort
  /** The key of the id that the peer knows from the handshake. */
  readonly id: string
  readonly mtu: MtuDiscovery
  /** From 0 to 1, as different as can be from that of other connections. */
  readonly keepAliveJitter: number
}

/** The view of the connection and its socket. */
export interface PartsHost {
  /** Learns which packets leave, and which the system refuses. */
  readonly owner: PacketOwner
  readonly outbox: Outbox
  readonly scratch: Uint8Array
  readonly sendRate: number
  readonly idleTimeout: number
  readonly schedule: () => void
  readonly updateDeadline: () => void
  readonly addId: (key: string) => void
  readonly removeId: (key: string) => void
  readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  readonly onUnread: (change: number) => void
  readonly events: () => ConnectionEvents
  /** The binding's handshake is complete. */
  readonly establish: () => void
  /** Puts a PING on the wire. */
  readonly ping: () => void
  /** Closes because of what the transport found. */
  readonly fail: (code: number, detail: string) => void
  readonly onHandshakeTimeout: () => void
  /** The peer has not answered a liveness probe in time. */
  readonly onSilence: () => void
  readonly onUnresponsive: () => void
  readonly onEnded: (close: Close, established: boolean) => void
}

export interface Parts {
  readonly native: NativeConnection
  readonly mtu: MtuDiscovery
  readonly peer: PeerAddress
  readonly activity: PeerActivity
  readonly handshake: Handshake
  readonly receiver: PacketReceiver
  readonly sender: PacketSender
  readonly ids: ConnectionIds
  readonly budget: ReceiveBudget
  readonly acknowledged: AcknowledgedPackets
  readonly lifecycle: Lifecycle
  readonly streams: ConnectionStreams
  readonly responsiveness: Responsiveness
  readonly liveness: Liveness
  readonly turns: Turns
}

/** Makes the parts of a connection. */
export const makeParts = (options: ConnectionOptions, host: PartsHost): Parts => {
  const { dialled, from, id, mtu, native, to } = options
  const { establish, events, fail, outbox, owner, ping, schedule, scratch, updateDeadline } = host
  const peer = new PeerAddress(options.remote)
  const activity = new PeerActivity(native, host.idleTimeout)
  const handshake = new Handshake(native, dialled)
  const receiver = new PacketReceiver({ native, peer, from, to })
  const sender = new PacketSender({ native, outbox, rate: host.sendRate, peer, owner, mtu })
  const ids = new ConnectionIds({ native, addId: host.addId, removeId: host.removeId }, id)
  const budget = new ReceiveBudget(native, host.onUnread)
  const acknowledged = new AcknowledgedPackets()
  const lifecycle: Lifecycle = new Lifecycle({
    native,
    dialled,
    schedule,
    isCongested: () => streams.outgoing.isCongested,
    flushHandshake: (now) => {
      if (!handshake.peerHasKeys) turns.flush(now, 4 * minDatagramSize)
    },
    sendPacket: (write) => {
      const length = write(outbox.packetBuffer(minDatagramSize))
      if (length > 0) outbox.addBuffered(length, peer.target, owner)
      return length > 0
    },
    sendImmediate: (packet) => host.sendImmediate(packet, peer.target),
    deliverAll: () => streams.deliverAll(),
    onClosing: () => budget.clearUnread(),
    onEnded: host.onEnded
  })
  const forStreams = { native, dialled, schedule, lifecycle, activity, acknowledged, budget, events, scratch }
  const streams = new ConnectionStreams(forStreams)
  const responsiveness = new Responsiveness({
    heard: () => activity.heard(),
    isAwaited: () => streams.isAwaited,
    onUnresponsive: host.onUnresponsive
  })
  const liveness = new Liveness(
    {
      state: () => lifecycle.state,
      heard: () => activity.heard(),
      isStalled: () => streams.isStalled(),
      oldestStop: (elapsed) => streams.incoming.oldestStop(elapsed),
      idleTimeout: () => activity.idleTimeout(),
      awaitsAnswer: () => streams.incoming.awaitsPeer,
      ping,
      onHandshakeTimeout: host.onHandshakeTimeout,
      onStall: () => fail(INTERNAL_ERROR, "stalled"),
      onSilence: host.onSilence
    },
    options.keepAliveJitter
  )
  const paths = { native, mtu, peer, receiver, sender, ids, acknowledged }
  const states = { lifecycle, handshake, activity, responsiveness, budget, streams }
  const turns = new Turns({ ...paths, ...states, schedule, updateDeadline, establish, ping, fail })
  return { ...paths, ...states, liveness, turns }
}
