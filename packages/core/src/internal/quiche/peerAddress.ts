/**
 * Where a connection's peer is. A NAT on the way may give it another address at any time, so the address of the latest
 * packet counts. But somebody who caught that packet may only have sent it on, and what is sent there is lost then: until
 * a second packet comes from there, what has to be sent again goes by turns to where the peer was before, too.
 */
import * as NetAddress from "effect/net/NetAddress"

export class PeerAddress {
  /** As far as is known. */
  current: NetAddress.InetAddress
  /** Where packets go. */
  target: NetAddress.InetAddress
  private host: string
  private port: number
  /** The last that more than one packet came from, when `current` is not. */
  private proven: NetAddress.InetAddress | undefined = undefined

  constructor(address: NetAddress.InetAddress) {
    this.current = this.target = address
    this.host = NetAddress.formatHost(address)
    this.port = address.port
  }

  is(host: string, port: number): boolean {
    return port === this.port && host === this.host
  }

  /** Whether one more packet from `current` would tell something. */
  get isDoubtful(): boolean {
    return this.proven !== undefined
  }

  /** The peer's latest packet has come from there. */
  move(to: NetAddress.InetAddress): void {
    const proven = this.proven ?? this.current
    this.proven = NetAddress.formatInet(proven) === NetAddress.formatInet(to) ? undefined : proven
    this.current = this.target = to
    this.host = NetAddress.formatHost(to)
    this.port = to.port
  }

  /** Another packet of the peer's has come from `current`. */
  prove(): void {
    this.proven = undefined
    this.target = this.current
  }

  /** Nothing was heard, and something is to be sent again. */
  retry(): void {
    if (this.proven !== undefined) this.target = this.target === this.current ? this.proven : this.current
  }
}
