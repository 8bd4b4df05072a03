/**
 * Frames of RPC streams, as bytes. README.md of this package describes the wire.
 *
 * A frame is `length u32 | kind u8 | call u32`, big-endian, and `length` bytes of content.
 */

/** The length of a frame's header, in bytes. */
export const headerLength = 9

/** What a frame carries. */
export const FrameKind = {
  /** One message of Effect RPC, in the serialization of both sides. As the first frame, it is the request of the stream's only call. */
  message: 0,
  /** The first frame of a shared stream, which carries many calls, told apart by their numbers. No content. */
  calls: 1,
  /** How many calls may be in flight on a shared stream. The content is the number, u32. */
  settings: 2,
  /** The caller on a shared stream no longer wants the answer. No content. */
  interrupt: 3,
  /** The answer on a shared stream waits for a stream of its own. The content is its ticket, u32. */
  moved: 4,
  /** The first frame of a stream for an answer that has moved. The content is the ticket. */
  claim: 5,
  /** The server has too many calls and has not looked at this one. No content. */
  refused: 6
} as const

const encoder = new TextEncoder()

/** The size of the buffers that short frames of text are cut from, in bytes. */
const slabSize = 64 << 10

/** Text of more characters than this gets a buffer of its own. */
const longText = 4 << 10

let slab = new Uint8Array(0)
let used = 0

const writeHeader = (into: Uint8Array, length: number, kind: number, call: number): void => {
  into[0] = length >>> 24
  into[1] = length >>> 16
  into[2] = length >>> 8
  into[3] = length
  into[4] = kind
  into[5] = call >>> 24
  into[6] = call >>> 16
  into[7] = call >>> 8
  into[8] = call
}

/** Encodes long text, most of which usually is ASCII: one byte for a character. */
const encodeLong = (kind: number, call: number, content: string): Uint8Array => {
  const bytes = new Uint8Array(headerLength + content.length)
  const { read } = encoder.encodeInto(content, bytes.subarray(headerLength))
  if (read < content.length) return encode(kind, call, encoder.encode(content))
  writeHeader(bytes, content.length, kind, call)
  return bytes
}

/** Encodes a frame. */
export const encode = (kind: number, call: number, content: Uint8Array | string): Uint8Array => {
  const start = headerLength
  if (typeof content !== "string") {
    const bytes = new Uint8Array(start + content.length)
    bytes.set(content, start)
    writeHeader(bytes, content.length, kind, call)
    return bytes
  }
  if (content.length > longText) return encodeLong(kind, call, content)
  // UTF-8 has at most three bytes for a character of a string.
  const most = start + content.length * 3
  if (used + most > slab.length) {
    slab = new Uint8Array(slabSize)
    used = 0
  }
  const { written } = encoder.encodeInto(content, slab.subarray(used + start))
  const bytes = slab.subarray(used, used + start + written)
  used += bytes.length
  writeHeader(bytes, written, kind, call)
  return bytes
}

/** Encodes a frame that may wait for long: into a buffer of its own, so that it keeps no other memory. */
export const encodeAlone = (kind: number, call: number, content: Uint8Array | string): Uint8Array => {
  const frame = encode(kind, call, content)
  return frame.length === frame.buffer.byteLength ? frame : frame.slice()
}

/** Encodes a number as u32. */
export const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)

/** Reads a u32 at a place. */
export const readU32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
