/** Tunables of handshakes: how many peers may begin, and how much one takes before it is complete. */

/**
 * How many incoming handshakes may be under way until a client must prove its address with a Retry (RFC 9000, section 8.1.2).
 */
export const retryThreshold = 64

/**
 * How many connections may be accepted at once without a Retry that have not completed their handshake yet, or have failed to;
 * and how many more in each second. A connection that completes it does not count.
 */
export const maxUnprovenAccepts = 256

/** See `maxUnprovenAccepts`. */
export const unprovenAcceptsPerSecond = 64

/** The same for those that come with a token of a Retry, of one IP address. Over it their packets are dropped. */
export const maxUnprovenAcceptsPerIp = 64

/** See `maxUnprovenAcceptsPerIp`. */
export const unprovenAcceptsPerIpAndSecond = 8

/**
 * How many handshakes one IP address, or one /64 of IPv6, may begin at once, complete or not, without a Retry; and how many
 * more in each second. As many may begin after a Retry; over it packets with a token are dropped, and the client sends another
 * later.
 */
export const maxAcceptsPerIp = 64

/** See `maxAcceptsPerIp`. */
export const acceptsPerIpAndSecond = 32

/** For how many IP addresses such accepts are counted. */
export const maxCountedIps = 4_096

/** How many bytes of a peer the binding takes before the handshake is complete. */
export const maxHandshakeBytes = 64 << 10

/**
 * How many bytes a connection takes until its peer is admitted, after a handshake that is complete: somewhat more than a peer
 * sends before the first acknowledgement (RFC 9002, section 7.2).
 */
export const maxBytesBeforeAdmission = 32 << 10

/**
 * How much memory what a peer has sent may take until it is admitted, in bytes, as pieces of streams and the streams are counted
 * (`frames.ts`). The datagram that exceeds it is the last one.
 */
export const maxMemoryBeforeAdmission = 512 << 10

/** How long a Retry token is valid, in milliseconds. */
export const retryTokenLifetime = 10_000
