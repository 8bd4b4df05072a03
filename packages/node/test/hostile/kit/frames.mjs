/** QUIC frames as bytes (RFC 9000, section 19). They may be as wrong as an attack needs. */

/** A variable-length integer (RFC 9000, section 16). */
export const varint = (value) => {
  if (value < 64) return Buffer.of(value)
  if (value < 16_384) return Buffer.of(0x40 | (value >> 8), value & 0xff)
  const bytes = Buffer.alloc(value < 2 ** 30 ? 4 : 8)
  if (bytes.length === 4) bytes.writeUInt32BE((value | 0x80000000) >>> 0)
  else bytes.writeBigUInt64BE(BigInt(value) | (3n << 62n))
  return bytes
}

const frame = (type, ...fields) =>
  Buffer.concat([varint(type), ...fields.map((field) => (typeof field === "number" ? varint(field) : field))])

const byte = Buffer.of(0x21)

export const padding = (length) => Buffer.alloc(length)
export const ping = Buffer.of(0x01)

/** Acknowledges every packet number from 0 to `largest`. */
export const ackAll = (largest) => frame(0x02, largest, 0, 0, largest)

/** Acknowledges the packet numbers from `smallest` to `largest`. */
export const ack = (smallest, largest) => frame(0x02, largest, 0, 0, largest - smallest)

/** Acknowledges every second packet number, in `ranges` ranges that end at `largest`. */
export const ackHoles = (largest, ranges) =>
  frame(0x02, largest, 0, ranges - 1, 0, ...Array.from({ length: 2 * (ranges - 1) }, () => 0))

export const resetStream = (id, code, finalSize) => frame(0x04, id, code, finalSize)
export const stopSending = (id, code) => frame(0x05, id, code)
export const crypto = (offset, data = byte) => frame(0x06, offset, data.length, data)
export const stream = (id, offset, data = byte, fin = false) =>
  frame(0x0e | (fin ? 1 : 0), id, offset, data.length, data)
export const maxData = (bytes) => frame(0x10, bytes)
export const maxStreamData = (id, bytes) => frame(0x11, id, bytes)
export const streamDataBlocked = (id, limit) => frame(0x15, id, limit)
export const newConnectionId = (sequence, retirePriorTo, id, token) =>
  frame(0x18, sequence, retirePriorTo, id.length, id, token)
export const pathChallenge = (data) => frame(0x1a, data)
/** DATAGRAM (RFC 9221, section 4). */
export const datagram = (data) => frame(0x31, data.length, data)
export const connectionClose = (code) => frame(0x1d, code, 0)

/** Concatenates what `make` returns for 0, 1, 2 and so on, while it fits into `limit` bytes and is not undefined. */
export const fill = (limit, make) => {
  const parts = []
  let length = 0
  for (let i = 0; ; i++) {
    const part = make(i)
    if (part === undefined || length + part.length > limit) return Buffer.concat(parts)
    parts.push(part)
    length += part.length
  }
}

/** Writes varints of up to 30 bits one behind the other, for packets of very many small frames. */
class Writer {
  constructor(limit) {
    this.bytes = Buffer.allocUnsafe(limit)
    this.at = 0
  }
  put(value) {
    if (value < 64) this.at = this.bytes.writeUInt8(value, this.at)
    else if (value < 16_384) this.at = this.bytes.writeUInt16BE(0x4000 | value, this.at)
    else this.at = this.bytes.writeUInt32BE((0x80000000 | value) >>> 0, this.at)
  }
}

/** Bytes of the largest fragment of one byte: its type, its stream, its offset, its length and the byte. */
const largestFragment = 1 + 4 + 4 + 1 + 1

/** As many STREAM frames of one byte as fit. `place(i)` is the stream and the offset of number `i`, from `first` on. */
export const streamFragments = (limit, first, place) => {
  const writer = new Writer(limit)
  let next = first
  for (; writer.at + largestFragment <= limit; next++) {
    const [id, offset] = place(next)
    writer.put(0x0e)
    writer.put(id)
    writer.put(offset)
    writer.put(1)
    writer.put(0x21)
  }
  return { payload: writer.bytes.subarray(0, writer.at), next }
}

/** As many CRYPTO frames of one byte as fit. `offset(i)` is the offset of number `i`, from `first` on. */
export const cryptoFragments = (limit, first, offset) => {
  const writer = new Writer(limit)
  let next = first
  for (; writer.at + largestFragment <= limit; next++) {
    writer.put(0x06)
    writer.put(offset(next))
    writer.put(1)
    writer.put(0x21)
  }
  return { payload: writer.bytes.subarray(0, writer.at), next }
}
