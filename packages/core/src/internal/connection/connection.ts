/**
 * A connection above the transport: sends messages as frames on streams, and dispatches incoming streams.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type { BidirectionalStream } from "../../BidirectionalStream.ts"
import type { Close } from "../../Close.ts"
import type { CloseOptions, Connection, Direction, PriorityOptions } from "../../Connection.ts"
import { type ConnectionError, EndpointStopped, PeerRefused } from "../../ConnectionError.ts"
import type { ConnectionId } from "../../ConnectionId.ts"
import type { PeerId } from "../../PeerId.ts"
import type { EndpointConfig } from "../../EndpointConfig.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import type { IncomingMessage } from "../../IncomingMessage.ts"
import type { IncomingStream } from "../../IncomingStream.ts"
import { ofOptions, unless } from "../../InvalidArgument.ts"
import type { RecvStream } from "../../RecvStream.ts"
import type { ConnectionLost } from "../../SendError.ts"
import { type SendError, type StreamLost } from "../../SendError.ts"
import type { SendStream } from "../../SendStream.ts"
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  ConnectionEvents,
  ConnectionStats,
  HeldStreams,
  RecvEvents,
  StreamFailure
} from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { closeOptions, priorityOptions } from "../arguments.ts"
import { normalizePriority } from "../priority.ts"
import { connectionErrorOf, streamErrorOf } from "../failures.ts"
import type { FairInbox } from "../fairInbox.ts"
import { ipPrefix } from "../ipPrefix.ts"
import type { Lane } from "../lane.ts"
import { InboundStream } from "./inboundStream.ts"
import { markSharedRefusal } from "./sharedRefusal.ts"
import { FirstFrame, type FirstFrameOwner } from "./firstFrame.ts"
import { ReceiveBuffer } from "./receiveBuffer.ts"
import { RecvStreamImpl } from "./recvStream.ts"
import type { Reply } from "./reply.ts"
import { OutboundMessages } from "./outboundMessages.ts"
import { PartialMessages, type PartialStream } from "./partialMessages.ts"
import { onAbandoned } from "./abandoned.ts"
import { bufferChanged, invalidOptions, invalidPriority } from "./sendArguments.ts"
import { finish, type SendOwner, SendStreamImpl } from "./sendStream.ts"
import { maxMalformedStreams } from "./limits.ts"
import { type TimerOwner, UndecidedStreams } from "./undecidedStreams.ts"
import { type WaitingStream, WaitingStreams } from "./waitingStreams.ts"

/** The view of an endpoint that a connection needs. */
export interface ConnectionOwner extends TimerOwner {
  readonly config: EndpointConfig
  readonly messages: FairInbox<IncomingMessage>
  /** The queue of streams that the application reads itself; undefined when all streams are read as messages. */
  readonly streams: FairInbox<IncomingStream> | undefined
  /** Whether the endpoint has been closed; its connections then end for that reason. */
  readonly stopped: () => boolean
  readonly onControl: (
    connection: ConnectionImpl,
    message: WireMessage.ControlMessage,
    reply: Reply | undefined
  ) => void
  /** The peer has sent something other than an echo question for the first time. */
  readonly onUsed: (connection: ConnectionImpl) => void
  readonly onMoved: (connection: ConnectionImpl) => void
  readonly onUnresponsive: (connection: ConnectionImpl) => void
  readonly onStreamsHeld: (connection: ConnectionImpl, held: HeldStreams) => void
  /** The connection can no longer send; `onClosed` follows. */
  readonly onLost: (connection: ConnectionImpl) => void
  readonly onClosed: (connection: ConnectionImpl, close: Close) => void
  readonly onMalformed: (connection: ConnectionImpl, reason: string) => void
}

