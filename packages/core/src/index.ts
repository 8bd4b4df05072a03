/**
 * Peer-to-peer networking over QUIC.
 *
 * @since 0.1.0
 */
export * as BidirectionalStream from "./BidirectionalStream.ts"
export * as Bootstrap from "./Bootstrap.ts"
export * as ClientEndpointError from "./ClientEndpointError.ts"
export * as Close from "./Close.ts"
export * as Connection from "./Connection.ts"
export * as ConnectionError from "./ConnectionError.ts"
export * as ConnectionId from "./ConnectionId.ts"
export * as ConnectionPool from "./ConnectionPool.ts"
export * as Endpoint from "./Endpoint.ts"
export * as EndpointConfig from "./EndpointConfig.ts"
export * as EndpointError from "./EndpointError.ts"
export * as PortMapper from "./PortMapper.ts"
export * as PortMapperError from "./PortMapperError.ts"
export * as QuicheTransport from "./QuicheTransport.ts"
export * as RecvError from "./RecvError.ts"
export * as RecvStream from "./RecvStream.ts"
export * as RetrySchedule from "./RetrySchedule.ts"
export * as RpcError from "./RpcError.ts"
export * as SendError from "./SendError.ts"
export * as SendStream from "./SendStream.ts"
export * as StreamError from "./StreamError.ts"
export * as Transport from "./Transport.ts"
export * as WireMessage from "./WireMessage.ts"
