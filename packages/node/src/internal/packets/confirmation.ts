/**
 * Whether a packet confirms the handshake to the side that dialled: the other side has completed it, and has not refused.
 */
import { type FrameVisitor, walkWhole } from "./frames.ts"
import { isLongHeader, splitDatagram } from "./packetHeader.ts"

let confirms = false

const confirm = (): void => {
  confirms = true
}

const ignore = (): void => {}

const visitor: FrameVisitor = {
  wantsAckRanges: false,
  onAckRange: ignore,
  onAck: confirm,
  onHandshakeDone: confirm,
  onStop: ignore,
  onStream: ignore,
  onCrypto: ignore,
  onNewConnectionId: ignore,
  onControl: ignore
}

/**
 * Whether a datagram that the binding has decrypted in place ends in a 1-RTT packet that confirms the handshake (RFC 9001,
 * section 4.1.2): with HANDSHAKE_DONE, or with an acknowledgement of 1-RTT packets, which the other side reads only when its
 * handshake is complete. A packet that closes the connection confirms nothing. Neither does one with a frame that is not
 * known here.
 */
export const confirmsHandshake = (datagram: Uint8Array): boolean => {
  const packet = isLongHeader(datagram) ? splitDatagram(datagram).at(-1)! : datagram
  if (isLongHeader(packet)) return false
  confirms = false
  return walkWhole(packet, visitor) && confirms
}
