/**
 * The contract between the driver and a UDP socket.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as NetAddress from "effect/net/NetAddress"
import type { OutgoingDatagram } from "effect/socket/DatagramSocket"

/** A datagram that has arrived. `host` and `port` spare the driver an address for each packet. */
export interface IncomingDatagram {
  readonly payload: Uint8Array
  readonly address: NetAddress.InetAddress
  readonly host?: string
  readonly port?: number
}

/** The sender of datagrams. */
export interface Sender {
  /** The system has refused to send one of its datagrams, of `bytes`; `code` is the system's, such as `EINVAL`. */
  readonly refused: (code: string, bytes: number) => void
}

/** A datagram on its way to the kernel. */
export interface QueuedDatagram extends OutgoingDatagram {
  readonly payload: Uint8Array
  readonly address: NetAddress.InetAddress
  /** Undefined for a datagram that belongs to no connection. */
  readonly sender: Sender | undefined
}

/** The datagrams that are handed over together. */
export type Batch = NonEmptyReadonlyArray<QueuedDatagram>

/** What a socket reports. */
export interface UdpEvents {
  /** A datagram has arrived. The record is valid during the call only; the receiver may keep and change the payload. */
  readonly onDatagram: (datagram: IncomingDatagram) => void
  /** The system has refused to send the datagram; `code` is the system's. */
  readonly onRefused: (datagram: QueuedDatagram, code: string) => void
  /** The socket is broken: it receives nothing any more. */
  readonly onFailed: (cause: unknown) => void
}

/** A bound UDP socket. */
export interface UdpSocket {
  readonly address: NetAddress.InetAddress
  /** Begins to report to `events`. Datagrams that arrived before are lost. */
  readonly listen: (events: UdpEvents) => void
  /** Hands a batch to the system without waiting: `done` is called when the system has taken or refused all of it. */
  readonly send: (batch: Batch, done: () => void) => void
}
