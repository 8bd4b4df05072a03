/**
 * Receives typed messages and questions, for one queue that peers share fairly, and answers each on its stream.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { EndpointStopped } from "../../ConnectionError.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import type { MessageRefused } from "../../MessagesError.ts"
import type { Counts, Incoming } from "../../MessagesIncoming.ts"
import { Pace } from "../../Pace.ts"
import type { ProtocolStream } from "../../ProtocolStream.ts"
import { type Reservation, Reservations } from "../../Reservations.ts"
import type { SerializationError } from "../../SendError.ts"
import * as args from "../arguments.ts"
import { FairInbox } from "../fairInbox.ts"
import { ipPrefix } from "../ipPrefix.ts"
import type { LogLimit } from "../logLimit.ts"
import { visible } from "../text.ts"
import type { ValueCodec } from "./codec.ts"
import * as frame from "./frame.ts"
import { offer } from "./laneRoom.ts"
import { maxDetail, maxUnreserved, valueOverhead } from "./limits.ts"

/** The options of `Receiver`. */
export interface ReceiverOptions<Message, Answer> {
  readonly protocol: string
  readonly message: ValueCodec<Message>
  /** Undefined when the protocol has no questions. */
  readonly answer: ValueCodec<Answer> | undefined
  readonly maxMessageSize: number
  readonly messageBuffer: number
  readonly messageBufferBytes: number
  readonly answerTimeout: Duration.Input
  readonly log: LogLimit
}

/** A value that waits to be taken. */
interface Entry<Message, Answer> {
  readonly incoming: Incoming<Message, Answer>
  readonly bytes: number
}

/** Why a stream ends without its value being taken. */
type Refusal = { readonly _tag: "Refusal"; readonly kind: MessageRefused["kind"]; readonly detail: string }

const refusal = (kind: MessageRefused["kind"], detail: string): Refusal => ({ _tag: "Refusal", kind, detail })

/** The answer to a question, once it is given. */
type Given = Deferred.Deferred<Uint8Array>

/** The receiving side of typed messages. */
export class Receiver<Message, Answer> {
  readonly incoming: Stream.Stream<Incoming<Message, Answer>>
  readonly next: Effect.Effect<Incoming<Message, Answer>, EndpointStopped>
  private readonly options: ReceiverOptions<Message, Answer>
  private readonly inbox: FairInbox<Entry<Message, Answer>>
  private readonly reservations: Reservations
  private readonly counted = { received: 0, malformed: 0, tooLarge: 0, notAnswered: 0, overloaded: 0, tooSlow: 0 }

  constructor(options: ReceiverOptions<Message, Answer>) {
    const { messageBuffer: capacity, messageBufferBytes: byteCapacity } = options
    this.options = options
    this.inbox = new FairInbox({ capacity, byteCapacity, sizeOf: ({ bytes }) => bytes })
    this.reservations = new Reservations(byteCapacity)
    this.incoming = Stream.map(this.inbox.stream, ({ incoming }) => incoming)
    this.next = Effect.map(this.inbox.take, ({ incoming }) => incoming)
  }

  readonly counts: Effect.Effect<Counts> = Effect.sync(() => ({ ...this.counted }))

  /** Ends the queue. What waits can still be taken. */
  end(): void {
    this.inbox.end()
  }

  /** Handles a stream that a peer has opened. */
  readonly handle = (stream: ProtocolStream): Effect.Effect<void> => {
    return this.receive(stream).pipe(
      Effect.catchTags({
        Refusal: ({ detail, kind }) => this.refuse(stream, kind, detail),
        TooSlow: () => this.tooSlow(stream),
        // The peer has ended the stream, or the connection has ended: there is nobody to tell.
        ConnectionLost: () => Effect.void,
        StreamLost: () => Effect.void,
        SerializationError: () => Effect.void,
        ProtocolRefused: () => Effect.void
      })
    )
  }

  private receive(stream: ProtocolStream) {
    return Effect.gen({ self: this }, function* () {
      const pace = new Pace(yield* Clock.Clock)
      let reserved: Reservation | undefined
      const admit = (length: number) => {
        if (length <= maxUnreserved) return Effect.void
        pace.pause()
        reserved = this.reservations.make(stream, length)
        return Effect.tap(reserved.wait, () => Effect.sync(() => pace.resume()))
      }
      const taken = Effect.gen({ self: this }, function* () {
        const request = yield* Effect.raceFirst(
          frame.read({
            pull: stream.pull,
            most: (kind) => (kind <= frame.requestKind.question ? this.options.maxMessageSize : undefined),
            admit,
            onBytes: pace.onBytes
          }),
          pace.untilTooSlow
        ).pipe(Effect.catchTag("FrameProblem", ({ detail, kind }) => Effect.fail(refusal(kind, detail))))
        return yield* this.take(stream, request)
      })
      const given = yield* Effect.ensuring(
        taken,
        Effect.sync(() => reserved?.release())
      )
      if (given === undefined) return yield* respond(stream, frame.encode(frame.responseKind.taken, empty))
      yield* this.answer(stream, given)
    })
  }

