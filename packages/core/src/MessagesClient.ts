/**
 * The sending side of typed messages, and its errors.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { PriorityOptions } from "./Connection.ts"
import type { SendOptions } from "./Endpoint.ts"
import type { AskTimedOut, MessageRefused } from "./MessagesError.ts"
import type * as PeerAddress from "./PeerAddress.ts"
import type { ProtocolRefused } from "./ProtocolError.ts"
import type * as SendErrors from "./SendError.ts"

/**
 * The options of `ask`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface AskOptions extends PriorityOptions {
  /** How long to wait for the answer, the dial included. Default `EndpointConfig.rpcTimeout`. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * The errors of `send`. The own schema or `maxMessageSize` refuses a value with `SerializationError`; so fails a response that cannot be
 * read.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type SendError = SendErrors.SendError | ProtocolRefused | MessageRefused

/**
 * The errors of `ask`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type AskError = SendError | AskTimedOut

/**
 * The sending side of typed messages.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface MessagesClient<in Message, out Answer = never> {
  /**
   * Sends a message, and dials the peer if there is no connection. Completes when the message is in the peer's `incoming`; the peer's
   * program may never take it from there. While the peer's queue has no room, the send waits.
   *
   * It is sent again, for `retryDuration`, as `Endpoint.sendMessage` does: when the connection is lost, and also when the peer has no
   * room for another stream. A message whose acknowledgement was lost arrives twice. At most 192 messages to a peer are under way;
   * further ones wait.
   */
  readonly send: (peer: PeerAddress.Input, value: Message, options?: SendOptions) => Effect.Effect<void, SendError>
  /**
   * Asks a question, and waits for the answer. It is never asked again: after an error the peer may have got it. At most 192 questions
   * to a peer are under way; further ones wait, within their timeout. An interrupted question is given up at the peer as well.
   */
  readonly ask: (peer: PeerAddress.Input, value: Message, options?: AskOptions) => Effect.Effect<Answer, AskError>
}
