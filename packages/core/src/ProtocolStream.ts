/**
 * A stream of a protocol.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Socket from "effect/socket/Socket"
import type * as Stream from "effect/Stream"
import type { Close } from "./Close.ts"
import type { Connection } from "./Connection.ts"
import type { PeerId } from "./PeerId.ts"
import type { ProtocolRefused } from "./ProtocolError.ts"
import type { RecvError } from "./RecvError.ts"
import type { SendError } from "./SendError.ts"
import type { SendStreamOptions } from "./SendStream.ts"
import type { StreamStopped } from "./StreamError.ts"

/**
 * A bidirectional stream that carries the bytes of a protocol. The side that opened it gets it from `Endpoint.openProtocol`, the
 * handler of the other side from `Endpoint.serveProtocol`. Each half ends on its own: answers still arrive after `finish`.
 *
 * The opener may write at once. When the peer refuses the stream, `read`, `pull`, `write` and `finish` of the opener fail with
 * `ProtocolRefused`. A handler never sees that error.
 *
 * Both halves have back-pressure: `write` waits while the peer does not read, and unread bytes hold the peer back. A half that
 * waits holds back nothing but its stream.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ProtocolStream {
  /** The name of the protocol. */
  readonly protocol: string
  /** The peer: the key that it has proven. */
  readonly peerId: PeerId
  /** The connection that carries the stream. */
  readonly connection: Connection
  /**
   * The bytes of the peer, in chunks of any size, up to the end of its half. Fails with `StreamLost` and `StreamReset` when the peer
   * resets it. Each chunk goes to one reader.
   */
  readonly read: Stream.Stream<Uint8Array, RecvError | ProtocolRefused>
  /** Takes the chunks that have arrived, at least one. Done at the end of the peer's half. An interrupted pull takes nothing. */
  readonly pull: Pull.Pull<NonEmptyReadonlyArray<Uint8Array>, RecvError | ProtocolRefused>
  /**
   * Queues bytes. Completes when the stream has room for more, which depends on flow control and on the peer's reading; an empty
   * array completes at once. With `fin`, the bytes end this half, and `write` completes as `finish` does.
   *
   * Do not change the bytes before this half is finished. Interruption leaves them queued. A value that is not a `Uint8Array`
   * fails with `SerializationError` and does not end the stream.
   */
  readonly write: (bytes: Uint8Array, options?: SendStreamOptions) => Effect.Effect<void, SendError | ProtocolRefused>
  /** Ends this half. Completes when the peer has acknowledged everything on it, which does not mean that its handler has read it. */
  readonly finish: Effect.Effect<void, SendError | ProtocolRefused>
  /**
   * Waits until the peer stops this half, and returns its code, or until the connection ends. When the peer refuses the stream, the
   * code is 6. Otherwise as `SendStream.stopped`.
   */
  readonly stopped: Effect.Effect<StreamStopped | Close>
  /**
   * Resets this half: drops what is not acknowledged, and fails the peer's reads with `StreamReset` and `code`: 0 to 2^53 - 1;
   * another number is brought into that range (`ErrorCode.clamp`).
   */
  readonly reset: (code: number) => Effect.Effect<void>
  /** Discards what the peer sends, and asks it to stop: its writes fail with `StreamStopped` and `code`, as in `reset`. */
  readonly stop: (code: number) => Effect.Effect<void>
  /** Sets the priority of what is not sent yet. A higher priority is sent first. Numbers that are not finite mean 0. */
  readonly setPriority: (priority: number) => Effect.Effect<void>
  /**
   * Returns the stream as a `Socket` of Effect.
   *
   * The stream exists already, so `reader` does not dial, and can be acquired once: again it fails with `SocketOpenError`, and so do
   * `pull` and `write` when the peer refuses the stream. The end of the peer's half is a `SocketCloseError` with code 1000, and a
   * reset with a code of 1000 or more is one with that code. Other resets and the loss of the connection are a `SocketReadError`.
   *
   * When the reader's scope closes, a waiting `pull` fails with code 1006, this half is finished, and the peer's is stopped. When the
   * scope closes with a failure or an interruption, this half is reset with code 0 instead. Releasing the writer finishes this half,
   * and the peer's half goes on. A `CloseEvent` finishes this half when its code is 1000, and else resets it with its code; the
   * peer's half is stopped. `upgrade` fails with `SocketUpgradeError`: the connection is encrypted already.
   */
  readonly toSocket: () => Socket.Socket
}
