/**
 * Finds the connection of each datagram that a socket receives.
 */
import * as NetAddress from "effect/net/NetAddress"
import type { State } from "../connection/lifecycle.ts"
import * as packetHeader from "../packets/packetHeader.ts"
import { resetTokenKey } from "../packets/statelessReset.ts"
import { maxAskedForResets } from "../tunables/connectionIds.ts"
import type { IncomingDatagram } from "../udp/udpSocket.ts"
import type { ConnectionTable } from "./connectionTable.ts"

/** The view of a connection. */
export interface Receiver {
  readonly dialled: boolean
  readonly state: State
  /** Whether a packet comes from another address than the peer's. */
  readonly isFromElsewhere: (host: string, port: number) => boolean
  /**
   * Takes a datagram, which comes from `elsewhere` if not from the peer's address, for the id `key` if it has a short header.
   */
  readonly receive: (
    datagram: Uint8Array,
    elsewhere: NetAddress.InetAddress | undefined,
    key: string | undefined
  ) => void
  /** Takes a packet that may be a stateless reset with a token that the binding knows. Returns whether it is one. */
  readonly receiveUnknown: (packet: Uint8Array) => boolean
  /** A stateless reset has come. */
  readonly receiveReset: () => void
  /** Whether a packet of the peer has arrived. */
  readonly wasHeard: boolean
  readonly mismatchVersion: () => void
}

/** The ids of connections that have ended a moment ago. */
interface Ended {
  /** Whether a packet for this id is a late one. Answers it then, if it is time to. */
  readonly take: (key: string) => boolean
}

/** Makes a connection for a packet of `length` bytes that belongs to none and has a long header, if admission lets it. */
export type Accept<C> = (
  length: number,
  header: packetHeader.LongHeader,
  host: string,
  port: number,
  address: () => NetAddress.InetAddress
) => C | undefined

/** Answers a packet with a short header for the id `key`, which is that of no connection. */
export type AnswerUnknown = (packet: Uint8Array, key: string, address: () => NetAddress.InetAddress) => void

/**
 * Reads the packet header of each datagram and gives it to the connection that owns the destination id, to the acceptor, or
 * to possible targets of a stateless reset.
 */
export class PacketRouter<C extends Receiver> {
  private readonly table: ConnectionTable<C>
  private readonly ended: Ended
  private readonly accept: Accept<C>
  private readonly answerUnknown: AnswerUnknown
  /** The last sender, so that an address is made only once for many datagrams. */
  private lastHost = ""
  private lastPort = 0
  private lastAddress: NetAddress.InetAddress | undefined = undefined

  constructor(table: ConnectionTable<C>, ended: Ended, accept: Accept<C>, answerUnknown: AnswerUnknown) {
    this.table = table
    this.ended = ended
    this.accept = accept
    this.answerUnknown = answerUnknown
  }

  /** Hands a datagram to its connection. */
  route(datagram: IncomingDatagram): void {
    const packet = datagram.payload
    if (packet.length === 0) return
    const host = hostOf(datagram)
    const port = datagram.port ?? datagram.address.port
    // A sender without a port wants no reply (RFC 768), and Node sends nothing there.
    if (port === 0) return
    let connection: C | undefined
    let key: string | undefined
    if (packetHeader.isLongHeader(packet)) {
      const header = packetHeader.parseLongHeader(packet)
      if (header === undefined) return
      const dcid = packetHeader.keyOf(header.dcid)
      connection = this.table.withId(dcid)
      // RFC 9000, section 6.2: only a dial that nothing has answered takes it.
      if (header.version === 0) return connection && negotiateVersion(connection, packet, header)
      if (connection === undefined && this.ended.take(dcid)) return
      connection ??= this.accept(packet.length, header, host, port, () => this.addressOf(host, port, datagram))
      if (connection === undefined) return
    } else {
      key = packetHeader.shortHeaderKey(packet)
      if (key === undefined) return
      connection = this.table.withId(key)
      if (connection === undefined) {
        if (this.ended.take(key)) return
        // A packet without the fixed bit is none (RFC 9000, section 17.3.1).
        if ((packet[0]! & 0x40) !== 0 && !this.routeReset(packet, host, port)) {
          this.answerUnknown(packet, key, () => this.addressOf(host, port, datagram))
        }
        return
      }
    }
    const elsewhere = connection.isFromElsewhere(host, port) ? this.addressOf(host, port, datagram) : undefined
    connection.receive(packet, elsewhere, key)
  }

  /**
   * Gives a packet to the connection that it is a stateless reset of, and returns whether there is one. A reset carries no id
   * of this side's, only a token at its end (RFC 9000, section 10.3). The token of an id that the peer has issued is in the
   * table, and that of a server's first id is known to the binding alone.
   */
  private routeReset(packet: Uint8Array, host: string, port: number): boolean {
    const token = resetTokenKey(packet)
    if (token === undefined) return false
    const reset = this.table.withResetToken(token)
    if (reset !== undefined && !reset.isFromElsewhere(host, port)) {
      reset.receiveReset()
      return true
    }
    let asked = 0
    for (const connection of this.table.at(host, port)) {
      if (!connection.dialled || connection.isFromElsewhere(host, port)) continue
      if (connection.receiveUnknown(packet.slice())) return true
      asked += 1
      if (asked >= maxAskedForResets) break
    }
    return false
  }

  private addressOf(host: string, port: number, datagram: IncomingDatagram): NetAddress.InetAddress {
    if (this.lastAddress === undefined || this.lastPort !== port || this.lastHost !== host) {
      this.lastHost = host
      this.lastPort = port
      this.lastAddress = datagram.address
    }
    return this.lastAddress
  }
}

/** Ends a dial whose server speaks no version of this side's (RFC 9000, section 6.2). */
const negotiateVersion = (connection: Receiver, packet: Uint8Array, header: packetHeader.LongHeader): void => {
  if (!connection.dialled || connection.state !== "handshaking" || connection.wasHeard) return
  // A list with the version that the dial has is a mistake or a forgery.
  if (packetHeader.offeredVersions(packet, header).includes(packetHeader.version1)) return
  connection.mismatchVersion()
}

/** One name for a host, whether its zone came as an index or as the name of an interface. */
const hostOf = (datagram: IncomingDatagram): string => {
  const { host } = datagram
  // To ask for the address costs more than the rest.
  return host === undefined || host.includes("%") ? NetAddress.formatHost(datagram.address) : host
}
