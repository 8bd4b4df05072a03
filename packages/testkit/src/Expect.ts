/**
 * Waits for what an endpoint reports, and fails with a reason when it does not arrive.
 *
 * Each function takes from the endpoint's queues. Timeouts run on the real clock, even where the current clock is a
 * `TestClock`: a test that waits for something that needs the clock to move fails with a message instead of hanging. No
 * function moves the clock.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Close } from "@qp2p/core/Close"
import type { Connection } from "@qp2p/core/Connection"
import type { EndpointStopped } from "@qp2p/core/ConnectionError"
import type { Disconnection } from "@qp2p/core/Disconnection"
import type * as Endpoint from "@qp2p/core/Endpoint"
import type { IncomingMessage } from "@qp2p/core/IncomingMessage"
import {
  bytes,
  check,
  duration,
  effect,
  type Fields,
  flag,
  inetAddress,
  ofFields,
  ofRecord,
  oneOf,
  optional,
  unless
} from "@qp2p/core/InvalidArgument"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as TestClock from "effect/testing/TestClock"
import { anything, parsed, shown } from "./internal/checks.ts"
import { countOf, preview } from "./internal/trace/text.ts"

type Service = Endpoint.Endpoint["Service"]

/**
 * The default of `within`: 5 s.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const defaultWithin: Duration.Duration = Duration.seconds(5)

/** How many of the unexpected items an error keeps, the latest ones. */
const maxSeen = 10

/** The number of scheduler turns after which everything that takes no time has happened. */
const turns = 100

/**
 * The expected item did not arrive.
 *
 * `reason` is one of:
 * - `TimedOut`: no matching item arrived in time.
 * - `Different`: the next item does not match.
 * - `Stopped`: the endpoint has stopped.
 * - `Unexpected`: an item arrived where none was expected.
 * - `InvalidAddress`: the expected `from` is not an address.
 *
 * `seen` holds the latest ten unexpected items, and `seenInAll` is the number of all of them.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class ExpectationError extends Schema.TaggedError<ExpectationError>("@qp2p/testkit/Expect/ExpectationError")(
  "ExpectationError",
  {
    endpoint: Schema.InetAddressFromString,
    expected: Schema.String,
    reason: Schema.Literals(["TimedOut", "Different", "Stopped", "Unexpected", "InvalidAddress"]),
    within: Schema.Duration,
    seen: Schema.Array(Schema.String),
    seenInAll: Schema.Int
  }
) {
  override get message() {
    const outcome = {
      TimedOut: `did not get it within ${Duration.format(this.within)}`,
      Different: "got something else",
      Stopped: "has stopped",
      Unexpected: "got something",
      InvalidAddress: "cannot: that is no address"
    }[this.reason]
    const left = this.seenInAll - this.seen.length
    const seen = left > 0 ? [`(${left} more before)`, ...this.seen] : this.seen
    const others =
      this.reason === "TimedOut" && seen.length === 0 ? ["nothing came"] : seen.length === 0 ? [] : ["what came:"]
    return [`${this.endpoint} expected ${this.expected}, but ${[outcome, ...others].join("; ")}`, ...seen].join("\n  ")
  }
}

/**
 * Options of every expectation.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The peer's address, as the endpoint sees it. Any peer by default. */
  readonly from?: Endpoint.Address | undefined
  /**
   * How long to wait on the real clock; `defaultWithin` by default. With 0, only items that are queued already count.
   */
  readonly within?: Duration.Input | undefined
  /**
   * Whether to take and drop items that do not match until one does; false by default, which means that the next item
   * must match.
   */
  readonly skipOthers?: boolean | undefined
}

/**
 * Options of `message`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface MessageOptions extends Options {
  /** The whole payload. Text stands for its UTF-8 bytes. Any payload by default. */
  readonly payload?: Uint8Array | string | undefined
}

/**
 * Options of `disconnection`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface DisconnectionOptions extends Options {
  /** How the connection ended. Any reason by default. */
  readonly reason?: Close["_tag"] | undefined
}

/** Runs `effect` on the real clock. */
const onLiveClock = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Clock.clockWith((clock) =>
    Predicate.hasProperty(clock, "withLive") ? (clock as TestClock.TestClock).withLive(effect) : effect
  )

const nameOf = (address: NetAddress.InetAddress) => NetAddress.formatInet(NetAddress.toCanonical(address))

interface Expectation<A> {
  readonly what: string
  readonly next: Effect.Effect<A, EndpointStopped>
  readonly peerOf: (item: A) => NetAddress.InetAddress
  readonly isWanted: (item: A) => boolean
  readonly describe: (item: A) => string
}

const endpointFields: Fields = {
  localAddress: inetAddress,
  nextMessage: effect,
  nextConnection: effect,
  nextDisconnection: effect
}

const optionFields: Fields = { from: anything, within: optional(duration), skipOthers: optional(flag) }

const payloadCheck = optional(
  check("must be a Uint8Array or a string", (value) => typeof value === "string" || bytes(value) === undefined)
)

const reasonCheck = optional(oneOf("LocallyClosed", "ApplicationClosed", "TransportClosed", "IdleTimedOut"))

const checked = <A, E>(endpoint: Service, options: unknown, fields: Fields, body: () => Effect.Effect<A, E>) =>
  unless(() => ofFields("endpoint", endpoint, endpointFields) ?? ofRecord("options", options, fields), body)

