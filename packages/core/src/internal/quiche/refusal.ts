/**
 * An Initial packet that refuses a connection (RFC 9000, sections 5.2.2 and 17.2.2), made without one.
 *
 * Initial packets are protected with keys that follow from the client's destination id (RFC 9001, section 5.2), so
 * anybody who saw the client's packet can answer it. The binding's own way would be a whole TLS handshake, and its close
 * frame arrives behind the handshake that it should refuse.
 */
import { createCipheriv, createHmac } from "node:crypto"
import { version1 } from "./packetHeader.ts"
import { connectionIdLength } from "./tunables.ts"

/** RFC 9001, section 5.2. */
const salt = Buffer.from("38762cf7f55934b34d179ae6a4c80cadccbb7f0a", "hex")

const hmac = (key: Uint8Array, data: Uint8Array): Buffer => createHmac("sha256", key).update(data).digest()

/** HKDF-Expand-Label (RFC 8446, section 7.1) for up to 32 bytes and no context. */
const expandLabel = (secret: Uint8Array, label: string, length: number): Buffer => {
  const name = Buffer.from(`tls13 ${label}`)
  return hmac(secret, Buffer.from([0, length, name.length, ...name, 0, 1])).subarray(0, length)
}

/** `scid` is the id that the refused connection would have had; `client` the ids in the client's packet. */
export const refusal = (
  client: { readonly dcid: Uint8Array; readonly scid: Uint8Array },
  scid: Uint8Array,
  code: number,
  reason: string
): Uint8Array => {
  const secret = expandLabel(hmac(salt, client.dcid), "server in", 32)
  const key = expandLabel(secret, "quic key", 16)
  const iv = expandLabel(secret, "quic iv", 12)
  const headerKey = expandLabel(secret, "quic hp", 16)

  const text = Buffer.from(reason).subarray(0, 63)
  // CONNECTION_CLOSE of QUIC itself (RFC 9000, section 19.19), in reply to no particular frame.
  const frame = Buffer.from([0x1c, code & 0x3f, 0, text.length, ...text])
  const tagLength = 16
  const numberLength = 1
  const length = numberLength + frame.length + tagLength
  const header = Buffer.from([
    0xc0 | (numberLength - 1),
    ...[version1 >>> 24, version1 >>> 16, version1 >>> 8, version1].map((byte) => byte & 0xff),
    client.scid.length,
    ...client.scid,
    connectionIdLength,
    ...scid,
    0,
    0x40 | (length >>> 8),
    length & 0xff,
    0
  ])
  // The packet number is 0, so the nonce is the IV as it is.
  const cipher = createCipheriv("aes-128-gcm", key, iv)
  cipher.setAAD(header)
  const sealed = Buffer.concat([cipher.update(frame), cipher.final(), cipher.getAuthTag()])
  const packet = Buffer.concat([header, sealed])
  // Header protection (RFC 9001, section 5.4): the sample begins where a packet number of four bytes would end.
  const numberAt = header.length - numberLength
  const mask = createCipheriv("aes-128-ecb", headerKey, null).update(packet.subarray(numberAt + 4, numberAt + 20))
  packet[0]! ^= mask[0]! & 0x0f
  packet[numberAt]! ^= mask[1]!
  return packet
}
