/**
 * Finds the connections that the application knows by the keys and the addresses of their peers. It keeps the connections
 * themselves, unlike a pool of the program's own, which may keep wrappers.
 */
import type { Connection } from "../../Connection.ts"
import type { PeerId } from "../../PeerId.ts"
import { aliasesOf } from "../aliases.ts"

/** The connections that the application knows, by peer. */
export class Peers<C extends Connection> {
  private readonly byPeer = new Map<PeerId, Array<C>>()
  private readonly byAddress = new Map<string, Array<C>>()
  /** The keys of each connection in `byAddress`. */
  private readonly aliases = new Map<C, ReadonlyArray<string>>()

  /** The ids of the peers. */
  get ids(): Iterable<PeerId> {
    return this.byPeer.keys()
  }

  /** Every connection. */
  get all(): Iterable<C> {
    return this.aliases.keys()
  }

  has(connection: C): boolean {
    return this.aliases.has(connection)
  }

  add(connection: C): void {
    insert(this.byPeer, connection.peerId, connection)
    this.addAliases(connection)
  }

  /** Removes a connection. Returns false when it is unknown. */
  delete(connection: C): boolean {
    if (!this.removeAliases(connection)) return false
    remove(this.byPeer, connection.peerId, connection)
    return true
  }

  /** Moves a connection to its `remoteAddress`, after that has changed. */
  readdress(connection: C): void {
    if (this.removeAliases(connection)) this.addAliases(connection)
  }

  /** Returns every connection with a peer. */
  of(peerId: PeerId): Iterable<C> {
    return this.byPeer.get(peerId) ?? []
  }

  /**
   * Returns the usable connections with the peer of a connection, `most` at most, and then those with peers of other keys that are
   * or were dialled at one of its addresses: a peer that restarts without its key has another one.
   */
  with(
    connection: Connection,
    isUsable: (other: C) => boolean,
    most: number = Number.POSITIVE_INFINITY
  ): ReadonlyArray<C> {
    const { peerId } = connection
    const found: Array<C> = []
    for (const other of this.byPeer.get(peerId) ?? []) {
      if (found.length === most) return found
      if (isUsable(other)) found.push(other)
    }
    for (const alias of aliasesOf(connection)) {
      for (const other of this.byAddress.get(alias) ?? []) {
        if (found.length === most) return found
        if (other.peerId !== peerId && isUsable(other) && !found.includes(other)) found.push(other)
      }
    }
    return found
  }

  private addAliases(connection: C): void {
    const aliases = aliasesOf(connection)
    this.aliases.set(connection, aliases)
    for (const alias of aliases) insert(this.byAddress, alias, connection)
  }

  private removeAliases(connection: C): boolean {
    const aliases = this.aliases.get(connection)
    if (aliases === undefined) return false
    this.aliases.delete(connection)
    for (const alias of aliases) remove(this.byAddress, alias, connection)
    return true
  }
}

// Most peers have one connection, and an array takes a fifth of what a set takes.

const insert = <K, C>(map: Map<K, Array<C>>, key: K, connection: C): void => {
  const there = map.get(key)
  if (there === undefined) map.set(key, [connection])
  else if (!there.includes(connection)) there.push(connection)
}

const remove = <K, C>(map: Map<K, Array<C>>, key: K, connection: C): void => {
  const there = map.get(key)
  const i = there?.indexOf(connection) ?? -1
  if (there === undefined || i === -1) return
  there.splice(i, 1)
  if (there.length === 0) map.delete(key)
}
