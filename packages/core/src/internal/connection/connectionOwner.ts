/**
 * The view of an endpoint that its connections need.
 */
import type { Close } from "../../Close.ts"
import type { EndpointConfig } from "../../EndpointConfig.ts"
import type { BackingRecvStream, BackingSendStream, HeldStreams, RecvEvents } from "../../Transport.ts"
import type * as WireMessage from "../../WireMessage.ts"
import type { DatagramInbox } from "../datagramInbox.ts"
import type { Inboxes } from "./peerLanes.ts"
import type { Reply } from "./reply.ts"
import type { TimerOwner } from "./undecidedStreams.ts"

/** The view of an endpoint that a connection of the class `C` needs. */
export interface ConnectionOwner<C> extends TimerOwner, Inboxes {
  readonly config: EndpointConfig
  readonly datagrams: DatagramInbox
  /** Whether the endpoint has been closed; its connections then end for that reason. */
  readonly stopped: () => boolean
  readonly onControl: (connection: C, message: WireMessage.ControlMessage, reply: Reply | undefined) => void
  /** The peer has opened a stream of a protocol. Returns the handlers of the events of what it sends. */
  readonly onProtocol: (
    connection: C,
    protocol: string,
    receive: BackingRecvStream,
    send: BackingSendStream
  ) => RecvEvents
  /** The peer has sent something other than an echo question for the first time. */
  readonly onUsed: (connection: C) => void
  readonly onMoved: (connection: C) => void
  readonly onUnresponsive: (connection: C) => void
  readonly onStreamsHeld: (connection: C, held: HeldStreams) => void
  /** The connection can no longer send; `onClosed` follows. */
  readonly onLost: (connection: C) => void
  readonly onClosed: (connection: C, close: Close) => void
  readonly onMalformed: (connection: C, reason: string) => void
}
