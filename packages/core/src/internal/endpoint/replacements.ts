/**
 * Replaces the connection of a peer that has become unresponsive while an operation waits for it.
 *
 * The peer may have crashed and restarted at its address without the connection. The endpoint dials it beside the old
 * connection, and ends the old one when the dial succeeds and the old one stays silent. A peer that is slow or far away, or
 * whose network was down, also answers on the old connection, which then stays.
 *
 * Both sides decide alike: a peer that still has the old connection gets the new, younger one and pings on the old one
 * (`Connections.onConnection`). A peer that has lost the old one has only the new one.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import type { ConnectionError } from "../../ConnectionError.ts"
import type { PeerId } from "../../PeerId.ts"
import type { ConnectionImpl } from "../connection/connection.ts"

/** The most such dials at once: an outage may have cost an endpoint thousands of peers. */
const maxDials = 16

/** The delay before the dial after one false alarm, in milliseconds. Each further false alarm doubles it. */
const falseAlarmDelay = 1_000
const maxFalseAlarmDelay = 8_000

/**
 * The time limit of one dial: a base in milliseconds, plus a number of round trips that add at most `maxDialRoundTripTime`
 * milliseconds. QUIC repeats a lost first packet after a second and then ever later, so a new dial reaches a restarted peer
 * sooner than a long one.
 */
const dialLimit = 2_000
const dialRoundTrips = 3
const maxDialRoundTripTime = 3_000

/**
 * The pause after a failed dial, as a fraction of the silence so far, with a minimum and a maximum in milliseconds. It is one
 * second when the default idle timeout ends the connection.
 */
const pauseFraction = 1 / 60
const minPause = 500
const maxPause = 15_000

/**
 * The time for an answer on the old connection once the new one exists: the larger of a time in milliseconds and a number of
 * round trips. Several probes are sent, and the peer probes as well, so that some get through a loss of a third of all
 * packets.
 */
const probeTimeout = 400
const probeRoundTrips = 2
const maxProbes = 4

/** The interval at which the old connection is checked, in milliseconds. */
const checkInterval = 50

/**
 * The most connections of a peer that are looked at when the peer makes another one, the oldest first: a peer that makes many
 * must not cost more with each.
 */
export const maxProbed = 8

/** The view of an endpoint that replacements need. */
export interface ReplacementsHost {
  /** Dials, or joins a dial of the same peer. `made` gets a connection that this dial made, at once. */
  readonly dial: (
    peer: NetAddress.InetAddress,
    expected: PeerId | undefined,
    made: (connection: ConnectionImpl) => void
  ) => Effect.Effect<unknown, ConnectionError>
  /** Returns the usable connections with the peer of a connection, `most` at most. */
  readonly all: (connection: ConnectionImpl, most?: number) => ReadonlyArray<ConnectionImpl>
  /** Adds a connection to the pool. */
  readonly add: (connection: ConnectionImpl) => void
  /** Removes a connection from the pool and ends it. */
  readonly remove: (connection: ConnectionImpl) => void
  /** Returns the time of a monotonic clock, in milliseconds. */
  readonly now: () => number
  /** Runs an effect in the endpoint's scope. */
  readonly background: (effect: Effect.Effect<unknown>) => void
}

/** The time for which a false alarm counts, in milliseconds. */
const falseAlarmLifetime = 300_000

/** The false alarms of a connection. */
interface FalseAlarms {
  readonly count: number
  readonly latest: number
}

/** A later connection with the same peer, and the packets received on the former one until then. */
interface Later {
  readonly connection: ConnectionImpl
  readonly heard: number
  readonly at: number
}

/** The time for which a `Later` is valid, in milliseconds: until the former connection has been probed. */
const laterLifetime = 5_000

/** Replaces unresponsive connections of one endpoint. */
export class Replacements {
  private readonly host: ReplacementsHost
  private readonly dials = Semaphore.makeUnsafe(maxDials)
  private readonly inProgress = new Set<ConnectionImpl>()
  private readonly falseAlarms = new WeakMap<ConnectionImpl, FalseAlarms>()
  private readonly later = new WeakMap<ConnectionImpl, Later>()

  constructor(host: ReplacementsHost) {
    this.host = host
  }

  /** Records a new connection for the other connections with its peer. */
  onNewConnection(connection: ConnectionImpl): void {
    for (const other of this.host.all(connection, maxProbed)) {
      this.later.set(other, { connection, heard: other.counters.packetsReceived, at: this.host.now() })
    }
  }

  /** Starts replacing a connection whose peer does not answer. */
  onUnresponsive(connection: ConnectionImpl): void {
    if (this.inProgress.has(connection)) return
    this.inProgress.add(connection)
    const over = Effect.sync(() => this.inProgress.delete(connection))
    this.host.background(Effect.ensuring(this.follow(connection), over))
  }

