/**
 * The errors of one stream whose connection is still open.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The reader stopped the stream: the peer asked this side to stop sending (STOP_SENDING, RFC 9000, section 19.5). `code` is
 * the peer's application error code, 0 to 2^53 - 1; it is 0 when QUIC did not report one.
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
 * The writer reset the stream: the peer does not send the rest (RESET_STREAM, RFC 9000, section 19.4). `code` is the
 * peer's application error code, 0 to 2^53 - 1.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class StreamReset extends Schema.TaggedError<StreamReset>("@qp2p/core/StreamError/StreamReset")("StreamReset", {
  code: Schema.Int
}) {
  override get message() {
    return `the peer reset the stream with code ${this.code}`
  }
}

/**
 * The stream has ended: this side finished, reset or stopped it, or the peer finished it and all its bytes have been read.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class StreamClosed extends Schema.TaggedError<StreamClosed>("@qp2p/core/StreamError/StreamClosed")(
  "StreamClosed",
  {}
) {
  override get message() {
    return "the stream has ended"
  }
}

/**
 * The errors of one stream, as a transport reports them.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const StreamError = Schema.Union([StreamStopped, StreamReset, StreamClosed])

/**
 * The errors of one stream, as a transport reports them.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type StreamError = typeof StreamError.Type
