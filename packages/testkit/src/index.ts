/**
 * Tools for tests with qp2p that run on every JavaScript platform. `SimulatedNetwork`, `FakeRouter` and
 * `TransportConformance` need more, and are imported by their own paths: `@qp2p/testkit/SimulatedNetwork`.
 *
 * @stability unstable
 * @since 0.1.0
 */
export * as Expect from "./Expect.ts"
export * as Gateway from "./Gateway.ts"
export * as Latency from "./Latency.ts"
export * as MemoryNetwork from "./MemoryNetwork.ts"
export * as MemoryTransport from "./MemoryTransport.ts"
export * as Misbehaviour from "./Misbehaviour.ts"
export * as NetworkControl from "./NetworkControl.ts"
export * as TestIdentity from "./TestIdentity.ts"
export * as TestPair from "./TestPair.ts"
export * as Topology from "./Topology.ts"
export * as TrafficTrace from "./TrafficTrace.ts"
export * as TestPortMapper from "./TestPortMapper.ts"
