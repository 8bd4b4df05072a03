/**
 * The command `qp2p ping`: measures whether a peer can be reached, and its round trip time.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Connection } from "@qp2p/core/Connection"
import * as Endpoint from "@qp2p/core/Endpoint"
import type * as PeerAddress from "@qp2p/core/PeerAddress"
import * as PeerId from "@qp2p/core/PeerId"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { CommandFailed, exitCodes, exitCodesHelp, fromError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import * as Format from "../Format.ts"
import * as nameResolver from "../internal/nameResolver.ts"
import * as OwnIdentity from "../OwnIdentity.ts"
import * as PeerFailure from "../PeerFailure.ts"
import * as PeerFlags from "../PeerFlags.ts"

/**
 * The arguments of `run`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface PingOptions {
  /** How often to ask. */
  readonly count: number
  /** The pause between two questions. */
  readonly interval: Duration.Duration
  /** How long each question may take. */
  readonly timeout: Duration.Duration
}

/**
 * The minimum, median and maximum of durations; none for an empty list.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const spread = (
  spans: ReadonlyArray<Duration.Duration>
): Option.Option<{
  readonly min: Duration.Duration
  readonly median: Duration.Duration
  readonly max: Duration.Duration
}> => {
  const sorted = spans.toSorted((a, b) => Duration.toMillis(a) - Duration.toMillis(b))
  const min = sorted[0]
  const lower = sorted[(sorted.length - 1) >> 1]
  const upper = sorted[sorted.length >> 1]
  const max = sorted.at(-1)
  if (min === undefined || lower === undefined || upper === undefined || max === undefined) return Option.none()
  const median = Duration.millis((Duration.toMillis(lower) + Duration.toMillis(upper)) / 2)
  return Option.some({ min, median, max })
}

const failed = (detail: string) => new CommandFailed({ detail, exitCode: exitCodes.failed })

/**
 * Asks a peer several times whether it is there, each time over a new connection, then prints the round trip time that
 * QUIC measures on a connection that stays open, and which peer it is.
 *
 * That connection is open all the time. So a peer that prints who connects prints one connection, and none of those
 * beside it.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (
  peer: PeerAddress.PeerAddress,
  options: PingOptions
): Effect.fn.Return<void, CommandFailed, Endpoint.Endpoint> {
  const endpoint = yield* Endpoint.Endpoint
  const name = Option.match(peer.peerId, { onNone: () => `${peer}`, onSome: PeerId.short })
  const explain = PeerFailure.explain(endpoint.peerId)
  const answers: Array<Duration.Duration> = []
  let lastError = ""
  let last: Option.Option<Connection> = Option.none()

  const inTime = Effect.timeoutOrElse({
    duration: options.timeout,
    orElse: () => Effect.fail(failed(`no answer within ${Format.duration(options.timeout)}`))
  })

  for (let attempt = 1; attempt <= options.count; attempt++) {
    if (attempt > 1) yield* Effect.sleep(options.interval)
    const result = yield* endpoint.connectTo(peer).pipe(
      Effect.mapError(explain),
      inTime,
      Effect.tap((connection) => Effect.sync(() => (last = Option.some(connection)))),
      Effect.andThen(Effect.timed(inTime(Effect.mapError(endpoint.isReachable(peer), explain)))),
      Effect.result
    )
    if (Result.isSuccess(result)) {
      answers.push(result.success[0])
      yield* Console.log(`${name} answered a new connection in ${Format.duration(result.success[0])}`)
    } else {
      lastError = result.failure.detail
      yield* Console.log(`${name} did not answer: ${lastError}`)
    }
  }

  const summary = spread(answers)
  if (Option.isNone(summary)) {
    return yield* failed(`${name} is unreachable: ${lastError}`)
  }
  const { max, median, min } = summary.value
  yield* Console.log(
    `${answers.length} of ${options.count} answered, connect and answer: ` +
      `min ${Format.duration(min)}, median ${Format.duration(median)}, max ${Format.duration(max)}`
  )
  if (Option.isNone(last)) return
  const { roundTripTime } = yield* last.value.stats
  yield* Console.log(`round-trip time ${Format.duration(roundTripTime)}`)
  yield* Console.log(`peer ${Format.peer(last.value.peerId, last.value.remoteAddress)}`)
})

/**
 * The command `ping`.
 *
 * @stability unstable
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make(
  "ping",
  {
    peer: PeerFlags.peer,
    count: Flags.wholeNumber("count", { description: "How often to ask (default 4)", min: 1, max: 10_000 }).pipe(
      Flag.withDefault(4)
    ),
    interval: Flags.duration("interval", "Time between two questions (default 1s)").pipe(
      Flag.withDefault(Duration.seconds(1))
    ),
    timeout: Flags.duration("timeout", "Wait this long for an answer (default 5s)").pipe(
      Flag.withDefault(Duration.seconds(5))
    ),
    identity: PeerFlags.identity
  },
  Effect.fnUntraced(function* (input) {
    const layer = Endpoint.layerClient({
      localAddress: yield* PeerFlags.anyAddressFor([input.peer]),
      identity: OwnIdentity.fromFlag(input.identity),
      // The next question is the next attempt.
      config: { handshakeTimeout: input.timeout, retryDuration: 0 }
    }).pipe(Layer.provide(QuicheTransport.layer()))
    yield* run(input.peer, input).pipe(Effect.provide(layer), Effect.mapError(fromError))
  }, Effect.provide(nameResolver.layer))
).pipe(
  Command.withShortDescription("Check whether a peer can be reached"),
  Command.withDescription(
    "Check whether a peer can be reached, and how quickly. Every question uses a connection of its own, so it proves " +
      "that new peers get through. The last line is the peer in full, as other commands take it.\n\n" +
      exitCodesHelp
  ),
  Command.withExamples([
    { command: "qp2p ping 127.0.0.1:4433", description: "Ask four times, and see which peer it is" },
    { command: "qp2p ping [::1]:4433 --count 10 --interval 200ms", description: "Ask ten times, quickly" }
  ])
)
