/**
 * QUIC packet headers (RFC 8999, and RFC 9000, section 17), parsed without the binding: its parser throws on every stray
 * datagram and leaks memory with each token that it reads.
 */
import { connectionIdLength } from "./connectionId.ts"

/** QUIC version 1 (RFC 9000). */
export const version1 = 1

/** A long header (RFC 9000, section 17.2). */
export interface LongHeader {
  readonly version: number
  readonly initial: boolean
  readonly dcid: Uint8Array
  readonly scid: Uint8Array
  /** The token of an Initial packet of version 1; empty in every other packet. */
  readonly token: Uint8Array
  /** The offset at which the version-independent part ends, and the versions of a version negotiation packet begin. */
  readonly end: number
}

const empty = new Uint8Array(0)

/** Whether a packet has a long header. */
export const isLongHeader = (packet: Uint8Array): boolean => packet.length > 0 && (packet[0]! & 0x80) !== 0

/** Whether a packet of version 1 is a Retry packet (RFC 9000, section 17.2.5). */
export const isRetry = (packet: Uint8Array): boolean => packet.length > 0 && (packet[0]! & 0xf0) === 0xf0

/** A map key for a connection id that stands in a packet. */
export const idKey = (packet: Uint8Array, start: number, end: number): string =>
  // What comes from a socket is a buffer.
  (Buffer.isBuffer(packet) ? packet : Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength)).toString(
    "latin1",
    start,
    end
  )

/** A map key for a connection id. */
export const keyOf = (id: Uint8Array): string => idKey(id, 0, id.length)

/** The connection id of a map key. */
export const idOf = (key: string): Uint8Array => Buffer.from(key, "latin1")

/** A packet number as a packet carries it: its last `length` bytes, 1 to 4. */
export interface PacketNumber {
  readonly value: number
  readonly length: number
}

/** The number of a packet that the binding has taken, which has removed the header protection in place. */
export const packetNumberOf = (packet: Uint8Array): PacketNumber | undefined => {
  if (isLongHeader(packet)) return undefined
  const length = (packet[0]! & 0x03) + 1
  let value = 0
  for (let i = 0; i < length; i++) value = value * 256 + packet[1 + connectionIdLength + i]!
  return { value, length }
}

/** The key of the destination id of a packet with a short header. Ids of this side all have one length. */
export const shortHeaderKey = (packet: Uint8Array): string | undefined =>
  packet.length < 1 + connectionIdLength ? undefined : idKey(packet, 1, 1 + connectionIdLength)

/** Parses a long header; undefined if it is malformed. */
export const parseLongHeader = (packet: Uint8Array): LongHeader | undefined => {
  if (packet.length < 7) return undefined
  const version = ((packet[1]! << 24) | (packet[2]! << 16) | (packet[3]! << 8) | packet[4]!) >>> 0
  const dcidLength = packet[5]!
  let offset = 6 + dcidLength
  if (offset + 1 > packet.length) return undefined
  const dcid = packet.subarray(6, offset)
  const scidLength = packet[offset]!
  offset += 1
  if (offset + scidLength > packet.length) return undefined
  const scid = packet.subarray(offset, offset + scidLength)
  offset += scidLength
  // Ids of other versions may be longer (RFC 8999, section 5.1), and version negotiation has to echo them.
  if (version === version1 && (dcidLength > 20 || scidLength > 20)) return undefined
  const initial = version === version1 && (packet[0]! & 0x30) === 0
  if (!initial) return { version, initial, dcid, scid, token: empty, end: offset }
  const tokenLength = varint(packet, offset)
  if (tokenLength < 0) return undefined
  const tokenStart = offset + varintSize(packet, offset)
  if (tokenStart + tokenLength > packet.length) return undefined
  return {
    version,
    initial,
    dcid,
    scid,
    token: packet.subarray(tokenStart, tokenStart + tokenLength),
    end: offset
  }
}

