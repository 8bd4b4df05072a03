/**
 * Reads the frames of a packet that the binding has decrypted in place (RFC 9000, sections 12.4 and 19, and RFC 9221), in one
 * pass and without making an object.
 *
 * The binding reports few of the frames that it takes. So the driver reads them too: acknowledgements, the codes of stops,
 * and those frames for which the binding keeps something.
 */
import { connectionIdLength } from "./connectionId.ts"

/** The length of a packet's authentication tag, in bytes (RFC 9001, section 5.3). */
const tagLength = 16

/** In bytes (RFC 9000, sections 19.15 and 19.17). */
const resetTokenLength = 16
const pathDataLength = 8

/** A run of this many zeros is taken for padding up to the end of the packet, which one comparison shows. */
const paddingRun = 16

/** Receives the frames of a packet. Numbers above 2^53 are rounded. */
export interface FrameVisitor {
  /** Whether `onAckRange` is to be called. */
  readonly wantsAckRanges: boolean
  /** ACK: one of the older ranges of packet numbers, before `onAck` is called with the newest one. */
  readonly onAckRange: (smallest: number, largest: number) => void
  /** ACK: the newest range of packet numbers. */
  readonly onAck: (smallest: number, largest: number) => void
  /** STOP_SENDING. */
  readonly onStop: (id: number, code: number) => void
  /** STREAM: where its data begins in the stream, and how many bytes it has. */
  readonly onStream: (id: number, offset: number, length: number, fin: boolean) => void
  /** MAX_STREAM_DATA. */
  readonly onMaxStreamData: (id: number) => void
  readonly onCrypto: (offset: number, length: number) => void
  /** DATAGRAM: how many bytes it has. */
  readonly onDatagram: (length: number) => void
  readonly onHandshakeDone: () => void
  /**
   * NEW_CONNECTION_ID: the id begins at the offset `at` in the packet, and the token of 16 bytes comes behind it. Ids with a
   * sequence number below `retiresPriorTo` are not to be used any more.
   */
  readonly onNewConnectionId: (
    sequence: number,
    packet: Uint8Array,
    at: number,
    length: number,
    retiresPriorTo: number
  ) => void
  /** NEW_TOKEN, RETIRE_CONNECTION_ID, PATH_CHALLENGE or PATH_RESPONSE. */
  readonly onControl: (type: number) => void
}

/** Where frames are being read: one place for all packets. */
let at = 0

/** Reads the variable-length integer at `at` (RFC 9000, section 16). Beyond the packet's end the value means nothing. */
const varint = (packet: Uint8Array): number => {
  const first = packet[at]!
  if (first < 0x40) {
    at += 1
    return first
  }
  if (first < 0x80) {
    const value = ((first & 0x3f) << 8) | packet[at + 1]!
    at += 2
    return value
  }
  if (first < 0xc0) {
    const value = ((first & 0x3f) << 24) | (packet[at + 1]! << 16) | (packet[at + 2]! << 8) | packet[at + 3]!
    at += 4
    return value
  }
  const high = ((first & 0x3f) << 24) | (packet[at + 1]! << 16) | (packet[at + 2]! << 8) | packet[at + 3]!
  const low = ((packet[at + 4]! << 24) | (packet[at + 5]! << 16) | (packet[at + 6]! << 8) | packet[at + 7]!) >>> 0
  at += 8
  return high * 2 ** 32 + low
}

/**
 * The offset of the first frame in a packet with a short header whose header protection is removed (RFC 9000, section 17.3.1).
 */
export const framesStart = (packet: Uint8Array): number => 1 + connectionIdLength + (packet[0]! & 0x03) + 1

/** The offset at which the frames of a packet end, and its tag begins. */
export const framesEnd = (packet: Uint8Array): number => packet.length - tagLength

const zeros = new Uint8Array(65_536)

/** Moves `at` behind zeros. */
const skipPadding = (packet: Uint8Array, end: number): void => {
  const enough = Math.min(at + paddingRun, end)
  while (at < enough && packet[at] === 0) at += 1
  if (at < enough || at >= end) return
  const { compare } = Buffer.prototype
  if (compare.call(packet, zeros, 0, end - at, at, end) === 0) at = end
  else while (packet[at] === 0) at += 1
}

/** Whether nothing but padding is in a packet. So is a packet that failed authentication: the binding has made it zeros. */
export const isPadding = (packet: Uint8Array): boolean => {
  const start = framesStart(packet)
  const end = framesEnd(packet)
  if (packet[start] !== 0) return start >= end
  at = start
  skipPadding(packet, end)
  return at >= end
}

/**
 * Hands the frames of a decrypted packet to `visitor`, in their order; they begin at `start`, which is found in short headers.
 * An unknown or truncated frame ends the walk: the binding closes the connection because of it. Returns the number of frames, a
 * run of padding counted as one.
 */