/** This library's `Connection`. */
export class ConnectionImpl implements Connection, ConnectionEvents, FirstFrameOwner, SendOwner {
  readonly id: ConnectionId
  readonly peerId: PeerId
  readonly direction: Direction
  /** A field, like every public member, so that copies made by spreading have it. */
  remoteAddress: NetAddress.InetAddress
  readonly dialledAddress: Option.Option<NetAddress.InetAddress>
  /** The object that the pool keeps for this connection and the application gets. */
  surfaced: Connection = this
  /** Whether anything other than the peer's echo questions has passed on the connection. */
  isUsed = false
  /** Whether anything of the application has passed on the connection: no question to the endpoint has. */
  hasCarriedData = false
  /** Whether the peer has asked for an echo. */
  hasEchoed = false
  /** The key that the dial asked for; undefined when it was for the peer that answers at its address. */
  readonly expected: PeerId | undefined
  /** Whether the connection can no longer send. */
  isLost = false
  private readonly backing: BackingConnection
  private readonly owner: ConnectionOwner
  private readonly outbound: OutboundMessages
  private readonly end = Deferred.makeUnsafe<Close>()
  private ending: Close | undefined = undefined
  /** How many callers wait for the peer's acceptance. */
  waitingForAcceptance = 0
  /** Made when a caller waits for the peer's acceptance. */
  private acceptance: Deferred.Deferred<void, ConnectionError> | undefined = undefined
  /** Made when a message arrives in part. */
  private partial: PartialMessages | undefined = undefined
  private malformedStreams = 0
  private readonly waiting = new WaitingStreams()
  /** The peer's parts of the application's queues, from the peer's first stream on. */
  private messageLane: Lane<IncomingMessage> | undefined = undefined
  private streamLane: Lane<IncomingStream> | undefined = undefined
  readonly undecided: UndecidedStreams

  constructor(
    id: ConnectionId,
    backing: BackingConnection,
    owner: ConnectionOwner,
    dialledAddress: Option.Option<NetAddress.InetAddress> = Option.none(),
    expected?: PeerId
  ) {
    this.expected = expected
    this.id = id
    this.peerId = backing.peerId
    this.direction = Option.isSome(dialledAddress) ? "Outbound" : "Inbound"
    this.remoteAddress = backing.remoteAddress
    this.dialledAddress = dialledAddress
    this.backing = backing
    this.owner = owner
    this.outbound = new OutboundMessages(backing)
    this.undecided = new UndecidedStreams(owner)
  }

  get seniority(): string | undefined {
    return this.backing.seniority
  }

  checkAlive(): void {
    this.backing.checkAlive?.()
  }

  /** Whether an operation waits for the peer and no packet arrives from it. */
  get isUnresponsive(): boolean {
    return this.ending === undefined && this.backing.isUnresponsive === true
  }

  get counters(): ConnectionStats {
    return this.backing.stats()
  }

  /** Ends the connection, since its peer has lost it. */
  timeOut(): void {
    if (this.backing.timeOut === undefined) this.backing.close(ErrorCode.noError, "")
    else this.backing.timeOut()
  }

  get isOpen(): boolean {
    return this.ending === undefined
  }

  /** Whether messages or streams of the peer wait for room. */
  get holdsMessages(): boolean {
    return this.waiting.size > 0
  }

  readonly send = (payload: Uint8Array, options?: PriorityOptions): Effect.Effect<void, SendError> => {
    const refused = invalidOptions(options, priorityOptions)
    return refused === undefined ? this.deliver(payload, options) : Effect.fail(refused)
  }

  private deliver(payload: Uint8Array, options: PriorityOptions | undefined): Effect.Effect<void, SendError> {
    return Effect.callback<void, SendError>((resume) => {
      const { config } = this.owner
      const invalid = WireMessage.checkPayload(payload, config.maxMessageSize)
      if (invalid !== undefined) return resume(Effect.fail(invalid))
      if (this.ending !== undefined) return resume(Effect.fail(this.streamErrorOf(this.ending)))
      this.isUsed = this.hasCarriedData = true
      const { length } = payload
      const message = this.outbound.send(payload, normalizePriority(options?.priority), (failure, sharedRefusal) => {
        if (failure === undefined) resume(Effect.void)
        else if (failure._tag === "StreamClosed" && payload.length !== length) resume(Effect.fail(bufferChanged()))
        else {
          const loss = this.streamErrorOf(failure)
          resume(Effect.fail(sharedRefusal === true ? markSharedRefusal(loss) : loss))
        }
      })
      return Effect.sync(() => message.cancel())
    })
  }

  readonly openUni = (options?: PriorityOptions): Effect.Effect<SendStream, ConnectionError> =>
    Effect.suspend(() => {
      const wrong = invalidPriority(options)
      if (wrong !== undefined) return Effect.fail(wrong)
      if (this.ending !== undefined) return Effect.fail(this.errorOf(this.ending))
      this.isUsed = this.hasCarriedData = true
      return Effect.succeed(this.sendHandle(this.backing.openUni(normalizePriority(options?.priority))))
    })

