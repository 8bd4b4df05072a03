/**
 * Limits what is under way to each peer.
 */
import * as Effect from "effect/Effect"
import type { PeerId } from "../../PeerId.ts"

/** What is under way to one peer. */
interface Entry {
  /** The key of the peer; undefined until the first stream to its address is open. */
  peerId: PeerId | undefined
  /** How many have room. */
  running: number
  /** How many have room or wait for it. */
  users: number
  readonly waiting: Set<() => void>
}

/** Where a name of a peer leads to: its key, or its addresses. Kept while something goes to that name. */
interface Route {
  entry: Entry
  users: number
}

/**
 * What is under way to peers, by their keys, whatever name each caller has for its peer. More than the limit waits for others of the
 * same peer. To an address whose peer is not known yet, as many may dial.
 */
export class UnderWay {
  private readonly limit: number
  private readonly routes = new Map<string, Route>()
  private readonly entries = new Map<PeerId, Entry>()

  constructor(limit: number) {
    this.limit = limit
  }

  /** How many names and peers are remembered. */
  get size(): number {
    return this.routes.size + this.entries.size
  }

  /** Runs `use` when fewer than the limit run for the peer. `peerId` is its key if it is known, and `name` tells it from others. */
  within<A, E, R>(
    name: string,
    peerId: PeerId | undefined,
    use: (place: Place) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const place = new Place(this, name, peerId)
      return Effect.ensuring(
        Effect.andThen(
          place.wait,
          Effect.suspend(() => use(place))
        ),
        Effect.sync(() => place.leave())
      )
    })
  }

  // --- for the places ----------------------------------------------------------------------------------------------

  routeOf(name: string, peerId: PeerId | undefined): Route {
    let route = this.routes.get(name)
    if (route === undefined) {
      const entry = peerId === undefined ? newEntry(undefined) : this.entryOf(peerId)
      this.routes.set(name, (route = { entry, users: 0 }))
    }
    route.users += 1
    return route
  }

  leaveRoute(name: string, route: Route): void {
    route.users -= 1
    if (route.users === 0) this.routes.delete(name)
  }

  /** The entry that a route leads to, for one user more. */
  enter(route: Route): Entry {
    const { peerId } = route.entry
    if (peerId !== undefined) {
      const known = this.entries.get(peerId)
      if (known === undefined) this.entries.set(peerId, route.entry)
      else route.entry = known
    }
    route.entry.users += 1
    return route.entry
  }

  leaveEntry(entry: Entry): void {
    const { peerId } = entry
    entry.users -= 1
    if (entry.users === 0 && peerId !== undefined && this.entries.get(peerId) === entry) this.entries.delete(peerId)
  }

  /** A route leads to this peer. Returns its entry. */
  lead(route: Route, peerId: PeerId): Entry {
    const { entry } = route
    if (entry.peerId === undefined && !this.entries.has(peerId)) {
      entry.peerId = peerId
      this.entries.set(peerId, entry)
    }
    if (entry.peerId !== peerId) route.entry = this.entryOf(peerId)
    return route.entry
  }

  hasRoom(entry: Entry): boolean {
    return entry.running < this.limit
  }

  private entryOf(peerId: PeerId): Entry {
    return this.entries.get(peerId) ?? newEntry(peerId)
  }
}

const newEntry = (peerId: PeerId | undefined): Entry => ({ peerId, running: 0, users: 0, waiting: new Set() })

/** The place of one message or question among those to its peer. */
export class Place {
  private readonly underWay: UnderWay
  private readonly name: string
  private readonly route: Route
  private entry: Entry | undefined = undefined
  private isRunning = false

  constructor(underWay: UnderWay, name: string, peerId: PeerId | undefined) {
    this.underWay = underWay
    this.name = name
    this.route = underWay.routeOf(name, peerId)
  }

  /** Waits for room, where the name leads to by then. */
  readonly wait: Effect.Effect<void> = Effect.suspend(() => {
    if (this.entry !== this.route.entry) this.move()
    const entry = this.entry!
    if (this.isRunning) return Effect.void
    if (this.underWay.hasRoom(entry)) {
      this.run(entry)
      return Effect.void
    }
    const turn = Effect.callback<void>((resume) => {
      const next = () => {
        this.run(entry)
        resume(Effect.void)
      }
      entry.waiting.add(next)
      return Effect.sync(() => entry.waiting.delete(next))
    })
    return Effect.andThen(turn, this.wait)
  })

  /** The stream has been opened to this peer. Returns false when too many are under way to it: `wait` waits for them. */
  isOf(peerId: PeerId): boolean {
    const entry = this.underWay.lead(this.route, peerId)
    if (this.entry === entry) return true
    this.move()
    if (!this.underWay.hasRoom(this.entry!)) return false
    this.run(this.entry!)
    return true
  }

  /** Gives the place back. */
  leave(): void {
    this.leaveEntry()
    this.underWay.leaveRoute(this.name, this.route)
  }

  private run(entry: Entry): void {
    entry.running += 1
    this.isRunning = true
  }

  private move(): void {
    this.leaveEntry()
    this.entry = this.underWay.enter(this.route)
  }

  private leaveEntry(): void {
    const { entry, isRunning } = this
    if (entry === undefined) return
    this.entry = undefined
    this.isRunning = false
    this.underWay.leaveEntry(entry)
    if (!isRunning) return
    entry.running -= 1
    for (const next of entry.waiting) {
      entry.waiting.delete(next)
      return next()
    }
  }
}
