/**
 * The connections of a socket: by the ids that packets carry, by the IP address that they count against, and by the addresses
 * of their peers.
 *
 * A connection counts against the address that it was made with, wherever its peer moves: it was admitted there, and a peer
 * could otherwise move each connection out of the way of the next.
 */
interface Entry {
  /** Replaced when it changes: an array that grows keeps room for a dozen more. */
  keys: ReadonlyArray<string>
  /** The name under which the IP address counts. */
  readonly ip: string
  readonly dialled: boolean
  isOpen: boolean
  /** The address that was dialled, or that dialled. */
  readonly origin: string
  /** The peer's address. */
  place: string
  /** The token with which the peer would reset the connection. */
  resetToken: string
}

/**
 * Finds connections by connection id, by IP address and by peer address, and counts those that are open and those that are about
 * to end.
 */
export class ConnectionTable<C> {
  private openCount = 0
  private acceptedCount = 0
  private readonly entries = new Map<C, Entry>()
  private readonly byId = new Map<string, C>()
  private readonly countByIp = new Map<string, number>()
  private readonly byPlace = new Map<string, Set<C>>()
  private readonly byResetToken = new Map<string, C>()

  /** How many connections there are, those included that count no more and have yet to send their close frame. */
  get size(): number {
    return this.entries.size
  }

  /** How many connections have not ended. */
  get open(): number {
    return this.openCount
  }

  /** How many connections have not ended that peers dialled. */
  get accepted(): number {
    return this.acceptedCount
  }

  all(): Iterable<C> {
    return this.entries.keys()
  }

  withId(key: string): C | undefined {
    return this.byId.get(key)
  }

  /** How many connections that have not ended count against an IP address, by the name under which that counts. */
  countOfIp(ip: string): number {
    return this.countByIp.get(ip) ?? 0
  }

  /** The connections that have not ended and whose peer is at this address, or was when they were made. */
  at(host: string, port: number): Iterable<C> {
    return this.byPlace.get(placeOf(host, port)) ?? []
  }

  /** Enters a connection under its ids and the peer's address. `ip` is the name under which the IP address counts. */
  add(
    connection: C,
    {
      dialled,
      host,
      ip,
      keys,
      port
    }: {
      readonly host: string
      readonly port: number
      readonly ip: string
      readonly keys: ReadonlyArray<string>
      readonly dialled: boolean
    }
  ): void {
    const place = placeOf(host, port)
    this.entries.set(connection, { keys, ip, dialled, isOpen: true, origin: place, place, resetToken: "" })
    this.openCount += 1
    if (!dialled) this.acceptedCount += 1
    for (const key of keys) this.byId.set(key, connection)
    this.countByIp.set(ip, this.countOfIp(ip) + 1)
    insert(this.byPlace, place, connection)
  }

  /** The peer is at this address now. */
  move(connection: C, host: string, port: number): void {
    const entry = this.entries.get(connection)
    if (entry?.isOpen !== true) return
    if (entry.place !== entry.origin) drop(this.byPlace, entry.place, connection)
    entry.place = placeOf(host, port)
    insert(this.byPlace, entry.place, connection)
  }

  /** Packets for this id belong to the connection, too. */
  addId(connection: C, key: string): void {
    const entry = this.entries.get(connection)
    if (entry === undefined) return
    entry.keys = entry.keys.concat(key)
    this.byId.set(key, connection)
  }

  /** Packets for this id belong to no connection any more. */
  removeId(connection: C, key: string): void {
    const entry = this.entries.get(connection)
    if (entry === undefined) return
    // A copy: what a filter makes has room for more, too.
    entry.keys = entry.keys.filter((other) => other !== key).slice()
    if (this.byId.get(key) === connection) this.byId.delete(key)
  }

  /**
   * The connection that a stateless reset with this token ends. A look-up compares hashes with a seed of this process, so how long it
   * takes tells nothing about the tokens that there are (RFC 9000, section 10.3.1).
   */
  withResetToken(token: string): C | undefined {
    return this.byResetToken.get(token)
  }

  /** Stateless resets of the connection have this token from now on; with an empty one there are none. */
  setResetToken(connection: C, token: string): void {
    const entry = this.entries.get(connection)
    if (entry?.isOpen !== true) return
    this.dropResetToken(connection, entry)
    // A token of another connection stays that connection's.
    if (token === "" || this.byResetToken.has(token)) return
    entry.resetToken = token
    this.byResetToken.set(token, connection)
  }

  private dropResetToken(connection: C, entry: Entry): void {
    if (this.byResetToken.get(entry.resetToken) === connection) this.byResetToken.delete(entry.resetToken)
    entry.resetToken = ""
  }

  /** The connection has ended. It no longer counts, and is only found by its ids. Called again, it does nothing. */
  end(connection: C): void {
    const entry = this.entries.get(connection)
    if (entry?.isOpen !== true) return
    entry.isOpen = false
    this.openCount -= 1
    if (!entry.dialled) this.acceptedCount -= 1
    const left = this.countOfIp(entry.ip) - 1
    if (left === 0) this.countByIp.delete(entry.ip)
    else this.countByIp.set(entry.ip, left)
    drop(this.byPlace, entry.origin, connection)
    drop(this.byPlace, entry.place, connection)
    this.dropResetToken(connection, entry)
  }

  /** The connection has had its last turn. Returns the ids that belonged to it. */
  remove(connection: C): ReadonlyArray<string> {
    const entry = this.entries.get(connection)
    if (entry === undefined) return []
    this.entries.delete(connection)
    for (const key of entry.keys) if (this.byId.get(key) === connection) this.byId.delete(key)
    return entry.keys
  }
}

const placeOf = (host: string, port: number): string => `${host} ${port}`

const insert = <C>(map: Map<string, Set<C>>, key: string, connection: C): void => {
  const connections = map.get(key)
  if (connections === undefined) map.set(key, new Set([connection]))
  else connections.add(connection)
}

const drop = <C>(map: Map<string, Set<C>>, key: string, connection: C): void => {
  const connections = map.get(key)
  connections?.delete(connection)
  if (connections?.size === 0) map.delete(key)
}
