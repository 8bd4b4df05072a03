/**
 * Sends typed messages and asks typed questions, on streams of their own.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { EndpointStopped } from "../../ConnectionError.ts"
import type { Endpoint } from "../../Endpoint.ts"
import type { AskOptions, MessagesClient, SendError, AskError } from "../../MessagesClient.ts"
import { AskTimedOut, MessageRefused } from "../../MessagesError.ts"
import * as PeerAddress from "../../PeerAddress.ts"
import type { ProtocolStream } from "../../ProtocolStream.ts"
import { isTransientLoss } from "../../RetrySchedule.ts"
import { ConnectionLost, SerializationError } from "../../SendError.ts"
import * as args from "../arguments.ts"
import { invalidOptions } from "../connection/sendArguments.ts"
import { retrying } from "../endpoint/retrying.ts"
import * as target from "../endpoint/target.ts"
import type { ValueCodec } from "./codec.ts"
import * as frame from "./frame.ts"
import { maxDetail, maxUnderWay } from "./limits.ts"
import { type Place, UnderWay } from "./underWay.ts"

/** The options of `Sender`. */
export interface SenderOptions<Message, Answer> {
  readonly endpoint: Endpoint["Service"]
  readonly protocol: string
  readonly message: ValueCodec<Message>
  /** Undefined when the protocol has no questions. */
  readonly answer: ValueCodec<Answer> | undefined
  readonly maxMessageSize: number
  readonly retrySchedule: (retryDuration: Duration.Duration) => Schedule.Schedule<unknown>
}

/** How a value goes to a peer once. */
interface Attempt {
  readonly peer: PeerAddress.Input
  readonly place: Place
  readonly request: Uint8Array
  /** The most bytes of an answer; undefined when none may come. */
  readonly mostOfAnswer: number | undefined
  readonly priority: number | undefined
  readonly retryDuration: Duration.Input
  /** The peer has been reached, on this stream. */
  readonly onOpen?: ((stream: ProtocolStream) => void) | undefined
}

const askOptions: args.Fields = { priority: args.optional(args.priority), timeout: args.optional(args.duration) }

const isWorthRepeating = (error: SendError): boolean => {
  switch (error._tag) {
    case "ProtocolRefused":
      return error.kind === "TooManyStreams"
    case "MessageRefused":
      return error.kind === "Overloaded"
    default:
      return isTransientLoss(error)
  }
}

/** The sending side of typed messages. */
export class Sender<Message, Answer> implements MessagesClient<Message, Answer> {
  private readonly options: SenderOptions<Message, Answer>
  private readonly messages = new UnderWay(maxUnderWay)
  private readonly questions = new UnderWay(maxUnderWay)
  private readonly untilStopped: Effect.Effect<never, EndpointStopped>

  constructor(options: SenderOptions<Message, Answer>) {
    this.options = options
    this.untilStopped = Effect.andThen(
      Stream.runDrain(options.endpoint.peerAddressChanges),
      Effect.fail(new EndpointStopped())
    )
  }

  readonly send: MessagesClient<Message, Answer>["send"] = (peer, value, options) =>
    this.to<void, SendError>(
      peer,
      value,
      invalidOptions(options, args.sendOptions),
      frame.requestKind.message,
      (resolved, request) =>
        this.messages.within(nameOfTarget(resolved), resolved.peerId, (place) =>
          this.repeat(peer, place, request, options?.priority, options?.retryDuration)
        )
    )

  readonly ask: MessagesClient<Message, Answer>["ask"] = (peer, value, options) => {
    const asked = this.to<Answer, AskError>(
      peer,
      value,
      this.problemOfAsking(options),
      frame.requestKind.question,
      (resolved, request) => {
        const asked = this.questions.within(nameOfTarget(resolved), resolved.peerId, (place) =>
          this.once({
            peer,
            place,
            request,
            mostOfAnswer: this.options.maxMessageSize,
            priority: options?.priority,
            retryDuration: this.options.endpoint.config.retryDuration
          })
        )
        return Effect.flatMap(asked, (content) =>
          Effect.mapError(this.options.answer!.decode(content), malformedResponse)
        )
      }
    )
    return Effect.suspend(() => {
      const timeout = invalidOptions(options, askOptions) === undefined ? options?.timeout : undefined
      return Effect.timeoutOrElse(asked, {
        duration: Option.getOrElse(args.durationOf(timeout), () => this.options.endpoint.config.rpcTimeout),
        orElse: () => Effect.fail(new AskTimedOut({ peer: nameOf(peer), protocol: this.options.protocol }))
      })
    })
  }

  private problemOfAsking(options: AskOptions | undefined): SerializationError | undefined {
    return this.options.answer === undefined ? withoutAnswers : invalidOptions(options, askOptions)
  }

