/**
 * A UDP socket that is a `DatagramSocket` of Effect's: simulated networks plug in here.
 *
 * Of a batch it tells the first datagram that was not sent, and not of what size that was.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type { BindError } from "@qp2p/core/EndpointError"
import * as socketErrors from "./socketErrors.ts"
import type { Batch, QueuedDatagram, UdpEvents, UdpSocket } from "./udpSocket.ts"

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

  // Before the reader's finalizer, which closes the port: what was handed over is out by then.
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

/** The largest to the address that is named, since size may have been the reason. */
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

/** The system's, where it is told. */
const codeOf = ({ reason }: DatagramSocket.DatagramSocketError): string => {
  if (reason._tag !== "DatagramSocketWriteError") return "UNKNOWN"
  return socketErrors.codeOf(reason.cause) ?? codes[reason.kind]
}

const codes: Record<DatagramSocket.IoErrorKind, string> = {
  MessageTooLarge: "EMSGSIZE",
  Unreachable: "ENETUNREACH",
  ConnectionRefused: "ECONNREFUSED",
  PermissionDenied: "EACCES",
  Unknown: "UNKNOWN"
}
