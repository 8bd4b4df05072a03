/**
 * What is done about a peer that falls silent while something waits for it: it may have crashed, and be back at its
 * address without the connection. It is dialled once more, beside the connection, which is given up when that succeeds
 * and it stays silent. A peer that is only slow or far away, or whose network was down, shows life on the old connection
 * as soon as it answers at all, and that one stays.
 *
 * Both sides come to the same: a peer that still has the old connection hears of the new one, which is younger, and
 * pings on the old one (`Connections.onConnection`). A peer that has lost it has only the new one.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import type { ConnectionError } from "../../ConnectionError.ts"
import type { ConnectionImpl } from "../connection/connection.ts"

/** Dials of this kind at once: an endpoint may have lost thousands of peers, as by an outage of its network. */
const maxDials = 16

/** How much longer a peer may not answer, in milliseconds, that was only slow before. Doubled by each false alarm. */
const patience = 1_000
const maxPatience = 8_000

/**
 * How long one dial may take, in milliseconds, and for how many round trips more, within a limit. A first packet that
 * finds nobody is repeated after a second, and then ever later, so that a new dial finds a peer sooner that has come back
 * meanwhile.
 */
const dialLimit = 2_000
const dialRoundTrips = 3
const mostRoundTrips = 3_000

/**
 * The pause after a dial in vain grows with the silence: it is this part of it, and in milliseconds no less and no more
 * than that. It is a second when the default idle timeout ends the connection.
 */
const pausePart = 1 / 60
const minPause = 500
const maxPause = 15_000

/**
 * How long the old connection may take to show a sign of life once the new one is there: at least in milliseconds, and in
 * round trips. It is asked several times, and the peer asks, too: where a third of all packets is lost, some get through.
 */
const lifeLimit = 400
const lifeRoundTrips = 2
const asks = 4

/** How often it is looked whether the old connection shows life, in milliseconds. */
const lookInterval = 50

export interface ReplacementsHost {
  /** Dials, or joins a dial of the same address; `made` is told at once of a connection made for this. */
  readonly dial: (
    peer: NetAddress.InetAddress,
    made: (connection: ConnectionImpl) => void
  ) => Effect.Effect<unknown, ConnectionError>
  /** The connections that are used with the peer of one. */
  readonly all: (connection: ConnectionImpl) => ReadonlyArray<ConnectionImpl>
  readonly add: (connection: ConnectionImpl) => void
  /** Uses it no more, and ends it. */
  readonly remove: (connection: ConnectionImpl) => void
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number
  /** Runs an effect for as long as the endpoint lives. */
  readonly background: (effect: Effect.Effect<unknown>) => void
}

/** How long a false alarm counts, in milliseconds. */
const alarmMemory = 300_000

interface Alarms {
  readonly count: number
  readonly latest: number
}

/** A connection that came about later with the same peer, and what had been heard on the former one by then. */
interface Later {
  readonly connection: ConnectionImpl
  readonly heard: number
  readonly at: number
}

/** For how long that tells something, in milliseconds: until the former one has been asked for a sign of life. */
const laterLimit = 5_000

export class Replacements {
  private readonly host: ReplacementsHost
  private readonly dials = Semaphore.makeUnsafe(maxDials)
  private readonly considered = new Set<ConnectionImpl>()
  private readonly alarms = new WeakMap<ConnectionImpl, Alarms>()
  private readonly later = new WeakMap<ConnectionImpl, Later>()

  constructor(host: ReplacementsHost) {
    this.host = host
  }

  /** This connection has come about. */
  note(connection: ConnectionImpl): void {
    for (const other of this.host.all(connection)) {
      if (other === connection) continue
      this.later.set(other, { connection, heard: other.counters.packetsReceived, at: this.host.now() })
    }
  }

  /** The peer of this connection does not answer. */
  consider(connection: ConnectionImpl): void {
    if (this.considered.has(connection)) return
    this.considered.add(connection)
    const over = Effect.sync(() => this.considered.delete(connection))
    this.host.background(Effect.ensuring(this.follow(connection), over))
  }

  private follow(connection: ConnectionImpl): Effect.Effect<void> {
    const { alarms, dials, host, later } = this
    return Effect.gen(function* () {
      const began = host.now()
      const heard = connection.counters.packetsReceived
      const before = alarms.get(connection)
      const count = before === undefined || began - before.latest > alarmMemory ? 0 : before.count
      if (count > 0) yield* Effect.sleep(Math.min(patience * 2 ** (count - 1), maxPatience))
      yield* new Replacement(connection, host, later.get(connection)).run((dial) => dials.withPermit(dial))
      // It was none when nobody waits for the peer any more.
      const isFalse = connection.isOpen && connection.counters.packetsReceived > heard
      if (isFalse) alarms.set(connection, { count: count + 1, latest: host.now() })
    })
  }
}

