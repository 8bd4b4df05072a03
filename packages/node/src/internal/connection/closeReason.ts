/**
 * Why a connection is over, as the binding tells it.
 */
import {
  ApplicationClosed,
  type Close,
  IdleTimedOut,
  LocallyClosed,
  StatelessReset,
  TransportClosed
} from "@qp2p/core/Close"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { APPLICATION_ERROR, decodeReason, untraced } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"

/** Why a connection is over that this side has not closed. */
export const foundClose = (native: NativeConnection): Close => untraced(() => closeOf(native))

/** The reason of a connection that its owner closes. Most connections end so, and to make an error costs more than the rest of an end. */
export const locallyClosed: LocallyClosed = untraced(() => new LocallyClosed())

/** The reason of a connection that the peer's owner has closed without giving a reason: see `locallyClosed`. */
const closedByPeer = untraced(() => new ApplicationClosed({ code: 0, detail: "" }))

const closeOf = (native: NativeConnection): Close => {
  const peer = native.peerError()
  if (peer !== null) {
    const code = ErrorCode.clamp(peer.errorCode)
    if (peer.isApp && code === 0 && peer.reason.length === 0) return closedByPeer
    const detail = decodeReason(peer.reason)
    if (peer.isApp) return new ApplicationClosed({ code, detail })
    // An application close during the handshake comes as this transport error (RFC 9000, section 10.2.3).
    return code === APPLICATION_ERROR
      ? new ApplicationClosed({ code: 0, detail })
      : new TransportClosed({ code, detail })
  }
  if (native.isTimedOut()) return new IdleTimedOut()
  const local = native.localError()
  if (local !== null) {
    return new TransportClosed({ code: ErrorCode.clamp(local.errorCode), detail: decodeReason(local.reason) })
  }
  // The binding reports nothing about a stateless reset (RFC 9000, section 10.3), so this case remains.
  return new StatelessReset()
}
