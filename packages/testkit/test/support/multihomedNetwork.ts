/**
 * A network in memory whose default host has a second address.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MemoryNetwork from "../../src/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/MemoryTransport.ts"

export const multihomed = { bind: "0.0.0.0:0", dial: "127.0.0.2" }

const second = Layer.effectDiscard(
  Effect.flatMap(MemoryNetwork.MemoryNetwork, ({ addAddress }) =>
    Effect.orDie(addAddress("127.0.0.1", multihomed.dial))
  )
)

export const layerNetwork = Layer.provideMerge(Layer.merge(MemoryTransport.layer, second), MemoryNetwork.layer())
