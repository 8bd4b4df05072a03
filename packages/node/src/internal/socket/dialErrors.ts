/**
 * The errors of dials: why a dial is not tried, and why it failed.
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
  PeerMismatch,
  PeerRefused,
  TransportError,
  VersionMismatch
} from "@qp2p/core/ConnectionError"
import type { PeerId } from "@qp2p/core/PeerId"
import { NO_APPLICATION_PROTOCOL } from "../binding/errorCodes.ts"
import { refusalReason } from "../udp/socketErrors.ts"

/** The view of a handshake. */
interface FailedHandshake {
  /** Whether it has taken too long. */
  readonly timedOut: boolean
  /** Whether the server speaks no version of this side's. */
  readonly versionMismatch: boolean
  /** The code of the system's error, if it has refused to send a packet. */
  readonly refusal: string | undefined
  /** The peer that this side has refused, if it has. */
  readonly refusedPeer: PeerId | undefined
}

/** Why `peer` cannot be dialled from a socket at `local`, if it cannot. */
export const refuseDial = (peer: NetAddress.InetAddress, local: NetAddress.InetAddress): InvalidAddress | undefined => {
  const input = NetAddress.formatInet(peer)
  const detail = undiallable(peer)
  if (detail !== undefined) return new InvalidAddress({ input, detail })
  const family = NetAddress.familyOf(local)
  if (NetAddress.familyOf(peer) !== family) {
    return new InvalidAddress({ input, detail: `this endpoint is bound to an ${family} address` })
  }
  return undefined
}

/**
 * The error of a dial from `local`, for the peer `expected` or any, whose handshake has failed with `close`; `heard` tells
 * whether the peer sent anything.
 */
export const dialError = (
  local: NetAddress.InetAddress,
  peer: NetAddress.InetAddress,
  expected: PeerId | undefined,
  handshake: FailedHandshake,
  heard: boolean,
  close: Close
): ConnectionError => {
  const { refusal, refusedPeer } = handshake
  if (refusedPeer !== undefined) {
    return expected === undefined || expected === refusedPeer
      ? new PeerRefused({ peerId: refusedPeer, address: peer, by: "Local" })
      : new PeerMismatch({ expected, actual: refusedPeer, address: peer })
  }
  if (handshake.versionMismatch) return new VersionMismatch({ peer })
  if (close._tag === "StatelessReset") return new ConnectionReset({ peer })
  if (refusal !== undefined && !heard) {
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
      return handshake.timedOut ? new ConnectionTimedOut({ peer }) : new ConnectionClosed({ peer, close })
  }
}
