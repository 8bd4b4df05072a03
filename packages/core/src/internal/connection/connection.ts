/**
 * A connection above the transport: sends messages as frames on streams, and dispatches incoming streams.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type { Close } from "../../Close.ts"
import type { CloseOptions, Connection, ConnectionStats, Direction, PriorityOptions } from "../../Connection.ts"
import { type ConnectionError, EndpointStopped, PeerRefused } from "../../ConnectionError.ts"
import type { ConnectionId } from "../../ConnectionId.ts"
import type { DatagramError } from "../../DatagramError.ts"
import type { PeerId } from "../../PeerId.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import { ofOptions, unless } from "../../InvalidArgument.ts"
import { ConnectionLost } from "../../SendError.ts"
import { type SendError, type StreamLost } from "../../SendError.ts"
import type { SendStream } from "../../SendStream.ts"
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  ConnectionEvents,
  ConnectionStats as Counters,
  HeldStreams,
  RecvEvents,
  StreamFailure
} from "../../Transport.ts"
import * as WireMessage from "../../WireMessage.ts"
import { closeOptions, priorityOptions } from "../arguments.ts"
import { normalizePriority } from "../priority.ts"
import type { DatagramInbox, QueuedDatagram } from "../datagramInbox.ts"
import type { Lane } from "../lane.ts"
import { connectionErrorOf, streamErrorOf } from "../failures.ts"
import { ipPrefix } from "../ipPrefix.ts"
import { HeldBytes } from "./heldBytes.ts"
import { InboundStream } from "./inboundStream.ts"
import { markSharedRefusal } from "./sharedRefusal.ts"
import { Datagrams, type DatagramsOwner, maxPayload, statsOf } from "./datagrams.ts"
import { FirstFrame, type FirstFrameOwner } from "./firstFrame.ts"
import type { ReceiveBuffer } from "./receiveBuffer.ts"
import type { Reply } from "./reply.ts"
import { OutboundMessages } from "./outboundMessages.ts"
import { PartialMessages, type PartialStream } from "./partialMessages.ts"
import { Acceptance } from "./acceptance.ts"
import type { ConnectionOwner } from "./connectionOwner.ts"
import { recvHandle, sendHandle } from "./handles.ts"
import { openingsOf } from "./openings.ts"
import { PeerLanes } from "./peerLanes.ts"
import { bufferChanged, invalidOptions } from "./sendArguments.ts"
import { type SendOwner, SendStreamImpl } from "./sendStream.ts"
import { maxMalformedStreams } from "./limits.ts"
import { UndecidedStreams } from "./undecidedStreams.ts"
import { type WaitingStream, WaitingStreams } from "./waitingStreams.ts"

/** An own property of each connection, so that copies made by spreading have it. */
const maxDatagramSize: PropertyDescriptor & ThisType<{ readonly backing: BackingConnection }> = {
  enumerable: true,
  get() {
    return maxPayload(this.backing)
  }
}

/** This library's `Connection`. */
export class ConnectionImpl implements Connection, ConnectionEvents, DatagramsOwner, FirstFrameOwner, SendOwner {
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
  private readonly owner: ConnectionOwner<ConnectionImpl>
  private readonly outbound: OutboundMessages
  private readonly end = Deferred.makeUnsafe<Close>()
  private ending: Close | undefined = undefined
  /** Made when a caller waits for the peer's acceptance. */
  private acceptance: Acceptance | undefined = undefined
  /** Made when a message arrives in part. */
  private partial: PartialMessages | undefined = undefined
  /** Made with the first stream that is read here. */
  private ownHeld: HeldBytes | undefined = undefined
  private malformedStreams = 0
  private readonly waiting = new WaitingStreams()
  private readonly lanes: PeerLanes
  declare readonly maxDatagramSize: number
  /** Made with the first datagram, in either direction. */
  private ownDatagrams: Datagrams | undefined = undefined
  readonly undecided: UndecidedStreams
  readonly openUni: Connection["openUni"]
  readonly openBi: Connection["openBi"]
  readonly openProtocol: Connection["openProtocol"]
  /** The name under which the peer's IP address counts; undefined until it is asked for. */
  private ipName: string | undefined = undefined

  constructor(
    id: ConnectionId,
    backing: BackingConnection,
    owner: ConnectionOwner<ConnectionImpl>,
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
    this.lanes = new PeerLanes(owner, this)
    const { openBi, openProtocol, openUni } = openingsOf(this, backing)
    this.openUni = openUni
    this.openBi = openBi
    this.openProtocol = openProtocol
    Object.defineProperty(this, "maxDatagramSize", maxDatagramSize)
  }

