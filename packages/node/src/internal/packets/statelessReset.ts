/**
 * Stateless resets (RFC 9000, section 10.3): packets that end a connection which their sender has forgotten. They look like
 * packets with a short header, and end with a token that only the peer of that connection knows.
 */
import { randomFillSync } from "node:crypto"
import { connectionIdLength } from "./connectionId.ts"
import { idKey } from "./packetHeader.ts"
import { resetTokenLength } from "./resetToken.ts"

/** The least length of a reset, in bytes (RFC 9000, section 10.3). */
const minLength = 21

/**
 * The least length of a packet with a short header that a peer sends to this side, in bytes: type, connection id, four bytes of
 * packet number and frames, tag (RFC 9001, section 5.4.2).
 */
const minAnswered = 1 + connectionIdLength + 4 + 16

/** The greatest length of the resets that this side sends, in bytes: a packet of this length is nothing special. */
const maxLength = 43

/**
 * The length of the reset that answers a packet of `received` bytes; undefined if there is none. It is shorter than that
 * packet, so that two sides that both know no connection fall silent after a few resets of each other's (RFC 9000, section
 * 10.3.3).
 */
export const resetLength = (received: number): number | undefined =>
  received < minAnswered ? undefined : Math.min(received - 1, maxLength)

/** Makes a reset of `length` bytes. */
export const statelessReset = (token: Uint8Array, length: number): Uint8Array => {
  const packet = randomFillSync(new Uint8Array(length), 0, length - resetTokenLength)
  packet[0] = 0x40 | (packet[0]! & 0x3f)
  packet.set(token, length - resetTokenLength)
  return packet
}

/** A map key for the token that a packet ends with if it is a reset; undefined if it is too short for one. */
export const resetTokenKey = (packet: Uint8Array): string | undefined =>
  packet.length < minLength ? undefined : idKey(packet, packet.length - resetTokenLength, packet.length)