  readonly openBi = (options?: PriorityOptions): Effect.Effect<BidirectionalStream, ConnectionError> =>
    Effect.suspend(() => {
      const wrong = invalidPriority(options)
      if (wrong !== undefined) return Effect.fail(wrong)
      if (this.ending !== undefined) return Effect.fail(this.errorOf(this.ending))
      this.isUsed = this.hasCarriedData = true
      const { maxMessageSize, reassemble, streamErrorOf } = this
      const received = new ReceiveBuffer({ maxMessageSize, streamErrorOf, reassemble })
      const { receive, send } = this.backing.openBi(normalizePriority(options?.priority), received)
      received.backing = receive
      return Effect.succeed({ send: this.sendHandle(send), receive: recvHandle(received) })
    })

  readonly close = (options?: CloseOptions): Effect.Effect<void> =>
    unless(
      () => ofOptions(options, closeOptions),
      () => {
        const { code = ErrorCode.noError, detail = "" } = options ?? {}
        if (this.ending === undefined) this.backing.close(ErrorCode.clamp(code), detail)
        return Effect.asVoid(this.closed)
      }
    )

  readonly closed: Effect.Effect<Close> = Deferred.await(this.end)

  readonly accepted: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    if (this.backing.isAccepted) return Effect.void
    if (this.ending !== undefined) return Effect.fail(this.errorOf(this.ending))
    const acceptance = (this.acceptance ??= Deferred.makeUnsafe())
    return Effect.acquireUseRelease(
      Effect.sync(() => (this.waitingForAcceptance += 1)),
      () => Deferred.await(acceptance),
      () => Effect.sync(() => (this.waitingForAcceptance -= 1))
    )
  })

  /** Whether the peer has accepted the connection. */
  get isAccepted(): boolean {
    return this.backing.isAccepted
  }

  readonly stats: Effect.Effect<ConnectionStats> = Effect.sync(() => this.backing.stats())

  // --- events of the transport -------------------------------------------------------------------------------------

  onStream(receive: BackingRecvStream, send: BackingSendStream | undefined): RecvEvents {
    return this.owner.streams === undefined
      ? new InboundStream(this, receive, send)
      : new FirstFrame(this, receive, send)
  }

  onAccepted(): void {
    const { acceptance } = this
    this.acceptance = undefined
    if (acceptance !== undefined) Deferred.doneUnsafe(acceptance, Effect.void)
  }

  onMoved(): void {
    this.remoteAddress = this.backing.remoteAddress
    this.owner.onMoved(this)
  }

  onUnresponsive(): void {
    this.owner.onUnresponsive(this)
  }

  onStreamsHeld(held: HeldStreams): void {
    this.owner.onStreamsHeld(this, held)
  }

  onClosed(close: Close): void {
    this.ending = close
    this.undecided.clear()
    this.partial?.clear()
    // Messages that have been read stay, since the peer may count them as confirmed. Streams end with their connection.
    if (this.owner.streams !== undefined) this.waiting.dropAll()
    this.streamLane?.removeAll(({ connection }) => connection === this.surfaced)
    this.messageLane?.release()
    this.streamLane?.release()
    // The pool drops the connection first: the fibers that wait for the end run at once, and must not find it in the pool.
    try {
      this.owner.onClosed(this, close)
    } finally {
      // A defect of the program's pool must not keep those waiting who wait for the end.
      Deferred.doneUnsafe(this.end, Effect.succeed(close))
      if (this.acceptance !== undefined) Deferred.doneUnsafe(this.acceptance, Effect.fail(this.errorOf(close)))
    }
  }

  // --- calls of inbound streams ------------------------------------------------------------------------------------

  get maxMessageSize(): number {
    return this.owner.config.maxMessageSize
  }

  /** The part of the queue of messages that is the peer's. */
  private get messages(): Lane<IncomingMessage> {
    return (this.messageLane ??= this.laneOf(this.owner.messages))
  }

  /** The part of the queue of streams that is the peer's. */
  private get streams(): Lane<IncomingStream> {
    return (this.streamLane ??= this.laneOf(this.owner.streams!))
  }

  private laneOf<A>(queue: FairInbox<A>): Lane<A> {
    const lane = queue.lane(ipPrefix(this.remoteAddress.address), this.peerId)
    if (this.ending !== undefined) lane.release()
    return lane
  }

  hasRoom(): boolean {
    return this.messages.hasRoom
  }

  waitForRoom(stream: WaitingStream, isRead: boolean): void {
    // A stream may go on after the end, when an answer that it waited for is done.
    if (this.ending !== undefined && this.owner.streams !== undefined) return stream.drop()
    this.waiting.add(this.messages, stream, { first: isRead, isRead })
  }

  stopWaiting(stream: WaitingStream): void {
    this.waiting.remove(stream)
  }

  get mayReadWithoutRoom(): boolean {
    return this.waiting.mayReadAnother
  }

  keep(bytes: number): void {
    this.messages.keep(bytes)
  }

  user(payload: Uint8Array, reply: Option.Option<SendStream>): void {
    if (!this.hasCarriedData) this.carryData()
    this.messages.offer({ peer: this.remoteAddress, peerId: this.peerId, connectionId: this.id, payload, reply })
  }

  control(message: WireMessage.ControlMessage, reply: Reply | undefined): void {
    if (message._tag === "EndpointEchoReq") this.hasEchoed = true
    else if (!this.isUsed) this.use()
    this.owner.onControl(this, message, reply)
  }

  hasRoomForStream(): boolean {
    return this.ending !== undefined || this.streams.hasRoom
  }

  waitForStreamRoom(stream: WaitingStream, isRead: boolean): void {
    this.waiting.add(this.streams, stream, { first: false, isRead })
  }

  /** Passes a stream to the application. The stream is dropped when the connection has ended. */
  offerStream(received: ReceiveBuffer, send: BackingSendStream | undefined): void {
    if (this.ending !== undefined) return received.drop()
    if (!this.hasCarriedData) this.carryData()
    this.streams.offer({
      connection: this.surfaced,
      receive: recvHandle(received),
      send: send === undefined ? Option.none() : Option.some(this.sendHandle(send))
    })
  }

  private carryData(): void {
    this.hasCarriedData = true
    if (!this.isUsed) this.use()
  }

  private use(): void {
    this.isUsed = true
    this.owner.onUsed(this)
  }

  readonly reassemble = (stream: PartialStream, change: number, now: number): boolean =>
    (this.partial ??= new PartialMessages(this.owner, this.backing)).change(stream, change, now)

  malformed(reason: string): void {
    this.owner.onMalformed(this, reason)
    this.malformedStreams += 1
    if (this.malformedStreams > maxMalformedStreams) this.backing.close(ErrorCode.malformed, "not the protocol")
  }

  reassemblyOverflow(reason: string): void {
    this.owner.onMalformed(this, reason)
  }

  sendStream(stream: BackingSendStream): SendStream {
    return new SendStreamImpl(stream, this)
  }

  /** Makes the handle of a stream that was opened here. An abandoned one is finished, or it would count as open. */
  private sendHandle(stream: BackingSendStream): SendStream {
    const handle = this.sendStream(stream)
    onAbandoned(handle, () => finish(stream))
    return handle
  }

  private readonly errorOf = (close: Close): ConnectionError => {
    if (close._tag === "LocallyClosed" && this.owner.stopped()) return new EndpointStopped()
    if (!this.backing.isAccepted && close._tag === "ApplicationClosed" && close.code === ErrorCode.refused) {
      return new PeerRefused({ peerId: this.peerId, address: this.remoteAddress, by: "Remote" })
    }
    return connectionErrorOf(this.remoteAddress, close)
  }

  readonly streamErrorOf = (failure: StreamFailure): ConnectionLost | StreamLost => {
    const loss = streamErrorOf(failure, this.errorOf)
    // Streams get the end of a connection before the connection does: a retry must not find the connection in the pool.
    if (loss._tag === "ConnectionLost" && this.ending === undefined) this.owner.onLost(this)
    return loss
  }
}

/** Makes a receiving handle. The rest of an abandoned stream is read and dropped: unread, it would keep the stream open. */
const recvHandle = (received: ReceiveBuffer): RecvStream => {
  const receive = new RecvStreamImpl(received)
  onAbandoned(receive, () => received.drop())
  return receive
}
