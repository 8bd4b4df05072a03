import { describe } from "@effect/vitest"
import * as Layer from "effect/Layer"
import * as SimulatedNetwork from "../src/SimulatedNetwork.ts"
import * as TransportConformance from "../src/TransportConformance.ts"

// Slow enough for what is lost to be sent again long before the bulk is through.
const bad = SimulatedNetwork.layer({ seed: "conformance", loss: 0.05, reordering: 0.1, bandwidth: 10_000_000 })

// The rules wait for timeouts more than they work.
describe.concurrent("conformance", () => {
  TransportConformance.suite("QuicheTransport on a bad network", Layer.provide(SimulatedNetwork.layerTransport, bad), {
    lossy: true,
    limit: "30 seconds"
  })
})
