/**
 * A message from a peer.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import type { ConnectionId } from "./ConnectionId.ts"
import type { PeerId } from "./PeerId.ts"
import type { SendStream } from "./SendStream.ts"

/**
 * A message from a peer. A message that arrived on a bidirectional stream has a `reply`, which sends back to that peer. All
 * messages of one stream have the same `reply`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface IncomingMessage {
  /** The peer's address when the message arrived. */
  readonly peer: NetAddress.InetAddress
  /** The peer that sent the message: the key that it has proven. */
  readonly peerId: PeerId
  /** The id of the connection that the message arrived on. */
  readonly connectionId: ConnectionId
  /** The bytes of the message. */
  readonly payload: Uint8Array
  /** The sending half of the message's stream; none when the stream is unidirectional. */
  readonly reply: Option.Option<SendStream>
}
