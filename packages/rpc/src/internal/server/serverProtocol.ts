/** The RPC server's side: a `RpcServer.Protocol` over the streams of an endpoint. */
import { Endpoint } from "@qp2p/core/Endpoint"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { ProtocolStream, ProtocolTaken } from "@qp2p/core/Protocol"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type { FromClientEncoded } from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as limits from "../limits.ts"
import { FrameKind, readU32 } from "../wire/frame.ts"
import type { Frame } from "../wire/frameDecoder.ts"
import * as messages from "../wire/messages.ts"
import { Calls } from "./calls.ts"
import { gone, OwnReply, serveCall } from "./ownStream.ts"
import { Peers, type PeerState } from "./peers.ts"
import { type Buffered, Gone, type Overloaded, RequestReader, roomForCall, Violation } from "./requestReader.ts"
import { serveCalls } from "./sharedStream.ts"
import { Tickets } from "./tickets.ts"
import { Unsent } from "./unsent.ts"

/** The length of a ticket, in bytes. */
const claimLength = 4

/** The settings of a server, with their defaults. */
export interface Settings {
  readonly protocol: string
  readonly maxStreams: number | undefined
  readonly maxStreamsPerPeer: number | undefined
  readonly maxRequests: number
  readonly maxRequestsPerPeer: number
  readonly maxRequestSize: number
  readonly maxRequestBytes: number
  readonly maxUnsentBytes: number
  readonly maxUnsentBytesPerPeer: number
}

/** Settings as a program gives them. */
export type Given = { readonly [K in keyof Settings]?: Settings[K] | undefined }

/** Adds the defaults to settings. */
export const settingsOf = (given: Given = {}): Settings => ({
  protocol: given.protocol ?? limits.rpcProtocol,
  maxStreams: given.maxStreams,
  maxStreamsPerPeer: given.maxStreamsPerPeer,
  maxRequests: given.maxRequests ?? limits.callsInAll,
  maxRequestsPerPeer: given.maxRequestsPerPeer ?? limits.callsPerPeer,
  maxRequestSize: given.maxRequestSize ?? limits.maxMessage,
  maxRequestBytes: given.maxRequestBytes ?? limits.bufferedInAll,
  maxUnsentBytes: given.maxUnsentBytes ?? limits.unsentInAll,
  maxUnsentBytesPerPeer: given.maxUnsentBytesPerPeer ?? limits.unsentPerPeer
})

/** How much of each a server holds. All are 0 when no peer is connected. */
export interface Held {
  readonly calls: number
  readonly peers: number
  readonly streams: number
  readonly tickets: number
  readonly connections: number
  readonly bufferedBytes: number
  readonly unsentBytes: number
}

/** A protocol that is served, and what it holds. */
export interface Served {
  readonly protocol: RpcServer.Protocol["Service"]
  readonly held: () => Held
}

const defectEncoder = ({ codecFor }: RpcSerialization.RpcSerialization["Service"]) =>
  Schema.encodeSync(codecFor(Schema.Defect()))

