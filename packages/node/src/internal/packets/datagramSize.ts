/**
 * The size of datagrams that RFC 9000 fixes.
 */

/**
 * Bytes that every path of QUIC carries in one UDP payload, and that a datagram with a client's Initial packet has at least
 * (RFC 9000, sections 14 and 14.1).
 */
export const minDatagramSize = 1_200
