/**
 * The limits of the streams that an endpoint serves for protocols.
 *
 * They count by the key of the peer, and by its IP address, or /64 of IPv6, as well: keys cost nothing.
 */

/** How many streams may be served at once: in all, with one peer, and with the peers at one IP address. */
export interface StreamLimits {
  readonly all: number
  readonly perPeer: number
  readonly perIp: number
}

/** The limits of all protocols of an endpoint together. */
export const endpointLimits: StreamLimits = { all: 4_096, perPeer: 1_024, perIp: 2_048 }

/** The default of `maxStreams`. */
export const defaultMaxStreams = 2_048

/** The default of `maxStreamsPerPeer`. */
export const defaultMaxStreamsPerPeer = 512

/** The limits of one protocol. The peers at one IP address have half of the whole, or what one peer may have if that is more. */
export const limitsOf = (
  maxStreams = defaultMaxStreams,
  maxStreamsPerPeer = defaultMaxStreamsPerPeer
): StreamLimits => ({
  all: maxStreams,
  perPeer: maxStreamsPerPeer,
  perIp: Math.max(Math.ceil(maxStreams / 2), maxStreamsPerPeer)
})
