/** Tunables of a peer's frames: how many it may send, and what the pieces of its streams cost. */

/**
 * What the binding keeps of a STREAM or CRYPTO frame beside its bytes until they are read, in bytes: 184 were measured with
 * frames of one byte.
 */
export const fragmentCost = 192

/** A frame with fewer bytes of a stream counts as `smallFragmentCost`. */
export const smallFragment = 512

/**
 * What a small frame counts as, in bytes. Once they are freed, glibc keeps the memory of small pieces for later use: the
 * process does not shrink again. So a socket takes fewer of them than its `unreadBuffer` has room for.
 */
export const smallFragmentCost = 4_096

/**
 * What a stream that the peer has opened takes besides its data, in bytes, until it has ended: 900 were measured in the binding,
 * and 2,900 with what the driver and the endpoint make for it.
 */
export const streamCost = 4_096

/** How many streams are watched at most until those that have ended are looked for. More than may be open. */
export const maxWatchedStreams = 8_192

/**
 * How many frames with stream data the binding may keep of one connection. It frees them in one go when the connection ends,
 * which takes about 0.2 us for each, and no other connection has a turn meanwhile.
 */
export const maxFragments = 131_072

/** How many such frames of a connection that closes are worth the calls that have the binding free them. */
export const minDiscarded = 1_024

/**
 * How many CRYPTO frames of a peer the binding takes before the handshake is complete: each costs 200 bytes besides its own,
 * and any host can make them. Every packet that is sent again brings a few.
 */
export const maxHandshakePieces = 128

/** How many frames about connection ids, paths and tokens a peer may send at once, and one more in each `controlInterval`. */
export const maxControlFrames = 512

/** The interval between further such frames, in milliseconds. */
export const controlInterval = 31.25

/**
 * How many frames a packet may have: so many, and one more for each `bytesPerFrame` bytes. The smallest frames that a peer has
 * reason to send in large numbers are stops of 4 bytes.
 */
export const maxSmallFrames = 64

/** See `maxSmallFrames`. */
export const bytesPerFrame = 4
