/**
 * Typed messages between endpoints: values of schemas, as JSON, over a protocol of their own.
 *
 * A message is sent, and a question is asked; each has a stream of its own, so none holds back another. `docs/wire.md` has the bytes.
 *
 * ```ts
 * import { Messages } from "@qp2p/core"
 * import { Schema } from "effect"
 *
 * const makeChat = Messages.make("chat/1", { message: Schema.Struct({ text: Schema.String }), answer: Schema.String })
 * ```
 *
 * Both sides make them with the same name, schemas and `maxMessageSize`: share the effect, as a constant of a module.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { EndpointStopped } from "./ConnectionError.ts"
import { Endpoint } from "./Endpoint.ts"
import { type InvalidArgument, ofOptions, ofRecord, ofValue } from "./InvalidArgument.ts"
import * as args from "./internal/arguments.ts"
import { endpointLimits } from "./internal/endpoint/protocolLimits.ts"
import { unservable } from "./internal/endpoint/unservable.ts"
import { LogLimit } from "./internal/logLimit.ts"
import { codecOf } from "./internal/messages/codec.ts"
import { defaultAnswerTimeout, defaultMaxMessageSize } from "./internal/messages/limits.ts"
import { Receiver } from "./internal/messages/receiver.ts"
import { Sender } from "./internal/messages/sender.ts"
import { protocolName } from "./internal/wire/protocolName.ts"
import type { MessagesClient } from "./MessagesClient.ts"
import type { Counts, Incoming } from "./MessagesIncoming.ts"
import type { ProtocolTaken } from "./ProtocolError.ts"
import { RetrySchedule } from "./RetrySchedule.ts"
import type { ServeOptions } from "./ServeOptions.ts"

export type { AskError, AskOptions, MessagesClient, SendError } from "./MessagesClient.ts"
export { AskTimedOut, MessageRefused } from "./MessagesError.ts"
export type { Counts, Incoming } from "./MessagesIncoming.ts"

/**
 * The schemas of messages and of the answers to questions. Values travel in their JSON form (`Schema.toCodecJson`), so dates, maps and
 * classes may be in them.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Schemas<M extends Schema.Constraint, A extends Schema.Constraint> {
  /** The values that are sent and asked. */
  readonly message: M
  /** The answers. Without it, there are no questions. */
  readonly answer?: A | undefined
}

/**
 * The options of `makeClient`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ClientOptions {
  /**
   * The most bytes that a value takes as JSON, sent or received: 1 to 2^32 - 1. Default 1 MiB, or `EndpointConfig.maxMessageSize` where
   * that is less.
   */
  readonly maxMessageSize?: number | undefined
}

/**
 * The options of `make`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options extends ClientOptions, ServeOptions {
  /** The most values that wait to be taken: 1 to 1,000,000. Shares are as in `EndpointConfig.messageBuffer`, which is the default. */
  readonly messageBuffer?: number | undefined
  /**
   * The most bytes of JSON that wait to be taken. Also the most bytes of values that have arrived in part and of answers that were not
   * taken, of more than 16 KiB each. Shares are as in `EndpointConfig.messageBufferBytes`, which is the default.
   */
  readonly messageBufferBytes?: number | undefined
  /** How long a question may wait in the program for its answer, from when it is in `incoming`. Default 60 s. */
  readonly answerTimeout?: Duration.Input | undefined
}

/**
 * Typed messages of one protocol on one endpoint.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Messages<in out Message, in out Answer = never> extends MessagesClient<Message, Answer> {
  /**
   * The messages and questions of all peers, each to one taker. Peers are served in turn. The queue is bounded: a peer whose share
   * waits is held back, and others are not. A stream that stops early loses the rest of its batch: `next` takes exactly one. Ends
   * when the scope closes or the endpoint stops.
   */
  readonly incoming: Stream.Stream<Incoming<Message, Answer>>
  /** Takes the next message or question. */
  readonly next: Effect.Effect<Incoming<Message, Answer>, EndpointStopped>
  /** How many values came, and how many were refused. */
  readonly counts: Effect.Effect<Counts>
}

type ServicesOf<S extends Schema.Constraint> = S["DecodingServices"] | S["EncodingServices"]

const integer = (most: number) => args.optional(args.integer(1, most))

const clientOptions: args.Fields = { maxMessageSize: integer(0xffffffff) }

