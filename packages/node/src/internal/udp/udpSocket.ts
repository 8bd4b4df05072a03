/**
 * What the driver needs of a UDP socket, and what it is told by one.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as NetAddress from "effect/net/NetAddress"
import type { OutgoingDatagram } from "effect/socket/DatagramSocket"

/** A datagram as the socket delivers it; `host` and `port` spare parsing an address for each packet. */
export interface IncomingDatagram {
  readonly payload: Uint8Array
  readonly address: NetAddress.InetAddress
  readonly host?: string
  readonly port?: number
}

/** Is told when the system does not send a packet of its. `code` is the system's, such as `EINVAL`. */
export interface Sender {
  readonly refused: (code: string, bytes: number) => void
}

/** A datagram on its way to the kernel. */
export interface QueuedDatagram extends OutgoingDatagram {
  readonly payload: Uint8Array
  readonly address: NetAddress.InetAddress
  /** Nobody's when it belongs to no connection. */
  readonly sender: Sender | undefined
}

/** What is handed over at once. */
export type Batch = NonEmptyReadonlyArray<QueuedDatagram>

/** What a socket tells. */
export interface UdpEvents {
  /** The record is lent for the call only; its payload is the receiver's to keep and to change. */
  readonly onDatagram: (datagram: IncomingDatagram) => void
  readonly onRefused: (datagram: QueuedDatagram, code: string) => void
  /** Nothing will be received any more. */
  readonly onFailed: (cause: unknown) => void
}

export interface UdpSocket {
  readonly address: NetAddress.InetAddress
  /** Begins to tell. What arrived before is lost. */
  readonly listen: (events: UdpEvents) => void
  /** Hands a batch over and waits for nothing: `done` is called when the system has taken or refused all of it. */
  readonly send: (batch: Batch, done: () => void) => void
}
