/**
 * Why a dial is not tried, and why it failed.
 */
import * as NetAddress from "effect/net/NetAddress"
import { undiallable } from "@qp2p/core/Address"
import type { Close } from "@qp2p/core/Close"
import {
  ConnectionClosed,
  type ConnectionError,
  ConnectionReset,
  ConnectionTimedOut,
  DatagramRefused,
  InvalidAddress,
  TooManyConnections,
  TransportError,
  VersionMismatch
} from "@qp2p/core/ConnectionError"
import type { Connection } from "../connection/connection.ts"
import { NO_APPLICATION_PROTOCOL } from "../binding/errorCodes.ts"
import { refusalReason } from "../udp/socketErrors.ts"

/** Whether `peer` cannot be dialled from a socket at `local` that has `live` connections. */
export const refuseDial = (
  peer: NetAddress.InetAddress,
  local: NetAddress.InetAddress,
  live: number,
  maxConnections: number
): ConnectionError | undefined => {
  const input = NetAddress.formatInet(peer)
  const detail = undiallable(peer)
  if (detail !== undefined) return new InvalidAddress({ input, detail })
  const family = NetAddress.familyOf(local)
  if (NetAddress.familyOf(peer) !== family) {
    return new InvalidAddress({ input, detail: `this endpoint is bound to an ${family} address` })
  }
  return live >= maxConnections ? new TooManyConnections({ limit: maxConnections }) : undefined
}

/** What the end of a handshake that came to nothing says of the dial from `local`. */
export const dialError = (
  local: NetAddress.InetAddress,
  peer: NetAddress.InetAddress,
  connection: Connection,
  close: Close
): ConnectionError => {
  if (connection.versionMismatch) return new VersionMismatch({ peer })
  if (close._tag === "StatelessReset") return new ConnectionReset({ peer })
  const { refusal } = connection
  if (refusal !== undefined && connection.heard() === 0) {
    return new DatagramRefused({ peer, systemCode: refusal, detail: refusalReason(refusal, local, peer) })
  }
  switch (close._tag) {
    case "TransportClosed":
      return close.code === NO_APPLICATION_PROTOCOL
        ? new VersionMismatch({ peer })
        : new TransportError({ peer, code: close.code, detail: close.detail })
    case "IdleTimedOut":
      return new ConnectionTimedOut({ peer })
    default:
      return connection.handshakeTimedOut ? new ConnectionTimedOut({ peer }) : new ConnectionClosed({ peer, close })
  }
}