  /** Checks the arguments, encodes the value, and goes on with the peer and the frame. */
  private to<A, E>(
    peer: PeerAddress.Input,
    value: Message,
    wrong: SerializationError | undefined,
    kind: number,
    go: (resolved: target.Target, request: Uint8Array) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | ConnectionLost | SerializationError> {
    return Effect.suspend((): Effect.Effect<A, E | ConnectionLost | SerializationError> => {
      if (wrong !== undefined) return Effect.fail(wrong)
      const resolved = target.resolve(peer)
      if (Result.isFailure(resolved)) return Effect.fail(new ConnectionLost({ reason: resolved.failure }))
      return Effect.flatMap(this.options.message.encode(value), (content) =>
        go(resolved.success, frame.encode(kind, content))
      )
    })
  }

  /** Sends a message, and sends it again as `sendMessage` does. */
  private repeat(
    peer: PeerAddress.Input,
    place: Place,
    request: Uint8Array,
    priority: number | undefined,
    retryDuration: Duration.Input | undefined
  ): Effect.Effect<void, SendError> {
    return Effect.suspend(() => {
      const { endpoint, retrySchedule } = this.options
      let reached: ProtocolStream | undefined
      const once = Effect.suspend(() =>
        this.once({
          peer: reached === undefined ? peer : whereItWas(peer, reached),
          place,
          request,
          mostOfAnswer: undefined,
          priority,
          retryDuration: 0,
          onOpen: (stream) => void (reached = stream)
        })
      )
      const again = retrying<unknown, SendError>(
        { retrySchedule, connections: { untilStopped: this.untilStopped } },
        once,
        {
          duration: Option.getOrElse(args.durationOf(retryDuration), () => endpoint.config.retryDuration),
          isTransient: isWorthRepeating,
          failure: (error) => new ConnectionLost({ reason: error })
        }
      )
      // A connection that exists may have been lost without notice: its loss does not count.
      return Effect.flatMap(endpoint.connectionId(peer), (id) =>
        Option.isNone(id)
          ? Effect.asVoid(again)
          : Effect.asVoid(Effect.catch(once, (error) => (isWorthRepeating(error) ? again : Effect.fail(error))))
      )
    })
  }

  /** Opens a stream, sends a frame with its end, and reads the frame that answers it. Returns its content. */
  private once(attempt: Attempt): Effect.Effect<Uint8Array, SendError> {
    const { endpoint, protocol } = this.options
    const { mostOfAnswer, onOpen, peer, place, priority, request, retryDuration } = attempt
    const exchange = Effect.gen(function* () {
      const stream = yield* Effect.mapError(
        endpoint.openProtocol(peer, protocol, { priority, retryDuration }),
        (reason) => new ConnectionLost({ reason })
      )
      onOpen?.(stream)
      if (!place.isOf(stream.peerId)) return undefined
      // The response shows what became of the request.
      yield* Effect.forkScoped(Effect.ignore(stream.write(request, { fin: true })), { startImmediately: true })
      const { content, kind } = yield* frame
        .read({ pull: stream.pull, most: (each) => mostOf(each, mostOfAnswer) })
        .pipe(Effect.catchTag("FrameProblem", ({ detail }) => Effect.fail(malformedResponse(detail))))
      const refusal = frame.refusalOf(kind)
      if (refusal === undefined) return content
      return yield* new MessageRefused({
        peer: stream.peerId,
        protocol,
        kind: refusal,
        detail: frame.decodeDetail(content)
      })
    })
    // A stream to an address shows that too much is under way to its peer: nothing was written on it.
    return Effect.flatMap(Effect.scoped(exchange), (content) =>
      content === undefined ? Effect.andThen(place.wait, this.once(attempt)) : Effect.succeed(content)
    )
  }
}

/** Returns the most bytes of a response of this kind; undefined when it answers no such request. */
const mostOf = (kind: number, mostOfAnswer: number | undefined): number | undefined => {
  if (frame.refusalOf(kind) !== undefined) return maxDetail
  if (kind === frame.responseKind.answer) return mostOfAnswer
  return kind === frame.responseKind.taken && mostOfAnswer === undefined ? 0 : undefined
}

const malformedResponse = (detail: string) =>
  new SerializationError({ detail: `the peer's response is malformed: ${detail}` })

const withoutAnswers = new SerializationError({
  detail: "these messages have no answers: send them, or make them with a schema for `answer`"
})

/** Returns the peer with the addresses at which it was reached before the others. */
const whereItWas = (peer: PeerAddress.Input, { connection, peerId }: ProtocolStream): PeerAddress.Input => {
  const known = Result.getOrUndefined(target.resolve(peer))
  if (known?.peerId === undefined) return peer
  const dialled = Option.toArray(connection.dialledAddress)
  const all = [...dialled, connection.remoteAddress, ...known.addresses].map(textOf)
  const addresses = [...new Set(all)].slice(0, PeerAddress.maxAddresses)
  return Result.getOrElse(PeerAddress.make({ peerId, addresses }), () => peer)
}

const textOf = (address: target.TargetAddress): string =>
  NetAddress.isInetAddress(address) ? NetAddress.formatInet(address) : Host.formatHostPort(address)

const nameOfTarget = ({ addresses, peerId }: target.Target): string => peerId ?? addresses.map(textOf).join(",")

const nameOf = (peer: PeerAddress.Input): string => {
  const resolved = target.resolve(peer)
  return Result.isSuccess(resolved) ? nameOfTarget(resolved.success) : args.show(peer)
}