  /** The name under which the peer's IP address counts. */
  get ip(): string {
    return (this.ipName ??= ipPrefix(this.remoteAddress.address))
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

  get counters(): Counters {
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

  /** The application is about to open something. Returns the error when it cannot. */
  begin(): ConnectionError | undefined {
    if (this.ending !== undefined) return this.errorOf(this.ending)
    this.isUsed = this.hasCarriedData = true
    return undefined
  }

  readonly sendDatagram = (payload: Uint8Array): Effect.Effect<void, DatagramError> =>
    Effect.suspend(() => {
      if (this.ending !== undefined) return Effect.fail(new ConnectionLost({ reason: this.errorOf(this.ending) }))
      const failure = this.datagrams.send(payload)
      return failure === undefined ? Effect.void : Effect.fail(failure)
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
    return (this.acceptance ??= new Acceptance()).wait
  })

  /** How many callers wait for the peer's acceptance. */
  get waitingForAcceptance(): number {
    return this.acceptance?.waiting ?? 0
  }

  /** Whether the peer has accepted the connection. */
  get isAccepted(): boolean {
    return this.backing.isAccepted
  }

  readonly stats: Effect.Effect<ConnectionStats> = Effect.sync(() => statsOf(this.backing.stats(), this.ownDatagrams))

  // --- events of the transport -------------------------------------------------------------------------------------

  onStream(receive: BackingRecvStream, send: BackingSendStream | undefined): RecvEvents {
    return send === undefined && this.owner.streams === undefined
      ? new InboundStream(this, receive, send)
      : new FirstFrame(this, receive, send)
  }

  onDatagram(datagram: Uint8Array): void {
    this.datagrams.receive(datagram)
  }

  onAccepted(): void {
    const { acceptance } = this
    this.acceptance = undefined
    acceptance?.resume(() => Effect.void)
  }

  onMoved(): void {
    this.remoteAddress = this.backing.remoteAddress
    this.ipName = undefined
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
    this.ownHeld?.end()
    // Messages that have been read stay, since the peer may count them as confirmed. Streams end with their connection.
    if (this.owner.streams !== undefined) this.waiting.dropAll()
    this.lanes.release(({ connection }) => connection === this.surfaced)
    this.ownDatagrams?.end()
    // The pool drops the connection first: the fibers that wait for the end run at once, and must not find it in the pool.
    try {
      this.owner.onClosed(this, close)
    } finally {
      // A defect of the program's pool must not keep those waiting who wait for the end.
      Deferred.doneUnsafe(this.end, Effect.succeed(close))
      this.acceptance?.resume(() => Effect.fail(this.errorOf(close)))
    }
  }

  // --- calls of inbound streams ------------------------------------------------------------------------------------

  get maxMessageSize(): number {
    return this.owner.config.maxMessageSize
  }

  /** What is held of the peer's bytes. */
  get held(): HeldBytes {
    if (this.ownHeld === undefined) {
      this.ownHeld = new HeldBytes(this.backing)
      if (this.ending !== undefined) this.ownHeld.end()
    }
    return this.ownHeld
  }

  private get datagrams(): Datagrams {
    return (this.ownDatagrams ??= new Datagrams(this.backing, this.owner.datagrams, this))
  }

  laneOf(queue: DatagramInbox): Lane<QueuedDatagram> {
    return this.lanes.of(queue)
  }

  hasRoom(): boolean {
    return this.lanes.messages.hasRoom
  }

  waitForRoom(stream: WaitingStream, isRead: boolean): void {
    // A stream may go on after the end, when an answer that it waited for is done.
    if (this.ending !== undefined && this.owner.streams !== undefined) return stream.drop()
    this.waiting.add(this.lanes.messages, stream, { first: isRead, isRead })
  }

  stopWaiting(stream: WaitingStream): void {
    this.waiting.remove(stream)
  }

  get mayReadWithoutRoom(): boolean {
    return this.waiting.mayReadAnother
  }

  keep(bytes: number): void {
    this.lanes.messages.keep(bytes)
  }

  user(payload: Uint8Array, reply: Option.Option<SendStream>): void {
    if (!this.hasCarriedData) this.carryData()
    this.lanes.messages.offer({ peer: this.remoteAddress, peerId: this.peerId, connectionId: this.id, payload, reply })
  }

  control(message: WireMessage.ControlMessage, reply: Reply | undefined): void {
    if (message._tag === "EndpointEchoReq") this.hasEchoed = true
    else if (!this.isUsed) this.use()
    this.owner.onControl(this, message, reply)
  }

  get readsStreams(): boolean {
    return this.owner.streams !== undefined
  }

  acceptProtocol(protocol: string, receive: BackingRecvStream, send: BackingSendStream): RecvEvents {
    if (!this.hasCarriedData) this.carryData()
    return this.owner.onProtocol(this, protocol, receive, send)
  }

  hasRoomForStream(): boolean {
    return this.ending !== undefined || this.lanes.streams.hasRoom
  }

  waitForStreamRoom(stream: WaitingStream, isRead: boolean): void {
    this.waiting.add(this.lanes.streams, stream, { first: false, isRead })
  }

  /** Passes a stream to the application. The stream is dropped when the connection has ended. */
  offerStream(received: ReceiveBuffer, send: BackingSendStream | undefined): void {
    if (this.ending !== undefined) return received.drop()
    if (!this.hasCarriedData) this.carryData()
    this.lanes.streams.offer({
      connection: this.surfaced,
      receive: recvHandle(received),
      send: send === undefined ? Option.none() : Option.some(sendHandle(send, this))
    })
  }

  carryData(): void {
    this.hasCarriedData = true
    if (!this.isUsed) this.use()
  }

  private use(): void {
    this.isUsed = true
    this.owner.onUsed(this)
  }

  reassemble(stream: PartialStream, change: number, now: number): boolean {
    return (this.partial ??= new PartialMessages(this.owner, this.backing, this.held)).change(stream, change, now)
  }

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

  /** Converts the end of the connection into the error of an operation on it. */
  errorOf(close: Close): ConnectionError {
    if (close._tag === "LocallyClosed" && this.owner.stopped()) return new EndpointStopped()
    if (!this.backing.isAccepted && close._tag === "ApplicationClosed" && close.code === ErrorCode.refused) {
      return new PeerRefused({ peerId: this.peerId, address: this.remoteAddress, by: "Remote" })
    }
    return connectionErrorOf(this.remoteAddress, close)
  }

  streamErrorOf(failure: StreamFailure): ConnectionLost | StreamLost {
    const loss = streamErrorOf(failure, this)
    // Streams get the end of a connection before the connection does: a retry must not find the connection in the pool.
    if (loss._tag === "ConnectionLost" && this.ending === undefined) this.owner.onLost(this)
    return loss
  }
}