/** The search for what may take the place of one connection. */
class Replacement {
  private readonly connection: ConnectionImpl
  private readonly host: ReplacementsHost
  private readonly peer: NetAddress.InetAddress
  /** What had been heard on other connections with the peer when this began. */
  private readonly heardBefore: ReadonlyMap<ConnectionImpl, number>
  /** Made since the connection fell silent; by a dial for this it is not in use yet. */
  private made: ConnectionImpl | undefined = undefined

  constructor(connection: ConnectionImpl, host: ReplacementsHost, later: Later | undefined) {
    this.connection = connection
    this.host = host
    // It may answer from another address than it is dialled at.
    this.peer = Option.getOrElse(connection.dialledAddress, () => connection.remoteAddress)
    this.heardBefore = new Map(host.all(connection).map((other) => [other, other.counters.packetsReceived]))
    // Its peer was there, and on this one it has been silent ever since.
    if (later === undefined || host.now() - later.at > laterLimit) return
    if (later.heard === connection.counters.packetsReceived) this.made = later.connection
  }

  /** Until the connection is replaced, or over, or needs no replacement any more. Each dial is run by `permitted`. */
  run(permitted: (dial: Effect.Effect<void>) => Effect.Effect<void>): Effect.Effect<void> {
    const { connection, host } = this
    return Effect.gen({ self: this }, function* () {
      const began = host.now()
      while (connection.isUnresponsive) {
        yield* permitted(this.dial)
        const successor = this.successor()
        if (successor !== undefined) {
          const lost = yield* this.isLost(successor)
          if (!lost && connection.isOpen) return yield* this.dismiss(successor)
          host.add(successor)
          if (successor.isOpen) return host.remove(connection)
        }
        const silence = host.now() - began
        yield* Effect.sleep(Math.min(Math.max(silence * pausePart, minPause), maxPause))
      }
    })
  }

  /** Another connection with the same peer on which something has been heard since this began. */
  private successor(): ConnectionImpl | undefined {
    if (this.made?.isOpen === true) return this.made
    return this.host
      .all(this.connection)
      .find(
        (other) => other !== this.connection && other.counters.packetsReceived > (this.heardBefore.get(other) ?? -1)
      )
  }

  /** The connection lives: nobody needs the one that was made. */
  private dismiss(successor: ConnectionImpl): Effect.Effect<void> {
    return this.host.all(this.connection).includes(successor) ? Effect.void : successor.close()
  }

  /** Dials the peer, unless there is a successor, until the connection shows life. */
  private readonly dial: Effect.Effect<void> = Effect.suspend(() => {
    const { connection, host, peer } = this
    if (!connection.isUnresponsive || this.successor() !== undefined) return Effect.void
    const dial = host.dial(peer, (made) => {
      // Whoever has lost the connection meanwhile has joined the dial.
      if (host.all(connection).includes(connection)) this.made = made
      else host.add(made)
    })
    const roundTrips = dialRoundTrips * Duration.toMillis(connection.counters.roundTripTime)
    const limit = dialLimit + Math.min(roundTrips, mostRoundTrips)
    return Effect.logDebug(`${peer} does not answer: dialling it again`).pipe(
      Effect.andThen(Effect.raceFirst(Effect.exit(dial), untilResponsive(connection))),
      Effect.timeoutOption(limit),
      Effect.asVoid
    )
  })

  /** Whether the peer gives no sign of life on the connection, although it has on another. */
  private isLost(other: ConnectionImpl): Effect.Effect<boolean> {
    const { connection } = this
    return Effect.gen(function* () {
      const limit = Math.max(lifeLimit, lifeRoundTrips * Duration.toMillis(other.counters.roundTripTime)) / asks
      for (let i = 0; i < asks; i++) {
        connection.checkAlive()
        yield* Effect.timeoutOption(untilResponsive(connection), limit)
        if (!connection.isUnresponsive) return false
      }
      return true
    })
  }
}

/** Until something is heard on it, or nothing waits for it any more, or it is over. */
const untilResponsive = (connection: ConnectionImpl): Effect.Effect<unknown> =>
  Effect.raceFirst(whileUnresponsive(connection), connection.closed)

const whileUnresponsive = (connection: ConnectionImpl): Effect.Effect<void> =>
  Effect.suspend(() =>
    connection.isUnresponsive ? Effect.andThen(Effect.sleep(lookInterval), whileUnresponsive(connection)) : Effect.void
  )
