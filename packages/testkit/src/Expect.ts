/**
 * Waiting for what an endpoint has to tell, with a reason when it does not come.
 *
 * Each of these takes from the endpoint's queues. Time is that of the real clock, also where the current clock is a
 * `TestClock`: a test that waits for something which needs the clock to move fails and says so, where it would hang
 * otherwise. None of them moves the clock.
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
import { anything, parsed, shown } from "./internal/given.ts"
import { countOf, preview } from "./internal/trace/text.ts"

type Service = Endpoint.Endpoint["Service"]

/**
 * How long to wait when nothing else is said.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const defaultWithin: Duration.Duration = Duration.seconds(5)

/** What came instead is told up to this number, the latest. */
const maxSeen = 10

/** Turns of the scheduler enough for what takes no time to have happened. */
const turns = 100

/**
 * It did not come as expected. `reason` says how: `TimedOut`, nothing like it came in time; `Different`, the next one
 * was another; `Stopped`, the endpoint has ended; `Unexpected`, there should have been nothing; `InvalidAddress`, the
 * `from` that was expected is no address. `seen` is what came instead, the latest ten; `seenInAll` counts all of it.
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
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The peer, as the endpoint sees it. Anybody by default. */
  readonly from?: Endpoint.Address | undefined
  /** How long to wait, on the real clock. `defaultWithin` by default; with 0, only what is there already. */
  readonly within?: Duration.Input | undefined
  /** Takes and drops what does not match, until something does. Without it the next one must match. Default false. */
  readonly skipOthers?: boolean | undefined
}

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface MessageOptions extends Options {
  /** All of it; text stands for its UTF-8. */
  readonly payload?: Uint8Array | string | undefined
}

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface DisconnectionOptions extends Options {
  readonly reason?: Close["_tag"] | undefined
}

/** `effect`, on the clock that moves by itself. */
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
 * The next message, which must be as described; with `skipOthers`, the first that is. What is taken on the way is gone,
 * also when this fails: the error tells of it.
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
 * The next connection that a peer made, which must be from the peer described; with `skipOthers`, the first that is.
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
 * The next end of a connection, whoever made it, which must be as described; with `skipOthers`, the first that is.
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
 * That no message waits, and none comes: at once, or with `during` for that long on the real clock. At once covers what
 * takes no time on `MemoryTransport`; over real sockets a message may be on its way still. A message that is there is
 * taken, and the error tells of it. An endpoint that has stopped is silent. Connections and disconnections do not count.
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
