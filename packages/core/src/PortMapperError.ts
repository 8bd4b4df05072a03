/**
 * The errors of mapping a port on the gateway.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * No gateway answered the search.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class GatewayNotFound extends Schema.TaggedError<GatewayNotFound>("@qp2p/core/PortMapperError/GatewayNotFound")(
  "GatewayNotFound",
  {}
) {
  override get message() {
    return "no gateway that maps ports was found"
  }
}

/**
 * A gateway was found, but communication with it failed.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class GatewayUnreachable extends Schema.TaggedError<GatewayUnreachable>(
  "@qp2p/core/PortMapperError/GatewayUnreachable"
)("GatewayUnreachable", { gateway: Schema.String, cause: Schema.Defect() }) {
  override get message() {
    return `the gateway at ${this.gateway} cannot be reached`
  }
}

/**
 * The gateway's answer is malformed, or is an error without a variant here. `code` is the protocol's error code, if the
 * gateway sent one.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class GatewayProtocolError extends Schema.TaggedError<GatewayProtocolError>(
  "@qp2p/core/PortMapperError/GatewayProtocolError"
)("GatewayProtocolError", {
  gateway: Schema.String,
  code: Schema.OptionFromOptional(Schema.Int),
  detail: Schema.String
}) {
  override get message() {
    return `the gateway at ${this.gateway} answered: ${this.detail}`
  }
}

/**
 * The external port belongs to another host.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class MappingConflict extends Schema.TaggedError<MappingConflict>("@qp2p/core/PortMapperError/MappingConflict")(
  "MappingConflict",
  { gateway: Schema.String, externalPort: Schema.Int }
) {
  override get message() {
    return `external port ${this.externalPort} is taken on the gateway at ${this.gateway}`
  }
}

/**
 * The gateway refuses to map ports for this host.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class MappingNotAuthorized extends Schema.TaggedError<MappingNotAuthorized>(
  "@qp2p/core/PortMapperError/MappingNotAuthorized"
)("MappingNotAuthorized", { gateway: Schema.String }) {
  override get message() {
    return `the gateway at ${this.gateway} does not allow this host to map ports`
  }
}

/**
 * This port mapper cannot map ports: it is `PortMapper.layerNone`, or does not support the address family.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class PortMapperUnsupported extends Schema.TaggedError<PortMapperUnsupported>(
  "@qp2p/core/PortMapperError/PortMapperUnsupported"
)("PortMapperUnsupported", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/**
 * The gateway did not answer in time.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class PortMapperTimedOut extends Schema.TaggedError<PortMapperTimedOut>(
  "@qp2p/core/PortMapperError/PortMapperTimedOut"
)("PortMapperTimedOut", { gateway: Schema.String }) {
  override get message() {
    return `the gateway at ${this.gateway} did not answer in time`
  }
}

/** The errors of one gateway or mapper. */
const SingleMapperError = Schema.Union([
  GatewayNotFound,
  GatewayUnreachable,
  GatewayProtocolError,
  MappingConflict,
  MappingNotAuthorized,
  PortMapperUnsupported,
  PortMapperTimedOut
])

/**
 * No gateway or mapper of several mapped the port. `by` names the gateway or mapper of each attempt.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class NoneMapped extends Schema.TaggedError<NoneMapped>("@qp2p/core/PortMapperError/NoneMapped")("NoneMapped", {
  attempts: Schema.Array(Schema.Struct({ by: Schema.String, error: SingleMapperError }))
}) {
  override get message() {
    if (this.attempts.length === 0) return "no port was mapped: there was no port mapper to ask"
    return `no port was mapped: ${this.attempts.map(({ by, error }) => `${by}: ${error.message}`).join("; ")}`
  }
}

/**
 * The errors of mapping a port on the gateway.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const PortMapperError = Schema.Union([...SingleMapperError.members, NoneMapped])

/**
 * The errors of mapping a port on the gateway.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type PortMapperError = typeof PortMapperError.Type
