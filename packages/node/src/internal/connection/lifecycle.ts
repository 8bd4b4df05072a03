/**
 * The states of a connection, and its end (RFC 9000, section 10).
 *
 * - `handshaking` → `admitting`: the handshake is complete, and the peer has proven its key
 * - `admitting` → `established`: the owner admits the peer
 * - any of these → `closing`: this side closes, and sends its CONNECTION_CLOSE frame in one of its next turns
 * - any of these → `closed`: that frame was sent, the peer has closed, the idle timeout is over, or a stateless reset has come
 *
 * A closed connection has ended: its owner learns why, and it gets no turn any more. Late packets are the socket's business, which
 * keeps the ids and the close frame for a while (the closing and draining states of the RFC), and nothing else of the connection.
 */
import type { Close } from "@qp2p/core/Close"
import { NO_ERROR } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"
import { foundClose, locallyClosed } from "./closeReason.ts"
import { Closing } from "./closing.ts"

/** The state of a connection, as in the list at the top of this file. */
export type State =
  | "handshaking"
  /** The owner decides whether to go on with the peer: nothing is sent, and nothing that arrives is handed on. */
  | "admitting"
  | "established"
  /** This side closes, and sends nothing but the close frame (RFC 9000, section 10.2.1). */
  | "closing"
  /** It has ended. */
  | "closed"

/** The view of the connection. */
export interface LifecycleHost {
  readonly native: NativeConnection
  /** Makes the packet that withdraws this dial, if a close frame of the binding would not do. */
  readonly withdrawal: () => Uint8Array | undefined
  /** Asks for a turn soon. */
  readonly schedule: () => void
  /** Whether the congestion window is full. */
  readonly isCongested: () => boolean
  /** Sends what is left of the handshake, if the peer needs it to read the close frame. */
  readonly flushHandshake: (now: number) => void
  /** Sends the packet that `write` puts into a buffer. Returns false when it puts none there. */
  readonly sendPacket: (write: (buffer: Uint8Array) => number) => boolean
  /** Hands all that has arrived to the owner, whether its streams are paused or not. */
  readonly deliverAll: () => void
  /** The connection begins to close. */
  readonly onClosing: () => void
  /** The connection has ended. `established` tells whether its handshake was complete and its peer admitted. */
  readonly onEnded: (close: Close, established: boolean) => void
}

/** Owns the state and the close reason of one connection, and reports its end to the owner once. */
export class Lifecycle {
  private readonly host: LifecycleHost
  private current: State = "handshaking"
  private established = false
  private ended = false
  private reset = false
  private cause: Close | undefined = undefined
  private closing: Closing | undefined = undefined

  constructor(host: LifecycleHost) {
    this.host = host
  }

  get state(): State {
    return this.current
  }

  get isEstablished(): boolean {
    return this.current === "established"
  }

  /** Whether the peer was admitted before this side closed, in every later state as well. */
  get wasEstablished(): boolean {
    return this.established
  }

  /** Whether the owner has been told that the connection ended. */
  get hasEnded(): boolean {
    return this.ended
  }

  /** Whether the peer has forgotten the connection: it ends with this turn, and nothing more is sent (RFC 9000, section 10.3.1). */
  get wasReset(): boolean {
    return this.reset
  }

  /** Why the connection ends or has ended, if it does. */
  get reason(): Close | undefined {
    return this.cause
  }

  /** Whether the owner has closed the connection, and is to hear no more of what arrives. */
  get isClosedLocally(): boolean {
    return this.cause?._tag === "LocallyClosed"
  }

  /** The handshake is complete. */
  beginAdmission(): void {
    this.current = "admitting"
  }

  /** The peer is admitted. */
  establish(): void {
    this.current = "established"
    this.established = true
  }

  /** A stateless reset of the peer has come. */
  receiveReset(): void {
    this.reset = true
    this.host.schedule()
  }

  /** Begins to close with a code of the application, or else a transport error code, for the reason `close`. */
  beginClose(application: boolean, code: number, text: string, close: Close): void {
    if (this.cause !== undefined || this.ended) return
    const { host } = this
    this.cause = close
    this.current = "closing"
    this.closing = new Closing(host.native, () => host.withdrawal(), application, code, text)
    this.host.onClosing()
    this.host.schedule()
  }

  /** The packet with the close frame of this side, if it was sent. */
  get closePacket(): Uint8Array | undefined {
    return this.closing?.packet
  }

  /** Sends the close frame, as soon as it may leave. `heard` tells whether packets have come in this turn. */
  sendClose(now: number, heard: boolean): void {
    const { closing, host } = this
    if (closing === undefined || !closing.mayBegin(now, host.isCongested(), heard)) return
    // What is left of the handshake goes first. As long as some of it is to be sent again, the binding would send that in place
    // of the frame. Nothing else goes first: it would carry acknowledgements of what will not be read.
    if (!closing.hasBegun) host.flushHandshake(now)
    const hasSent = host.sendPacket((buffer) => closing.write(buffer))
    // The binding does not drain after a packet that it has not made.
    if (closing.isWithdrawn || (!hasSent && closing.hasTimedOut(now))) this.end()
  }

  /** Ends the connection, if it has not ended yet. */
  end(): void {
    if (this.ended) return
    const { host } = this
    // What has arrived is delivered now, even to paused streams: there is no later.
    if (this.established && !this.isClosedLocally) host.deliverAll()
    this.finish(this.cause ?? foundClose(host.native))
  }

  /** Ends the connection at once: the socket closes. */
  abandon(): void {
    if (this.hasEnded) return
    this.beginClose(true, NO_ERROR, "", locallyClosed)
    this.sendClose(performance.now(), true)
    // `sendClose` ends a connection that has tried to send its frame for too long.
    if (!this.hasEnded) this.finish(this.cause!)
  }

  private finish(close: Close): void {
    this.ended = true
    this.current = "closed"
    this.cause ??= close
    this.host.onEnded(close, this.established)
  }
}
