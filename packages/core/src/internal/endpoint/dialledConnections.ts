/**
 * Connections by the address at which this side dialled them. A host with several addresses, or one behind a virtual
 * address, may answer from another one than it was dialled at, and a peer may move later; the pool knows only where
 * peers are now. A connection has one such name for as long as it lives, so there are no more names than connections.
 */
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type { Connection } from "../../Connection.ts"
import { addressKey } from "../addressKey.ts"

const none: ReadonlyArray<never> = []

export class DialledConnections<C extends Connection> {
  private readonly byAddress = new Map<string, ReadonlyArray<C>>()

  /** Addresses by which some connection is known. */
  get size(): number {
    return this.byAddress.size
  }

  /** In the order in which they were dialled. The list does not change. */
  all(address: NetAddress.InetAddress): ReadonlyArray<C> {
    return this.byAddress.get(addressKey(address)) ?? none
  }

  add(connection: C): void {
    if (Option.isNone(connection.dialledAddress)) return
    const key = addressKey(connection.dialledAddress.value)
    this.byAddress.set(key, [...(this.byAddress.get(key) ?? none), connection])
  }

  remove(connection: C): void {
    if (Option.isNone(connection.dialledAddress)) return
    const key = addressKey(connection.dialledAddress.value)
    const left = (this.byAddress.get(key) ?? none).filter((other) => other !== connection)
    if (left.length === 0) this.byAddress.delete(key)
    else this.byAddress.set(key, left)
  }
}
