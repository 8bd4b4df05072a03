/** The limits of RPC over streams. Sizes are in bytes. */

/** The name of the RPC protocol on the wire, unless the program gives another. */
export const rpcProtocol = "effect-rpc"

/** The name of the protocol of sockets on the wire, unless the program gives another. */
export const socketProtocol = "effect-socket"

/** The longest answer that returns on a shared stream: a longer one would hold back those behind it. */
export const smallAnswer = 16 << 10

/** The longest request that travels on a shared stream. */
export const smallRequest = 16 << 10

/** The longest frame of a shared stream that the server takes. */
export const maxSharedFrame = 64 << 10

/** The longest message, as in the serializations of Effect. */
export const maxMessage = 16 << 20

/** How many calls may be in flight on a shared stream. */
export const callsPerStream = 256

/** How many calls a client has in flight on a shared stream before the server has said how many it takes. */
export const callsBeforeSettings = 64

/** The most shared streams that a client opens to its peer. */
export const sharedStreams = 4

/** How long a client opens no shared stream after its server took none, in milliseconds: its calls have streams of their own. */
export const refusedFor = 10_000

/** The most shared streams that a server takes from one peer, from all clients on that peer's endpoint. */
export const sharedStreamsPerPeer = 16

/** How many calls of one peer a server has in flight. */
export const callsPerPeer = 2_048

/** How many calls a server has in flight. */
export const callsInAll = 16_384

/**
 * The memory for requests of more than `maxSharedFrame`, until their handlers have ended. Peers share it: see `Reservations` of
 * core. Requests beyond a share wait for `patience`.
 */
export const bufferedInAll = 256 << 20

/** Bytes of answers that one peer has not taken. Its further long answers are dropped; from half of it on, further calls wait. */
export const unsentPerPeer = 64 << 20

/** Bytes of answers that a server holds until their callers take them. Beyond it, the peer with the most loses answers. */
export const unsentInAll = 256 << 20

/** Frames that wait to be written to a shared stream. Writers beyond it wait. */
export const outbox = 1 << 20

/**
 * How long a request may stop in the middle, how long an answer waits for its stream, and how long a call waits for its peer to take
 * earlier answers, in milliseconds.
 */
export const patience = 30_000

/** The priority of answers that are too long for a shared stream, beneath that of short ones. */
export const bulkPriority = -1

/** How many procedures a client remembers as fit for a shared stream. */
export const rememberedTags = 1_024
