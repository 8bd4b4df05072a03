/**
 * How a connection ended.
 *
 * Each connection has exactly one `Close`. `Connection.closed` yields it, `Disconnection.reason` carries it, and
 * `ConnectionClosed.close` carries it when an operation fails because the connection ended.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * This side closed the connection: `Connection.close`, `Endpoint.disconnectFrom`, or the endpoint stopped.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export class LocallyClosed extends Schema.TaggedError<LocallyClosed>("@qp2p/core/Close/LocallyClosed")(
  "LocallyClosed",
  {}
) {
  override get message() {
    return "closed by this side"
  }
}

/**
 * The peer's application closed the connection with a code of its own (RFC 9000, section 19.19).
 *
 * `code` is 0 to 2^62 - 1; codes above 2^53 - 1 are reported as 2^53 - 1. `detail` is the peer's text, decoded
 * leniently and cut at 1,000 bytes: treat it as untrusted.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export class ApplicationClosed extends Schema.TaggedError<ApplicationClosed>("@qp2p/core/Close/ApplicationClosed")(
  "ApplicationClosed",
  { code: Schema.Int, detail: Schema.String }
) {
  override get message() {
    return `closed by the peer with code ${this.code}${this.detail === "" ? "" : `: ${this.detail}`}`
  }
}

/**
 * QUIC ended the connection with an error code of RFC 9000, section 20.1, which either side detected. A TLS alert has the
 * code 0x100 + alert.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export class TransportClosed extends Schema.TaggedError<TransportClosed>("@qp2p/core/Close/TransportClosed")(
  "TransportClosed",
  { code: Schema.Int, detail: Schema.String }
) {
  override get message() {
    return `transport error 0x${this.code.toString(16)}${this.detail === "" ? "" : `: ${this.detail}`}`
  }
}

/**
 * No packet arrived from the peer for the idle timeout (RFC 9000, section 10.1).
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export class IdleTimedOut extends Schema.TaggedError<IdleTimedOut>("@qp2p/core/Close/IdleTimedOut")(
  "IdleTimedOut",
  {}
) {
  override get message() {
    return "the peer went silent"
  }
}

/**
 * The peer lost its state of the connection, for example by a restart, and answered a packet with a stateless reset (RFC
 * 9000, section 10.3).
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export class StatelessReset extends Schema.TaggedError<StatelessReset>("@qp2p/core/Close/StatelessReset")(
  "StatelessReset",
  {}
) {
  override get message() {
    return "the peer has lost the connection"
  }
}

/**
 * How a connection ended.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Close = Schema.Union([LocallyClosed, ApplicationClosed, TransportClosed, StatelessReset, IdleTimedOut])

/**
 * How a connection ended.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Close = typeof Close.Type
