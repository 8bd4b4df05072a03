/**
 * The application's handle of a stream of a protocol: the handles of its two halves as one.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Close } from "../../Close.ts"
import type { Connection } from "../../Connection.ts"
import type { PeerId } from "../../PeerId.ts"
import { ProtocolRefused } from "../../ProtocolError.ts"
import type { ProtocolStream } from "../../ProtocolStream.ts"
import { type ConnectionLost, SerializationError, type StreamLost } from "../../SendError.ts"
import { StreamStopped } from "../../StreamError.ts"
import type { StreamFailure } from "../../Transport.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import type { HeldBytes } from "./heldBytes.ts"
import type { AnswerOwner } from "./protocolAnswer.ts"
import type { LeadingSend } from "./leadingSend.ts"
import { maxDiscarded } from "./limits.ts"
import type { ReceiveBuffer } from "./receiveBuffer.ts"
import { ByteReader } from "./recvStream.ts"
import { type SendOwner, SendStreamImpl } from "./sendStream.ts"
import { socketOf } from "./streamSocket.ts"

/** The view of a connection that a stream of a protocol needs. */
export interface ProtocolOwner extends SendOwner {
  readonly held: HeldBytes
  readonly peerId: PeerId
  /** The object that the application has. */
  readonly surfaced: Connection
}

/** This library's `ProtocolStream`. */
export class ProtocolStreamImpl implements ProtocolStream, SendOwner<ProtocolRefused>, AnswerOwner {
  readonly protocol: string
  readonly peerId: PeerId
  readonly connection: Connection
  readonly maxMessageSize: number
  readonly closed: Effect.Effect<Close>
  readonly pull: ProtocolStream["pull"]
  readonly stop: ProtocolStream["stop"]
  readonly write: ProtocolStream["write"]
  readonly finish: ProtocolStream["finish"]
  readonly reset: ProtocolStream["reset"]
  readonly setPriority: ProtocolStream["setPriority"]
  private readonly sending: LeadingSend
  private readonly received: ReceiveBuffer<ProtocolRefused>
  private readonly owner: ProtocolOwner
  private readonly handle: SendStreamImpl<ProtocolRefused>
  private refusal: ProtocolRefused | undefined = undefined
  /** Completed by a refusal. Made when the application waits for a stop. */
  private refused: Deferred.Deferred<StreamStopped> | undefined = undefined

  constructor(protocol: string, owner: ProtocolOwner, sending: LeadingSend, received: ReceiveBuffer<ProtocolRefused>) {
    this.protocol = protocol
    this.peerId = owner.peerId
    this.connection = owner.surfaced
    this.maxMessageSize = owner.maxMessageSize
    this.closed = owner.closed
    this.owner = owner
    this.sending = sending
    this.received = received
    const receive = new ByteReader(received)
    this.pull = receive.pullBytes
    this.stop = receive.stop
    const send = (this.handle = new SendStreamImpl<ProtocolRefused>(sending, this))
    this.write = send.write
    this.finish = send.finish
    this.reset = send.reset
    this.setPriority = send.setPriority
  }

  get read(): ProtocolStream["read"] {
    return Stream.fromPull(Effect.succeed(this.pull))
  }

  readonly stopped: Effect.Effect<StreamStopped | Close> = Effect.suspend(() => {
    if (this.refusal !== undefined) return Effect.succeed(new StreamStopped({ code: ErrorCode.protocolRefused }))
    return Effect.raceFirst(this.handle.stopped, Deferred.await((this.refused ??= Deferred.makeUnsafe())))
  })

  readonly toSocket: ProtocolStream["toSocket"] = () =>
    socketOf(
      this,
      Effect.sync(() => this.sending.finish())
    )

  /** Every failure of a refused stream is the refusal. */
  readonly streamErrorOf = (failure: StreamFailure): ConnectionLost | StreamLost | ProtocolRefused =>
    this.refusal ?? this.owner.streamErrorOf(failure)

  /** The peer has refused the stream. */
  refuse(kind: ProtocolRefused["kind"]): void {
    const refusal = (this.refusal = new ProtocolRefused({ peer: this.peerId, protocol: this.protocol, kind }))
    this.received.fail(refusal)
    this.received.dropAtMost(maxDiscarded, ErrorCode.noError)
    this.sending.reset(ErrorCode.noError)
    if (this.refused === undefined) return
    Deferred.doneUnsafe(this.refused, Effect.succeed(new StreamStopped({ code: ErrorCode.protocolRefused })))
  }

  /** The peer's answer to the name is not one. */
  malformed(problem: string): void {
    this.received.fail(
      new SerializationError({ detail: `the peer's answer to a protocol's name is malformed: ${problem}` })
    )
    this.abort(ErrorCode.malformed)
  }

  /** Ends both halves: finishes the own one, and discards the rest of the peer's. */
  end(): void {
    this.sending.finish()
    this.received.dropAtMost(maxDiscarded, ErrorCode.noError)
    this.received.release()
  }

  /** Resets the half that is not finished, and stops the peer's unless it has ended. */
  abort(code: number): void {
    this.sending.abort(code)
    if (!this.received.finished) this.received.stop(code)
    this.received.release()
  }
}
