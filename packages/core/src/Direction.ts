/**
 * Which side dialled a connection.
 *
 * @stability unstable
 * @since 0.1.0
 */

/**
 * "Inbound" when the peer dialled, "Outbound" when this endpoint did.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Direction = "Inbound" | "Outbound"
