/**
 * The live transport: QUIC version 1 by the native binding of `@matrixai/quic`, over a UDP socket of `node:dgram`.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import { unbindable } from "@qp2p/core/Address"
import { BindError } from "@qp2p/core/EndpointError"
import { type Fields, func, integer, ofRecord, optional, unless } from "@qp2p/core/InvalidArgument"
import * as certificate from "./internal/binding/certificate.ts"
import { interfaces } from "./internal/udp/interfaces.ts"
import { shutdown } from "./internal/socket/shutdown.ts"
import * as native from "./internal/binding/native.ts"
import * as nativeConfig from "./internal/binding/nativeConfig.ts"
import { resetKeyOf, resetTokens } from "./internal/packets/resetToken.ts"
import { openUdp } from "./internal/udp/openUdp.ts"
import { Outbox } from "./internal/path/outbox.ts"
import { Socket } from "./internal/socket/socket.ts"
import { sweeping } from "./internal/socket/sweeping.ts"
import * as tunables from "./internal/tunables/path.ts"
import {
  type BackingSocket,
  type BindOptions,
  type NetworkInterface,
  problemOfBind,
  type SocketEvents,
  Transport
} from "@qp2p/core/Transport"

/**
 * Options of the QUIC transport.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The largest UDP payload to try, in bytes: 1,200 to 16,383; by default 16,383 within a machine and 1,452 elsewhere. Packets
   * begin with 1,200 bytes, or within a machine with the largest size. Path MTU discovery changes the size to what gets through
   * (RFC 9000, section 14). The peer's own limit applies, too.
   */
  readonly maxUdpPayload?: number | undefined
  /** Makes the UDP socket for an address, in place of Node's: a simulated network plugs in here. */
  readonly openSocket?: ((address: NetAddress.InetAddress) => Effect.Effect<DatagramSocket.DatagramSocket>) | undefined
  /** The interfaces that `openSocket` can bind to. By default those of this machine. */
  readonly interfaces?: (() => ReadonlyArray<NetworkInterface>) | undefined
}

/**
 * Makes the transport. It loads the native binding when a socket is bound: on a platform without one, `bind` fails with a
 * `BindError`, and so it does for options that are not acceptable.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Transport["Service"] =>
  Transport.of({
    bind: (bind, events) =>
      unless(
        () => problemOfBind(bind, events),
        () => open(bind, events, options)
      ),
    interfaces: typeof options?.interfaces === "function" ? options.interfaces : interfaces
  })

/**
 * The layer of `make`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Transport> => Layer.sync(Transport, () => make(options))

const optionFields: Fields = {
  maxUdpPayload: optional(integer(1_200, nativeConfig.maxSendPayload)),
  openSocket: optional(func),
  interfaces: optional(func)
}

const open = Effect.fnUntraced(function* (
  bind: BindOptions,
  events: SocketEvents,
  options: Options
): Effect.fn.Return<BackingSocket, BindError, Scope.Scope> {
  const address = bind.localAddress
  const wrong = ofRecord("options", options, optionFields)
  if (wrong !== undefined) return yield* new BindError({ address, detail: wrong.message, cause: wrong })
  const detail = unbindable(address)
  if (detail !== undefined) return yield* new BindError({ address, detail, cause: new Error(detail) })
  const quiche = yield* Effect.mapError(native.load, ({ cause, detail }) => new BindError({ address, detail, cause }))
  const unusable = (cause: certificate.UnusableIdentity) =>
    new BindError({ address, detail: `the identity is not usable: ${cause.detail}`, cause })
  const credentials = yield* Effect.mapError(certificate.selfSigned(bind.identity), unusable)
  const resetKey = yield* Effect.mapError(resetKeyOf(bind.identity), unusable)
  const udp = yield* openUdp(address, options.openSocket)
  const idleTimeout = Duration.toMillis(bind.idleTimeout)
  const { maxUdpPayload } = options
  const clock = yield* Clock.Clock
  // The monotonic time: setting the time of day must neither end connections nor keep them.
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
  const context = yield* Effect.context<Scope.Scope>()
  const run = Effect.runForkWith(context)
  const runSweeping = yield* FiberHandle.makeRuntime<never>()
  const socket = new Socket({
    quiche,
    configOf: nativeConfig.configs(quiche, { credentials, idleTimeout }),
    maxPayload: ({ address }) =>
      maxUdpPayload ?? (NetAddress.isLoopback(address) ? nativeConfig.maxSendPayload : tunables.networkPayload),
    address: udp.address,
    bind,
    resetTokens: resetTokens(resetKey, udp.address.port),
    idleTimeout,
    events,
    onDefect: (defect) => void run(Effect.logError("a connection was closed because of a defect", defect)),
    onOverload: (peer, unread) =>
      void run(
        Effect.logWarning("closed the connection with the most unread bytes: the application does not keep up").pipe(
          Effect.annotateLogs({ peer: NetAddress.formatInet(peer), unread })
        )
      ),
    onEvicted: (peer) =>
      void run(
        Effect.logWarning("closed an idle connection: another one needs its place").pipe(
          Effect.annotateLogs({ peer: NetAddress.formatInet(peer) })
        )
      ),
    onWarning: (text) => void run(Effect.logWarning(text)),
    now,
    onSweepSooner: () => void runSweeping(sweeps),
    outbox: new Outbox(udp.send)
  })

  udp.listen({
    onDatagram: (datagram) => socket.receive(datagram),
    onRefused: (datagram, code) => socket.refused(datagram, code),
    onFailed: (cause) => {
      // Without its socket the transport cannot go on: every connection ends, and every dial fails.
      run(Effect.logError("the UDP socket failed", cause))
      socket.close()
    }
  })
  const sweeps = sweeping(socket, now)
  runSweeping(sweeps)
  // Finalizers run last to first: the connections end and hand their last packets over before the UDP socket closes.
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      shutdown(socket),
      Effect.sync(() => socket.close())
    )
  )
  return socket
})
