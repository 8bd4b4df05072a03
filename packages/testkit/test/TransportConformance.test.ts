import { describe } from "@effect/vitest"
import * as QuicheTransport from "@qp2p/core/QuicheTransport"
import * as Layer from "effect/Layer"
import * as MemoryTransport from "../src/MemoryTransport.ts"
import * as TrafficTrace from "../src/TrafficTrace.ts"
import * as TransportConformance from "../src/TransportConformance.ts"

// The rules wait for timeouts more than they work.
describe.concurrent("conformance", () => {
  TransportConformance.suite("MemoryTransport", MemoryTransport.layerNetwork)
  TransportConformance.suite(
    "MemoryTransport with a trace",
    Layer.provide(TrafficTrace.layer, MemoryTransport.layerNetwork)
  )
  TransportConformance.suite("QuicheTransport", QuicheTransport.layer)
})
