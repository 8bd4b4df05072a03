/**
 * The live transport: QUIC version 1 by the native binding of `@matrixai/quic`, over Effect's `DatagramSocket`.
 *
 * @since 0.1.0
 */
import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import { unbindable } from "./Address.ts"
import { SocketError } from "./EndpointError.ts"
import * as certificate from "./internal/quiche/certificate.ts"
import { interfaces } from "./internal/quiche/interfaces.ts"
import { farewell } from "./internal/quiche/farewell.ts"
import * as native from "./internal/quiche/native.ts"
import * as nativeConfig from "./internal/quiche/nativeConfig.ts"
import { Outbox } from "./internal/quiche/outbox.ts"
import { Socket } from "./internal/quiche/socket.ts"
import * as tunables from "./internal/quiche/tunables.ts"
import {
  type BackingSocket,
  type BindOptions,
  type NetworkInterface,
  type SocketEvents,
  Transport
} from "./Transport.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Largest UDP payload to try, in bytes: 1,200 to 16,383; by default 16,383 within a machine and 1,452 elsewhere. Packets
   * begin with 1,200 bytes, or within a machine with the largest, and grow and shrink with what gets through (RFC 9000,
   * section 14). The peer's own limit applies too.
   */
  readonly maxUdpPayload?: number | undefined
  /** Makes the UDP socket for an address. The default is Node's; a simulated network plugs in here. */
  readonly openSocket?: ((address: NetAddress.InetAddress) => Effect.Effect<DatagramSocket.DatagramSocket>) | undefined
  /** The interfaces that `openSocket` binds to. The default is those of this machine. */
  readonly interfaces?: (() => ReadonlyArray<NetworkInterface>) | undefined
}

/**
 * Loads the binding when a socket is bound, so that a platform without one fails there, with a `SocketError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Transport["Service"] =>
  Transport.of({
    bind: (bind, events) => open(bind, events, options),
    interfaces: options.interfaces ?? interfaces
  })

/**
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<Transport> => Layer.sync(Transport, () => make(options))

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Transport> = layerWith({})

const openNodeSocket = (address: NetAddress.InetAddress): Effect.Effect<DatagramSocket.DatagramSocket> =>
  NodeDatagramSocket.make({
    bind: address,
    // One family a socket: an IPv4 peer on a dual-stack socket would have two addresses.
    ipv6Only: NetAddress.isInetAddressV6(address),
    kernelReceiveBufferSize: tunables.kernelBuffer,
    kernelSendBufferSize: tunables.kernelBuffer,
    receiveBuffer: { capacity: tunables.receiveQueue }
  })

const open = Effect.fnUntraced(function* (
  bind: BindOptions,
  events: SocketEvents,
  options: Options
): Effect.fn.Return<BackingSocket, SocketError, Scope.Scope> {
  const address = bind.localAddress
  const reason = unbindable(address)
  if (reason !== undefined) return yield* new SocketError({ address, reason, cause: new Error(reason) })
  const quiche = yield* Effect.mapError(native.load, ({ cause, reason }) => new SocketError({ address, reason, cause }))
  const credentials = yield* certificate.selfSigned
  const datagrams = yield* (options.openSocket ?? openNodeSocket)(address)
  const reader = yield* Effect.mapError(datagrams.reader, (cause) => {
    const kind = cause.reason._tag === "DatagramSocketOpenError" ? cause.reason.kind : "Unknown"
    return new SocketError({ address, reason: openFailures[kind], cause })
  })
  const writer = yield* datagrams.writer
  const idleTimeout = Duration.toMillis(bind.idleTimeout)
  const maxUdpPayload = options.maxUdpPayload && Math.min(Math.max(options.maxUdpPayload, 1_200), 16_383)
  const clock = yield* Clock.Clock
  // Not the time of day: a clock that is set must neither end connections nor keep them.
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
  const context = yield* Effect.context<Scope.Scope>()
  const run = Effect.runForkWith(context)
  const writes = new Set<Fiber.Fiber<void>>()

  const pressing = Latch.makeUnsafe(false)
  const outbox = new Outbox((batch, done) => {
    // Losing datagrams is what networks do, and QUIC sends them again: an error of one is no error of ours.
    const fiber = run(Effect.catch(writer.writeAll(batch), (error) => Effect.sync(() => noteWriteError(socket, error))))
    writes.add(fiber)
    fiber.addObserver(() => {
      writes.delete(fiber)
      done()
    })
  })
  const socket = new Socket({
    quiche,
    configOf: nativeConfig.configs(quiche, { credentials, idleTimeout }),
    maxPayload: ({ address }) =>
      maxUdpPayload ?? (NetAddress.isLoopback(address) ? tunables.loopbackPayload : tunables.networkPayload),
    address: reader.address,
    bind,
    idleTimeout,
    events,
    onDefect: (defect) => void run(Effect.logError("a connection was closed because of a defect", defect)),
    onOverload: (peer, unread) =>
      void run(
        Effect.logWarning("closed the connection with the most unread bytes: the application does not keep up").pipe(
          Effect.annotateLogs({ peer: NetAddress.formatInet(peer), unread })
        )
      ),
    now,
    onPressing: () => pressing.openUnsafe(),
    outbox
  })

  yield* Effect.forkScoped(
    Effect.catch(receive(reader, socket), (error) =>
      // Without its socket nothing can go on: every connection ends, and every dial fails.
      Effect.andThen(
        Effect.logError("the UDP socket failed", error),
        Effect.sync(() => socket.close())
      )
    )
  )
  yield* Effect.forkScoped(housekeeping(socket, pressing, now))
  // Finalizers run last to first: the connections end and their last packets leave before the reader closes the port.
  yield* Effect.addFinalizer(() =>
    farewell(socket).pipe(
      Effect.andThen(Effect.sync(() => socket.close())),
      Effect.andThen(Effect.suspend(() => Fiber.awaitAll([...writes])))
    )
  )
  return socket
})

const noteWriteError = (socket: Socket, { reason }: DatagramSocket.DatagramSocketError): void => {
  if (reason._tag !== "DatagramSocketWriteError" || reason.address === undefined) return
  if (reason.kind === "Unreachable") socket.unreachable(reason.address, "the network is unreachable")
}

const receive = Effect.fnUntraced(function* (reader: DatagramSocket.Reader, socket: Socket) {
  while (true) {
    const datagrams = yield* reader.pull
    for (const datagram of datagrams) socket.receive(datagram)
  }
})

/** Sweeps; sooner than it was to when something has become `pressing`. */
const housekeeping = Effect.fnUntraced(function* (socket: Socket, pressing: Latch.Latch, now: () => number) {
  let last = now()
  while (true) {
    const interval = socket.sweepInterval
    yield* Effect.raceFirst(Effect.sleep(interval), pressing.await)
    pressing.closeUnsafe()
    const woken = now()
    // A process that was busy or asleep has not listened meanwhile, and must not blame its peers for that.
    socket.sweep(Math.min(woken - last, 2 * interval))
    last = woken
  }
})

const openFailures = {
  AddressInUse: "the address is in use",
  AddressNotAvailable: "the address is not one of this machine",
  PermissionDenied: "permission denied",
  Unknown: "the socket could not be opened"
} as const
