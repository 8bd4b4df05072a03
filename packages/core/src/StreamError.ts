/**
 * Why one stream failed while its connection lives on.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The peer ended its half of the stream early: it asked us to stop sending, or reset what it was sending
 * (RFC 9000, sections 19.4 and 19.5). `code` is the application's, 0 to 2^53 - 1; also 0 where QUIC had no occasion to
 * tell it.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class StreamStopped extends Schema.TaggedError<StreamStopped>("@qp2p/core/StreamError/StreamStopped")(
  "StreamStopped",
  { code: Schema.Int }
) {
  override get message() {
    return `the peer stopped the stream with code ${this.code}`
  }
}

/**
 * The stream has ended: it was finished, reset or stopped by this side, or the peer finished it and everything has
 * been read.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class StreamGone extends Schema.TaggedError<StreamGone>("@qp2p/core/StreamError/StreamGone")("StreamGone", {}) {
  override get message() {
    return "the stream has ended"
  }
}

/**
 * Why a stream ended, told by the transport.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const StreamError = Schema.Union([StreamStopped, StreamGone])

/**
 * Why a stream ended, told by the transport.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type StreamError = typeof StreamError.Type
