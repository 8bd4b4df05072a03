/**
 * Logs packets that the system refuses to send: the first of each connection, and only so many lines as can be read when the
 * network is down for all of them.
 */
import * as NetAddress from "effect/net/NetAddress"
import { refusalLogInterval } from "../tunables/logs.ts"
import { refusalReason } from "../udp/socketErrors.ts"

/** The view of a connection. */
interface Refused {
  readonly remoteAddress: NetAddress.InetAddress
}

/** Limits warnings about refused packets to one for each connection and one in `refusalLogInterval` milliseconds. */
export class RefusalLog {
  private readonly logged = new WeakSet<Refused>()
  private nextAt = -Infinity
  private readonly local: NetAddress.InetAddress
  private readonly now: () => number
  private readonly warn: (text: string) => void

  constructor(local: NetAddress.InetAddress, now: () => number, warn: (text: string) => void) {
    this.local = local
    this.now = now
    this.warn = warn
  }

  add(connection: Refused, code: string): void {
    if (this.logged.has(connection)) return
    this.logged.add(connection)
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
