/**
 * A UDP socket over Effect's `DatagramSocket`: simulated networks plug in here.
 *
 * Of each batch it reports at most one datagram that was not sent, since the error names an address and no datagram.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type { BindError } from "@qp2p/core/EndpointError"
import * as socketErrors from "./socketErrors.ts"
import { codeOfKind } from "./systemCodes.ts"
import type { Batch, QueuedDatagram, UdpEvents, UdpSocket } from "./udpSocket.ts"

/** Opens a socket on `datagrams`. It closes with the scope, after everything that was handed over is out. */
export const open = Effect.fnUntraced(function* (
  address: NetAddress.InetAddress,
  datagrams: DatagramSocket.DatagramSocket
): Effect.fn.Return<UdpSocket, BindError, Scope.Scope> {
  const reader = yield* Effect.mapError(datagrams.reader, (cause) =>
    socketErrors.openError(
      address,
      cause.reason._tag === "DatagramSocketOpenError" ? cause.reason.kind : "Unknown",
      cause
    )
  )
  const writer = yield* datagrams.writer
  const run = Effect.runForkWith(yield* Effect.context<Scope.Scope>())
  const writes = new Set<Fiber.Fiber<void>>()
  let events: UdpEvents | undefined

  // It runs before the reader's finalizer, which closes the port, so that everything that was handed over is out by then.
  yield* Effect.addFinalizer(() => Effect.suspend(() => Fiber.awaitAll([...writes])))
  const receive = Effect.gen(function* () {
    while (true) {
      const arrived = yield* reader.pull
      for (const datagram of arrived) events?.onDatagram(datagram)
    }
  })
  yield* Effect.forkScoped(Effect.catch(receive, (error) => Effect.sync(() => events?.onFailed(error))))

  const send = (batch: Batch, done: () => void): void => {
    const write = Effect.catch(writer.writeAll(batch), (error) =>
      Effect.sync(() => {
        const refused = firstRefused(batch, error)
        if (refused !== undefined) events?.onRefused(refused, codeOf(error))
      })
    )
    const fiber = run(write)
    writes.add(fiber)
    fiber.addObserver(() => {
      writes.delete(fiber)
      done()
    })
  }
  const listen = (told: UdpEvents): void => {
    events = told
  }
  return { address: reader.address, listen, send }
})

/** The largest datagram to the address that the error names, since its size may be the reason. */
const firstRefused = (batch: Batch, { reason }: DatagramSocket.DatagramSocketError): QueuedDatagram | undefined => {
  if (reason._tag !== "DatagramSocketWriteError" || reason.address === undefined) return undefined
  const to = NetAddress.formatInet(reason.address)
  let largest: QueuedDatagram | undefined
  for (const datagram of batch) {
    if (NetAddress.formatInet(datagram.address) !== to) continue
    if (largest === undefined || datagram.payload.length > largest.payload.length) largest = datagram
  }
  return largest
}

/** The system's code, if the error tells it, or else the code of what Effect calls the error. */
const codeOf = ({ reason }: DatagramSocket.DatagramSocketError): string => {
  if (reason._tag !== "DatagramSocketWriteError") return "UNKNOWN"
  return socketErrors.codeOf(reason.cause) ?? codeOfKind(reason.kind)
}
