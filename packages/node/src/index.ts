/**
 * QUIC on Node for `@qp2p/core`: the transport, and endpoints that are ready to run.
 *
 * @stability unstable
 * @since 0.1.0
 */
export * as NodeEndpoint from "./NodeEndpoint.ts"
export * as NodeIdentity from "./NodeIdentity.ts"
export * as QuicheTransport from "./QuicheTransport.ts"