export const walk = (packet: Uint8Array, visitor: FrameVisitor, start = framesStart(packet)): number => {
  const end = framesEnd(packet)
  at = start
  let frames = 0
  while (at < end) {
    // The binding also takes types that are not in their shortest form.
    const type = varint(packet)
    switch (type) {
      case 0x00: // PADDING
        skipPadding(packet, end)
        break
      case 0x01: // PING
        break
      case 0x1e: // HANDSHAKE_DONE
        visitor.onHandshakeDone()
        break
      case 0x02: // ACK
      case 0x03: {
        // ACK with ECN counts
        const largest = varint(packet)
        varint(packet)
        const ranges = varint(packet)
        const smallest = largest - varint(packet)
        let left = 2 * ranges + (type === 0x03 ? 3 : 0)
        if (visitor.wantsAckRanges) {
          for (let next = smallest - 2, i = 0; i < ranges && at < end; i++) {
            const upper = next - varint(packet)
            const lower = upper - varint(packet)
            if (at > end) return frames
            visitor.onAckRange(lower, upper)
            next = lower - 2
            left -= 2
          }
        }
        for (; left > 0 && at < end; left--) varint(packet)
        if (left > 0) at = end + 1
        if (at > end) return frames
        visitor.onAck(smallest, largest)
        break
      }
      case 0x04: // RESET_STREAM
        varint(packet)
        varint(packet)
        varint(packet)
        break
      case 0x05: {
        // STOP_SENDING
        const id = varint(packet)
        const code = varint(packet)
        if (at > end) return frames
        visitor.onStop(id, code)
        break
      }
      case 0x06: {
        // CRYPTO
        const offset = varint(packet)
        const length = varint(packet)
        at += length
        if (!(at <= end)) return frames
        visitor.onCrypto(offset, length)
        break
      }
      case 0x07: {
        // NEW_TOKEN
        const length = varint(packet)
        at += length
        if (!(at <= end)) return frames
        visitor.onControl(type)
        break
      }
      case 0x08: // STREAM: the bits are FIN 1, LEN 2, OFF 4
      case 0x09:
      case 0x0a:
      case 0x0b:
      case 0x0c:
      case 0x0d:
      case 0x0e:
      case 0x0f: {
        const id = varint(packet)
        const offset = (type & 0x04) !== 0 ? varint(packet) : 0
        const length = (type & 0x02) !== 0 ? varint(packet) : end - at
        at += length
        // Without a length, the numbers before the data may have ended behind the packet.
        if (!(at <= end) || length < 0) return frames
        visitor.onStream(id, offset, length, (type & 0x01) !== 0)
        break
      }
      case 0x10: // MAX_DATA
      case 0x12: // MAX_STREAMS, bidirectional
      case 0x13: // MAX_STREAMS, unidirectional
      case 0x14: // DATA_BLOCKED
      case 0x16: // STREAMS_BLOCKED, bidirectional
      case 0x17: // STREAMS_BLOCKED, unidirectional
        varint(packet)
        break
      case 0x11: {
        // MAX_STREAM_DATA
        const id = varint(packet)
        varint(packet)
        if (at > end) return frames
        visitor.onMaxStreamData(id)
        break
      }
      case 0x15: // STREAM_DATA_BLOCKED
        varint(packet)
        varint(packet)
        break
      case 0x18: {
        // NEW_CONNECTION_ID
        const sequence = varint(packet)
        const retiresPriorTo = varint(packet)
        const length = packet[at]!
        const idAt = at + 1
        at = idAt + length + resetTokenLength
        if (!(at <= end)) return frames
        visitor.onNewConnectionId(sequence, packet, idAt, length, retiresPriorTo)
        break
      }
      case 0x19: // RETIRE_CONNECTION_ID
        varint(packet)
        if (at > end) return frames
        visitor.onControl(type)
        break
      case 0x1a: // PATH_CHALLENGE
      case 0x1b: // PATH_RESPONSE
        at += pathDataLength
        if (at > end) return frames
        visitor.onControl(type)
        break
      case 0x30: {
        // DATAGRAM without a length, up to the end of the packet
        const length = end - at
        at = end
        // The type itself may have ended behind the packet.
        if (length < 0) return frames
        visitor.onDatagram(length)
        break
      }
      case 0x31: {
        // DATAGRAM
        const length = varint(packet)
        at += length
        if (!(at <= end)) return frames
        visitor.onDatagram(length)
        break
      }
      default:
        // CONNECTION_CLOSE ends the connection: nothing behind it matters.
        at = end + 1
        return frames
    }
    if (!(at <= end)) return frames
    frames += 1
  }
  return frames
}

/** Whether every frame of the packet that was walked over last is known and whole, and none closes the connection. */
export const hasWalked = (packet: Uint8Array): boolean => at === framesEnd(packet)
