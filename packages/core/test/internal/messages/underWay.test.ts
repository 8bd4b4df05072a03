import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type Place, UnderWay } from "../../../src/internal/messages/underWay.ts"
import type { PeerId } from "../../../src/PeerId.ts"
import { settle } from "../../support/memoryEndpoints.ts"

const [ann, bob] = ["ann" as PeerId, "bob" as PeerId]

/** Places under a limit, each of which runs until it is told to end. */
const setup = (limit: number) => {
  const underWay = new UnderWay(limit)
  const running: Array<string> = []
  /** Goes to `name`, where `found` answers. */
  const go = Effect.fnUntraced(function* (what: string, name: string, found: PeerId, known?: PeerId) {
    const ending = yield* Deferred.make<void>()
    const use = (place: Place): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (!place.isOf(found)) return Effect.andThen(place.wait, use(place))
        running.push(what)
        return Deferred.await(ending)
      })
    const fiber = yield* Effect.forkChild(underWay.within(name, known, use))
    yield* settle
    const end = Effect.andThen(Deferred.succeed(ending, undefined), settle)
    return { fiber, end }
  })
  return { go, running, underWay }
}

describe("what is under way", () => {
  it.effect("is limited for a peer, whatever it is called, and goes on in its order", () =>
    Effect.gen(function* () {
      const { go, running, underWay } = setup(2)
      const first = yield* go("by address", "10.0.0.1:1", ann)
      const second = yield* go("by key", ann, ann, ann)
      const third = yield* go("by address again", "10.0.0.1:1", ann)
      const fourth = yield* go("by name", "ann.example:1", ann)
      const fifth = yield* go("by key again", ann, ann, ann)
      yield* go("another", "10.0.0.2:2", bob)
      assert.deepStrictEqual(running, ["by address", "by key", "another"])
      yield* first.end
      yield* second.end
      assert.deepStrictEqual(running.slice(3), ["by address again", "by name"])
      yield* third.end
      assert.deepStrictEqual(running.slice(5), ["by key again"])
      yield* fourth.end
      yield* fifth.end
      // The other peer, and its address.
      assert.strictEqual(underWay.size, 2)
    })
  )

  it.effect("of another peer that answers at an address is its own", () =>
    Effect.gen(function* () {
      const { go, running, underWay } = setup(1)
      const first = yield* go("ann", "10.0.0.1:1", ann)
      // Waits for the first, since the address is ann's as far as is known.
      const second = yield* go("bob", "10.0.0.1:1", bob)
      const third = yield* go("bob by key", bob, bob, bob)
      assert.deepStrictEqual(running, ["ann", "bob by key"])
      yield* first.end
      assert.deepStrictEqual(running, ["ann", "bob by key"])
      yield* third.end
      assert.deepStrictEqual(running, ["ann", "bob by key", "bob"])
      yield* second.end
      assert.strictEqual(underWay.size, 0)
    })
  )

  it.effect("leaves nothing behind, wherever it is interrupted", () =>
    Effect.gen(function* () {
      const { go, running, underWay } = setup(1)
      const first = yield* go("first", ann, ann, ann)
      const waiting = yield* go("waits", "10.0.0.1:1", ann)
      const another = yield* go("waits as well", ann, ann, ann)
      yield* Fiber.interrupt(waiting.fiber)
      yield* Fiber.interrupt(another.fiber)
      const last = yield* go("last", "10.0.0.1:1", ann)
      assert.deepStrictEqual(running, ["first"])
      yield* Fiber.interrupt(first.fiber)
      yield* settle
      assert.deepStrictEqual(running, ["first", "last"])
      yield* last.end
      assert.strictEqual(underWay.size, 0)
    })
  )
})
