/**
 * What the log is told of packets that the system does not send: the first of each connection, and not more lines than
 * somebody reads when the network is gone for all of them.
 */
import * as NetAddress from "effect/net/NetAddress"
import type { Connection } from "../connection/connection.ts"
import { refusalReason } from "../udp/socketErrors.ts"
import { refusalLogInterval } from "../tunables.ts"

export class Refusals {
  private readonly told = new WeakSet<Connection>()
  private nextAt = -Infinity
  private readonly local: NetAddress.InetAddress
  private readonly now: () => number
  private readonly warn: (text: string) => void

  constructor(local: NetAddress.InetAddress, now: () => number, warn: (text: string) => void) {
    this.local = local
    this.now = now
    this.warn = warn
  }

  note(connection: Connection, code: string): void {
    if (this.told.has(connection)) return
    this.told.add(connection)
    const now = this.now()
    if (now < this.nextAt) return
    this.nextAt = now + refusalLogInterval
    const peer = connection.remoteAddress
    const reason = refusalReason(code, this.local, peer)
    this.warn(
      `a packet to ${NetAddress.formatInet(peer)} was not sent: ${reason} (${code}); further ones are only counted`
    )
  }
}
