/**
 * Effect's sockets and RPC over the endpoints of `@qp2p/core`.
 *
 * @stability unstable
 * @since 0.1.0
 */
export * as QuicRpc from "./QuicRpc.ts"

export * as QuicRpcClient from "./QuicRpcClient.ts"

export * as QuicRpcServer from "./QuicRpcServer.ts"

export * as QuicRunner from "./QuicRunner.ts"

export * as QuicSocket from "./QuicSocket.ts"

export * as QuicSocketServer from "./QuicSocketServer.ts"
