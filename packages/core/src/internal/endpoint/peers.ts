/**
 * Finds the connections that the application knows by the current and the dialled addresses of their peers. It keeps the
 * connections themselves, unlike a pool of the program's own, which may keep wrappers.
 */
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type { Connection } from "../../Connection.ts"
import { addressKey } from "../addressKey.ts"
import { DialledConnections } from "./dialledConnections.ts"

/** The connections that the application knows, by address. */
export class Peers<C extends Connection> {
  readonly dialled = new DialledConnections<C>()
  private readonly byAddress = new Map<string, Array<C>>()
  /** The key of each connection in `byAddress`. */
  private readonly keys = new Map<C, string>()

  /** All connections. */
  get connections(): Iterable<C> {
    return this.keys.keys()
  }

  has(connection: C): boolean {
    return this.keys.has(connection)
  }

  add(connection: C): void {
    this.insert(connection)
    this.dialled.add(connection)
  }

  /** Removes a connection. Returns false when it is unknown. */
  delete(connection: C): boolean {
    if (!this.removeKey(connection)) return false
    this.dialled.remove(connection)
    return true
  }

  /** Moves a connection to its `remoteAddress`, after that has changed. */
  readdress(connection: C): void {
    if (this.removeKey(connection)) this.insert(connection)
  }

  /** Returns every connection with the peer of a connection, by its current and its dialled address. */
  with({ dialledAddress, remoteAddress }: Connection): ReadonlyArray<C> {
    const found = new Set(this.at(remoteAddress))
    if (Option.isSome(dialledAddress)) for (const connection of this.at(dialledAddress.value)) found.add(connection)
    return [...found]
  }

  private at(address: NetAddress.InetAddress): ReadonlyArray<C> {
    return [...(this.byAddress.get(addressKey(address)) ?? []), ...this.dialled.all(address)]
  }

  private insert(connection: C): void {
    const key = addressKey(connection.remoteAddress)
    this.keys.set(connection, key)
    const there = this.byAddress.get(key)
    if (there === undefined) this.byAddress.set(key, [connection])
    else there.push(connection)
  }

  private removeKey(connection: C): boolean {
    const key = this.keys.get(connection)
    if (key === undefined) return false
    this.keys.delete(connection)
    const left = this.byAddress.get(key)!.filter((other) => other !== connection)
    if (left.length === 0) this.byAddress.delete(key)
    else this.byAddress.set(key, left)
    return true
  }
}
