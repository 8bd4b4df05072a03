/**
 * The streams of a connection: the sending side, the receiving side, and the calls between the two.
 */
import type { Close } from "@qp2p/core/Close"
import type { BackingRecvStream, BackingSendStream, HeldStreams, RecvEvents } from "@qp2p/core/Transport"
import { Incoming, type IncomingHost } from "../streams/incoming.ts"
import { LocalRecvStream } from "../streams/localRecvStream.ts"
import { Outgoing, type OutgoingHost } from "../streams/outgoing.ts"
import { HeldStreamsCheck } from "./heldStreamsCheck.ts"

/** Owns the sending and the receiving side of one connection, and connects the two halves of bidirectional streams. */
export class ConnectionStreams {
  readonly outgoing: Outgoing
  readonly incoming: Incoming
  private readonly held = new HeldStreamsCheck()
  private progressSeen = 0

  constructor(host: OutgoingHost & IncomingHost) {
    this.outgoing = new Outgoing(host)
    this.incoming = new Incoming(host)
  }

  openUni(priority: number): BackingSendStream {
    return this.outgoing.open(false, priority)
  }

  openBi(
    priority: number,
    events: RecvEvents
  ): { readonly send: BackingSendStream; readonly receive: BackingRecvStream } {
    const send = this.outgoing.open(true, priority)
    return { send, receive: new LocalRecvStream(this.incoming, send, events) }
  }

  /** Counts the work of both sides, to notice turns that do nothing. */
  get work(): number {
    return this.incoming.work + this.outgoing.work
  }

  /** Whether something is to be sent or acknowledged, or an answer to come. */
  get isAwaited(): boolean {
    return this.outgoing.awaitsPeer || this.incoming.awaitsPeer
  }

  /** Whether they wait for the peer and have made no progress since this was last called. */
  isStalled(): boolean {
    const { progress } = this.outgoing
    const stands = progress === this.progressSeen
    this.progressSeen = progress
    return this.outgoing.awaitsPeerTransport && stands
  }

  /** Called in each sweep. Returns what the owner has to be told of streams that wait for others. */
  tick(): HeldStreams | undefined {
    return this.held.tick(this.outgoing.findBlocking(() => this.incoming.unreadPeerHalves))
  }

  /** Hands all that has arrived to the owner, whether its streams are paused or not. */
  deliverAll(): void {
    this.incoming.read(true)
  }

  /** Ends every stream for the reason `close`. */
  fail(close: Close): void {
    this.outgoing.fail(close)
    this.incoming.fail(close)
  }
}
