// @module-tag platform
import { describe } from "@effect/vitest"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Layer from "effect/Layer"
import * as TrafficTrace from "../src/TrafficTrace.ts"
import * as TransportConformance from "../src/TransportConformance.ts"
import { layerNetwork, multihomed } from "./support/multihomedNetwork.ts"

// The rules wait for timeouts more than they work.
describe.concurrent("conformance", () => {
  TransportConformance.suite("MemoryTransport", layerNetwork, { multihomed })
  TransportConformance.suite("MemoryTransport with a trace", Layer.provide(TrafficTrace.layer(), layerNetwork), {
    multihomed
  })
  // Linux has all of 127.0.0.0/8 without being told; others have one address of it.
  TransportConformance.suite("QuicheTransport", QuicheTransport.layer(), {
    multihomed: process.platform === "linux" ? multihomed : undefined
  })
})
