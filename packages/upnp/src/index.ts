/**
 * @since 0.1.0
 */
export * as NatUpnp from "./NatUpnp.ts"
