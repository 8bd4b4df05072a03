/**
 * The parts of the application's queues that belong to the peer of one connection.
 */
import type { IncomingMessage } from "../../IncomingMessage.ts"
import type { IncomingStream } from "../../IncomingStream.ts"
import type { FairInbox } from "../fairInbox.ts"
import type { Lane } from "../lane.ts"

/** The queues of an endpoint that its connections fill. */
export interface Inboxes {
  readonly messages: FairInbox<IncomingMessage>
  /** The queue of streams that the application reads itself; undefined when all streams are read as messages. */
  readonly streams: FairInbox<IncomingStream> | undefined
}

/** The peer of a connection. */
export interface LanePeer {
  readonly peerId: string
  /** The name under which its IP address counts. */
  readonly ip: string
}

/** The lanes of one connection's peer. Each is taken when the connection first needs it, and given back with its end. */
export class PeerLanes {
  private readonly inboxes: Inboxes
  private readonly peer: LanePeer
  private messageLane: Lane<IncomingMessage> | undefined = undefined
  private streamLane: Lane<IncomingStream> | undefined = undefined
  private isReleased = false

  constructor(inboxes: Inboxes, peer: LanePeer) {
    this.inboxes = inboxes
    this.peer = peer
  }

  /** The part of the queue of messages that is the peer's. */
  get messages(): Lane<IncomingMessage> {
    return (this.messageLane ??= this.of(this.inboxes.messages))
  }

  /** The part of the queue of streams that is the peer's. It exists when the application reads streams itself. */
  get streams(): Lane<IncomingStream> {
    return (this.streamLane ??= this.of(this.inboxes.streams!))
  }

  /** The connection has ended. Removes the streams that satisfy `is` from the queue, and gives the lanes back. */
  release(is: (stream: IncomingStream) => boolean): void {
    this.isReleased = true
    this.streamLane?.removeAll(is)
    this.messageLane?.release()
    this.streamLane?.release()
  }

  /** The part of a queue that is the peer's. Its owner releases it. */
  of<A>(queue: FairInbox<A>): Lane<A> {
    const lane = queue.lane(this.peer.ip, this.peer.peerId)
    if (this.isReleased) lane.release()
    return lane
  }
}
