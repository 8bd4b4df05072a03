/**
 * `npm run isolated`: what one message costs in the library itself, with a transport that does nothing, next to a plain
 * promise around the same call of the transport. Everything between the two is Effect's and the endpoint's.
 */
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as WireMessage from "@qp2p/core/WireMessage"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Nowhere } from "../isolated/nowhere.ts"
import { type Spent, spentBy } from "../isolated/spent.ts"
import { summarize } from "../report/summary.ts"
import { number } from "../report/text.ts"

const count = 20_000
const rounds = 7
const payload = new Uint8Array(64)
const frame = WireMessage.encodeUser(payload)

const program = Effect.gen(function* () {
  const nowhere = new Nowhere()
  const layer = Layer.merge(nowhere.layer, PortMapper.layerNone)
  const endpoint = yield* Effect.provide(Endpoint.make({ localAddress: "127.0.0.1:1" }), layer)
  const { remoteAddress } = yield* endpoint.connectTo("127.0.0.1:2")
  const run = Effect.runPromiseWith(yield* Effect.context())

  const sendEach = (times: number) =>
    Effect.gen(function* () {
      for (let left = times; left > 0; left--) yield* endpoint.sendMessage(payload, remoteAddress)
    })
  /** `deliver` is called for so many at a time, and then waited for. */
  const receive = (times: number, atOnce: number, deliver: () => void) =>
    Effect.gen(function* () {
      const taking = yield* Effect.forkChild(Stream.runDrain(Stream.take(endpoint.incomingMessages, times)), {
        startImmediately: true
      })
      for (let left = times; left > 0; left -= atOnce) {
        for (let i = 0; i < atOnce; i++) deliver()
        yield* Effect.yieldNow
      }
      yield* Fiber.join(taking)
    })

  const works: { readonly [name: string]: (times: number) => Promise<void> } = {
    "a promise and an encoded frame": async (times) => {
      for (let left = times; left > 0; left--) {
        await new Promise<void>((resolve) => {
          WireMessage.encodeUser(payload)
          resolve()
        })
      }
    },
    "sendMessage, one after the other": (times) => run(sendEach(times)),
    "sendMessage, 32 fibers": (times) =>
      run(
        Effect.all(
          Array.from({ length: 32 }, () => sendEach(times / 32)),
          { concurrency: "unbounded", discard: true }
        )
      ),
    "a message received, one at a time": (times) => run(receive(times, 1, () => nowhere.deliver(frame))),
    "a message received, 100 at a time": (times) => run(receive(times, 100, () => nowhere.deliver(frame)))
  }

  const samples = new Map<string, Array<Spent>>(Object.keys(works).map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, work] of Object.entries(works)) {
      samples.get(name)?.push(yield* Effect.promise(() => spentBy(count, work)))
    }
  }
  return samples
})

const samples = await Effect.runPromise(Effect.scoped(program))
const rows = [...samples].map(([name, spent]) => {
  const of = (pick: (spent: Spent) => number | undefined) =>
    number(summarize(spent.map(pick).filter((value) => value !== undefined)).middle)
  return [
    name,
    { ns: of(({ nanoseconds }) => nanoseconds), bytes: of(({ bytes }) => bytes), fibers: of(({ fibers }) => fibers) }
  ]
})
console.log("for each message of 64 bytes, medians:")
console.table(Object.fromEntries(rows))
process.exit(0)
