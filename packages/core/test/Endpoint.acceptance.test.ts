/**
 * Connections whose peers have not accepted them yet: who waits for them, and what the application sees of them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { PeerPolicy } from "../src/PeerPolicy.ts"
import { countingDials, endpoint, kill, onNetwork, settle } from "./support/memoryEndpoints.ts"
import { bytes } from "./support/values.ts"

const here = "10.0.0.1:1"
const there = "10.0.0.2:2"

/** An endpoint that decides about the peers that dial it, in the order of their dials, as `answers` do. */
const deciding = (localAddress: string, answers: ReadonlyArray<Effect.Effect<boolean>>) => {
  let asked = 0
  return Effect.provideService(endpoint(localAddress), PeerPolicy, () => answers[asked++] ?? Effect.succeed(true))
}

const begin = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.tap(Effect.forkChild(effect, { startImmediately: true }), () => settle)

describe("connectTo", () => {
  it.effect("dials again when the connection that it waits for ends before its peer has accepted it", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const two = yield* deciding(there, [Effect.never])
        const one = yield* endpoint(here)
        const sending = yield* begin(Effect.flip(one.sendMessage(bytes("first"), there, { retryDuration: 0 })))
        const connecting = yield* begin(one.connectTo(there))
        assert.lengthOf(dials.peers, 1)
        yield* kill(here, there)
        yield* Fiber.join(sending)
        yield* TestClock.adjust("2 seconds")
        yield* settle
        assert.lengthOf(dials.peers, 2)
        assert.strictEqual((yield* Fiber.join(connecting)).peerId, two.peerId)
      })
    ).pipe(onNetwork)
  )

  it.effect("that is interrupted leaves the connection to others that wait for it", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const answer = yield* Deferred.make<boolean>()
        const two = yield* deciding(there, [Deferred.await(answer)])
        const one = yield* endpoint(here)
        const other = yield* deciding("10.0.0.3:3", [])
        const fibers = [yield* begin(one.connectTo(there)), yield* begin(one.connectTo(there))]
        const any = yield* one.connectToAny([there, "10.0.0.3:3"])
        assert.strictEqual(any.peerId, other.peerId)
        yield* settle
        yield* Fiber.interrupt(fibers[0]!)
        yield* settle
        yield* Deferred.succeed(answer, true)
        yield* settle
        assert.isDefined(fibers[1]!.pollUnsafe())
        const connection = yield* Fiber.join(fibers[1]!)
        assert.deepStrictEqual(dials.peers, [there, "10.0.0.3:3"])
        assert.strictEqual(connection.peerId, two.peerId)
        yield* connection.send(bytes("open"))
      })
    ).pipe(onNetwork)
  )

  it.effect("closes the connection when the last one that waits for it is interrupted", () =>
    Effect.gen(function* () {
      const two = yield* deciding(there, [Effect.never])
      const one = yield* endpoint(here)
      const fibers = [yield* begin(one.connectTo(there)), yield* begin(one.connectTo(there))]
      for (const fiber of fibers) yield* Fiber.interrupt(fiber)
      yield* settle
      // A new dial, about which the policy decides anew.
      assert.strictEqual((yield* one.connectTo(there)).peerId, two.peerId)
    }).pipe(onNetwork)
  )
})

describe("a connection beside one that the peer has not accepted", () => {
  /** Two connections with one address, dialled at once under different names of the peer. The peer accepts only the first. */
  const both = Effect.gen(function* () {
    const two = yield* deciding(there, [Effect.succeed(true), Effect.never])
    const one = yield* endpoint(here)
    const first = yield* Effect.forkChild(one.connectTo(there), { startImmediately: true })
    const second = yield* begin(one.connectTo(`${two.peerId}@${there}`))
    const accepted = yield* Fiber.join(first)
    assert.isUndefined(second.pollUnsafe())
    return { one, accepted }
  })

  it.effect("is in the list of connections", () =>
    Effect.gen(function* () {
      const { accepted, one } = yield* both
      assert.deepStrictEqual(yield* one.connections, [accepted])
    }).pipe(onNetwork)
  )

  it.effect("is the last one with its peer when it ends", () =>
    Effect.gen(function* () {
      const { accepted, one } = yield* both
      yield* accepted.close()
      assert.isTrue((yield* one.nextDisconnection).last)
    }).pipe(onNetwork)
  )
})
