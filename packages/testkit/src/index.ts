/**
 * @since 0.1.0
 */
export * as MemoryNetwork from "./MemoryNetwork.ts"
export * as MemoryTransport from "./MemoryTransport.ts"
