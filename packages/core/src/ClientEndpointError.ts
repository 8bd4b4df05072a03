/**
 * The errors of starting a client endpoint.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { BindError, EndpointConfigError, IdentityError } from "./EndpointError.ts"

export { BindError, EndpointConfigError, IdentityError } from "./EndpointError.ts"

/**
 * An error of starting a client endpoint.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const ClientEndpointError = Schema.Union([EndpointConfigError, IdentityError, BindError])

/**
 * An error of starting a client endpoint.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ClientEndpointError = typeof ClientEndpointError.Type
