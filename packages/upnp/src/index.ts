/**
 * Port mappers for home routers: UPnP, PCP and NAT-PMP.
 *
 * @stability unstable
 * @since 0.1.0
 */
export * as HomeRouter from "./HomeRouter.ts"

export * as NatPmp from "./NatPmp.ts"

export * as NatUpnp from "./NatUpnp.ts"