  private follow(connection: ConnectionImpl): Effect.Effect<void> {
    const { dials, falseAlarms, host, later } = this
    return Effect.gen(function* () {
      const began = host.now()
      const heard = connection.counters.packetsReceived
      const before = falseAlarms.get(connection)
      const count = before === undefined || began - before.latest > falseAlarmLifetime ? 0 : before.count
      if (count > 0) yield* Effect.sleep(Math.min(falseAlarmDelay * 2 ** (count - 1), maxFalseAlarmDelay))
      yield* new Replacement(connection, host, later.get(connection)).run((dial) => dials.withPermit(dial))
      // A packet from the peer shows that the alarm was false; an operation that stopped waiting does not.
      const isFalse = connection.isOpen && connection.counters.packetsReceived > heard
      if (isFalse) falseAlarms.set(connection, { count: count + 1, latest: host.now() })
    })
  }
}

/** The replacement of one connection. */
class Replacement {
  private readonly connection: ConnectionImpl
  private readonly host: ReplacementsHost
  private readonly peer: NetAddress.InetAddress
  /** The packets received on the other connections with the peer at the start. */
  private readonly heardBefore: ReadonlyMap<ConnectionImpl, number>
  /** The connection made since the old one fell silent. One that this replacement dialled is not in the pool yet. */
  private made: ConnectionImpl | undefined = undefined

  constructor(connection: ConnectionImpl, host: ReplacementsHost, later: Later | undefined) {
    this.connection = connection
    this.host = host
    // The peer may answer from another address than was dialled.
    this.peer = Option.getOrElse(connection.dialledAddress, () => connection.remoteAddress)
    this.heardBefore = new Map(host.all(connection).map((other) => [other, other.counters.packetsReceived]))
    // The peer made a later connection and has been silent on this one since.
    if (later === undefined || host.now() - later.at > laterLifetime) return
    if (later.heard === connection.counters.packetsReceived) this.made = later.connection
  }

  /** Runs until the connection is replaced, has ended, or is responsive. `permitted` runs each dial. */
  run(permitted: (dial: Effect.Effect<void>) => Effect.Effect<void>): Effect.Effect<void> {
    const { connection, host } = this
    return Effect.gen({ self: this }, function* () {
      const began = host.now()
      while (connection.isUnresponsive) {
        yield* permitted(this.dial)
        const successor = this.successor()
        if (successor !== undefined) {
          const lost = yield* this.isLost(successor)
          if (!lost && connection.isOpen) return yield* this.closeSuccessor(successor)
          host.add(successor)
          if (successor.isOpen) return host.remove(connection)
        }
        const silence = host.now() - began
        yield* Effect.sleep(Math.min(Math.max(silence * pauseFraction, minPause), maxPause))
      }
    })
  }

  /** Returns another connection with the peer on which a packet has arrived since the start. */
  private successor(): ConnectionImpl | undefined {
    if (this.made?.isOpen === true) return this.made
    for (const other of this.host.all(this.connection)) {
      if (other === this.connection) continue
      if (other.counters.packetsReceived > (this.heardBefore.get(other) ?? -1)) return other
    }
    return undefined
  }

  /** Whether a connection with the peer is usable and in the pool. */
  private isKnown(other: ConnectionImpl): boolean {
    for (const each of this.host.all(this.connection)) if (each === other) return true
    return false
  }

  /** Closes the new connection, since the old one is alive, unless the new one is in the pool. */
  private closeSuccessor(successor: ConnectionImpl): Effect.Effect<void> {
    return this.isKnown(successor) ? Effect.void : successor.close()
  }

  /** Dials the peer, unless there is a successor, until the old connection is responsive. */
  private readonly dial: Effect.Effect<void> = Effect.suspend(() => {
    const { connection, host, peer } = this
    if (!connection.isUnresponsive || this.successor() !== undefined) return Effect.void
    const dial = host.dial(peer, connection.expected, (made) => {
      // If the old connection has left the pool meanwhile, other callers share this dial.
      if (this.isKnown(connection)) this.made = made
      else host.add(made)
    })
    const roundTrips = dialRoundTrips * Duration.toMillis(connection.counters.roundTripTime)
    const limit = dialLimit + Math.min(roundTrips, maxDialRoundTripTime)
    return Effect.logDebug(`${peer} does not answer: dialling it again`).pipe(
      Effect.andThen(Effect.raceFirst(Effect.exit(dial), untilResponsive(connection))),
      Effect.timeoutOption(limit),
      Effect.asVoid
    )
  })

  /** Probes the old connection. Returns true when the peer does not answer on it, although it has on another. */
  private isLost(other: ConnectionImpl): Effect.Effect<boolean> {
    const { connection } = this
    return Effect.gen(function* () {
      const limit =
        Math.max(probeTimeout, probeRoundTrips * Duration.toMillis(other.counters.roundTripTime)) / maxProbes
      for (let i = 0; i < maxProbes; i++) {
        connection.checkAlive()
        yield* Effect.timeoutOption(untilResponsive(connection), limit)
        if (!connection.isUnresponsive) return false
      }
      return true
    })
  }
}

/** Waits until a packet arrives on the connection, no operation waits for the peer, or the connection has ended. */
const untilResponsive = (connection: ConnectionImpl): Effect.Effect<unknown> =>
  Effect.raceFirst(whileUnresponsive(connection), connection.closed)

const whileUnresponsive = (connection: ConnectionImpl): Effect.Effect<void> =>
  Effect.suspend(() =>
    connection.isUnresponsive ? Effect.andThen(Effect.sleep(checkInterval), whileUnresponsive(connection)) : Effect.void
  )
