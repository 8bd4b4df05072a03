/**
 * Reads the frames of a packet that the binding has decrypted in place (RFC 9000, section 19).
 */

/** The length of a packet's authentication tag, in bytes (RFC 9001, section 5.3). */
export const tagLength = 16

/** Where frames are being read: one place for all packets, so that no object is made for each number. */
export const cursor = { at: 0 }

/** Reads the variable-length integer at the cursor (RFC 9000, section 16). Beyond the packet's end it is NaN. */
export const readVarint = (packet: Uint8Array): number => {
  const first = packet[cursor.at]!
  const end = cursor.at + (1 << (first >>> 6))
  let value = first & 0x3f
  for (cursor.at += 1; cursor.at < end; cursor.at++) value = value * 256 + packet[cursor.at]!
  return value
}
