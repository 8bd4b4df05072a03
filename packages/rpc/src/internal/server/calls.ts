/** The calls that a server is answering. A call leaves the table when its handler has ended, or when its caller is gone. */
import type { Connection } from "@qp2p/core/Connection"
import type { Reservation } from "@qp2p/core/Reservations"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { constEof, type FromClientEncoded, type FromServerEncoded, type RequestEncoded } from "effect/rpc/RpcMessage"
import { ResponseDefectEncoded } from "effect/rpc/RpcMessage"
import type { Call, Reply } from "./call.ts"
import type { Peers, PeerState } from "./peers.ts"

/** The options of `Calls`. */
export interface CallsOptions {
  readonly maxCalls: number
  readonly maxCallsPerPeer: number
  readonly peers: Peers
  /** Takes the calls whose callers are gone, for the RPC server, which interrupts their handlers. */
  readonly disconnects: Queue.Enqueue<number>
  /** Hands a message of a call to the RPC server. */
  readonly write: (clientId: number, message: FromClientEncoded) => Effect.Effect<void>
  /** Encodes a defect for the wire. */
  readonly encodeDefect: (defect: unknown) => unknown
}

/** The table of calls. */
export class Calls {
  private readonly options: CallsOptions
  private readonly calls = new Map<number, Call>()
  private readonly ofConnections = new Map<Connection, Set<Call>>()
  private nextClientId = 0

  constructor(options: CallsOptions) {
    this.options = options
  }

  /** The numbers by which the RPC server knows the calls. */
  get clientIds(): ReadonlySet<number> {
    return new Set(this.calls.keys())
  }

  /** How many calls there are. */
  get size(): number {
    return this.calls.size
  }

  /** How many connections are watched. */
  get connections(): number {
    return this.ofConnections.size
  }

  /** Whether there is room for another call of a peer. */
  hasRoom(peer: PeerState): boolean {
    return this.calls.size < this.options.maxCalls && peer.calls < this.options.maxCallsPerPeer
  }

  /** Whether the connection is known: see `watch`. */
  isWatched(connection: Connection): boolean {
    return this.ofConnections.has(connection)
  }

  /** Ends the calls of a connection when it closes, those as well that no longer have a stream. Runs until then. */
  readonly watch = (connection: Connection): Effect.Effect<void> =>
    Effect.suspend(() => {
      const calls = new Set<Call>()
      this.ofConnections.set(connection, calls)
      return Effect.ensuring(
        connection.closed,
        Effect.sync(() => {
          this.ofConnections.delete(connection)
          for (const call of calls) this.disconnect(call)
        })
      )
    })

  /** Adds a call. `start` follows. `memory` is what a long request takes while the call is in the table. */
  add(peer: PeerState, connection: Connection, requestId: string | number, reply: Reply, memory?: Reservation): Call {
    const call: Call = { clientId: this.nextClientId++, requestId, peer, connection, memory, reply, isAnswered: false }
    this.calls.set(call.clientId, call)
    this.ofConnections.get(connection)?.add(call)
    this.options.peers.hold(peer).calls++
    return call
  }

  /**
   * Hands the request to the RPC server, and with it that no other follows. A schema that throws, as one does that runs out of
   * stack, is a defect of that call.
   */
  readonly start = (call: Call, request: RequestEncoded): Effect.Effect<void> => {
    const { write } = this.options
    return Effect.suspend(() => write(call.clientId, request)).pipe(
      Effect.andThen(Effect.suspend(() => write(call.clientId, constEof))),
      Effect.catchDefect((defect) => this.fail(call, defect))
    )
  }

  /** Sends a message of the RPC server to the caller. */
  readonly send = (clientId: number, message: FromServerEncoded): Effect.Effect<void> => {
    const call = this.calls.get(clientId)
    const reply = call?.reply
    if (call === undefined || reply === undefined || call.isAnswered) return Effect.void
    const isLast = message._tag === "Exit" || message._tag === "Defect"
    if (!isLast && message._tag !== "Chunk") return Effect.void
    const content = this.encode(reply, message)
    if (content === undefined) return Effect.void
    if (!isLast) return reply.part(content)
    call.isAnswered = true
    return reply.last(content)
  }

  /** Forgets a call whose handler has ended. */
  readonly end = (clientId: number): Effect.Effect<void> =>
    Effect.sync(() => {
      const call = this.calls.get(clientId)
      if (call === undefined) return
      this.remove(call)
      // A notification has no answer.
      abandon(call)
    })

  /** Interrupts the handler of a call whose caller no longer wants the answer. */
  readonly interrupt = (call: Call): Effect.Effect<void> =>
    Effect.suspend(() => {
      abandon(call)
      // The RPC server would take a call that it does not know for a new one.
      if (!this.calls.has(call.clientId)) return Effect.void
      return this.options.write(call.clientId, { _tag: "Interrupt", requestId: call.requestId })
    })

  /** Ends a call whose caller is gone. */
  disconnect(call: Call): void {
    abandon(call)
    if (!this.calls.has(call.clientId)) return
    this.remove(call)
    Queue.offerUnsafe(this.options.disconnects, call.clientId)
  }

  /** Answers a call that the RPC server could not take, and ends it there. */
  private fail(call: Call, defect: unknown): Effect.Effect<void> {
    const answer = ResponseDefectEncoded(this.options.encodeDefect(defect))
    return Effect.andThen(
      this.send(call.clientId, answer),
      Effect.sync(() => this.disconnect(call))
    )
  }

  private remove(call: Call): void {
    this.calls.delete(call.clientId)
    this.ofConnections.get(call.connection)?.delete(call)
    call.memory?.release()
    call.peer.calls--
    this.options.peers.release(call.peer)
  }

  private encode(reply: Reply, message: FromServerEncoded): Uint8Array | string | undefined {
    try {
      return reply.encode(message)
    } catch (error) {
      return reply.encode(ResponseDefectEncoded(this.options.encodeDefect(error)))
    }
  }
}

const abandon = (call: Call): void => {
  const { reply } = call
  call.reply = undefined
  reply?.abandon()
}
