/**
 * The errors of starting an endpoint.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { IdentityError } from "./Identity.ts"
import { PortMapperError } from "./PortMapperError.ts"
import { RpcError } from "./RpcError.ts"

export { IdentityError } from "./Identity.ts"

/**
 * An option or a setting is invalid. `path` names it, such as `idleTimeout` or `contacts.1`; `detail` says what is wrong.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class EndpointConfigError extends Schema.TaggedError<EndpointConfigError>(
  "@qp2p/core/EndpointError/EndpointConfigError"
)("EndpointConfigError", { path: Schema.String, detail: Schema.String }) {
  override get message() {
    return `${this.path === "" ? "options" : this.path}: ${this.detail}`
  }
}

/**
 * The UDP socket could not be opened, or the transport could not be loaded on this platform.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class BindError extends Schema.TaggedError<BindError>("@qp2p/core/EndpointError/BindError")("BindError", {
  address: Schema.InetAddressFromString,
  detail: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `cannot listen on ${this.address}: ${this.detail}`
  }
}

/**
 * The contact was reached, but did not report at which address it sees this endpoint.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class EndpointEchoError extends Schema.TaggedError<EndpointEchoError>(
  "@qp2p/core/EndpointError/EndpointEchoError"
)("EndpointEchoError", { peer: Schema.InetAddressFromString, reason: RpcError }) {
  override get message() {
    return `contact ${this.peer} did not tell our address: ${this.reason.message}`
  }
}

/**
 * The contact was reached, but did not report whether it can reach this endpoint.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class EndpointVerificationError extends Schema.TaggedError<EndpointVerificationError>(
  "@qp2p/core/EndpointError/EndpointVerificationError"
)("EndpointVerificationError", { peer: Schema.InetAddressFromString, reason: RpcError }) {
  override get message() {
    return `contact ${this.peer} did not verify our address: ${this.reason.message}`
  }
}

/**
 * The contact could not reach this endpoint at its public address.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class Unreachable extends Schema.TaggedError<Unreachable>("@qp2p/core/EndpointError/Unreachable")(
  "Unreachable",
  { publicAddress: Schema.InetAddressFromString }
) {
  override get message() {
    return `this endpoint cannot be reached at ${this.publicAddress}`
  }
}

/**
 * The errors of starting an endpoint. The variants of `PortMapperError` are among them.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const EndpointError = Schema.Union([
  EndpointConfigError,
  IdentityError,
  BindError,
  EndpointEchoError,
  EndpointVerificationError,
  Unreachable,
  PortMapperError
])

/**
 * An error of starting an endpoint.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type EndpointError = typeof EndpointError.Type
