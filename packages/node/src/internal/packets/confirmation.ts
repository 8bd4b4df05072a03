/**
 * Whether a packet confirms the handshake to the side that dialled: the other side has completed it, and has not refused.
 */
import { isLongHeader, splitDatagram } from "./packetHeader.ts"
import { connectionIdLength } from "./connectionId.ts"

/** Frame types (RFC 9000, section 19). */
const ack = 0x02
const ackWithEcn = 0x03
const crypto = 0x06
const newToken = 0x07
const firstStream = 0x08
const lastStream = 0x0f
const newConnectionId = 0x18
const pathChallenge = 0x1a
const pathResponse = 0x1b
const handshakeDone = 0x1e

/** In bytes (RFC 9000, sections 19.15 and 19.17). */
const resetTokenLength = 16
const pathDataLength = 8

/** The length of a packet's authentication tag, in bytes (RFC 9001, section 5.3). */
const tagLength = 16

/** Where frames are being read. */
const cursor = { at: 0 }

/** Reads the variable-length integer at the cursor (RFC 9000, section 16). Beyond the packet's end it is NaN. */
const readVarint = (packet: Uint8Array): number => {
  const first = packet[cursor.at]!
  const end = cursor.at + (1 << (first >>> 6))
  let value = first & 0x3f
  for (cursor.at += 1; cursor.at < end; cursor.at++) value = value * 256 + packet[cursor.at]!
  return value
}

/** How many numbers follow the type of a frame that has nothing else. */
const numbersOf: Partial<Record<number, number>> = {
  0x00: 0, // PADDING
  0x01: 0, // PING
  0x04: 3, // RESET_STREAM
  0x05: 2, // STOP_SENDING
  0x10: 1, // MAX_DATA
  0x11: 2, // MAX_STREAM_DATA
  0x12: 1, // MAX_STREAMS, bidirectional
  0x13: 1, // MAX_STREAMS, unidirectional
  0x14: 1, // DATA_BLOCKED
  0x15: 2, // STREAM_DATA_BLOCKED
  0x16: 1, // STREAMS_BLOCKED, bidirectional
  0x17: 1, // STREAMS_BLOCKED, unidirectional
  0x19: 1, // RETIRE_CONNECTION_ID
  [handshakeDone]: 0
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
  const end = packet.length - tagLength
  cursor.at = 1 + connectionIdLength + (packet[0]! & 0x03) + 1
  let confirms = false
  while (cursor.at < end) {
    const type = packet[cursor.at]!
    if (type === ack || type === ackWithEcn || type === handshakeDone) confirms = true
    if (!skipFrame(packet)) return false
  }
  return confirms && cursor.at === end
}

/** Moves the cursor behind a frame. Returns false for a frame that closes the connection, or whose type is not known here. */
const skipFrame = (packet: Uint8Array): boolean => {
  const type = packet[cursor.at]!
  cursor.at += 1
  if (type >= firstStream && type <= lastStream) skipStream(packet, type)
  else if (type === ack || type === ackWithEcn) skipAck(packet, type === ackWithEcn)
  else if (type === crypto || type === newToken) {
    if (type === crypto) readVarint(packet)
    skip(readVarint(packet))
  } else if (type === newConnectionId) {
    readVarint(packet)
    readVarint(packet)
    skip(1 + packet[cursor.at]! + resetTokenLength)
  } else if (type === pathChallenge || type === pathResponse) skip(pathDataLength)
  else {
    const numbers = numbersOf[type]
    if (numbers === undefined) return false
    for (let i = 0; i < numbers; i++) readVarint(packet)
  }
  return true
}

/** Beyond the packet's end lengths are NaN, and so is the cursor then, which ends the walk. */
const skip = (bytes: number): void => {
  cursor.at += bytes
}

const skipAck = (packet: Uint8Array, withEcn: boolean): void => {
  // The largest number and the delay.
  readVarint(packet)
  readVarint(packet)
  const ranges = readVarint(packet)
  // The first range, then a gap and a length for each other range, then three counts of ECN marks.
  const numbers = 1 + 2 * ranges + (withEcn ? 3 : 0)
  for (let i = 0; i < numbers && cursor.at < packet.length; i++) readVarint(packet)
}

/** The bits of the type tell whether there are an offset and a length (RFC 9000, section 19.8). */
const skipStream = (packet: Uint8Array, type: number): void => {
  readVarint(packet)
  if ((type & 0x04) !== 0) readVarint(packet)
  if ((type & 0x02) !== 0) skip(readVarint(packet))
  else cursor.at = packet.length - tagLength
}
