/**
 * Finds connections by their dialled addresses. A host with several addresses, or behind a virtual one, may answer from
 * another address than was dialled, and a peer may move later; the pool knows only the current addresses. A connection has
 * one dialled address, so there are no more entries than connections.
 */
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type { Connection } from "../../Connection.ts"
import { addressKey } from "../addressKey.ts"

const none: ReadonlyArray<never> = []

/** The outbound connections, by dialled address. */
export class DialledConnections<C extends Connection> {
  private readonly byAddress = new Map<string, ReadonlyArray<C>>()

  /** The number of dialled addresses. */
  get size(): number {
    return this.byAddress.size
  }

  /** Returns the connections that were dialled at an address, in order of dialling. The array is immutable. */
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
