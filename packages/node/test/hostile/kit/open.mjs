/** Opens packets of the node: what it says to a peer that forges (RFC 9001, sections 5.3 and 5.4). */
import { createCipheriv, createDecipheriv } from "node:crypto"

const tagLength = 16
const idLength = 20

/** The number, below 2^32, whose lowest `length` bytes are `low` (RFC 9000, appendix A.3). */
const expand = (low, length, largest) => {
  const range = 256 ** length
  const expected = largest + 1
  const near = expected - (expected % range) + low
  if (near + range / 2 <= expected) return near + range
  return near > expected + range / 2 && near >= range ? near - range : near
}

/** Opens packets with one set of keys. */
export class Opener {
  constructor(keys) {
    this.keys = keys
    this.mask = createCipheriv("aes-128-ecb", keys.headerKey, null).setAutoPadding(false)
    /** The number of the packet that was opened last, and the largest so far. */
    this.number = -1
    this.largest = -1
  }

  /** The frames of a packet with a short header; undefined if it is none, or was sealed with other keys. */
  short(bytes) {
    const numberAt = 1 + idLength
    if ((bytes[0] & 0x80) !== 0 || bytes.length < numberAt + 20) return undefined
    const packet = Buffer.from(bytes)
    const mask = this.mask.update(packet.subarray(numberAt + 4, numberAt + 20))
    packet[0] ^= mask[0] & 0x1f
    const framesAt = numberAt + (packet[0] & 0x03) + 1
    for (let at = numberAt; at < framesAt; at++) packet[at] ^= mask[1 + at - numberAt]
    const number = expand(packet.readUIntBE(numberAt, framesAt - numberAt), framesAt - numberAt, this.largest)
    const nonce = Buffer.from(this.keys.iv)
    for (let i = 0; i < 4; i++) nonce[11 - i] ^= (number >>> (8 * i)) & 0xff
    const decipher = createDecipheriv("aes-128-gcm", this.keys.key, nonce)
    decipher.setAAD(packet.subarray(0, framesAt))
    decipher.setAuthTag(packet.subarray(-tagLength))
    try {
      const frames = Buffer.concat([decipher.update(packet.subarray(framesAt, -tagLength)), decipher.final()])
      this.number = number
      this.largest = Math.max(this.largest, number)
      return frames
    } catch {
      return undefined
    }
  }
}
