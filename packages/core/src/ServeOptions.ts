/**
 * The options of serving a protocol.
 *
 * @stability unstable
 * @since 0.1.0
 */

/**
 * The options of `Endpoint.serveProtocol`.
 *
 * A stream beyond a limit is refused: its opener gets `ProtocolRefused` with "TooManyStreams". Besides these limits, an endpoint
 * serves at most 4,096 streams of all protocols at once, 1,024 of them with one peer, and 2,048 with the peers at one IP address or
 * in one /64 of IPv6.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ServeOptions {
  /**
   * The most streams of the protocol that are served at once: 1 to 4,096. The peers at one IP address, or in one /64 of IPv6, may have
   * half of them, and as many as one peer in any case. Default 2,048.
   */
  readonly maxStreams?: number | undefined
  /** The most streams of the protocol that are served at once with one peer: 1 to 4,096. Default 512. */
  readonly maxStreamsPerPeer?: number | undefined
}
