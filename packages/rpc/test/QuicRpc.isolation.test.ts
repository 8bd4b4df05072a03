/** Calls side by side: none holds back another, whatever the length of their requests and answers. */
import { assert, describe, it } from "@effect/vitest"
import * as MemoryNetwork from "@qp2p/testkit/MemoryNetwork"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as office from "./support/office.ts"
import * as places from "./support/places.ts"

/** 50 Mbit/s and 10 ms each way. */
const slowPath = Effect.gen(function* () {
  const network = yield* MemoryNetwork.MemoryNetwork
  yield* network.setLatency("10 millis")
  yield* network.setBandwidth(6_250_000)
})

/** Moves the clock until a fiber has ended. */
const passTimeFor = <A, E>(fiber: Fiber.Fiber<A, E>) =>
  Effect.gen(function* () {
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("5 millis")
    return yield* Fiber.join(fiber)
  })

/** The longest of some short calls, one after the other, in milliseconds of the network. */
const longestEcho = (client: office.Client, count: number) =>
  Effect.gen(function* () {
    let longest = 0
    for (let call = 0; call < count; call++) {
      const begun = yield* Clock.currentTimeMillis
      yield* client.Echo({ text: `${call}` })
      longest = Math.max(longest, (yield* Clock.currentTimeMillis) - begun)
    }
    return longest
  })

/** It takes two thirds of a second on the slow path. */
const long = 4 << 20

describe("short calls", () => {
  for (const [title, warmUp] of [
    ["on a stream of its own from the start", false],
    ["that moves from the shared stream to one of its own", true]
  ] as const) {
    it.effect(`are not held back by a long answer ${title}`, () =>
      Effect.gen(function* () {
        const { one, two } = yield* places.Pair
        yield* office.serve(two)
        const client = yield* office.client(one, two.peerAddress)
        yield* client.Echo({ text: "" })
        if (warmUp) yield* client.Long({ length: 3 })
        yield* slowPath
        const call = yield* Effect.forkChild(client.Long({ length: long }))
        yield* TestClock.adjust("100 millis")
        const longest = yield* passTimeFor(yield* Effect.forkChild(longestEcho(client, 10)))
        assert.isUndefined(call.pollUnsafe())
        // Two ways of 10 ms, and what is in flight before them: 256 KiB take 42 ms.
        assert.isBelow(longest, 100)
        assert.lengthOf(yield* passTimeFor(call), long)
      }).pipe(office.onNetwork)
    )
  }

  it.effect("are not held back by a long request", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      yield* office.serve(two)
      const client = yield* office.client(one, two.peerAddress)
      yield* client.Echo({ text: "" })
      yield* slowPath
      const text = "z".repeat(long)
      const call = yield* Effect.forkChild(client.Echo({ text }))
      yield* TestClock.adjust("100 millis")
      const longest = yield* passTimeFor(yield* Effect.forkChild(longestEcho(client, 10)))
      assert.isUndefined(call.pollUnsafe())
      assert.isBelow(longest, 150)
      assert.isTrue((yield* passTimeFor(call)) === text)
    }).pipe(office.onNetwork)
  )

  it.effect("and other streams are not held back by a stream that is not read", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two)
      const client = yield* office.client(one, two.peerAddress)
      const stuck = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkChild(client.Pour().pipe(Stream.runForEach(() => Effect.never)))
      )
      yield* office.until(() => running.watch.running === 3)
      yield* office.turns(2_000)
      const { made } = running.watch
      yield* office.turns(2_000)
      // Flow control has stopped the handlers.
      assert.strictEqual(running.watch.made, made)
      const numbers = yield* Stream.runCollect(Stream.take(client.Count(), 1_000))
      assert.lengthOf(numbers, 1_000)
      assert.strictEqual(yield* client.Echo({ text: "through" }), "through")
      yield* Fiber.interruptAll(stuck)
    }).pipe(office.onNetwork)
  )

  it.effect("of more than one shared stream takes at once wait for nothing but each other", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two)
      const client = yield* office.client(one, two.peerAddress)
      yield* client.Echo({ text: "" })
      const answers = yield* Effect.forEach(
        Array.from({ length: 3_000 }, (_, index) => `${index}`),
        (text) => client.Echo({ text }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        answers,
        Array.from({ length: 3_000 }, (_, index) => `${index}`)
      )
      yield* office.until(() => running.held().calls === 0)
      assert.isAtMost(running.held().streams, 4)
    }).pipe(office.onNetwork)
  )
})

describe("an answer", () => {
  it.effect("of 16 MiB less its frame arrives whole, and a longer one fails its call alone", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      yield* office.serve(two)
      const client = yield* office.client(one, two.peerAddress)
      const length = (16 << 20) - 100
      assert.lengthOf(yield* client.Long({ length }), length)
      const held = yield* Effect.forkChild(Stream.runDrain(client.Count()))
      const failed = yield* Effect.flip(client.Long({ length: 16 << 20 }))
      assert.strictEqual(failed._tag, "RpcClientError")
      assert.include(failed.message, "too long")
      assert.isUndefined(held.pollUnsafe())
      assert.strictEqual(yield* client.Echo({ text: "on" }), "on")
      yield* Fiber.interrupt(held)
    }).pipe(office.onNetwork)
  )

  it.effect("in parts moves from the shared stream, when the answer before it was short", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two)
      const client = yield* office.client(one, two.peerAddress)
      assert.lengthOf(yield* Stream.runCollect(client.UpTo({ count: 0 })), 0)
      for (let time = 0; time < 2; time++) {
        const numbers = yield* Stream.runCollect(client.UpTo({ count: 5_000 }))
        assert.strictEqual(numbers.at(-1), 5_000)
        assert.lengthOf(numbers, 5_000)
      }
      yield* office.until(() => running.held().calls === 0)
      assert.deepStrictEqual({ ...running.held(), streams: 0 }, { ...office.nothing, peers: 1, connections: 1 })
    }).pipe(office.onNetwork)
  )
})