const options: args.Fields = {
  ...clientOptions,
  messageBuffer: integer(1_000_000),
  messageBufferBytes: integer(Number.MAX_SAFE_INTEGER),
  answerTimeout: args.optional(args.duration),
  maxStreams: integer(endpointLimits.all),
  maxStreamsPerPeer: integer(endpointLimits.all)
}

const aSchema = args.check("must be a Schema", Schema.isSchema)

const problemOf = (name: unknown, schemas: unknown, given: unknown, fields: args.Fields): InvalidArgument | undefined =>
  ofValue("name", name, protocolName) ??
  ofRecord("schemas", schemas, { message: aSchema, answer: args.optional(aSchema) }) ??
  ofOptions(given, fields)

/** What both sides are made of. */
const parts = Effect.fnUntraced(function* <M extends Schema.Constraint, A extends Schema.Constraint>(
  protocol: string,
  { answer, message }: Schemas<M, A>,
  given: ClientOptions | undefined
) {
  const endpoint = yield* Endpoint
  const context = yield* Effect.context<ServicesOf<M> | ServicesOf<A>>()
  const retrySchedule = yield* RetrySchedule
  const maxMessageSize = given?.maxMessageSize ?? Math.min(defaultMaxMessageSize, endpoint.config.maxMessageSize)
  const common = {
    endpoint,
    protocol,
    maxMessageSize,
    message: codecOf("message", message, maxMessageSize, context),
    answer: answer === undefined ? undefined : codecOf("answer", answer, maxMessageSize, context)
  }
  return { common, sender: new Sender<M["Type"], A["Type"]>({ ...common, retrySchedule }) }
})

/**
 * Makes typed messages, and serves their protocol until the scope closes. `name` is 1 to 255 bytes of UTF-8, and best has a version.
 * Fails with `ProtocolTaken` when the endpoint already serves the name, and, with a `reason`, when an argument is wrong. A program that
 * takes nothing from `incoming` holds its peers back: `makeClient` only sends.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = <M extends Schema.Constraint, A extends Schema.Constraint = Schema.Never>(
  name: string,
  schemas: Schemas<M, A>,
  given?: Options
): Effect.Effect<
  Messages<M["Type"], A["Type"]>,
  ProtocolTaken,
  Endpoint | Scope.Scope | ServicesOf<M> | ServicesOf<A>
> =>
  Effect.gen(function* () {
    const wrong = problemOf(name, schemas, given, options)
    if (wrong !== undefined) return yield* unservable(name, wrong)
    const { common, sender } = yield* parts(name, schemas, given)
    const { config, peerAddressChanges } = common.endpoint
    const scope = yield* Effect.scope
    const run = Effect.runForkWith(yield* Effect.context())
    const receiver = new Receiver<M["Type"], A["Type"]>({
      ...common,
      messageBuffer: given?.messageBuffer ?? config.messageBuffer,
      messageBufferBytes: given?.messageBufferBytes ?? config.messageBufferBytes,
      answerTimeout: given?.answerTimeout ?? defaultAnswerTimeout,
      log: new LogLimit({ level: "Warn", background: (effect) => Fiber.runIn(run(effect), scope) })
    })
    const end = Effect.sync(() => receiver.end())
    yield* Effect.addFinalizer(() => end)
    const { maxStreams, maxStreamsPerPeer } = given ?? {}
    yield* common.endpoint.serveProtocol(name, receiver.handle, { maxStreams, maxStreamsPerPeer })
    // The stream ends when the endpoint stops.
    yield* Effect.forkScoped(Effect.andThen(Stream.runDrain(peerAddressChanges), end))
    const { ask, send } = sender
    return { send, ask, incoming: receiver.incoming, next: receiver.next, counts: receiver.counts }
  })

/**
 * Makes the sending side of typed messages. It serves nothing: peers that send to this endpoint get `ProtocolRefused`. Fails with
 * `InvalidArgument` when an argument is wrong.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeClient = <M extends Schema.Constraint, A extends Schema.Constraint = Schema.Never>(
  name: string,
  schemas: Schemas<M, A>,
  given?: ClientOptions
): Effect.Effect<MessagesClient<M["Type"], A["Type"]>, InvalidArgument, Endpoint | ServicesOf<M> | ServicesOf<A>> =>
  Effect.gen(function* () {
    const wrong = problemOf(name, schemas, given, clientOptions)
    if (wrong !== undefined) return yield* wrong
    const { sender } = yield* parts(name, schemas, given)
    const { ask, send } = sender
    return { send, ask }
  })
