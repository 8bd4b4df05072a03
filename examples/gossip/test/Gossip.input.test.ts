import { assert, describe, it } from "@effect/vitest"
import { Endpoint } from "@qp2p/core"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { hears, network, node, onNetwork, texts } from "./support.ts"

const gossipAt = "10.0.0.1:4433"
const localAddress = "10.0.0.2:4433"

const utf8 = (text: string) => new TextEncoder().encode(text)
const json = (value: unknown) => utf8(JSON.stringify(value))
const rumour = { id: "1", at: 0, text: "news" }
const tell = (...rumours: ReadonlyArray<unknown>) => json({ _tag: "Tell", rumours })

describe("a node does not mind", () => {
  it.effect.each<readonly [what: string, payload: Uint8Array]>([
    ["what is no text", Uint8Array.of(0xff, 0xfe, 0)],
    ["what is no JSON", utf8("{")],
    ["what is no message", json({ _tag: "Shout", rumours: [rumour] })],
    ["a rumour that says nothing", tell(rumour, { ...rumour, id: "2", text: "" })],
    ["a rumour that is too long", tell({ ...rumour, text: "x".repeat(1_001) })],
    ["a rumour without a time", tell({ ...rumour, at: null })],
    ["too many rumours", tell(...Array.from({ length: 101 }, (_, id) => ({ ...rumour, id: `${id}` })))],
    ["a digest that cannot be answered", json({ _tag: "Digest", ids: [] })],
    ["an answer to nothing", json({ _tag: "Answer", rumours: [rumour], wanted: [] })]
  ])("%s", ([, payload]) =>
    Effect.gen(function* () {
      const gossip = yield* node({ localAddress: gossipAt })
      const peer = yield* Endpoint.make({ localAddress })
      yield* peer.sendMessage(payload, gossipAt)
      yield* peer.sendMessage(tell({ ...rumour, id: "3", text: "the truth" }), gossipAt)
      yield* hears(gossip, "the truth")
      assert.deepStrictEqual(yield* texts(gossip), ["the truth"])
    }).pipe(onNetwork)
  )

  it.effect("a peer that never answers", () =>
    Effect.gen(function* () {
      const silent = yield* Endpoint.make({ localAddress })
      const third = yield* node({ localAddress: "10.0.0.3:4433", interval: "1 day" })
      const gossip = yield* node({ localAddress: gossipAt, contacts: ["10.0.0.2:4433", "10.0.0.3:4433"] })
      yield* third.publish("news")
      // 5 seconds and then 10 of patience with the first, 5 seconds more and the next one has its turn.
      yield* TestClock.adjust("20 seconds")
      yield* hears(gossip, "news")
      yield* silent.close
    }).pipe(onNetwork)
  )
})

describe("publish", () => {
  it.effect.each(["", "x".repeat(1_001)])("does not take what nobody would hear: %#", (text) =>
    Effect.gen(function* () {
      const gossip = yield* node({ localAddress: gossipAt })
      assert.isTrue(Schema.isSchemaError(yield* Effect.flip(gossip.publish(text))))
      assert.deepStrictEqual(yield* texts(gossip), [])
    }).pipe(onNetwork)
  )
})

it.effect("nodes remember the same rumours, the latest, however many there were at once", () =>
  Effect.gen(function* () {
    const { heal, partition } = yield* network
    const options = { capacity: 250, interval: "1 minute" } as const
    const ann = yield* node({ localAddress: gossipAt, ...options, interval: "1 day" })
    const bob = yield* node({ localAddress, contacts: [gossipAt], ...options })
    yield* partition(gossipAt, localAddress)
    for (let count = 1; count <= 300; count++) {
      yield* ann.publish(`${count}`)
      yield* TestClock.adjust("1 milli")
    }
    // Ann has given up by then, and Bob asks.
    yield* TestClock.adjust("5 minutes")
    assert.deepStrictEqual(yield* texts(bob), [])
    yield* heal
    const cid = yield* node({ localAddress: "10.0.0.3:4433", contacts: [gossipAt], ...options })
    yield* TestClock.adjust("10 minutes")
    const latest = Array.from({ length: 250 }, (_, index) => `${index + 51}`)
    for (const each of [ann, bob, cid]) assert.deepStrictEqual(yield* texts(each), latest)
  }).pipe(onNetwork)
)
