/** Tunables of the path to a peer: sizes of packets, bursts, and the proof of an address. */

/** The largest UDP payload to try over a network, in bytes: what Ethernet carries with IPv6. */
export const networkPayload = 1_452

/**
 * Bytes that one connection sends in one turn of the loop: more may overrun the receiver's socket buffer. Within a machine
 * bursts grow, up to the largest, as long as nothing is lost.
 */
export const burst = 96 << 10

/** The maximum of a burst within a machine, in bytes. */
export const maxBurst = 192 << 10

/** How many datagrams may wait for the kernel until connections hold back further ones. */
export const maxDatagramsInFlight = 4_096

/**
 * How many packet numbers a group has, of which one packet leaves: see `path/addressProof.ts`. A host that guesses which one is
 * right in one of so many cases.
 */
export const probeGroup = 16

/** In how many groups a peer must have acknowledged that packet: a guess is right in one of 16 million cases. */
export const acknowledgedProbes = 6

/** The size of the buffer for a probe, in bytes: a header, a PING frame and a tag (RFC 9000, sections 17.3.1 and 19.2). */
export const probeSize = 45

/** How long probes may stay unanswered until others are sent, in milliseconds: at first, and, as the pauses double, at most. */
export const firstProofPause = 250

/** See `firstProofPause`. */
export const longestProofPause = 10_000

/** The shortest time between two moves of a peer, in milliseconds: a proof costs this side about 100 packets that it makes. */
export const minProofPause = 50
