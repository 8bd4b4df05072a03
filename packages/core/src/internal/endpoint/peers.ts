/**
 * The connections that the application knows of, by their peers: where those are now, and where they were dialled. Unlike
 * the pool, which may be the program's own and may wrap connections, this keeps the connections themselves.
 */
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type { Connection } from "../../Connection.ts"
import { addressKey } from "../addressKey.ts"
import { DialledConnections } from "./dialledConnections.ts"

export class Peers<C extends Connection> {
  readonly dialled = new DialledConnections<C>()
  private readonly byAddress = new Map<string, Array<C>>()
  /** The address under which each is found. */
  private readonly keys = new Map<C, string>()

  /** All of them. */
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

  /** False if it was not there. */
  delete(connection: C): boolean {
    if (!this.drop(connection)) return false
    this.dialled.remove(connection)
    return true
  }

  /** Its `remoteAddress` has changed. */
  readdress(connection: C): void {
    if (this.drop(connection)) this.insert(connection)
  }

  /** Every connection with the peer of one: wherever that is, and where it was dialled. */
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

  private drop(connection: C): boolean {
    const key = this.keys.get(connection)
    if (key === undefined) return false
    this.keys.delete(connection)
    const left = this.byAddress.get(key)!.filter((other) => other !== connection)
    if (left.length === 0) this.byAddress.delete(key)
    else this.byAddress.set(key, left)
    return true
  }
}
