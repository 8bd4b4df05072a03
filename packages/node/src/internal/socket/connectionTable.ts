/**
 * Which connections a socket has: by the ids that packets carry, by the IP address that they count against, and by where
 * their peers are.
 *
 * A connection counts against the address that it was made with, wherever its peer goes: it was admitted there, and
 * could otherwise be moved out of the way of the next.
 */
import type { Connection } from "../connection/connection.ts"

interface Entry {
  /** Replaced when it changes: an array that grows keeps room for a dozen more. */
  keys: ReadonlyArray<string>
  readonly ip: string
  /** Where it was dialled, or dialled from. */
  readonly origin: string
  /** Where its peer is. */
  place: string
}

const none: ReadonlySet<Connection> = new Set()

export class Registry {
  /** How many are not over. */
  live = 0
  private readonly entries = new Map<Connection, Entry>()
  private readonly byId = new Map<string, Connection>()
  private readonly byIp = new Map<string, Set<Connection>>()
  private readonly byPlace = new Map<string, Set<Connection>>()

  /** Those that are over included, while late packets may come. */
  get size(): number {
    return this.entries.size
  }

  all(): Iterable<Connection> {
    return this.entries.keys()
  }

  withId(key: string): Connection | undefined {
    return this.byId.get(key)
  }

  /** Those with one IP address that are not over. */
  withIp(ip: string): ReadonlySet<Connection> {
    return this.byIp.get(ip) ?? none
  }

  /** Those that are not over and whose peer is there, or was when they were made. */
  at(host: string, port: number): ReadonlySet<Connection> {
    return this.byPlace.get(placeOf(host, port)) ?? none
  }

  add(connection: Connection, host: string, port: number, keys: ReadonlyArray<string>): void {
    const place = placeOf(host, port)
    this.entries.set(connection, { keys, ip: host, origin: place, place })
    this.live += 1
    for (const key of keys) this.byId.set(key, connection)
    insert(this.byIp, host, connection)
    insert(this.byPlace, place, connection)
  }

  /** Its peer is there now. */
  move(connection: Connection, host: string, port: number): void {
    const entry = this.entries.get(connection)
    if (entry === undefined || !this.byPlace.get(entry.place)?.has(connection)) return
    if (entry.place !== entry.origin) drop(this.byPlace, entry.place, connection)
    entry.place = placeOf(host, port)
    insert(this.byPlace, entry.place, connection)
  }

  /** Packets for this id are the connection's, too. */
  addId(connection: Connection, key: string): void {
    const entry = this.entries.get(connection)
    if (entry === undefined) return
    entry.keys = entry.keys.concat(key)
    this.byId.set(key, connection)
  }

  /** Packets for this id are nobody's any more. */
  removeId(connection: Connection, key: string): void {
    const entry = this.entries.get(connection)
    if (entry === undefined) return
    entry.keys = entry.keys.filter((other) => other !== key)
    if (this.byId.get(key) === connection) this.byId.delete(key)
  }

  /** It is over, and no longer counts. */
  end(connection: Connection): void {
    const entry = this.entries.get(connection)
    if (entry === undefined) return
    this.live -= 1
    drop(this.byIp, entry.ip, connection)
    drop(this.byPlace, entry.origin, connection)
    drop(this.byPlace, entry.place, connection)
  }

  /** Nothing of it is expected any more. */
  forget(connection: Connection): void {
    const entry = this.entries.get(connection)
    if (entry === undefined) return
    this.entries.delete(connection)
    for (const key of entry.keys) if (this.byId.get(key) === connection) this.byId.delete(key)
  }
}

const placeOf = (host: string, port: number): string => `${host} ${port}`

const insert = (map: Map<string, Set<Connection>>, key: string, connection: Connection): void => {
  const connections = map.get(key)
  if (connections === undefined) map.set(key, new Set([connection]))
  else connections.add(connection)
}

const drop = (map: Map<string, Set<Connection>>, key: string, connection: Connection): void => {
  const connections = map.get(key)
  connections?.delete(connection)
  if (connections?.size === 0) map.delete(key)
}
