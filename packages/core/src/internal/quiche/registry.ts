/**
 * Which connections a socket has: by the ids that packets carry, and by the IP address that they count against.
 */
import type { Connection } from "./connection.ts"

interface Entry {
  /** Replaced when it changes: an array that grows keeps room for a dozen more. */
  keys: ReadonlyArray<string>
  readonly ip: string
}

const none: ReadonlySet<Connection> = new Set()

export class Registry {
  /** How many are not over. */
  live = 0
  private readonly entries = new Map<Connection, Entry>()
  private readonly byId = new Map<string, Connection>()
  private readonly byIp = new Map<string, Set<Connection>>()

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

  add(connection: Connection, ip: string, keys: ReadonlyArray<string>): void {
    this.entries.set(connection, { keys, ip })
    this.live += 1
    for (const key of keys) this.byId.set(key, connection)
    const sameIp = this.byIp.get(ip)
    if (sameIp === undefined) this.byIp.set(ip, new Set([connection]))
    else sameIp.add(connection)
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
    const sameIp = this.byIp.get(entry.ip)
    sameIp?.delete(connection)
    if (sameIp?.size === 0) this.byIp.delete(entry.ip)
  }

  /** Nothing of it is expected any more. */
  forget(connection: Connection): void {
    const entry = this.entries.get(connection)
    if (entry === undefined) return
    this.entries.delete(connection)
    for (const key of entry.keys) if (this.byId.get(key) === connection) this.byId.delete(key)
  }
}
