/**
 * @since 0.1.0
 */
export * as HomeRouter from "./HomeRouter.ts"

/**
 * @since 0.1.0
 */
export * as NatPmp from "./NatPmp.ts"

/**
 * @since 0.1.0
 */
export * as NatUpnp from "./NatUpnp.ts"
