/** Tunables of connection ids, and of the stateless resets for ids that no connection has. */

/**
 * How many connection ids a peer may have of one connection, if its own `active_connection_id_limit` allows as many (RFC 9000,
 * section 5.1.1). The driver replaces as many retired ids at once, and one further id in each `connectionIdInterval`.
 */
export const maxConnectionIds = 8

/** The interval between further replacements of retired connection ids, in milliseconds. */
export const connectionIdInterval = 1_000

/** How long packets for a retired connection id are late ones of its connection, in milliseconds. */
export const retiredIdLifetime = 10_000

/** How many stateless resets a socket may send at once, and how many more in each second. */
export const maxResets = 1_024

/** See `maxResets`. */
export const resetsPerSecond = 512

/** The same for those to one IP address, or to one /64 of IPv6. */
export const maxResetsPerIp = 128

/** See `maxResetsPerIp`. */
export const resetsPerIpAndSecond = 64

/**
 * How long the ids of a connection that has ended are kept for late packets, in milliseconds. RFC 9000, section 10.2, wants three
 * probe timeouts, which are nine round trips when only one was measured (RFC 9002, section 5.3).
 */
export const endedIdLifetime = 3_000

/** Of how many connections they are kept at least, even where fewer may be open. */
export const minEndedRemembered = 1_024

/**
 * How many dialled connections with one address are asked whether a packet is their stateless reset. An endpoint has one or two
 * with each peer, and to ask the binding costs as much as a packet.
 */
export const maxAskedForResets = 16

/** How many connection ids with tokens a socket makes at a time. */
export const idsDrawn = 16