/** Makes the protocol and serves it until the scope closes. */
export const make = Effect.fnUntraced(function* (
  settings: Settings
): Effect.fn.Return<Served, ProtocolTaken, Endpoint | RpcSerialization.RpcSerialization | Scope.Scope> {
  const endpoint = yield* Endpoint
  const serialization = yield* RpcSerialization.RpcSerialization
  const scope = yield* Effect.scope
  const context = Context.omit(Scope.Scope)(yield* Effect.context())
  const disconnects = yield* Queue.make<number>()
  /** Open while an RPC server runs. Nothing is read before that. */
  const running = Latch.makeUnsafe(false)
  let write!: (clientId: number, message: FromClientEncoded) => Effect.Effect<void>

  const unsent = new Unsent(settings.maxUnsentBytesPerPeer, settings.maxUnsentBytes)
  const peers = new Peers(context, unsent, settings.maxRequestBytes)
  const tickets = new Tickets()
  const buffered: Buffered = { bytes: 0 }
  let streams = 0
  const calls = new Calls({
    maxCalls: settings.maxRequests,
    maxCallsPerPeer: settings.maxRequestsPerPeer,
    peers,
    disconnects,
    write: (clientId, message) => write(clientId, message),
    encodeDefect: defectEncoder(serialization)
  })

  const protocol = yield* RpcServer.Protocol.make((write_) => {
    write = write_
    return Effect.succeed({
      disconnects,
      send: calls.send,
      end: calls.end,
      clientIds: Effect.sync(() => calls.clientIds),
      initialMessage: Effect.succeedNone,
      supportsAck: false,
      supportsTransferables: false,
      supportsSpanPropagation: true,
      supportsNotifications: false,
      codecFor: serialization.codecFor
    })
  })

  /** Answers the claim of an answer that has moved. */
  const serveClaim = (stream: ProtocolStream, peer: PeerState, parser: messages.Parser, content: Uint8Array) =>
    Effect.suspend((): Effect.Effect<void, Violation> => {
      if (content.length !== claimLength) return new Violation({ detail: "a claim without a ticket" })
      const waiting = tickets.take(readU32(content, 0), peer)
      // The answer may have been given up since.
      if (waiting === undefined) return stream.reset(ErrorCode.noError)
      const { call } = waiting
      const reply = new OwnReply(
        stream,
        parser,
        peer.unsent,
        Effect.suspend(() => calls.interrupt(call))
      )
      waiting.give(reply)
      return Effect.onInterrupt(reply.run, () => Effect.sync(() => calls.disconnect(call)))
    })

  /** Waits until the call may begin. One with a long request has waited before that had arrived. */
  const admitted = (
    stream: ProtocolStream,
    peer: PeerState,
    { content }: Frame
  ): Effect.Effect<void, Gone | Overloaded> =>
    content.length > limits.maxSharedFrame || !peer.unsent.isHalfFull
      ? Effect.void
      : Effect.raceFirst(
          roomForCall(peer),
          Effect.flatMap(gone(stream), () => new Gone())
        )

  const serveStream = (
    stream: ProtocolStream,
    peer: PeerState,
    reader: RequestReader
  ): Effect.Effect<void, Violation | Gone | Overloaded> =>
    Effect.flatMap(reader.one, (frame) => {
      const parser = serialization.makeUnsafe()
      switch (frame.kind) {
        case FrameKind.message:
          if (frame.content.length > settings.maxRequestSize) return new Violation({ detail: "a request is too long" })
          return Effect.andThen(
            admitted(stream, peer, frame),
            Effect.suspend(() => {
              const request = messages.request(parser, frame.content)
              if (request === undefined) return new Violation({ detail: "not a request of the serialization" })
              if (!calls.hasRoom(peer)) return stream.reset(ErrorCode.overloaded)
              return serveCall(calls, stream, peer, parser, request, reader.takeMemory())
            })
          )
        case FrameKind.calls:
          reader.limitTo(limits.maxSharedFrame)
          reader.takeMemory()?.release()
          return serveCalls(calls, tickets, stream, peer, parser, reader.some, settings.maxRequestSize)
        case FrameKind.claim:
          return serveClaim(stream, peer, parser, frame.content)
        default:
          return new Violation({ detail: `a stream that begins with a frame of kind ${frame.kind}` })
      }
    })

  const refuse = (stream: ProtocolStream, code: number) => Effect.andThen(stream.reset(code), stream.stop(code))

  const serve = (stream: ProtocolStream): Effect.Effect<void> =>
    Effect.suspend(() => {
      const peer = peers.of(stream.peerId)
      streams++
      const reader = new RequestReader(stream, Math.max(settings.maxRequestSize, claimLength), peer, buffered)
      const watched = calls.isWatched(stream.connection)
        ? Effect.void
        : Effect.forkIn(calls.watch(stream.connection), scope, { startImmediately: true })
      return watched.pipe(
        Effect.andThen(running.await),
        Effect.andThen(serveStream(stream, peer, reader)),
        Effect.catchTags({
          Gone: () => Effect.void,
          Overloaded: () => refuse(stream, ErrorCode.overloaded),
          Violation: ({ detail }) =>
            Effect.andThen(
              Effect.logDebug(`a stream of ${stream.peerId} is refused: ${detail}`),
              refuse(stream, ErrorCode.malformed)
            )
        }),
        Effect.ensuring(
          Effect.sync(() => {
            streams--
            peers.release(peer)
            reader.release()
          })
        ),
        Effect.updateContext(() => peer.context)
      )
    })

  yield* endpoint.serveProtocol(settings.protocol, serve, {
    maxStreams: settings.maxStreams,
    maxStreamsPerPeer: settings.maxStreamsPerPeer
  })

  return {
    protocol: RpcServer.Protocol.of({
      ...protocol,
      run: (f) => Effect.ensuring(Effect.andThen(running.open, protocol.run(f)), running.close)
    }),
    held: () => ({
      calls: calls.size,
      connections: calls.connections,
      peers: peers.size,
      streams,
      tickets: tickets.size,
      bufferedBytes: buffered.bytes,
      unsentBytes: unsent.bytes
    })
  }
})