/** Splits a datagram into its packets, of which there may be several during the handshake (RFC 9000, section 12.2). */
export const splitDatagram = (datagram: Uint8Array): Array<Uint8Array> => {
  let end = packetEnd(datagram, 0)
  if (end >= datagram.length) return [datagram]
  const packets: Array<Uint8Array> = []
  let start = 0
  while (end < datagram.length) {
    packets.push(datagram.subarray(start, end))
    start = end
    end = packetEnd(datagram, start)
  }
  packets.push(datagram.subarray(start))
  return packets
}

/**
 * Whether a datagram, the first `length` bytes, ends with a packet that has a short header. An Initial packet may be followed by
 * zeros.
 */
export const endsInShortHeader = (datagram: Uint8Array, length: number): boolean => {
  let start = 0
  for (let end = packetEnd(datagram, 0); end < length; end = packetEnd(datagram, start)) start = end
  return (datagram[start]! & 0xc0) === 0x40
}

/**
 * The offset at which the packet of version 1 with a long header ends that begins at `at`; `Infinity` where it cannot be told. A Retry
 * packet has no length: it ends with the datagram.
 */
const packetEnd = (bytes: Uint8Array, at: number): number => {
  const length = lengthAt(bytes, at)
  return length < 0 ? Infinity : length + varintSize(bytes, length) + varint(bytes, length)
}

/** Where the length of the packet stands that begins at `at`; -1 if it has none. Reads a header without any allocation. */
const lengthAt = (bytes: Uint8Array, at: number): number => {
  const first = bytes[at]!
  // A Retry packet has no length. The version comes behind the first byte.
  if (!(first & 0x80) || (first & 0x30) === 0x30) return -1
  if (bytes[at + 4] !== version1 || bytes[at + 1] !== 0 || bytes[at + 2] !== 0 || bytes[at + 3] !== 0) return -1
  const dcidLength = bytes[at + 5]!
  const scidLength = bytes[at + 6 + dcidLength]!
  if (!(dcidLength <= 20 && scidLength <= 20)) return -1
  let offset = at + 7 + dcidLength + scidLength
  if ((first & 0x30) === 0) {
    const token = varint(bytes, offset)
    if (token < 0) return -1
    offset += varintSize(bytes, offset) + token
  }
  return varint(bytes, offset) < 0 ? -1 : offset
}

/** Where the frames of a packet with a long header begin that the binding has decrypted in place; undefined if it has none. */
export const longFramesStart = (packet: Uint8Array): number | undefined => {
  const length = lengthAt(packet, 0)
  if (length < 0 || packetEnd(packet, 0) > packet.length) return undefined
  return length + varintSize(packet, length) + (packet[0]! & 0x03) + 1
}

/** The versions that a version negotiation packet offers (RFC 9000, section 17.2.1). */
export const offeredVersions = (packet: Uint8Array, header: LongHeader): ReadonlyArray<number> => {
  const versions: Array<number> = []
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  for (let offset = header.end; offset + 4 <= packet.length; offset += 4) versions.push(view.getUint32(offset))
  return versions
}

/** A version negotiation packet that offers version 1. `random` makes the unused bits unpredictable. */
export const versionNegotiation = (header: LongHeader, random: number): Uint8Array => {
  const { dcid, scid } = header
  const packet = new Uint8Array(7 + scid.length + dcid.length + 4)
  packet[0] = 0x80 | (random & 0x7f)
  packet[5] = scid.length
  packet.set(scid, 6)
  packet[6 + scid.length] = dcid.length
  packet.set(dcid, 7 + scid.length)
  packet[packet.length - 1] = version1
  return packet
}

/**
 * The variable-length integer at `offset` (RFC 9000, section 16), up to 2^30 - 1: no token is longer than a datagram. -1 if there is
 * none.
 */
const varint = (bytes: Uint8Array, offset: number): number => {
  const size = varintSize(bytes, offset)
  if (size === 8 || !(offset + size <= bytes.length)) return -1
  let value = bytes[offset]! & 0x3f
  for (let i = 1; i < size; i++) value = value * 256 + bytes[offset + i]!
  return value
}

/** The size of the variable-length integer at `offset`, in bytes. */
const varintSize = (bytes: Uint8Array, offset: number): number => 1 << (bytes[offset]! >>> 6)
