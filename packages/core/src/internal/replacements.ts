/**
 * What is done about a peer that falls silent while something waits for it: it may have crashed, and be back at its
 * address without the connection. It is dialled once more, beside the connection, which is given up when that succeeds
 * and it stays silent. A peer that is only slow or far away, or whose network was down, shows life on the old connection
 * as soon as it answers at all, and that one stays.
 *
 * Both sides come to the same: a peer that still has the old connection hears of the new one, which is younger, and
 * pings on the old one (`Connections.onConnection`). A peer that has lost it has only the new one.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Semaphore from "effect/Semaphore"
import type { ConnectionError } from "../ConnectionError.ts"
import type { ConnectionImpl } from "./connection/connection.ts"

/** Dials of this kind at once: an endpoint may have lost thousands of peers, as by an outage of its network. */
const maxDials = 16

/** How much longer a peer may not answer, in milliseconds, that was only slow before. Doubled by each false alarm. */
const patience = 1_000
const maxPatience = 16_000

/**
 * How long one dial may take, in milliseconds, and for how many round trips. A first packet that finds nobody is repeated
 * after a second, and then ever later, so that a new dial finds a peer sooner that has come back meanwhile.
 */
const dialLimit = 2_000
const dialRoundTrips = 3

/**
 * The pause after a dial in vain grows with the silence: it is this part of it, give or take up to a half at random, and
 * in milliseconds no less and no more than that. The default idle timeout ends a connection before it is a second.
 */
const pausePart = 1 / 90
const minPause = 100
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
  /** Makes a connection that stays out of the pool. */
  readonly dial: (peer: NetAddress.InetAddress) => Effect.Effect<ConnectionImpl, ConnectionError>
  /** The connections in the pool with the peer of this one. */
  readonly others: (connection: ConnectionImpl) => ReadonlyArray<ConnectionImpl>
  /** Has `successor` used instead of `connection`, and ends that. */
  readonly replace: (connection: ConnectionImpl, successor: ConnectionImpl) => void
  /** Runs an effect for as long as the endpoint lives. */
  readonly background: (effect: Effect.Effect<unknown>) => void
}

export class Replacements {
  private readonly host: ReplacementsHost
  private readonly dials = Semaphore.makeUnsafe(maxDials)
  private readonly considered = new Set<ConnectionImpl>()
  /** How many times a connection turned out to be alive. */
  private readonly falseAlarms = new WeakMap<ConnectionImpl, number>()

  constructor(host: ReplacementsHost) {
    this.host = host
  }

  /** The peer of this connection does not answer. */
  consider(connection: ConnectionImpl): void {
    if (this.considered.has(connection)) return
    this.considered.add(connection)
    const over = Effect.sync(() => this.considered.delete(connection))
    this.host.background(Effect.ensuring(this.follow(connection), over))
  }

  private follow(connection: ConnectionImpl): Effect.Effect<void> {
    const { falseAlarms, host } = this
    return Effect.gen({ self: this }, function* () {
      const alarms = falseAlarms.get(connection) ?? 0
      if (alarms > 0) yield* Effect.sleep(Math.min(patience * 2 ** (alarms - 1), maxPatience))
      const began = yield* Clock.monotonicTimeNanos
      while (connection.isUnresponsive) {
        const successor = yield* this.dials.withPermit(this.find(connection))
        if (successor !== undefined) {
          const lost = yield* this.isLost(connection, successor)
          if (lost && successor.isOpen) return host.replace(connection, successor)
          if (!lost) {
            falseAlarms.set(connection, alarms + 1)
            if (!host.others(connection).includes(successor)) yield* successor.close
            return
          }
        }
        const silence = Number((yield* Clock.monotonicTimeNanos) - began) / 1_000_000
        const random = yield* Random.nextBetween(0.5, 1.5)
        yield* Effect.sleep(Math.min(Math.max(silence * pausePart * random, minPause), maxPause))
      }
    })
  }

  /** Another connection with the same peer: one that there is, or a new one. */
  private find(connection: ConnectionImpl): Effect.Effect<ConnectionImpl | undefined> {
    return Effect.suspend(() => {
      if (!connection.isUnresponsive) return Effect.undefined
      const other = this.host.others(connection).find((other) => other !== connection && !other.isUnresponsive)
      if (other !== undefined) return Effect.succeed(other)
      let made: ConnectionImpl | undefined
      const dial = Effect.tap(this.host.dial(connection.remoteAddress), (connection) =>
        Effect.sync(() => {
          made = connection
        })
      )
      const limit = dialLimit + dialRoundTrips * Duration.toMillis(connection.roundTripTime)
      return Effect.logDebug(`${connection.remoteAddress} does not answer: dialling it again`).pipe(
        Effect.andThen(Effect.raceFirst(Effect.option(dial), untilResponsive(connection))),
        Effect.timeoutOption(limit),
        Effect.map(() => made)
      )
    })
  }

  /** Whether the peer gives no sign of life on this connection, although it has on the other. */
  private isLost(connection: ConnectionImpl, other: ConnectionImpl): Effect.Effect<boolean> {
    return Effect.gen(function* () {
      const limit = Math.max(lifeLimit, lifeRoundTrips * Duration.toMillis(other.roundTripTime)) / asks
      for (let i = 0; i < asks; i++) {
        connection.checkAlive()
        yield* Effect.timeoutOption(untilResponsive(connection), limit)
        if (!connection.isUnresponsive) return false
      }
      return true
    })
  }
}

const untilResponsive = (connection: ConnectionImpl): Effect.Effect<Option.Option<never>> =>
  Effect.suspend(() =>
    connection.isUnresponsive
      ? Effect.andThen(Effect.sleep(lookInterval), untilResponsive(connection))
      : Effect.succeedNone
  )
