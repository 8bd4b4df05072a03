/**
 * Initial packets with a CONNECTION_CLOSE frame, for connections that the binding cannot close (RFC 9000, sections 10.2.3 and
 * 17.2.2): it refuses only after a whole TLS handshake, sends no close frame before the first reply of the peer, and would send
 * the client's certificate before a close frame that the server can read.
 *
 * The keys of Initial packets follow from the client's destination id (RFC 9001, section 5.2). So each host on the path that
 * sees the packet can reply to it, and the client can add further packets.
 */
import { createCipheriv, createHmac } from "node:crypto"
import { APPLICATION_ERROR } from "../binding/errorCodes.ts"
import { version1 } from "./packetHeader.ts"
import { minDatagramSize } from "./datagramSize.ts"

/** The salt of the keys of Initial packets (RFC 9001, section 5.2). */
const salt = Buffer.from("38762cf7f55934b34d179ae6a4c80cadccbb7f0a", "hex")

const hmac = (key: Uint8Array, data: Uint8Array): Buffer => createHmac("sha256", key).update(data).digest()

/** HKDF-Expand-Label (RFC 8446, section 7.1) for up to 32 bytes and no context. */
const expandLabel = (secret: Uint8Array, label: string, length: number): Buffer => {
  const name = Buffer.from(`tls13 ${label}`)
  return hmac(secret, Buffer.from([0, length, name.length, ...name, 0, 1])).subarray(0, length)
}

/**
 * Makes the packet that refuses a client: `client` has the ids of its packet, `scid` is the id that the connection would have.
 */
export const refusal = (
  client: { readonly dcid: Uint8Array; readonly scid: Uint8Array },
  scid: Uint8Array,
  code: number,
  reason: string
): Uint8Array =>
  seal({ from: "server in", keyId: client.dcid, dcid: client.scid, scid, number: 0, code, reason, atLeast: 0 })

/** A packet number that is larger than those of all packets that the binding sends before the first reply of the server. */
const unusedNumber = 10_000

/** The ids that the packet of a client needs. */
export interface ClientIds {
  /** The destination id of the client's first packet, or of its first after a Retry: the keys follow from it. */
  readonly keyId: Uint8Array
  /** The ids of its packets now. */
  readonly dcid: Uint8Array
  readonly scid: Uint8Array
}

/**
 * Makes the packet that withdraws a client's dial. A server reads it as long as it has not received a Handshake packet of the
 * client.
 */
export const withdrawal = ({ dcid, keyId, scid }: ClientIds): Uint8Array =>
  seal({
    from: "client in",
    keyId,
    dcid,
    scid,
    number: unusedNumber,
    code: APPLICATION_ERROR,
    reason: "",
    atLeast: minDatagramSize
  })

const seal = (packet: {
  readonly from: "client in" | "server in"
  /** The id that the keys follow from. */
  readonly keyId: Uint8Array
  readonly dcid: Uint8Array
  readonly scid: Uint8Array
  readonly number: number
  readonly code: number
  readonly reason: string
  /** The least length of the packet, in bytes. */
  readonly atLeast: number
}): Uint8Array => {
  const secret = expandLabel(hmac(salt, packet.keyId), packet.from, 32)
  const key = expandLabel(secret, "quic key", 16)
  const iv = expandLabel(secret, "quic iv", 12)
  const headerKey = expandLabel(secret, "quic hp", 16)

  const text = Buffer.from(packet.reason).subarray(0, 63)
  // CONNECTION_CLOSE of QUIC itself (RFC 9000, section 19.19), in reply to no particular frame. Its code has two bytes, enough
  // for every one of section 20.1.
  const frame = Buffer.from([0x1c, 0x40 | (packet.code >> 8), packet.code & 0xff, 0, text.length, ...text])
  const tagLength = 16
  const numberLength = 4
  const ids = Buffer.from([packet.dcid.length, ...packet.dcid, packet.scid.length, ...packet.scid])
  const headerLength = 5 + ids.length + 1 + 2 + numberLength
  // PADDING frames are zeros (RFC 9000, section 19.1).
  const padding = Buffer.alloc(Math.max(0, packet.atLeast - headerLength - frame.length - tagLength))
  const length = numberLength + frame.length + padding.length + tagLength
  const number = Buffer.alloc(numberLength)
  number.writeUInt32BE(packet.number)
  const header = Buffer.from([
    0xc0 | (numberLength - 1),
    ...[version1 >>> 24, version1 >>> 16, version1 >>> 8, version1].map((byte) => byte & 0xff),
    ...ids,
    0,
    0x40 | (length >>> 8),
    length & 0xff,
    ...number
  ])
  const nonce = Buffer.from(iv)
  for (let i = 0; i < numberLength; i++) nonce[nonce.length - numberLength + i]! ^= number[i]!
  const cipher = createCipheriv("aes-128-gcm", key, nonce)
  cipher.setAAD(header)
  const sealed = Buffer.concat([cipher.update(frame), cipher.update(padding), cipher.final(), cipher.getAuthTag()])
  const whole = Buffer.concat([header, sealed])
  // Header protection (RFC 9001, section 5.4): the sample begins behind a packet number of four bytes.
  const numberAt = header.length - numberLength
  const mask = createCipheriv("aes-128-ecb", headerKey, null).update(whole.subarray(numberAt + 4, numberAt + 20))
  whole[0]! ^= mask[0]! & 0x0f
  for (let i = 0; i < numberLength; i++) whole[numberAt + i]! ^= mask[1 + i]!
  return whole
}
