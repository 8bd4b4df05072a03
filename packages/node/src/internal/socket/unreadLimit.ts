/**
 * The limit for the unread bytes of all connections of a socket. Above it, the connection with the most unread bytes is closed:
 * the others continue, and its peer has to dial again.
 */
import type * as NetAddress from "effect/net/NetAddress"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { admitBelow } from "../tunables.ts"

/** The view of a connection. */
interface Unread {
  /** In bytes. */
  readonly unread: number
  readonly remoteAddress: NetAddress.InetAddress
  readonly close: (code: number, reason: string) => void
}

/**
 * Adds up the unread bytes of all connections of one socket, and closes the connection with the most when the sum exceeds
 * the limit.
 */
export class UnreadLimit {
  private readonly limit: number
  private readonly connections: () => Iterable<Unread>
  private readonly onOverload: (peer: NetAddress.InetAddress, unread: number) => void
  private bytes = 0

  /** `limit` in bytes. `onOverload` learns of each connection that is closed, and how many bytes waited on it. */
  constructor(options: {
    readonly limit: number
    readonly connections: () => Iterable<Unread>
    readonly onOverload: (peer: NetAddress.InetAddress, unread: number) => void
  }) {
    this.limit = options.limit
    this.connections = options.connections
    this.onOverload = options.onOverload
  }

  /** Whether the unread bytes exceed the share of the limit up to which peers are accepted. */
  get isBehind(): boolean {
    return this.bytes > this.limit * admitBelow
  }

  /** Adds `by` unread bytes of one connection; a negative number for bytes that were read. */
  change(by: number): void {
    this.bytes += by
    if (by < 0 || this.bytes <= this.limit) return
    let largest: Unread | undefined
    for (const connection of this.connections()) {
      if (connection.unread > (largest?.unread ?? 0)) largest = connection
    }
    if (largest === undefined) return
    this.onOverload(largest.remoteAddress, largest.unread)
    largest.close(ErrorCode.overloaded, "the application does not keep up")
  }
}
