/** Opens packets of the node: what it says to a peer that forges (RFC 9001, sections 5.3 and 5.4). */
import { createCipheriv, createDecipheriv } from "node:crypto"

const tagLength = 16
const idLength = 20

/** Opens packets with one set of keys. */
export class Opener {
  constructor(keys) {
    this.keys = keys
    this.mask = createCipheriv("aes-128-ecb", keys.headerKey, null).setAutoPadding(false)
  }

  /** The frames of a packet with a short header; undefined if it is none, or was sealed with other keys. */
  short(bytes) {
    const numberAt = 1 + idLength
    if ((bytes[0] & 0x80) !== 0 || bytes.length < numberAt + 20) return undefined
    const packet = Buffer.from(bytes)
    const mask = this.mask.update(packet.subarray(numberAt + 4, numberAt + 20))
    packet[0] ^= mask[0] & 0x1f
    const framesAt = numberAt + (packet[0] & 0x03) + 1
    const nonce = Buffer.from(this.keys.iv)
    for (let at = numberAt; at < framesAt; at++) {
      packet[at] ^= mask[1 + at - numberAt]
      nonce[12 - framesAt + at] ^= packet[at]
    }
    const decipher = createDecipheriv("aes-128-gcm", this.keys.key, nonce)
    decipher.setAAD(packet.subarray(0, framesAt))
    decipher.setAuthTag(packet.subarray(-tagLength))
    try {
      return Buffer.concat([decipher.update(packet.subarray(framesAt, -tagLength)), decipher.final()])
    } catch {
      return undefined
    }
  }
}