  /** Decodes a value and puts it into the queue, once there is room. */
  private take(stream: ProtocolStream, { content, kind }: frame.Frame) {
    return Effect.gen({ self: this }, function* () {
      const { answer, message } = this.options
      const isQuestion = kind === frame.requestKind.question
      if (isQuestion && answer === undefined)
        return yield* Effect.fail(refusal("Malformed", "questions have no answers"))
      const value = yield* Effect.mapError(message.decode(content), (detail) => refusal("Malformed", detail))
      const given: Given | undefined = isQuestion ? Deferred.makeUnsafe<Uint8Array>() : undefined
      const incoming: Incoming<Message, Answer> = {
        peerId: stream.peerId,
        value,
        isQuestion,
        reply: given === undefined ? nobodyAsks : replyTo(given, answer!)
      }
      const lane = this.inbox.lane(ipPrefix(stream.connection.remoteAddress.address), stream.peerId)
      const offered = offer(lane, { incoming, bytes: content.length + valueOverhead })
      yield* Effect.ensuring(
        lane.hasRoom ? offered : Effect.raceFirst(offered, unlessGone(stream)),
        Effect.sync(() => lane.release())
      )
      this.counted.received += 1
      return given
    })
  }

  /** Waits for the answer to a question, and sends it. */
  private answer(stream: ProtocolStream, given: Given) {
    return Effect.gen({ self: this }, function* () {
      const answer = yield* Effect.raceFirst(Deferred.await(given), unlessGone(stream)).pipe(
        Effect.timeoutOrElse({
          duration: this.options.answerTimeout,
          orElse: () => Effect.fail(refusal("NotAnswered", "the program gave no answer in time"))
        })
      )
      const response = frame.encode(frame.responseKind.answer, answer)
      if (answer.length <= maxUnreserved) return yield* respond(stream, response)
      const reserved = this.reservations.take(stream, answer.length)
      if (reserved === undefined) {
        return yield* Effect.fail(refusal("Overloaded", "too many answers have not been taken"))
      }
      yield* Effect.ensuring(
        stream.write(response, { fin: true }),
        Effect.sync(() => reserved.release())
      )
    })
  }

  private refuse(stream: ProtocolStream, kind: MessageRefused["kind"], detail: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.counted[countOf[kind]] += 1
      const { protocol } = this.options
      const { remoteAddress } = stream.connection
      // The detail may quote what the peer has sent.
      const why = visible(detail.slice(0, maxDetail))
      const line = `refused a message of the protocol ${args.quoted(protocol)} from ${remoteAddress} (${kind}): ${why}`
      this.options.log.log(remoteAddress.address, Effect.logWarning(line))
      return respond(stream, frame.encodeRefusal(kind, detail))
    })
  }

  private tooSlow(stream: ProtocolStream): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.counted.tooSlow += 1
      return Effect.andThen(stream.reset(ErrorCode.reassemblyOverflow), stream.stop(ErrorCode.reassemblyOverflow))
    })
  }
}

const empty = new Uint8Array(0)

const countOf = {
  Malformed: "malformed",
  TooLarge: "tooLarge",
  NotAnswered: "notAnswered",
  Overloaded: "overloaded"
} as const

/** Sends the last bytes of a stream, and does not wait for the peer to take them. */
const respond = (stream: ProtocolStream, response: Uint8Array): Effect.Effect<void> =>
  Effect.asVoid(Effect.forkChild(Effect.ignore(stream.write(response, { fin: true })), { startImmediately: true }))

/** Interrupts what waits when the peer no longer waits for it. */
const unlessGone = (stream: ProtocolStream): Effect.Effect<never> => Effect.andThen(stream.stopped, Effect.interrupt)

const nobodyAsks = () => Effect.void

const replyTo =
  <Answer>(given: Given, codec: ValueCodec<Answer>) =>
  (answer: Answer): Effect.Effect<void, SerializationError> =>
    Effect.flatMap(codec.encode(answer), (bytes) => Effect.asVoid(Deferred.succeed(given, bytes)))
