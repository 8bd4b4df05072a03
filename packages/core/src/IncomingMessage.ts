/**
 * What a peer said.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import type { ConnectionId } from "./ConnectionId.ts"
import type { SendStream } from "./SendStream.ts"

/**
 * A message that a peer sent. `reply` is there when it came on a bidirectional stream, the same one for every message of
 * that stream: what is sent on it goes back to whoever asked.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface IncomingMessage {
  /** Where the peer was when the message arrived. */
  readonly peer: NetAddress.InetAddress
  /** The id of the peer that sent the message. */
  readonly connectionId: ConnectionId
  /** The bytes of the message. */
  readonly payload: Uint8Array
  /** The sending half of the message's stream; none when the stream is unidirectional. */
  readonly reply: Option.Option<SendStream>
}
