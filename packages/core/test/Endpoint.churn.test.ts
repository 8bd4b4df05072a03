/**
 * What a peer that makes many connections costs.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type BackingConnection, type ConnectionStats, Transport } from "../src/Transport.ts"
import { raw } from "./support/bareSockets.ts"
import { endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"

const here = "10.0.0.1:1"
const there = "10.0.0.2:2"

/** The calls on the inbound connections of an endpoint, by the numbers of the connections in the order of their dials. */
interface Calls {
  checkAlive: Array<number>
  stats: Array<number>
}

/** An endpoint whose calls on inbound connections are recorded. */
const recorded = Effect.gen(function* () {
  const transport = yield* Transport
  const calls: Calls = { checkAlive: [], stats: [] }
  let made = 0
  const record = (connection: BackingConnection): BackingConnection => {
    const number = made++
    const { checkAlive, stats } = connection
    return Object.assign(connection, {
      checkAlive: () => {
        calls.checkAlive.push(number)
        checkAlive?.()
      },
      stats: (): ConnectionStats => {
        calls.stats.push(number)
        return stats()
      }
    })
  }
  const bind: Transport["Service"]["bind"] = (options, events) =>
    transport.bind(options, {
      onHandshake: events.onHandshake,
      onConnection: (connection) => events.onConnection(record(connection))
    })
  yield* Effect.provideService(
    endpoint(there, { maxConnectionsPerIp: 1_000 }),
    Transport,
    Transport.of({ ...transport, bind })
  )
  return calls
})

describe("a dial of a peer that has many connections", () => {
  it.effect("looks at no more than its 8 oldest", () =>
    Effect.gen(function* () {
      const calls = yield* recorded
      const stranger = yield* raw(here)
      for (let i = 0; i < 30; i++) yield* stranger.dial(there)
      yield* settle
      calls.checkAlive = []
      calls.stats = []
      yield* stranger.dial(there)
      yield* settle
      const oldest = Array.from({ length: 8 }, (_, i) => i)
      assert.deepStrictEqual([calls.checkAlive, calls.stats], [oldest, oldest])
    }).pipe(onNetwork)
  )
})
