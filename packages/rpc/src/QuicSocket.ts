/**
 * A peer's service as a `Socket` of Effect, over a stream of an endpoint.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { Endpoint } from "@qp2p/core/Endpoint"
import { type Fields, number, ofOptions, optional, text, unless } from "@qp2p/core/InvalidArgument"
import type * as PeerAddress from "@qp2p/core/PeerAddress"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as limits from "./internal/limits.ts"

/**
 * The options of a socket.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name that the peer serves: 1 to 255 bytes of UTF-8. Default `"effect-socket"`. */
  readonly protocol?: string | undefined
  /** The priority of what is written. A higher priority is sent first. Default 0. */
  readonly priority?: number | undefined
}

const fields: Fields = { protocol: optional(text), priority: optional(number) }

const openError = (cause: { readonly _tag: string }): Socket.SocketError =>
  new Socket.SocketError({
    reason: new Socket.SocketOpenError({ kind: cause._tag === "ConnectionTimedOut" ? "Timeout" : "Unknown", cause })
  })

/** The connection that the socket has at the moment. */
interface Current {
  readonly writer: Socket.Writer
  /** Closing it ends the own half of the stream. */
  readonly writing: Scope.Closeable
}

/**
 * Makes a socket to a peer. Each acquisition of `reader` opens a stream, and dials the peer if there is no connection.
 *
 * A stream is open before the peer has accepted it: when nothing serves the name there, the first `pull` or `write` fails with
 * `SocketOpenError`, whose cause is `ProtocolRefused`. Releasing `writer` ends the own half of the stream, and the peer's half goes
 * on. Otherwise the socket is as `ProtocolStream.toSocket` says. `upgrade` fails with `SocketUpgradeError`, because QUIC is encrypted
 * already.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (peer: PeerAddress.Input, options?: Options): Effect.Effect<Socket.Socket, never, Endpoint> =>
  unless(
    () => ofOptions(options, fields),
    () =>
      Effect.map(Endpoint, (endpoint) => {
        const connected = Latch.makeUnsafe(false)
        let current: Current | undefined

        const reader: Socket.Socket["reader"] = Effect.gen(function* () {
          const scope = yield* Effect.scope
          const name = options?.protocol ?? limits.socketProtocol
          const stream = yield* Effect.mapError(
            endpoint.openProtocol(peer, name, { priority: options?.priority }),
            openError
          )
          const socket = stream.toSocket()
          // The end of the scope of reading comes first: it knows whether to reset the stream.
          const writing = yield* Scope.fork(scope)
          const writer = yield* Scope.provide(socket.writer, writing)
          const reading = yield* socket.reader
          const own: Current = { writer, writing }
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              if (current !== own) return
              current = undefined
              connected.closeUnsafe()
            })
          )
          current = own
          connected.openUnsafe()
          return reading
        })

        const whenConnected = (
          act: (writer: Socket.Writer) => Effect.Effect<void, Socket.SocketError>
        ): Effect.Effect<void, Socket.SocketError> =>
          Effect.suspend(() => (current === undefined ? connected.whenOpen(whenConnected(act)) : act(current.writer)))

        return Socket.make({
          reader,
          writer: Effect.acquireRelease(
            Effect.succeed<Socket.Writer>({
              write: (chunk) => whenConnected((writer) => writer.write(chunk)),
              writeAll: (chunks) => whenConnected((writer) => writer.writeAll(chunks))
            }),
            () => Effect.suspend(() => (current === undefined ? Effect.void : Scope.close(current.writing, Exit.void)))
          )
        })
      })
  )

/**
 * A socket to a peer, as `make` makes it.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (peer: PeerAddress.Input, options?: Options): Layer.Layer<Socket.Socket, never, Endpoint> =>
  Layer.effect(Socket.Socket)(make(peer, options))
