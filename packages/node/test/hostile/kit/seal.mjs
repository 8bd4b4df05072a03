/** Protects packets as QUIC does, whatever is in them (RFC 9001, section 5.3 and 5.4). */
import { createCipheriv } from "node:crypto"

const tagLength = 16
const numberLength = 4

/** Seals packets with one set of keys. */
export class Sealer {
  constructor(keys) {
    this.keys = keys
    this.mask = createCipheriv("aes-128-ecb", keys.headerKey, null).setAutoPadding(false)
    this.nonce = Buffer.from(keys.iv)
  }

  /** A packet with a short header. `number` has up to 32 bits. */
  short(dcid, number, frames) {
    return this.seal(Buffer.concat([Buffer.of(0x40 | (numberLength - 1)), dcid]), number, frames, 0x1f)
  }

  /** An Initial packet of at least `atLeast` bytes; padding is added behind the frames. */
  initial({ dcid, scid, number, frames, atLeast = 1_200, token = Buffer.alloc(0) }) {
    const head = [0xc0 | (numberLength - 1), 0, 0, 0, 1, dcid.length, ...dcid, scid.length, ...scid]
    const start = Buffer.concat([Buffer.from(head), Buffer.of(0x40 | (token.length >> 8), token.length & 0xff), token])
    const length = Math.max(frames.length + numberLength + tagLength, atLeast - start.length - 2)
    const padded = Buffer.alloc(length - numberLength - tagLength)
    frames.copy(padded)
    return this.seal(Buffer.concat([start, Buffer.of(0x40 | (length >> 8), length & 0xff)]), number, padded, 0x0f)
  }

  seal(start, number, frames, maskedBits) {
    const at = start.length
    const packet = Buffer.allocUnsafe(at + numberLength + frames.length + tagLength)
    start.copy(packet)
    packet.writeUInt32BE(number, at)
    const { iv, key } = this.keys
    iv.copy(this.nonce)
    for (let i = 0; i < numberLength; i++) this.nonce[8 + i] ^= packet[at + i]
    const cipher = createCipheriv("aes-128-gcm", key, this.nonce)
    cipher.setAAD(packet.subarray(0, at + numberLength))
    cipher.update(frames).copy(packet, at + numberLength)
    cipher.final()
    cipher.getAuthTag().copy(packet, packet.length - tagLength)
    const mask = this.mask.update(packet.subarray(at + 4, at + 20))
    packet[0] ^= mask[0] & maskedBits
    for (let i = 0; i < numberLength; i++) packet[at + i] ^= mask[1 + i]
    return packet
  }
}
