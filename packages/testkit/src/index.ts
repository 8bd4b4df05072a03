/**
 * @since 0.1.0
 */
export * as Gateway from "./Gateway.ts"
export * as Latency from "./Latency.ts"
export * as MemoryNetwork from "./MemoryNetwork.ts"
export * as MemoryTransport from "./MemoryTransport.ts"
export * as NetworkControl from "./NetworkControl.ts"
