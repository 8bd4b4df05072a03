/**
 * The limits of typed messages that are not options.
 */

/** The default of `maxMessageSize`, in bytes, unless the endpoint's is smaller. */
export const defaultMaxMessageSize = 1 << 20

/** The default of `answerTimeout`, in milliseconds. */
export const defaultAnswerTimeout = 60_000

/**
 * The most messages, and the most questions, that are under way to one peer; further ones wait. Together they are fewer than the
 * streams that a peer serves by default.
 */
export const maxUnderWay = 192

/** The bytes of a value that are read, or of an answer that is queued, without a place: as many as there may be streams. */
export const maxUnreserved = 16 << 10

/** The memory for a value beside its JSON, in bytes, estimated. */
export const valueOverhead = 128

/** The most bytes of the text of a refusal. */
export const maxDetail = 1_024

/**
 * The least bytes that a peer sends of a value in a second, in the mean, after the first `slowTime` milliseconds. A stream with less is
 * reset with code 2.
 */
export const minRate = 1_024

/** See `minRate`. */
export const slowTime = 30_000