const expectOne = <A>(endpoint: Service, options: Options, wanted: Expectation<A>) =>
  Effect.suspend(() => {
    const { from, skipOthers = false } = options
    const within = Duration.fromInputUnsafe(options.within ?? defaultWithin)
    const seen: Array<string> = []
    let seenInAll = 0
    const failure = (reason: ExpectationError["reason"]) => {
      const expected = from === undefined ? wanted.what : `${wanted.what} from ${shown(from)}`
      return new ExpectationError({ endpoint: endpoint.localAddress, expected, reason, within, seen, seenInAll })
    }

    const peer = from === undefined ? undefined : parsed(NetAddress.inetAddressFromInput, from)
    if (peer !== undefined && Result.isFailure(peer)) return Effect.fail(failure("InvalidAddress"))
    const name = peer === undefined ? undefined : nameOf(peer.success)

    const matches = (item: A) => (name === undefined || nameOf(wanted.peerOf(item)) === name) && wanted.isWanted(item)

    const search = Effect.gen(function* () {
      while (true) {
        const item = yield* Effect.mapError(wanted.next, () => failure("Stopped"))
        if (matches(item)) return item
        if (seen.length === maxSeen) seen.shift()
        seen.push(wanted.describe(item))
        seenInAll += 1
        if (!skipOthers) return yield* failure("Different")
      }
    })
    const limit = Effect.andThen(
      onLiveClock(Effect.sleep(within)),
      Effect.suspend(() => Effect.fail(failure("TimedOut")))
    )
    return Effect.raceFirst(search, limit)
  })

const firstDifference = (one: Uint8Array, other: Uint8Array): number => {
  const length = Math.min(one.length, other.length)
  for (let at = 0; at < length; at++) if (one[at] !== other[at]) return at
  return one.length === other.length ? -1 : length
}

const payloadText = (payload: Uint8Array) => `${countOf(payload.length, "byte")} ${preview(payload)}`

const messageText = ({ payload, peer }: IncomingMessage, wanted?: Uint8Array) => {
  const text = `a message of ${payloadText(payload)} from ${peer}`
  const at = wanted === undefined ? -1 : firstDifference(payload, wanted)
  return at === -1 ? text : `${text}, other than expected from byte ${at} on`
}

/**
 * Takes the next message, which must match; with `skipOthers`, the first that does. Messages that are taken on the way
 * are gone, even when this fails: the error names them.
 *
 * @stability unstable
 * @category expecting
 * @since 0.1.0
 */
export const message = (
  endpoint: Service,
  options: MessageOptions = {}
): Effect.Effect<IncomingMessage, ExpectationError> =>
  checked(endpoint, options, { ...optionFields, payload: payloadCheck }, () => {
    const payload = typeof options.payload === "string" ? new TextEncoder().encode(options.payload) : options.payload
    return expectOne(endpoint, options, {
      what: payload === undefined ? "a message" : `a message of ${payloadText(payload)}`,
      next: endpoint.nextMessage,
      peerOf: (received) => received.peer,
      isWanted: (received) => payload === undefined || firstDifference(received.payload, payload) === -1,
      describe: (received) => messageText(received, payload)
    })
  })

/**
 * Takes the next connection that a peer made, which must come from `from`; with `skipOthers`, the first that does.
 *
 * @stability unstable
 * @category expecting
 * @since 0.1.0
 */
export const connection = (endpoint: Service, options: Options = {}): Effect.Effect<Connection, ExpectationError> =>
  checked(endpoint, options, optionFields, () =>
    expectOne(endpoint, options, {
      what: "a connection",
      next: endpoint.nextConnection,
      peerOf: (made) => made.remoteAddress,
      isWanted: () => true,
      describe: (made) => `a connection from ${made.remoteAddress}`
    })
  )

/**
 * Takes the next disconnection, of a dialled or an accepted connection, which must match; with `skipOthers`, the first
 * that does.
 *
 * @stability unstable
 * @category expecting
 * @since 0.1.0
 */
export const disconnection = (
  endpoint: Service,
  options: DisconnectionOptions = {}
): Effect.Effect<Disconnection, ExpectationError> =>
  checked(endpoint, options, { ...optionFields, reason: reasonCheck }, () =>
    expectOne(endpoint, options, {
      what: options.reason === undefined ? "a disconnection" : `a disconnection (${options.reason})`,
      next: endpoint.nextDisconnection,
      peerOf: (ended) => ended.peer,
      isWanted: (ended) => options.reason === undefined || ended.reason._tag === options.reason,
      describe: (ended) => `a disconnection (${ended.reason._tag}) from ${ended.peer}: ${ended.reason.message}`
    })
  )

const settle = Effect.forEach(Array.from({ length: turns }), () => Effect.yieldNow, { discard: true })

/**
 * Expects that no message is queued and that none arrives: at once, or for `during` on the real clock.
 *
 * "At once" covers everything that takes no time on `MemoryTransport`; over real sockets a message may still be in
 * flight. A message that is queued is taken, and the error names it. A stopped endpoint counts as silent. Connections
 * and disconnections are not looked at.
 *
 * @stability unstable
 * @category expecting
 * @since 0.1.0
 */
export const silence = (
  endpoint: Service,
  options: { readonly during?: Duration.Input | undefined } = {}
): Effect.Effect<void, ExpectationError> =>
  Effect.gen(function* () {
    yield* checked(endpoint, options, { during: optional(duration) }, () => Effect.void)
    const during = Duration.fromInputUnsafe(options.during ?? 0)
    const next = Effect.catch(Effect.map(endpoint.nextMessage, Option.some), () => Effect.never)
    const pause = Duration.isZero(during) ? settle : onLiveClock(Effect.sleep(during))
    const heard = yield* Effect.raceFirst(next, Effect.as(pause, Option.none<IncomingMessage>()))
    if (Option.isNone(heard)) return
    return yield* new ExpectationError({
      endpoint: endpoint.localAddress,
      expected: "silence",
      reason: "Unexpected",
      within: during,
      seen: [messageText(heard.value)],
      seenInAll: 1
    })
  })
